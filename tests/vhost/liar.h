/* SPDX-License-Identifier: MIT */
/*
 * What the lying tests share: a liar, an honest guest beside it, and the
 * verdict. The session must end with exactly the named error, and the honest
 * guest must go on, its disk untouched.
 */
#ifndef TEST_VHOST_LIAR_H
#define TEST_VHOST_LIAR_H

#include "frontend.h"
#include "harness.h"

struct liar {
	struct harness *harness;
	struct guest *guest;
	struct guest *witness;
	struct frontend fe;
	struct frontend honest;
};

/* Of cmocka. */
int liar_set_up(void **state);
int liar_tear_down(void **state);

/* Connects and negotiates; and all the rest of a handshake. */
void liar_connect(struct liar *world);
void liar_up(struct liar *world);

/* The session is over for this reason and no other; the witness noticed nothing. */
void liar_expect(struct liar *world, enum guest_error error);

#define LIAR_CASE(name) cmocka_unit_test_setup_teardown(name, liar_set_up, liar_tear_down)

#endif
