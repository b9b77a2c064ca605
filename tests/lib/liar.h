/* SPDX-License-Identifier: MIT */
/*
 * The other side of a socket, for what tmemd never does: a tmem device in a
 * thread of the test, honest over an engine of its own until it is told to
 * lie. Written apart from the daemon, so that neither excuses the other.
 */
#ifndef TEST_LIB_LIAR_H
#define TEST_LIB_LIAR_H

#include <stdbool.h>
#include <stdint.h>

/* Where to lie: in what is said on the socket, in HELLO, in answers to operations. */
#define LIES(X)                                                                            \
	X(none, "nothing")                                                                 \
	X(silent_socket, "takes the connection and says nothing")                          \
	X(hangs_up, "takes the connection and hangs up")                                   \
	X(garbage_socket, "answers the first question with garbage")                       \
	X(half_message, "answers the first question with half a header, and hangs up")     \
	X(no_features, "offers no features")                                               \
	X(one_queue, "has one queue")                                                      \
	X(hello_refused, "refuses HELLO")                                                  \
	X(hello_version, "speaks a version that nobody asked for")                         \
	X(hello_batch, "grants batches of no page")                                        \
	X(hello_session, "has a session that is neither new nor old")                      \
	X(pool_number, "gives a pool a number beyond all numbers")                         \
	X(pool_refused, "makes no pool whose cookie is 77")                                \
	X(no_room, "stores nothing")                                                       \
	X(length_zero, "answers with no bytes")                                            \
	X(length_short, "answers with a status and leaves out the results")                \
	X(length_long, "answers with more bytes than were asked for")                      \
	X(length_huge, "answers with 2^32 - 1 bytes")                                      \
	X(status_positive, "answers with a status above 0")                                \
	X(status_wild, "answers with status -2^31")                                        \
	X(result_positive, "answers with a result above 1")                                \
	X(result_wild, "answers with result -2^31")                                        \
	X(result_waits, "answers with the result that stands for no answer")               \
	X(head_wild, "answers descriptor 2^32 - 1")                                        \
	X(head_between, "answers a descriptor that begins nothing")                        \
	X(head_idle, "answers a request that was not made")                                \
	X(head_twice, "answers each request twice")                                        \
	X(index_runs, "moves the used index on by 1000")                                   \
	X(index_back, "moves the used index back by one")                                  \
	X(never, "never answers")                                                          \
	X(ends_in_batch, "hangs up in the middle of a batch, each time")                   \
	X(ends_once, "hangs up in the middle of a batch, once, and has forgotten nothing") \
	X(talks, "says something on the socket that was not asked")                        \
	X(scribbles, "overwrites all of the shared memory after each answer")              \
	X(news_wild, "sends news with lengths and heads of its own")                       \
	X(no_event_idx, "does not know event indexes")                                     \
	X(no_indirect, "does not know indirect descriptors")

enum lie {
#define LIE_ID_(name, text) LIE_##name,
	LIES(LIE_ID_)
#undef LIE_ID_
		LIE_COUNT
};

struct liar;

const char *liar_name(enum lie lie);

/* Listens at @path; aborts where it cannot. */
struct liar *liar_start(const char *path);
void liar_stop(struct liar *liar);

/* From the next message or answer on. */
void liar_tell(struct liar *liar, enum lie lie);

/* All that is stored is forgotten, as by a daemon that died; the next HELLO has another epoch. */
void liar_forget(struct liar *liar);

/* Ends the connection there is. */
void liar_hang_up(struct liar *liar);

#endif
