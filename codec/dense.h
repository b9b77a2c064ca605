/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The dense codec of hosts that have libzstd: for pages that nobody wants
 * soon, recoded in the background. Pages of one family (one client's, of one
 * kind) may be alike, so each family has dictionaries of its own, trained on
 * its own pages and freed with it: never does one client's page shape another
 * client's bytes.
 */
#ifndef TMEM_DENSE_H
#define TMEM_DENSE_H

#include <tmem/host.h>

struct tmem_dense;

/* For an engine of @workers workers. 0 or -TMEM_ENOMEM. */
TMEM_MUST_CHECK int tmem_dense_create(uint32_t workers, struct tmem_dense **dense);

/* After the engine that it was given to. */
void tmem_dense_destroy(struct tmem_dense *dense);

/* To be handed to one engine; lives as long as @dense. */
const struct tmem_codec *tmem_dense_codec(struct tmem_dense *dense);

/*
 * Training is long, a tenth of a second, so it is the host's to say when and
 * in which thread: recoding only collects pages, and goes on meanwhile. 1: a
 * dictionary was trained, or found not to be worth having; 0: there are not
 * enough pages for one. Beside any other call but tmem_dense_destroy() and
 * itself.
 */
int tmem_dense_train(struct tmem_dense *dense);

/*
 * What was trained is used from now on, and the memory of its samples free; recoding does so
 * by itself with the next page. By who recodes, or destroys clients.
 */
void tmem_dense_adopt(struct tmem_dense *dense);

/* Whether tmem_dense_train() would do something. */
int tmem_dense_wants_training(const struct tmem_dense *dense);

struct tmem_dense_figures {
	uint32_t dictionaries; /* in use */
	uint32_t rejected;     /* that could not be trained, or saved too little */
	uint64_t bytes;	       /* of memory that the codec has: contexts, dictionaries, samples */
};

void tmem_dense_figures(const struct tmem_dense *dense, struct tmem_dense_figures *figures);

#endif
