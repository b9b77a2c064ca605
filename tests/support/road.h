/* SPDX-License-Identifier: MIT */
/*
 * One client's way to its pages in a daemon: a connection of libtmem, by its
 * public functions only. Cases name pools by the daemon's numbers, libtmem by
 * handles: the numbers are learnt from the control socket, and a number that
 * no handle stands for goes by way of a stranger.
 *
 * Any thread may call.
 */
#ifndef TESTS_ROAD_H
#define TESTS_ROAD_H

#include <stdbool.h>
#include <stdint.h>
#include <tmem/engine.h>

#include "control.h"
#include "rig.h"

struct road;

/*
 * @socket: of the client @name. Nothing is connected before it is needed.
 * @async: operations are submitted and reaped, from memory that is shared
 * with the daemon.
 */
struct road *road_create(struct control *control, const char *name, const char *socket, bool async);
/* Its client may be gone already. */
void road_destroy(struct road *road);

/* As tmem_client_session(). */
int road_session(struct road *road, uint64_t nonce);
/* As tmem_pool_create() and tmem_pool_destroy(). */
int road_pool_create(struct road *road, const struct tmem_pool_config *config);
int road_pool_destroy(struct road *road, uint32_t pool);
/* As the engine's call for that enum tmem_op_code. */
int road_call(struct road *road, uint32_t code, const struct tmem_handle *handle, uint64_t count,
	      void *page);
/* As tmem_batch(). */
void road_batch(struct road *road, struct tmem_op *ops, uint32_t count);

/* As lose_reply() and bad_address() of rig.h. */
void road_lose_reply(struct road *road, enum rig_loss loss, uint32_t code,
		     const struct tmem_handle *handle, void *page);
int road_bad_address(struct road *road, uint32_t code, const struct tmem_handle *handle);

/* A page that the daemon itself reads and writes; until the next session. */
void *road_page_alloc(struct road *road);

#endif
