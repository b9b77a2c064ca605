// SPDX-License-Identifier: MIT
/*
 * Templates: each connection is a client of its own, found again by its nonce
 * for a while, and never more of them than there may be.
 */
#include "driver.h"
#include "harness.h"
#include "template.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MANY 1000

struct place {
	struct harness *harness;
	struct template_config config;
	struct template *template;
	char path[128];
};

static void pump(void *harness)
{
	harness_pump(harness);
}

static int set_up(void **state)
{
	struct place *place = calloc(1, sizeof(*place));

	place->harness = harness_create();
	strcpy(place->path, harness_path(place->harness, "template"));
	place->config.name = "processes";
	place->config.socket_path = place->path;
	place->config.linger_seconds = 1;
	place->config.queues = 4; /* the front-end's least */
	place->config.cap = 4 << 20;
	assert_int_equal(template_create(harness_daemon(place->harness), &place->config,
					 &place->template),
			 0);
	*state = place;
	return 0;
}

static int tear_down(void **state)
{
	struct place *place = *state;

	template_destroy(place->template);
	assert_null(harness_daemon(place->harness)->templates);
	harness_destroy(place->harness);
	free(place);
	return 0;
}

static struct template_figures figures_of(const struct place *place)
{
	struct template_figures figures;

	template_figures(place->template, &figures);
	return figures;
}

static void change(struct place *place)
{
	assert_int_equal(template_set(place->template, &place->config), 0);
}

/* A connection that greets: the pool that it asks for, or what it was told. */
static int join(struct place *place, struct frontend *fe, uint64_t nonce, uint64_t *session)
{
	struct dv_reply reply;
	int status;

	fe_init(fe, place->path, pump, place->harness);
	fe->use_inflight = false;
	if (fe_up(fe, 2, true))
		return FE_GONE;
	status = dv_hello(fe, nonce, &reply);
	if (status)
		return status;
	if (session)
		*session = reply.hello.session;
	return dv_pool(fe, 0, 1);
}

static void connections_are_clients_of_their_own(void **state)
{
	struct place *place = *state;
	struct frontend one, two;
	int pool = join(place, &one, 1, NULL);

	assert_int_equal(pool, 0);
	assert_int_equal(join(place, &two, 2, NULL), 0);
	assert_int_equal(dv_put(&one, 0, 5, 5, 55), 0);
	assert_int_equal(dv_get(&two, 0, 5, 5, 55), -TMEM_ENOENT);
	assert_int_equal(dv_put(&two, 0, 5, 5, 66), 0);
	assert_int_equal(dv_get(&one, 0, 5, 5, 55), 0);
	assert_int_equal(dv_get(&two, 0, 5, 5, 66), 0);
	assert_int_equal(figures_of(place).clients, 2);
	fe_close(&one);
	fe_close(&two);
}

static void same_nonce_finds_its_pages_again(void **state)
{
	struct place *place = *state;
	struct frontend fe;
	uint64_t session;

	assert_int_equal(join(place, &fe, 7, &session), 0);
	assert_int_equal(session, 1);
	assert_int_equal(dv_put(&fe, 0, 5, 5, 55), 0);
	fe_close(&fe);
	assert_int_equal(figures_of(place).lingering, 1);
	assert_int_equal(join(place, &fe, 7, &session), 0);
	assert_int_equal(session, 0);
	assert_int_equal(figures_of(place).clients, 1);
	assert_int_equal(figures_of(place).lingering, 0);
	assert_int_equal(figures_of(place).resumed, 1);
	assert_int_equal(dv_get(&fe, 0, 5, 5, 55), 0);
	fe_close(&fe);
	/* The control: another nonce is another client. */
	assert_int_equal(join(place, &fe, 8, &session), 0);
	assert_int_equal(session, 1);
	assert_int_equal(figures_of(place).clients, 2);
	fe_close(&fe);
}

/* Two at a time with one nonce: a fork, or a guess. Neither sees the other's pages. */
static void nonce_of_a_living_connection_is_not_taken_over(void **state)
{
	struct place *place = *state;
	struct frontend one, two;
	uint64_t session;

	assert_int_equal(join(place, &one, 7, NULL), 0);
	assert_int_equal(dv_put(&one, 0, 5, 5, 55), 0);
	assert_int_equal(join(place, &two, 7, &session), 0);
	assert_int_equal(session, 1);
	assert_int_equal(dv_get(&two, 0, 5, 5, 55), -TMEM_ENOENT);
	assert_int_equal(dv_get(&one, 0, 5, 5, 55), 0);
	fe_close(&one);
	fe_close(&two);
}

static uint64_t engine_pages(struct place *place)
{
	struct tmem_stats stats;

	harness_settle(place->harness);
	tmem_engine_stats(harness_daemon(place->harness)->engine, &stats);
	return stats.ephemeral_pages;
}

static void client_ends_when_nobody_comes_back(void **state)
{
	struct place *place = *state;
	struct frontend fe;
	uint64_t session;

	assert_int_equal(join(place, &fe, 7, NULL), 0);
	assert_int_equal(dv_put(&fe, 0, 5, 5, 55), 0);
	fe_close(&fe);
	harness_pump_for(place->harness, 500);
	assert_int_equal(engine_pages(place), 1);
	while (figures_of(place).clients)
		harness_pump_for(place->harness, 20);
	assert_int_equal(figures_of(place).expired, 1);
	assert_int_equal(engine_pages(place), 0);
	assert_int_equal(join(place, &fe, 7, &session), 0);
	assert_int_equal(session, 1);

	/* At once, where it is not to linger. */
	place->config.linger_seconds = 0;
	change(place);
	fe_close(&fe);
	assert_int_equal(figures_of(place).clients, 0);
}

static void there_are_no_more_than_there_may_be(void **state)
{
	struct place *place = *state;
	struct frontend fe[4];

	place->config.connections_max = 3;
	change(place);
	assert_int_equal(join(place, &fe[0], 1, NULL), 0);
	assert_int_equal(join(place, &fe[1], 2, NULL), 0);
	assert_int_equal(join(place, &fe[2], 3, NULL), 0);
	assert_int_equal(join(place, &fe[3], 4, NULL), FE_GONE);
	fe_close(&fe[3]);
	assert_int_equal(figures_of(place).refused_connections, 1);

	place->config.connections_max = 0;
	place->config.per_user_max = 3;
	change(place);
	assert_int_equal(join(place, &fe[3], 4, NULL), FE_GONE);
	fe_close(&fe[3]);
	assert_int_equal(figures_of(place).refused_user, 1);

	/* Who lingers makes room for who is there, if both are the same user. */
	assert_int_equal(dv_put(&fe[0], 0, 1, 1, 1), 0);
	fe_close(&fe[0]);
	assert_int_equal(figures_of(place).lingering, 1);
	assert_int_equal(join(place, &fe[3], 4, NULL), 0);
	assert_int_equal(figures_of(place).lingering, 0);
	assert_int_equal(figures_of(place).clients, 3);
	assert_int_equal(engine_pages(place), 0);

	/* The control: without the limit there is room for a fourth. */
	place->config.per_user_max = 4;
	change(place);
	assert_int_equal(join(place, &fe[0], 5, NULL), 0);
	fe_close(&fe[0]);
	fe_close(&fe[1]);
	fe_close(&fe[2]);
	fe_close(&fe[3]);
}

/* As another user, from another process; what it was told is its exit status. */
static int as_nobody(struct place *place, uint64_t nonce)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (!pid) {
		struct frontend fe;
		uint64_t session = 2;
		struct dv_reply reply;

		if (setgid(65534) || setuid(65534))
			_exit(90);
		fe_init(&fe, place->path, NULL, NULL);
		fe.use_inflight = false;
		if (fe_up(&fe, 2, true) || dv_hello(&fe, nonce, &reply))
			_exit(91);
		session = reply.hello.session;
		_exit((int)session);
	}
	while (!waitpid(pid, &status, WNOHANG))
		harness_pump_for(place->harness, 1);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void another_user_does_not_find_them(void **state)
{
	struct place *place = *state;
	struct frontend fe;
	char directory[128];
	uint64_t session;

	if (geteuid()) {
		skip();
		return;
	}
	strcpy(directory, place->path);
	*strrchr(directory, '/') = 0;
	assert_int_equal(chmod(directory, 0711), 0);
	/* The control: the socket's mode keeps others out. */
	assert_int_equal(as_nobody(place, 7), 91);
	place->config.mode = 0666;
	place->config.per_user_max = 1;
	change(place);
	assert_int_equal(join(place, &fe, 7, NULL), 0);
	assert_int_equal(dv_put(&fe, 0, 5, 5, 55), 0);
	/* It has a user's number of its own, and a client of its own. */
	assert_int_equal(as_nobody(place, 7), 1);
	fe_close(&fe);
	assert_int_equal(as_nobody(place, 7), 0);
	assert_int_equal(join(place, &fe, 7, &session), 0);
	assert_int_equal(session, 0);
	assert_int_equal(dv_get(&fe, 0, 5, 5, 55), 0);
	fe_close(&fe);
}

static void template_is_frozen_and_changed(void **state)
{
	struct place *place = *state;
	struct tmem_req event = dv_req(TMEM_WIRE_EVENT);
	struct frontend one, two;
	struct dv_reply reply;
	uint16_t head;

	assert_int_equal(join(place, &one, 1, NULL), 0);
	head = dv_start(&one, DV_EVENTS, &event, NULL, NULL);
	fe_kick(&one, DV_EVENTS);
	template_freeze(place->template, true);
	assert_true(template_is_frozen(place->template));
	assert_int_equal(dv_finish(&one, DV_EVENTS, head, &event, &reply), 0);
	assert_int_equal(reply.event.news, TMEM_NEWS_FROZEN);
	assert_int_equal(dv_put(&one, 0, 1, 1, 1), -TMEM_EAGAIN);
	assert_int_equal(join(place, &two, 2, NULL), 0);
	assert_int_equal(dv_put(&two, 0, 1, 1, 1), -TMEM_EAGAIN);
	assert_int_equal(dv_call(&two, DV_EVENTS, &event, NULL, NULL, &reply), 0);
	assert_int_equal(reply.event.news, TMEM_NEWS_FROZEN);
	template_freeze(place->template, false);
	assert_int_equal(dv_put(&two, 0, 1, 1, 1), 0);
	assert_int_equal(dv_call(&two, DV_EVENTS, &event, NULL, NULL, &reply), 0);
	assert_int_equal(reply.event.news, TMEM_NEWS_THAWED);

	place->config.cap = 12 << 20;
	change(place);
	assert_int_equal(dv_call(&two, DV_EVENTS, &event, NULL, NULL, &reply), 0);
	assert_int_equal(reply.event.news, TMEM_NEWS_LIMITS);
	assert_int_equal(reply.event.cap, 12 << 20);
	fe_close(&one);
	fe_close(&two);
}

static bool note(const struct template_client *client, void *arg)
{
	struct template_client *noted = arg;

	*noted = *client;
	return false;
}

static void client_is_listed_and_ended(void **state)
{
	struct place *place = *state;
	struct template_client client = {0};
	struct frontend fe;

	assert_int_equal(join(place, &fe, 1, NULL), 0);
	template_each(place->template, note, &client);
	assert_true(client.connected && client.client && client.busy_ns);
	assert_int_equal(client.uid, getuid());
	assert_int_equal(client.pid, getpid());
	assert_int_equal(template_end_client(place->template, client.id + 1), -TMEM_ENOENT);
	assert_int_equal(template_end_client(place->template, client.id), 0);
	assert_true(fe_is_dead(&fe));
	assert_int_equal(figures_of(place).clients, 0);
	fe_close(&fe);
}

static void allocations_are_promised_or_refused(void **state)
{
	struct place *place = *state;
	struct frontend one, two;
	int pool;

	place->config.allocation = 300ull << 20; /* of 400 */
	change(place);
	assert_int_equal(join(place, &one, 1, NULL), 0);
	assert_int_equal(join(place, &two, 2, NULL), -TMEM_ENOSPC);
	assert_int_equal(figures_of(place).refused_clients, 1);
	pool = dv_pool(&one, TMEM_POOL_PERSISTENT, 2);
	assert_true(pool > 0);
	assert_int_equal(dv_put(&one, (uint32_t)pool, 1, 1, 1), 0);
	fe_close(&two);
	fe_close(&one);
}

static void bad_templates_are_refused(void **state)
{
	struct place *place = *state;
	struct template_config config = place->config;
	struct template *template = NULL;
	struct daemon *daemon = harness_daemon(place->harness);
	const char *other = harness_path(place->harness, "other");

	assert_int_equal(template_create(daemon, &config, &template), -EEXIST);
	config.name = "other";
	assert_int_equal(template_create(daemon, &config, &template), -EADDRINUSE);
	config.socket_path = other;
	config.queues = 1;
	assert_int_equal(template_create(daemon, &config, &template), -EINVAL);
	config.queues = 0;
	config.weight = 10001;
	assert_int_equal(template_create(daemon, &config, &template), -EINVAL);
	config.weight = 0;
	config.codec = 200;
	assert_int_equal(template_create(daemon, &config, &template), -EINVAL);
	config.codec = 0;
	config.connections_max = TEMPLATE_CONNECTIONS_MAX + 1;
	assert_int_equal(template_create(daemon, &config, &template), -EINVAL);
	assert_null(template);
	/* The control: with none of these it is made. */
	config.connections_max = 0;
	assert_int_equal(template_create(daemon, &config, &template), 0);
	assert_ptr_equal(template_find(daemon, "other"), template);
	assert_ptr_equal(template_next(template), place->template);
	template_destroy(template);
}

static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static void a_thousand_connections(void **state)
{
	struct place *place = *state;
	struct frontend *fe = calloc(MANY, sizeof(*fe));
	struct rlimit limit;
	uint32_t i;

	place->config.linger_seconds = 60;
	change(place);
	raise_descriptors();
	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur < 20 * MANY) {
		free(fe);
		skip();
		return;
	}
	for (i = 0; i < MANY; i++) {
		assert_int_equal(join(place, &fe[i], i, NULL), 0);
		assert_int_equal(dv_put(&fe[i], 0, 1, 1, i), 0);
	}
	assert_int_equal(figures_of(place).clients, MANY);
	assert_int_equal(engine_pages(place), MANY);
	for (i = 0; i < MANY; i += 2)
		assert_int_equal(dv_get(&fe[i], 0, 1, 1, i), 0);
	for (i = 0; i < MANY; i += 2)
		fe_close(&fe[i]);
	for (i = 1; i < MANY; i += 2) {
		assert_int_equal(dv_get(&fe[i], 0, 1, 1, i), 0);
		fe_close(&fe[i]);
	}
	assert_int_equal(figures_of(place).lingering, MANY);
	free(fe);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest cases[] = {
		CASE(connections_are_clients_of_their_own),
		CASE(same_nonce_finds_its_pages_again),
		CASE(nonce_of_a_living_connection_is_not_taken_over),
		CASE(client_ends_when_nobody_comes_back),
		CASE(there_are_no_more_than_there_may_be),
		CASE(another_user_does_not_find_them),
		CASE(template_is_frozen_and_changed),
		CASE(client_is_listed_and_ended),
		CASE(allocations_are_promised_or_refused),
		CASE(bad_templates_are_refused),
		CASE(a_thousand_connections),
	};

	alarm(100);
	return cmocka_run_group_tests_name("device template", cases, NULL, NULL);
}
