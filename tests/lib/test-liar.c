// SPDX-License-Identifier: MIT
/*
 * What a broken or hostile daemon can do to a program: nothing but errors.
 * Each lie of liar.h in turn; afterwards the same daemon is honest again, and
 * the same connection works again.
 */
#include "liar.h"
#include "page.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <tmem/tmem.h>
#include <unistd.h>

#define PAGES 200u

static char path[64];
static struct liar *liar;
static const struct tmem_options quick = {.size = sizeof(quick), .timeout_ms = 500, .away_ms = 100};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int start(void **state)
{
	snprintf(path, sizeof(path), "/tmp/tmem-liar-%d.sock", (int)getpid());
	liar = liar_start(path);
	return 0;
}

static int stop(void **state)
{
	liar_stop(liar);
	unlink(path);
	return 0;
}

static struct tmem *join(void)
{
	struct tmem *tmem = NULL;
	int error = tmem_connect(path, &quick, &tmem);

	if (error)
		print_error("%s\n", tmem_last_error(NULL));
	assert_int_equal(error, 0);
	return tmem;
}

/* A call that lies cannot hold for longer than a few time limits. */
static void check_bound(uint64_t before)
{
	assert_true(now_ms() - before < 10000);
}

static void lies_in_the_handshake(void **state)
{
	static const struct {
		enum lie lie;
		int result;
	} cases[] = {
		{LIE_silent_socket, -TMEM_ETIMEDOUT}, {LIE_hangs_up, -TMEM_ENOTCONN},
		{LIE_garbage_socket, -TMEM_EPROTO},   {LIE_half_message, -TMEM_ENOTCONN},
		{LIE_no_features, -TMEM_EPROTO},      {LIE_one_queue, -TMEM_EPROTO},
		{LIE_hello_refused, -TMEM_EACCES},    {LIE_hello_version, -TMEM_EPROTO},
		{LIE_hello_batch, -TMEM_EPROTO},      {LIE_hello_session, -TMEM_EPROTO},
	};
	struct tmem *tmem = NULL;
	uint64_t before;
	size_t i;
	int error;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		liar_tell(liar, cases[i].lie);
		before = now_ms();
		error = tmem_connect(path, &quick, &tmem);
		if (error != cases[i].result)
			print_error("%s: %d\n", liar_name(cases[i].lie), error);
		/* What holds the socket open is known as a daemon that is away at the second look. */
		if (error != -TMEM_ENOTCONN || cases[i].result != -TMEM_ETIMEDOUT)
			assert_int_equal(error, cases[i].result);
		assert_true(strlen(tmem_last_error(NULL)) > 20);
		check_bound(before);
		liar_tell(liar, LIE_none);
		liar_hang_up(liar);
	}
	/* The control: without a lie there is a connection. */
	tmem_disconnect(join());
}

static void fill(struct tmem_io *io, uint32_t code, struct tmem_pool *pool, uint8_t *pages)
{
	uint32_t i;

	memset(io, 0, PAGES * sizeof(*io));
	for (i = 0; i < PAGES; i++) {
		io[i].code = code;
		io[i].pool = pool;
		/* Runs and lists. */
		io[i].object.word[0] = i < 100 ? 1 : i;
		io[i].index = i;
		io[i].page = code == TMEM_IO_FLUSH ? NULL : pages + i * 4096;
		if (code == TMEM_IO_PUT)
			page_fill(io[i].page, page_tag(PAGE_ANY, i));
	}
}

/* Puts and gets a few hundred pages; true: all as it should be. */
static bool works(struct tmem *tmem, struct tmem_pool *pool)
{
	static struct tmem_io io[PAGES];
	static uint8_t pages[PAGES * 4096];
	uint32_t i;

	fill(io, TMEM_IO_PUT, pool, pages);
	if (tmem_batch_run(tmem, io, PAGES))
		return false;
	memset(pages, 0, sizeof(pages));
	fill(io, TMEM_IO_GET, pool, pages);
	if (tmem_batch_run(tmem, io, PAGES))
		return false;
	for (i = 0; i < PAGES; i++) {
		if (!page_holds(pages + i * 4096, page_tag(PAGE_ANY, i)))
			return false;
	}
	return true;
}

static void lies_in_answers(void **state)
{
	static struct tmem_io io[PAGES];
	static uint8_t pages[PAGES * 4096];
	struct tmem *tmem = join();
	struct tmem_pool *pool;
	uint64_t before;
	enum lie lie;
	uint32_t i;
	int failed;

	assert_int_equal(tmem_pool_open(tmem, NULL, &pool), 0);
	assert_true(works(tmem, pool));
	for (lie = LIE_pool_number; lie <= LIE_scribbles; lie++) {
		if (lie == LIE_ends_once || lie == LIE_pool_refused || lie == LIE_no_room)
			continue;
		liar_tell(liar, lie);
		before = now_ms();
		fill(io, TMEM_IO_PUT, pool, pages);
		failed = tmem_batch_run(tmem, io, PAGES);
		for (i = 0; i < PAGES; i++) {
			if (io[i].result == -TMEM_EWAITS || io[i].result > 0)
				fail_msg("%s: result %d", liar_name(lie), io[i].result);
		}
		/* A number that the daemon gives to a pool is its own affair until the next link. */
		if (lie != LIE_pool_number && lie != LIE_talks && lie != LIE_scribbles && !failed)
			fail_msg("%s: nobody noticed", liar_name(lie));
		fill(io, TMEM_IO_GET, pool, pages);
		(void)tmem_batch_run(tmem, io, PAGES);
		fill(io, TMEM_IO_FLUSH, pool, pages);
		(void)tmem_batch_run(tmem, io, PAGES);
		check_bound(before);
		liar_tell(liar, LIE_none);
		liar_hang_up(liar);
		usleep(120000); /* until the daemon is looked for again */
		if (!works(tmem, pool))
			fail_msg("%s: does not work afterwards: %s", liar_name(lie),
				 tmem_last_error(tmem));
	}
	tmem_disconnect(tmem);
}

static void lies_about_news(void **state)
{
	struct tmem_news news = {.size = sizeof(news)};
	struct tmem *tmem = join();
	struct tmem_pool *pool;
	uint32_t i;

	assert_int_equal(tmem_pool_open(tmem, NULL, &pool), 0);
	for (i = 0; i < 50; i++) {
		liar_tell(liar, LIE_news_wild);
		(void)works(tmem, pool);
		(void)tmem_news_read(tmem, &news);
		liar_hang_up(liar);
	}
	liar_tell(liar, LIE_none);
	usleep(120000);
	assert_true(works(tmem, pool));
	tmem_disconnect(tmem);
}

static void devices_that_know_less(void **state)
{
	static const enum lie less[] = {LIE_no_event_idx, LIE_no_indirect};
	struct tmem_pool *pool;
	struct tmem *tmem;
	uint32_t i;

	for (i = 0; i < 2; i++) {
		liar_tell(liar, less[i]);
		tmem = join();
		assert_int_equal(tmem_pool_open(tmem, NULL, &pool), 0);
		assert_true(works(tmem, pool));
		tmem_disconnect(tmem);
	}
	liar_tell(liar, LIE_none);
}

static void what_was_not_answered_is_asked_again(void **state)
{
	struct tmem *tmem = join();
	struct tmem_pool_options options = {.size = sizeof(options), .flags = TMEM_POOL_PERSISTENT};
	struct tmem_pool *pool;
	uint32_t i;

	assert_int_equal(tmem_pool_open(tmem, &options, &pool), 0);
	for (i = 0; i < 20; i++) {
		liar_tell(liar, LIE_ends_once);
		assert_true(works(tmem, pool));
	}
	assert_int_equal(tmem_pool_losses(pool), 0);
	liar_tell(liar, LIE_none);
	tmem_disconnect(tmem);
}

static void submitted_batches_go_over_the_next_link(void **state)
{
	enum { BATCHES = 100 };
	static struct tmem_io io[BATCHES];
	static uint8_t pages[BATCHES][4096];
	struct tmem *tmem = join();
	struct pollfd fd = {.fd = tmem_batch_fd(tmem), .events = POLLIN};
	struct tmem_pool *pool;
	void *tags[BATCHES];
	uint32_t i, code, done;
	int got, k;

	assert_int_equal(tmem_pool_open(tmem, NULL, &pool), 0);
	for (code = TMEM_IO_PUT; code <= TMEM_IO_GET; code++) {
		/* A get that was answered to nobody has taken its page out: those end with the puts. */
		liar_tell(liar, code == TMEM_IO_PUT ? LIE_ends_once : LIE_none);
		for (i = 0; i < BATCHES; i++) {
			io[i] = (struct tmem_io){
				.code = code, .pool = pool, .index = i, .page = pages[i]};
			if (code == TMEM_IO_PUT)
				page_fill(pages[i], page_tag(PAGE_ANY, i));
			else
				memset(pages[i], 0xee, 4096);
			assert_int_equal(tmem_batch_submit(tmem, &io[i], 1, &io[i]), 0);
		}
		for (done = 0; done < BATCHES; done += (uint32_t)got) {
			assert_int_equal(poll(&fd, 1, 3000), 1);
			got = tmem_batch_reap(tmem, tags, BATCHES);
			assert_true(got >= 0);
			for (k = 0; k < got; k++)
				assert_ptr_equal(tags[k], &io[done + (uint32_t)k]);
		}
		for (i = 0; i < BATCHES; i++) {
			assert_int_equal(io[i].result, 0);
			assert_true(page_holds(pages[i], page_tag(PAGE_ANY, i)));
		}
	}
	/* Given up by the end of the connection, while nobody answers. */
	liar_tell(liar, LIE_never);
	assert_int_equal(tmem_batch_submit(tmem, io, BATCHES, NULL), 0);
	assert_int_equal(tmem_batch_wait(tmem, 20), 0);
	tmem_disconnect(tmem);
	assert_int_equal(io[0].result, -TMEM_ENOTCONN);
	liar_tell(liar, LIE_none);
}

static void a_batch_that_nobody_answers_ends_in_time(void **state)
{
	struct tmem_io io = {.code = TMEM_IO_FLUSH};
	struct tmem *tmem = join();
	struct tmem_pool *pool;
	uint64_t before;
	void *tag;

	assert_int_equal(tmem_pool_open(tmem, NULL, &pool), 0);
	io.pool = pool;
	liar_tell(liar, LIE_never);
	assert_int_equal(tmem_batch_submit(tmem, &io, 1, &io), 0);
	before = now_ms();
	assert_int_equal(tmem_batch_wait(tmem, 20000), 1);
	assert_true(now_ms() - before >= 490 && now_ms() - before < 10000);
	assert_int_equal(tmem_batch_reap(tmem, &tag, 1), 1);
	assert_int_equal(io.result, -TMEM_ETIMEDOUT);
	liar_tell(liar, LIE_none);
	liar_hang_up(liar);
	tmem_disconnect(tmem);
}

static void a_put_that_failed_uncovers_no_older_page(void **state)
{
	static const struct tmem_object_id object = {{1, 2, 3}};
	struct tmem_pool_options options = {.size = sizeof(options), .flags = TMEM_POOL_PERSISTENT};
	struct tmem *tmem = join();
	struct tmem_pool *pools[2];
	uint8_t page[4096];
	uint32_t i, j;

	assert_int_equal(tmem_pool_open(tmem, NULL, &pools[0]), 0);
	assert_int_equal(tmem_pool_open(tmem, &options, &pools[1]), 0);
	for (i = 0; i < 2; i++) {
		for (j = 0; j < 10; j++) {
			page_fill(page, page_tag(PAGE_ANY, j));
			assert_int_equal(tmem_page_put(pools[i], &object, j, page), 0);
		}
	}
	/* Nobody answers, then nobody is there: both are puts that failed. */
	liar_tell(liar, LIE_silent_socket);
	liar_hang_up(liar);
	page_fill(page, page_tag(PAGE_ANY, 100));
	for (i = 0; i < 2; i++) {
		assert_true(tmem_page_put(pools[i], &object, 3, page) < 0);
		assert_true(tmem_page_put(pools[i], &object, 4, page) < 0);
		assert_true(tmem_page_flush(pools[i], &object, 5) < 0);
		assert_true(tmem_range_flush(pools[i], &object, 8, 100) < 0);
	}
	liar_tell(liar, LIE_none);
	liar_hang_up(liar);
	usleep(120000);
	for (i = 0; i < 2; i++) {
		for (j = 0; j < 10; j++) {
			int result = tmem_page_get(pools[i], &object, j, page);
			bool gone = (j >= 3 && j <= 5) || j >= 8;

			assert_int_equal(result, gone ? -TMEM_ENOENT : 0);
			assert_true(gone || page_holds(page, page_tag(PAGE_ANY, j)));
		}
		assert_int_equal(tmem_pool_losses(pools[i]), 0);
	}
	tmem_disconnect(tmem);
}

static void more_failed_puts_than_are_remembered(void **state)
{
	static const struct tmem_object_id object = {{1, 2, 3}};
	struct tmem_pool_options options = {.size = sizeof(options), .flags = TMEM_POOL_PERSISTENT};
	struct tmem *tmem = join();
	struct tmem_pool *pools[2];
	uint8_t page[4096];
	uint32_t i;

	assert_int_equal(tmem_pool_open(tmem, NULL, &pools[0]), 0);
	assert_int_equal(tmem_pool_open(tmem, &options, &pools[1]), 0);
	page_fill(page, page_tag(PAGE_ANY, 1));
	for (i = 0; i < 2; i++)
		assert_int_equal(tmem_page_put(pools[i], &object, 0, page), 0);
	liar_tell(liar, LIE_hangs_up);
	liar_hang_up(liar);
	for (i = 0; i < 10000; i++)
		assert_true(tmem_page_put(pools[i & 1], &object, i, page) < 0);
	liar_tell(liar, LIE_none);
	usleep(120000);
	/* Emptied as wholes: a cache misses, a store has lost, and both can go on. */
	assert_int_equal(tmem_page_get(pools[0], &object, 0, page), -TMEM_ENOENT);
	assert_int_equal(tmem_page_get(pools[1], &object, 0, page), -TMEM_EIO);
	assert_int_equal(tmem_pool_losses(pools[1]), 1);
	tmem_pool_accept_loss(pools[1]);
	assert_int_equal(tmem_page_get(pools[1], &object, 0, page), -TMEM_ENOENT);
	assert_true(works(tmem, pools[0]));
	assert_true(works(tmem, pools[1]));
	tmem_disconnect(tmem);
}

static void a_daemon_that_forgot_has_lost_and_missed(void **state)
{
	static const struct tmem_object_id object = {{1, 2, 3}};
	struct tmem_pool_options options = {.size = sizeof(options), .flags = TMEM_POOL_PERSISTENT};
	struct tmem *tmem = join();
	struct tmem_pool *pools[2];
	uint8_t page[4096];
	uint32_t i;

	assert_int_equal(tmem_pool_open(tmem, NULL, &pools[0]), 0);
	assert_int_equal(tmem_pool_open(tmem, &options, &pools[1]), 0);
	page_fill(page, page_tag(PAGE_ANY, 1));
	for (i = 0; i < 2; i++)
		assert_int_equal(tmem_page_put(pools[i], &object, 0, page), 0);
	liar_forget(liar);
	liar_hang_up(liar);
	assert_int_equal(tmem_page_get(pools[0], &object, 0, page), -TMEM_ENOENT);
	assert_int_equal(tmem_page_get(pools[1], &object, 0, page), -TMEM_EIO);
	/* What is put anew is there. */
	assert_int_equal(tmem_page_put(pools[1], &object, 0, page), 0);
	assert_int_equal(tmem_page_get(pools[1], &object, 0, page), 0);
	assert_int_equal(tmem_page_get(pools[1], &object, 1, page), -TMEM_EIO);
	tmem_disconnect(tmem);
}

static void a_pool_that_is_not_made_again_takes_no_other_along(void **state)
{
	static const struct tmem_object_id object = {{1, 2, 3}};
	struct tmem_pool_options options = {
		.size = sizeof(options), .flags = TMEM_POOL_PERSISTENT, .cookie = 77};
	struct tmem *tmem = join();
	struct tmem_pool *pools[2];
	uint8_t page[4096];

	assert_int_equal(tmem_pool_open(tmem, &options, &pools[0]), 0);
	options.cookie = 78;
	assert_int_equal(tmem_pool_open(tmem, &options, &pools[1]), 0);
	liar_tell(liar, LIE_pool_refused);
	liar_forget(liar);
	liar_hang_up(liar);
	/* The second one has the number now that the first one had. */
	page_fill(page, page_tag(PAGE_ANY, 1));
	assert_int_equal(tmem_page_put(pools[1], &object, 0, page), 0);
	assert_int_equal(tmem_page_put(pools[0], &object, 0, page), -TMEM_EACCES);
	assert_int_equal(tmem_pool_close(pools[0]), 0);
	assert_int_equal(tmem_page_get(pools[1], &object, 0, page), 0);
	liar_tell(liar, LIE_none);
	tmem_disconnect(tmem);
}

static void a_sentence_is_about_the_last_failure(void **state)
{
	static const struct tmem_object_id object = {{1, 2, 3}};
	struct tmem *tmem = join();
	struct tmem_pool *pool;
	uint8_t page[4096] = {1};

	assert_string_equal(tmem_last_error(tmem), "");
	assert_int_equal(tmem_pool_open(tmem, NULL, &pool), 0);
	assert_null(tmem_buffer_alloc(tmem, 100000));
	assert_non_null(strstr(tmem_last_error(tmem), "buffer_bytes"));
	/* The same code for another reason. */
	liar_tell(liar, LIE_no_room);
	assert_int_equal(tmem_page_put(pool, &object, 0, page), -TMEM_ENOMEM);
	assert_null(strstr(tmem_last_error(tmem), "buffer_bytes"));
	assert_non_null(strstr(tmem_last_error(tmem), "host"));
	/* A miss is no failure. */
	assert_int_equal(tmem_page_get(pool, &object, 9, page), -TMEM_ENOENT);
	assert_non_null(strstr(tmem_last_error(tmem), "host"));
	liar_tell(liar, LIE_hangs_up);
	liar_hang_up(liar);
	assert_int_equal(tmem_page_put(pool, &object, 0, page), -TMEM_ENOTCONN);
	assert_non_null(strstr(tmem_last_error(tmem), path));
	assert_null(tmem_buffer_alloc(tmem, 100000));
	assert_int_equal(tmem_page_put(pool, &object, 0, page), -TMEM_ENOTCONN);
	assert_non_null(strstr(tmem_last_error(tmem), path));
	liar_tell(liar, LIE_none);
	tmem_disconnect(tmem);
}

static void a_child_is_kept_out(void **state)
{
	static const struct tmem_object_id object = {{1, 2, 3}};
	struct tmem *tmem = join();
	struct tmem_pool *pool;
	uint8_t page[4096];
	int status;
	pid_t pid;

	assert_int_equal(tmem_pool_open(tmem, NULL, &pool), 0);
	page_fill(page, page_tag(PAGE_ANY, 1));
	assert_int_equal(tmem_page_put(pool, &object, 0, page), 0);
	pid = fork();
	if (!pid) {
		struct tmem_io io = {.code = TMEM_IO_PUT};

		status = tmem_page_get(pool, &object, 0, page) != -TMEM_ECHILD;
		status |= (tmem_batch_run(tmem, &io, 1) != -TMEM_ECHILD) << 1;
		status |= (tmem_buffer_alloc(tmem, 1) != NULL) << 2;
		status |= (tmem_pool_close(pool) != -TMEM_ECHILD) << 3;
		status |= (strstr(tmem_last_error(tmem), "fork") == NULL) << 4;
		tmem_disconnect(tmem);
		_exit(status);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	/* The child's good-bye was not ours. */
	assert_int_equal(tmem_page_get(pool, &object, 0, page), 0);
	assert_true(works(tmem, pool));
	tmem_disconnect(tmem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lies_in_the_handshake),
		cmocka_unit_test(lies_in_answers),
		cmocka_unit_test(lies_about_news),
		cmocka_unit_test(devices_that_know_less),
		cmocka_unit_test(what_was_not_answered_is_asked_again),
		cmocka_unit_test(submitted_batches_go_over_the_next_link),
		cmocka_unit_test(a_batch_that_nobody_answers_ends_in_time),
		cmocka_unit_test(a_put_that_failed_uncovers_no_older_page),
		cmocka_unit_test(more_failed_puts_than_are_remembered),
		cmocka_unit_test(a_daemon_that_forgot_has_lost_and_missed),
		cmocka_unit_test(a_pool_that_is_not_made_again_takes_no_other_along),
		cmocka_unit_test(a_sentence_is_about_the_last_failure),
		cmocka_unit_test(a_child_is_kept_out),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
