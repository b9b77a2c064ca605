// SPDX-License-Identifier: MIT
/*
 * Several clients of one tmemd, and an administrator beside them. Run by
 * many.sh, which makes: a template "tmem", the devices "one" and "two", to
 * which the shared pool 1:2 is granted, and the disk "disk".
 */
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
#include <tmem/tmem.h>
#include <unistd.h>

#define CLIENTS 20

static const struct tmem_object_id object = {{1, 2, 3}};
static const struct tmem_options quick = {
	.size = sizeof(quick), .timeout_ms = 1000, .away_ms = 300};

static void fill(void *page, uint64_t number)
{
	page_fill(page, page_tag(PAGE_ANY, number));
}

static bool holds(const void *page, uint64_t number)
{
	return page_holds(page, page_tag(PAGE_ANY, number));
}

static const char *socket_of(const char *name)
{
	static char path[200];

	snprintf(path, sizeof(path), "%s/%s.sock", getenv("TMEM_RUN_DIR"), name);
	return path;
}

static struct tmem *join(const char *name, const struct tmem_options *options)
{
	struct tmem *tmem = NULL;
	int error = tmem_connect(name ? socket_of(name) : NULL, options, &tmem);

	if (error)
		print_error("%s\n", tmem_last_error(NULL));
	assert_int_equal(error, 0);
	return tmem;
}

static void admin(const char *words)
{
	char line[300];

	snprintf(line, sizeof(line), "\"$TMEM\" %s >/dev/null", words);
	assert_int_equal(system(line), 0);
}

static void each_connection_to_a_template_is_a_client(void **state)
{
	static struct tmem *tmem[CLIENTS];
	struct tmem_pool *pool[CLIENTS];
	uint8_t page[4096];
	uint32_t i;

	/* Without a word about where: tmem.sock in the run-time directory. */
	for (i = 0; i < CLIENTS; i++) {
		tmem[i] = join(NULL, NULL);
		assert_int_equal(tmem_session_is_new(tmem[i]), 1);
		assert_int_equal(tmem_pool_open(tmem[i], NULL, &pool[i]), 0);
		fill(page, i);
		if (i % 2)
			assert_int_equal(tmem_page_put(pool[i], &object, 0, page), 0);
	}
	for (i = 0; i < CLIENTS; i++) {
		assert_int_equal(tmem_page_get(pool[i], &object, 0, page),
				 i % 2 ? 0 : -TMEM_ENOENT);
		assert_true(i % 2 == 0 || holds(page, i));
		tmem_disconnect(tmem[i]);
	}
}

static void a_nonce_finds_its_client_again(void **state)
{
	struct tmem_options mine = {.size = sizeof(mine), .nonce = 0xabcdef0123};
	const struct tmem_pool_options options = {.size = sizeof(options), .cookie = 5};
	struct tmem *tmem, *other;
	struct tmem_pool *pool;
	uint8_t page[4096];
	uint32_t i;

	for (i = 0; i < 3; i++) {
		other = join(NULL, NULL);
		tmem = join(NULL, &mine);
		assert_int_equal(tmem_session_is_new(tmem), i == 0);
		assert_int_equal(tmem_pool_open(tmem, &options, &pool), 0);
		if (i) {
			assert_int_equal(tmem_page_get(pool, &object, 0, page), 0);
			assert_true(holds(page, i));
		}
		fill(page, i + 1);
		assert_int_equal(tmem_page_put(pool, &object, 0, page), 0);
		assert_int_equal(tmem_pool_open(other, &options, &pool), 0);
		assert_int_equal(tmem_page_get(pool, &object, 0, page), -TMEM_ENOENT);
		tmem_disconnect(tmem);
		tmem_disconnect(other);
	}
}

static void members_share_and_others_do_not(void **state)
{
	struct tmem_pool_options options = {
		.size = sizeof(options), .flags = TMEM_POOL_SHARED, .uuid = {1, 2}};
	struct tmem *one = join("one", NULL), *two = join("two", NULL), *third = join(NULL, NULL);
	struct tmem_pool *first, *second, *none;
	uint8_t page[4096];

	assert_int_equal(tmem_pool_open(third, &options, &none), -TMEM_EACCES);
	assert_non_null(strstr(tmem_last_error(third), "shared-auth"));
	assert_int_equal(tmem_pool_open(one, &options, &first), 0);
	assert_int_equal(tmem_pool_open(one, &options, &none), -TMEM_EEXIST);
	assert_int_equal(tmem_pool_open(two, &options, &second), 0);
	options.uuid[1] = 3;
	assert_int_equal(tmem_pool_open(two, &options, &none), -TMEM_EACCES);

	fill(page, 1);
	assert_int_equal(tmem_page_put(first, &object, 7, page), 0);
	memset(page, 0, sizeof(page));
	assert_int_equal(tmem_page_get(second, &object, 7, page), 0);
	assert_true(holds(page, 1));
	/* A get from a shared pool leaves the page, and so does a member who leaves. */
	assert_int_equal(tmem_page_get(first, &object, 7, page), 0);
	assert_int_equal(tmem_pool_close(first), 0);
	assert_int_equal(tmem_page_get(second, &object, 7, page), 0);
	assert_true(holds(page, 1));
	options.uuid[1] = 2;
	assert_int_equal(tmem_pool_open(one, &options, &first), 0);
	assert_int_equal(tmem_page_flush(first, &object, 7), 1);
	assert_int_equal(tmem_page_get(second, &object, 7, page), -TMEM_ENOENT);

	admin("shared-auth two --revoke-now 00000000000000010000000000000002");
	assert_int_equal(tmem_page_put(second, &object, 7, page), -TMEM_ENODEV);
	tmem_disconnect(one);
	tmem_disconnect(two);
	tmem_disconnect(third);
}

/* Waits for news that has @bit. */
static struct tmem_news hear(struct tmem *tmem, uint32_t bit)
{
	struct tmem_news news = {.size = sizeof(news)};
	struct pollfd fd = {.fd = tmem_batch_fd(tmem), .events = POLLIN};
	void *tags[1];
	uint32_t i;

	for (i = 0; i < 1000; i++) {
		assert_true(tmem_news_read(tmem, &news) >= 0);
		if (news.told & bit)
			return news;
		assert_int_equal(tmem_batch_reap(tmem, tags, 1), 0);
		assert_int_equal(poll(&fd, 1, 5000), 1);
	}
	fail_msg("no news of %u", bit);
	return news;
}

/* Of pages from @first on, how many are stored before one is not, and why. */
static uint32_t put_until(struct tmem_pool *pool, uint32_t first, int *why)
{
	uint8_t page[4096];
	uint32_t i;

	for (i = first; i < first + 4096; i++) {
		page_fill(page, page_tag(PAGE_RANDOM, i));
		*why = tmem_page_put(pool, &object, i, page);
		if (*why)
			break;
	}
	return i - first;
}

static void an_allocation_changes_under_its_pages(void **state)
{
	const struct tmem_pool_options options = {.size = sizeof(options),
						  .flags = TMEM_POOL_PERSISTENT};
	struct tmem *tmem = join("two", NULL);
	struct tmem_figures figures = {.size = sizeof(figures)};
	struct tmem_pool *pool;
	uint32_t before, more, i;
	uint8_t page[4096];
	int why;

	assert_int_equal(tmem_pool_open(tmem, &options, &pool), 0);
	before = put_until(pool, 0, &why);
	assert_int_equal(why, -TMEM_ENOSPC);
	assert_in_range(before, 900, 1024);

	admin("set two --allocation 6M");
	assert_int_equal(hear(tmem, TMEM_TOLD_LIMITS).allocation, 6 << 20);
	more = put_until(pool, before, &why);
	assert_int_equal(why, -TMEM_ENOSPC);
	assert_in_range(more, 450, 512);

	/* Less than what is there is refused, and no page suffers. */
	assert_int_not_equal(system("\"$TMEM\" set two --allocation 5M 2>/dev/null"), 0);
	assert_int_equal(tmem_figures_read(tmem, &figures), 0);
	assert_true(figures.allocation == 6 << 20 && figures.billed > 5 << 20);
	for (i = 0; i < before + more; i++) {
		assert_int_equal(tmem_page_get(pool, &object, i, page), 0);
		assert_true(page_holds(page, page_tag(PAGE_RANDOM, i)));
	}
	assert_int_equal(tmem_range_flush(pool, &object, 100, 4096), 0);
	/* What was flushed is billed until it is swept, by puts too. */
	for (i = 0; i < 4096 && (figures.billed > 1 << 20 || !i); i++) {
		page_fill(page, page_tag(PAGE_RANDOM, 0));
		assert_int_equal(tmem_page_put(pool, &object, 0, page), 0);
		assert_int_equal(tmem_figures_read(tmem, &figures), 0);
	}
	admin("set two --allocation 1M");
	assert_int_equal(hear(tmem, TMEM_TOLD_LIMITS).allocation, 1 << 20);
	assert_in_range(100 + put_until(pool, 100, &why), 220, 256);
	assert_int_equal(why, -TMEM_ENOSPC);
	for (i = 0; i < 200; i++) {
		assert_int_equal(tmem_page_get(pool, &object, i, page), 0);
		assert_true(page_holds(page, page_tag(PAGE_RANDOM, i)));
	}
	admin("check");
	tmem_disconnect(tmem);
}

static void a_template_s_allocation_is_of_clients_to_come(void **state)
{
	struct tmem *former = join(NULL, NULL), *later;
	struct tmem_figures figures = {.size = sizeof(figures)};

	admin("set tmem --allocation 2M");
	assert_int_equal(hear(former, TMEM_TOLD_LIMITS).allocation, 1 << 20);
	later = join(NULL, NULL);
	assert_int_equal(tmem_figures_read(later, &figures), 0);
	assert_int_equal(figures.allocation, 2 << 20);
	assert_int_equal(tmem_figures_read(former, &figures), 0);
	assert_int_equal(figures.allocation, 1 << 20);
	tmem_disconnect(former);
	tmem_disconnect(later);
}

static void what_the_administrator_does_is_felt(void **state)
{
	struct tmem *tmem = join("one", &quick);
	struct tmem_figures figures = {.size = sizeof(figures)};
	struct tmem_pool *pool;
	uint8_t page[4096];
	uint32_t i;

	assert_int_equal(tmem_pool_open(tmem, NULL, &pool), 0);
	fill(page, 1);
	assert_int_equal(tmem_page_put(pool, &object, 1, page), 0);
	admin("freeze one");
	assert_int_equal(tmem_page_put(pool, &object, 1, page), -TMEM_EAGAIN);
	assert_non_null(strstr(tmem_last_error(tmem), "tmem thaw"));
	assert_int_equal(tmem_page_get(pool, &object, 1, page), -TMEM_ENOENT);
	hear(tmem, TMEM_TOLD_FROZEN);
	admin("thaw one");
	hear(tmem, TMEM_TOLD_THAWED);
	assert_int_equal(tmem_page_put(pool, &object, 1, page), 0);

	admin("set one --cap 1M");
	hear(tmem, TMEM_TOLD_LIMITS);
	for (i = 0; i < 2000; i++) {
		page_fill(page, page_tag(PAGE_RANDOM, i));
		(void)!tmem_page_put(pool, &object, i, page);
	}
	assert_int_equal(tmem_figures_read(tmem, &figures), 0);
	assert_true(figures.cap == 1 << 20 && figures.ephemeral_bytes <= 1 << 20);
	assert_true(figures.ephemeral_pages > 0);

	admin("destroy one --force");
	assert_int_equal(tmem_page_put(pool, &object, 1, page), -TMEM_ENODEV);
	assert_int_equal(tmem_pool_close(pool), -TMEM_ENODEV);
	assert_int_equal(tmem_pool_open(tmem, NULL, &pool), 0);
	assert_int_equal(tmem_page_put(pool, &object, 1, page), 0);

	admin("remove one --force");
	assert_true(tmem_page_put(pool, &object, 1, page) < 0);
	assert_non_null(strstr(tmem_last_error(tmem), "one.sock"));
	tmem_disconnect(tmem);
}

static void sockets_that_are_not_for_us_say_so(void **state)
{
	struct tmem *tmem = NULL, *two;

	assert_int_equal(tmem_connect(socket_of("disk"), &quick, &tmem), -TMEM_EPROTO);
	assert_non_null(strstr(tmem_last_error(NULL), "whether it is a tmem device"));
	two = join("two", NULL);
	assert_int_equal(tmem_connect(socket_of("two"), &quick, &tmem), -TMEM_ENOTCONN);
	assert_non_null(strstr(tmem_last_error(NULL), "another program"));
	tmem_disconnect(two);
	/* It waits for the end of a line. */
	assert_int_equal(tmem_connect(socket_of("control"), &quick, &tmem), -TMEM_ETIMEDOUT);
	assert_non_null(strstr(tmem_last_error(NULL), "another socket"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_connection_to_a_template_is_a_client),
		cmocka_unit_test(a_nonce_finds_its_client_again),
		cmocka_unit_test(members_share_and_others_do_not),
		cmocka_unit_test(an_allocation_changes_under_its_pages),
		cmocka_unit_test(a_template_s_allocation_is_of_clients_to_come),
		cmocka_unit_test(what_the_administrator_does_is_felt),
		cmocka_unit_test(sockets_that_are_not_for_us_say_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
