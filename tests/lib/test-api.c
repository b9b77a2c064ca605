// SPDX-License-Identifier: MIT
/*
 * Every call of <tmem/tmem.h> against a device that keeps its word: tmemd's
 * at $TMEM_SOCKET, or the liar's while it is told no lie. The socket's client
 * needs an allocation of 4 MiB.
 */
#include "liar.h"
#include "page.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tmem/tmem.h>
#include <unistd.h>

#define THREADS 4

static const struct tmem_object_id object = {{1, 2, 3}};
static struct liar *liar;
static struct tmem *tmem;
static struct tmem_pool *cache, *store;

static void fill(void *page, uint64_t number)
{
	page_fill(page, page_tag(PAGE_ANY, number));
}

static bool holds(const void *page, uint64_t number)
{
	return page_holds(page, page_tag(PAGE_ANY, number));
}

static int start(void **state)
{
	static char path[64];

	if (getenv("TMEM_SOCKET"))
		return 0;
	snprintf(path, sizeof(path), "/tmp/tmem-api-%d.sock", (int)getpid());
	liar = liar_start(path);
	return setenv("TMEM_SOCKET", path, 1);
}

static int stop(void **state)
{
	if (liar) {
		liar_stop(liar);
		unlink(getenv("TMEM_SOCKET"));
	}
	return 0;
}

static int join(void **state)
{
	struct tmem_pool_options options = {.size = sizeof(options), .flags = TMEM_POOL_PERSISTENT};

	if (tmem_connect(NULL, NULL, &tmem)) {
		print_error("%s\n", tmem_last_error(NULL));
		return -1;
	}
	return tmem_pool_open(tmem, NULL, &cache) || tmem_pool_open(tmem, &options, &store);
}

static int leave(void **state)
{
	int error = tmem_pool_close(cache) || tmem_pool_close(store);

	tmem_disconnect(tmem);
	return error;
}

static void pages_come_back_as_the_contract_says(void **state)
{
	uint8_t page[4097], *odd = page + 1;
	uint32_t i;

	for (i = 0; i < 100; i++) {
		fill(odd, i);
		assert_int_equal(tmem_page_put(cache, &object, i, odd), 0);
		assert_int_equal(tmem_page_put(store, &object, i, odd), 0);
	}
	for (i = 0; i < 100; i++) {
		assert_int_equal(tmem_page_get(cache, &object, i, odd), 0);
		assert_true(holds(odd, i));
		memset(odd, 0x77, 4096);
		assert_int_equal(tmem_page_get(cache, &object, i, odd), -TMEM_ENOENT);
		assert_true(odd[0] == 0x77 && odd[4095] == 0x77);
		assert_int_equal(tmem_page_get(store, &object, i, odd), 0);
		assert_int_equal(tmem_page_get(store, &object, i, odd), 0);
		assert_true(holds(odd, i));
	}
	assert_int_equal(tmem_page_get(store, &object, UINT32_MAX, odd), -TMEM_ENOENT);
	/* A duplicate. */
	fill(odd, 1000);
	assert_int_equal(tmem_page_put(store, &object, 7, odd), 0);
	assert_int_equal(tmem_page_get(store, &object, 7, odd), 0);
	assert_true(holds(odd, 1000));
}

static void flushes_say_what_was_there(void **state)
{
	static const struct tmem_object_id other = {{1, 2, 4}};
	uint8_t page[4096];
	uint32_t i;

	fill(page, 1);
	for (i = 0; i < 20; i++) {
		assert_int_equal(tmem_page_put(store, &object, i, page), 0);
		assert_int_equal(tmem_page_put(store, &other, UINT32_MAX - i, page), 0);
	}
	assert_int_equal(tmem_page_flush(store, &object, 3), 1);
	assert_int_equal(tmem_page_flush(store, &object, 3), 0);
	assert_int_equal(tmem_range_flush(store, &object, 12, 0), 0);
	assert_int_equal(tmem_range_flush(store, &object, 5, 5), 0);
	for (i = 0; i < 20; i++)
		assert_int_equal(tmem_page_get(store, &object, i, page),
				 i == 3 || (i >= 5 && i < 10) ? -TMEM_ENOENT : 0);
	assert_int_equal(tmem_object_flush(store, &object), 1);
	assert_int_equal(tmem_object_flush(store, &object), 0);
	assert_int_equal(tmem_page_get(store, &object, 0, page), -TMEM_ENOENT);
	assert_int_equal(tmem_page_get(store, &other, UINT32_MAX, page), 0);
	/* A range ends where the object does. */
	assert_int_equal(tmem_range_flush(store, &other, UINT32_MAX - 9, UINT64_MAX), 0);
	assert_int_equal(tmem_page_get(store, &other, UINT32_MAX, page), -TMEM_ENOENT);
	assert_int_equal(tmem_page_get(store, &other, UINT32_MAX - 10, page), 0);
}

static void what_makes_no_sense_is_refused(void **state)
{
	struct tmem_options options = {.size = 3};
	struct tmem_pool_options pool = {.size = 3};
	struct tmem_io io[3] = {{.code = 99, .pool = store},
				{.code = TMEM_IO_PUT, .pool = store},
				{.code = TMEM_IO_FLUSH}};
	struct tmem_pool *none = NULL;
	struct tmem *other = NULL;
	uint8_t page[4096];
	char path[200];

	assert_int_equal(tmem_connect(NULL, &options, &other), -TMEM_EINVAL);
	assert_int_equal(tmem_pool_open(tmem, &pool, &none), -TMEM_EINVAL);
	pool.size = sizeof(pool);
	pool.flags = 1u << 10;
	assert_true(tmem_pool_open(tmem, &pool, &none) < 0);
	pool.flags = TMEM_POOL_PERSISTENT | TMEM_POOL_SHARED;
	assert_true(tmem_pool_open(tmem, &pool, &none) < 0);
	assert_int_equal(tmem_batch_run(tmem, io, 3), 3);
	assert_int_equal(io[0].result, -TMEM_EINVAL);
	assert_int_equal(io[1].result, -TMEM_EINVAL);
	assert_int_equal(io[2].result, -TMEM_EINVAL);
	assert_int_equal(tmem_page_get(NULL, &object, 0, page), -TMEM_EINVAL);
	assert_int_equal(tmem_page_put(store, NULL, 0, page), -TMEM_EINVAL);
	assert_int_equal(tmem_batch_run(tmem, NULL, 0), 0);
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(tmem_connect(path, NULL, &other), -TMEM_EINVAL);
	assert_int_equal(tmem_connect("/nowhere/at.all", NULL, &other), -TMEM_ENOTCONN);
	assert_non_null(strstr(tmem_last_error(NULL), "/nowhere/at.all"));
	tmem_disconnect(NULL);
	assert_int_equal(tmem_pool_close(NULL), 0);
	tmem_buffer_free(tmem, NULL);
	tmem_buffer_free(tmem, page);
}

static void buffers_are_given_once(void **state)
{
	uint8_t *all[1024], *big;
	uint32_t i, j;

	for (i = 0; i < 1024; i++) {
		all[i] = tmem_buffer_alloc(tmem, 1);
		assert_non_null(all[i]);
		assert_true((uintptr_t)all[i] % 4096 == 0);
		memset(all[i], (int)i & 0xff, 4096);
	}
	assert_null(tmem_buffer_alloc(tmem, 1));
	assert_non_null(strstr(tmem_last_error(tmem), "buffer_bytes"));
	for (i = 0; i < 1024; i++)
		assert_true(all[i][0] == (i & 0xff) && all[i][4095] == (i & 0xff));
	for (i = 0; i < 1024; i += 2)
		tmem_buffer_free(tmem, all[i]);
	assert_null(tmem_buffer_alloc(tmem, 2));
	tmem_buffer_free(tmem, all[1]);
	tmem_buffer_free(tmem, all[1]);
	tmem_buffer_free(tmem, all[3] + 1);
	big = tmem_buffer_alloc(tmem, 3);
	assert_ptr_equal(big, all[0]);
	tmem_buffer_free(tmem, big + 4096);
	tmem_buffer_free(tmem, big);
	for (j = 3; j < 1024; j += 2)
		tmem_buffer_free(tmem, all[j]);
	big = tmem_buffer_alloc(tmem, 1024);
	assert_ptr_equal(big, all[0]);
	tmem_buffer_free(tmem, big);
	assert_null(tmem_buffer_alloc(tmem, 1025));
	assert_null(tmem_buffer_alloc(tmem, 0));
}

/* Runs, lists, buffers, memory of the program's, all kinds: in array order. */
static void a_batch_does_as_single_calls_do(void **state)
{
	enum { COUNT = 3000, OBJECTS = 4, INDEXES = 40 };
	static struct tmem_io io[COUNT];
	static uint64_t now[OBJECTS][INDEXES]; /* number of the page, 0: none */
	static uint8_t own[COUNT][4096], *at[COUNT];
	static uint64_t wanted[COUNT];
	uint8_t *buffer = tmem_buffer_alloc(tmem, 700);
	uint64_t seed = 42, dice;
	uint32_t i, j, o, x, round;

	assert_non_null(buffer);
	for (round = 0; round < 5; round++) {
		memset(io, 0, sizeof(io));
		for (i = 0; i < COUNT; i++) {
			dice = rng_next(&seed);
			at[i] = dice & 1 && i < 700 ? buffer + i * 4096 : own[i];
			/* Stretches of one kind and of consecutive indexes, cut here and there. */
			o = (uint32_t)(i / 97 % OBJECTS);
			x = dice & 14 ? i % INDEXES : (uint32_t)(dice >> 8) % INDEXES;
			io[i].code = 4 + i / 33 % 3;
			if (dice >> 20 % 50 == 0)
				io[i].code = 4 + (uint32_t)(dice >> 30) % 5;
			if (i % 500 == 499)
				io[i].code = TMEM_IO_FLUSH_OBJECT;
			if (i % 500 == 250)
				io[i].code = TMEM_IO_FLUSH_RANGE;
			io[i].pool = store;
			io[i].object.word[1] = o;
			io[i].index = x;
			io[i].page = at[i];
			wanted[i] = now[o][x];
			switch (io[i].code) {
			case TMEM_IO_PUT:
				now[o][x] = round * COUNT + i + 1;
				fill(at[i], now[o][x]);
				break;
			case TMEM_IO_FLUSH:
				now[o][x] = 0;
				break;
			case TMEM_IO_FLUSH_OBJECT:
				memset(now[o], 0, sizeof(now[o]));
				break;
			case TMEM_IO_FLUSH_RANGE:
				io[i].count = 7;
				for (j = x; j < x + 7 && j < INDEXES; j++)
					now[o][j] = 0;
				break;
			default:
				break;
			}
		}
		assert_true(tmem_batch_run(tmem, io, COUNT) >= 0);
		for (i = 0; i < COUNT; i++) {
			if (io[i].code == TMEM_IO_PUT)
				assert_int_equal(io[i].result, 0);
			if (io[i].code == TMEM_IO_FLUSH)
				assert_int_equal(io[i].result, wanted[i] != 0);
			if (io[i].code != TMEM_IO_GET)
				continue;
			assert_int_equal(io[i].result, wanted[i] ? 0 : -TMEM_ENOENT);
			assert_true(!wanted[i] || holds(at[i], wanted[i]));
		}
	}
	tmem_buffer_free(tmem, buffer);
}

static void batches_are_reaped_in_order(void **state)
{
	enum { BATCHES = 200, EACH = 16 };
	static struct tmem_io io[BATCHES][EACH];
	static uint8_t pages[BATCHES][EACH][4096];
	struct pollfd fd = {.fd = tmem_batch_fd(tmem), .events = POLLIN};
	uint32_t i, j, code, done;
	void *tags[7];
	int got, k;

	assert_true(fd.fd >= 0);
	for (code = TMEM_IO_PUT; code <= TMEM_IO_GET; code++) {
		memset(io, 0, sizeof(io));
		for (i = 0; i < BATCHES; i++) {
			for (j = 0; j < EACH; j++) {
				io[i][j].code = code;
				io[i][j].pool = cache;
				io[i][j].object.word[0] = i / 2;
				io[i][j].index = i % 2 * EACH + j;
				io[i][j].page = pages[i][j];
				if (code == TMEM_IO_PUT)
					fill(pages[i][j], i * EACH + j);
				else
					memset(pages[i][j], 0, 4096);
			}
			assert_int_equal(tmem_batch_submit(tmem, io[i], EACH, io[i]), 0);
			/* A single call between them takes no answer away. */
			if (i == 100)
				assert_int_equal(tmem_object_flush(cache, &object), 0);
		}
		if (code == TMEM_IO_PUT)
			assert_int_equal(tmem_pool_close(cache), -TMEM_EBUSY);
		for (done = 0; done < BATCHES;) {
			assert_int_equal(poll(&fd, 1, 5000), 1);
			do {
				got = tmem_batch_reap(tmem, tags, 7);
				assert_true(got >= 0);
				for (k = 0; k < got; k++)
					assert_ptr_equal(tags[k], io[done++]);
			} while (got == 7);
		}
		assert_int_equal(tmem_batch_reap(tmem, tags, 7), 0);
		assert_int_equal(poll(&fd, 1, 0), 0);
		for (i = 0; i < BATCHES; i++) {
			for (j = 0; j < EACH; j++) {
				assert_int_equal(io[i][j].result, 0);
				assert_true(holds(pages[i][j], i * EACH + j));
			}
		}
	}
}

static void a_batch_can_be_waited_for(void **state)
{
	static struct tmem_io io[TMEM_BATCHES + 1];
	uint8_t page[4096];
	void *tags[TMEM_BATCHES];
	uint32_t i, done = 0;
	int got;

	assert_int_equal(tmem_batch_wait(tmem, 0), 0);
	fill(page, 5);
	memset(io, 0, sizeof(io));
	for (i = 0; i <= TMEM_BATCHES; i++) {
		io[i] = (struct tmem_io){.code = TMEM_IO_PUT, .pool = cache, .page = page};
		io[i].index = i;
		got = tmem_batch_submit(tmem, &io[i], 1, &io[i]);
		assert_int_equal(got, i < TMEM_BATCHES ? 0 : -TMEM_EBUSY);
	}
	while (done < TMEM_BATCHES) {
		assert_int_equal(tmem_batch_wait(tmem, 5000), 1);
		got = tmem_batch_reap(tmem, tags, TMEM_BATCHES);
		assert_true(got > 0);
		done += (uint32_t)got;
	}
	/* What nobody reaps is given up by the end of the connection: see leave(). */
	io[0].code = TMEM_IO_FLUSH;
	assert_int_equal(tmem_batch_submit(tmem, io, 1, NULL), 0);
	assert_int_equal(tmem_batch_wait(tmem, 5000), 1);
}

static void *hammer(void *arg)
{
	uint64_t number = (uintptr_t)arg;
	struct tmem_object_id mine = {{number, 0, 0}};
	uint8_t page[4096];
	uint32_t i;

	for (i = 0; i < 300; i++) {
		fill(page, number * 1000 + i);
		if (tmem_page_put(store, &mine, i % 50, page) ||
		    tmem_page_get(store, &mine, i % 50, page) || !holds(page, number * 1000 + i))
			return arg;
	}
	return NULL;
}

static void threads_share_a_connection(void **state)
{
	pthread_t thread[THREADS];
	void *verdict;
	uintptr_t i;

	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, hammer, (void *)(i + 1)), 0);
	for (i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(thread[i], &verdict), 0);
		assert_null(verdict);
	}
}

static void a_process_finds_its_session_again(void **state)
{
	struct tmem_options options = {.size = sizeof(options), .nonce = 0x1234567};
	struct tmem_pool_options pool = {
		.size = sizeof(pool), .flags = TMEM_POOL_PERSISTENT, .cookie = 77};
	struct tmem_pool *mine;
	uint8_t page[4096];
	uint32_t life;

	/* One client per socket: the others' connection has to go first. */
	tmem_disconnect(tmem);
	for (life = 0; life < 3; life++) {
		assert_int_equal(tmem_connect(NULL, &options, &tmem), 0);
		assert_int_equal(tmem_session_is_new(tmem), life == 0);
		assert_int_equal(tmem_pool_open(tmem, &pool, &mine), 0);
		if (life) {
			assert_int_equal(tmem_page_get(mine, &object, 1, page), 0);
			assert_true(holds(page, life));
		}
		fill(page, life + 1);
		assert_int_equal(tmem_page_put(mine, &object, 1, page), 0);
		assert_int_equal(tmem_pool_losses(mine), 0);
		tmem_disconnect(tmem);
	}
	assert_int_equal(join(state), 0);
}

static void figures_are_told(void **state)
{
	struct tmem_figures figures = {.size = sizeof(figures)}, all = {.size = sizeof(all)};
	struct tmem_news news = {.size = sizeof(news)};
	uint8_t page[4096];

	fill(page, 4);
	assert_int_equal(tmem_page_put(store, &object, 0, page), 0);
	assert_int_equal(tmem_pool_figures(store, &figures), 0);
	assert_int_equal(tmem_figures_read(tmem, &all), 0);
	assert_true(figures.puts > 0 && all.puts >= figures.puts);
	assert_true(tmem_news_read(tmem, &news) >= 0);
	figures.size = 8;
	assert_int_equal(tmem_pool_figures(store, &figures), -TMEM_EINVAL);
}

static void every_code_has_words(void **state)
{
	static const int codes[] = {0,
				    -TMEM_ENOENT,
				    -TMEM_EIO,
				    -TMEM_ECHILD,
				    -TMEM_EAGAIN,
				    -TMEM_ENOMEM,
				    -TMEM_EACCES,
				    -TMEM_EFAULT,
				    -TMEM_EBUSY,
				    -TMEM_EEXIST,
				    -TMEM_ENODEV,
				    -TMEM_EINVAL,
				    -TMEM_ENOSPC,
				    -TMEM_EPROTO,
				    -TMEM_EOVERFLOW,
				    -TMEM_EOPNOTSUPP,
				    -TMEM_ENOTCONN,
				    -TMEM_ESHUTDOWN,
				    -TMEM_ETIMEDOUT,
				    -TMEM_EWAITS};
	size_t i, j, count = sizeof(codes) / sizeof(codes[0]);

	for (i = 0; i < count; i++) {
		assert_string_not_equal(tmem_strerror(codes[i]), "unknown result");
		assert_ptr_equal(tmem_strerror(codes[i]), tmem_strerror(-codes[i]));
		for (j = 0; j < i; j++)
			assert_string_not_equal(tmem_strerror(codes[i]), tmem_strerror(codes[j]));
	}
	assert_string_equal(tmem_strerror(-4000), "unknown result");
	assert_string_equal(tmem_strerror(INT32_MIN), "unknown result");
}

#define WITH_POOLS(name) cmocka_unit_test_setup_teardown(name, join, leave)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_POOLS(pages_come_back_as_the_contract_says),
		WITH_POOLS(flushes_say_what_was_there),
		WITH_POOLS(what_makes_no_sense_is_refused),
		WITH_POOLS(buffers_are_given_once),
		WITH_POOLS(a_batch_does_as_single_calls_do),
		WITH_POOLS(batches_are_reaped_in_order),
		WITH_POOLS(a_batch_can_be_waited_for),
		WITH_POOLS(threads_share_a_connection),
		WITH_POOLS(a_process_finds_its_session_again),
		WITH_POOLS(figures_are_told),
		cmocka_unit_test(every_code_has_words),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
