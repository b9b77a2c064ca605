// SPDX-License-Identifier: MIT
/* What is held follows what is fallow. */
#include "regulator.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include <tmem/engine.h>

#include "daemon.h"
#include "log.h"
#include "timer.h"

uint64_t regulator_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * TIMER_SECOND + (uint64_t)now.tv_nsec;
}

static void limit(struct regulator *regulator, uint64_t bytes)
{
	regulator->figures.limit = bytes;
	tmem_engine_limit_ephemeral(regulator->daemon->engine, bytes);
}

static uint64_t since(uint64_t then, uint64_t now)
{
	return then ? now - then : FALLOW_NEVER;
}

/* Until the next look; who holds little above the reserve glances at what is free meanwhile. */
static void set_timer(struct regulator *regulator, uint64_t ns)
{
	uint64_t glance = fallow_glance(regulator->figures.reserve);

	timer_set(&regulator->timer, regulator->near && ns > glance ? glance : ns, 0);
}

static void look(struct regulator *regulator)
{
	struct fallow_situation situation = {.reserve = regulator->figures.reserve,
					     .pressure = regulator->waited};
	uint64_t now = regulator_clock();
	struct fallow_verdict verdict;

	if (!host_memory_read(&regulator->memory, &situation.machine, &situation.group)) {
		/* What cannot be seen is not decided on: it stays as it is, for a while. */
		timer_set(&regulator->timer, TIMER_SECOND, 0);
		return;
	}
	situation.held = tmem_engine_ephemeral(regulator->daemon->engine, &situation.counted);
	situation.since_given = since(regulator->given, now);
	situation.since_looked = since(regulator->looked, now);
	situation.before = regulator->figures.fallow;
	fallow_judge(&situation, &verdict);
	regulator->waited = false;
	regulator->looked = now;
	regulator->due = now + verdict.look;
	regulator->near = situation.held && verdict.look == FALLOW_SOON;
	regulator->free = situation.machine.free;
	regulator->figures.fallow = verdict.fallow;
	limit(regulator, verdict.limit);
	set_timer(regulator, verdict.look);
	if (!verdict.give_back)
		return;
	if (!regulator->left) {
		regulator->begun = now;
		regulator->figures.last_bytes = 0;
		regulator->figures.last_ns = 0;
	}
	regulator->figures.last_cause = verdict.cause;
	regulator->left = verdict.give_back;
}

bool regulator_turn(struct regulator *regulator)
{
	struct regulator_figures *figures = &regulator->figures;
	struct daemon *daemon = regulator->daemon;
	uint64_t bytes = regulator->left, given, now;

	if (!bytes)
		return false;
	if (bytes > REGULATOR_PIECE)
		bytes = REGULATOR_PIECE;
	given = tmem_engine_reclaim(daemon->engine, daemon->worker, bytes);
	now = regulator_clock();
	figures->given[figures->last_cause] += given;
	figures->last_bytes += given;
	figures->last_ns = now - regulator->begun;
	regulator->given = now;
	/* None left: what there is may be in guests' hands, and is looked for another time. */
	regulator->left = given && given < regulator->left ? regulator->left - given : 0;
	if (regulator->left)
		return true;
	log_info("gave back %llu MiB in %llu us: %s",
		 (unsigned long long)(figures->last_bytes >> 20),
		 (unsigned long long)(figures->last_ns / 1000),
		 fallow_cause_name(figures->last_cause));
	/* Whoever needed it took some meanwhile. */
	if (given)
		look(regulator);
	return regulator->left != 0;
}

void regulator_note(struct regulator *regulator, enum fallow_cause cause, uint64_t bytes,
		    uint64_t ns)
{
	if (!bytes)
		return;
	regulator->figures.given[cause] += bytes;
	regulator->figures.last_cause = cause;
	regulator->figures.last_bytes = bytes;
	regulator->figures.last_ns = ns;
}

static void on_timer(struct watch *watch, uint32_t ready)
{
	struct regulator *regulator = (struct regulator *)(void *)watch;
	uint64_t now;

	(void)ready;
	if (!timer_expired(watch) || regulator->left)
		return;
	now = regulator_clock();
	if (now < regulator->due &&
	    host_memory_free() + fallow_fall(regulator->figures.reserve) > regulator->free)
		set_timer(regulator, regulator->due - now);
	else
		look(regulator);
}

static void close_pressure(struct regulator_pressure *pressure)
{
	if (!pressure->open)
		return;
	loop_remove(pressure->regulator->daemon->loop, &pressure->watch);
	close(pressure->watch.fd);
	pressure->open = false;
}

static void on_pressure(struct watch *watch, uint32_t ready)
{
	struct regulator_pressure *pressure = (struct regulator_pressure *)(void *)watch;
	struct regulator *regulator = pressure->regulator;

	/* The group is no more. */
	if (ready & EPOLLERR) {
		close_pressure(pressure);
		return;
	}
	regulator->waited = true;
	if (!regulator->left)
		look(regulator);
}

static void open_pressure(struct regulator *regulator, unsigned int which)
{
	struct regulator_pressure *pressure = &regulator->pressure[which];
	int fd = host_memory_pressure(&regulator->memory, which != 0);

	*pressure = (struct regulator_pressure){{fd, EPOLLPRI, on_pressure}, regulator, false};
	if (fd < 0)
		return;
	pressure->open = !loop_add(regulator->daemon->loop, &pressure->watch);
	if (!pressure->open)
		close(fd);
}

void regulator_open(struct regulator *regulator, struct daemon *daemon, const char *root)
{
	int error;

	memset(regulator, 0, sizeof(*regulator));
	regulator->daemon = daemon;
	regulator->figures.limit = UINT64_MAX;
	host_memory_open(&regulator->memory, root);
	error = timer_open(&regulator->timer, daemon->loop, on_timer);
	regulator->timed = !error;
	if (error)
		log_warning("no timer, and so nobody looks at what is fallow: %s",
			    strerror(-error));
}

static void turn_off(struct regulator *regulator)
{
	unsigned int i;

	if (!regulator->on)
		return;
	regulator->on = false;
	timer_set(&regulator->timer, 0, 0);
	for (i = 0; i < REGULATOR_PRESSURES; i++)
		close_pressure(&regulator->pressure[i]);
	regulator->left = 0;
	regulator->figures.fallow = 0;
	limit(regulator, UINT64_MAX);
}

static void turn_on(struct regulator *regulator)
{
	struct fallow_room machine, group;
	unsigned int i;

	if (regulator->on)
		return;
	if (!regulator->timed || !host_memory_read(&regulator->memory, &machine, &group)) {
		log_warning("how much memory is fallow cannot be told here; /proc/meminfo says it");
		return;
	}
	regulator->on = true;
	for (i = 0; i < REGULATOR_PRESSURES; i++)
		open_pressure(regulator, i);
	if (!regulator->pressure[0].open)
		log_info("this kernel does not tell when somebody waits for memory; the watermark "
			 "is looked at alone");
}

void regulator_set(struct regulator *regulator, bool on, uint64_t reserve)
{
	struct fallow_room machine = {0}, group;

	if (!on) {
		turn_off(regulator);
		return;
	}
	if (!reserve && host_memory_read(&regulator->memory, &machine, &group))
		reserve = fallow_reserve(machine.total);
	regulator->figures.reserve = reserve;
	turn_on(regulator);
	if (regulator->on && !regulator->left)
		look(regulator);
}

void regulator_close(struct regulator *regulator)
{
	turn_off(regulator);
	if (regulator->timed)
		timer_close(&regulator->timer, regulator->daemon->loop);
}
