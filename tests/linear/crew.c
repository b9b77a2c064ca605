/* SPDX-License-Identifier: MIT */
/*
 * Threads side by side: see crew.h. A call takes about a microsecond, so the
 * threads leave a common start by spinning, with all pages filled, and look
 * at what they got only when everybody is through.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "crew.h"
#include "interrupt.h"
#include "must.h"
#include "page.h"

struct crew;

struct actor {
	struct crew *crew;
	pthread_t thread;
	uint32_t worker;
	uint32_t steps;
	const struct step *step;
	struct event event[CREW_STEPS]; /* of each step that is recorded */
	uint8_t page[CREW_STEPS][TMEM_PAGE_SIZE];
};

struct crew {
	struct rig *rig;
	const struct plan *plan;
	uint32_t interrupts;
	uint64_t clock;			      /* atomic */
	uint32_t arrived;		      /* atomic */
	uint32_t frozen;		      /* atomic */
	struct actor actor[CREW_THREADS + 1]; /* the last one looks back */
	struct step look[2 * CREW_HANDLES];   /* and does this */
};

static uint64_t tick(struct crew *crew)
{
	return __atomic_add_fetch(&crew->clock, 1, __ATOMIC_SEQ_CST);
}

/* Pages say which history and which put of it they are from. */
static uint64_t tag_of(const struct plan *plan, const struct step *step)
{
	return page_tag((enum page_kind)step->page_kind, plan->history << 8 | step->version);
}

static uint32_t version_in(const struct plan *plan, const void *page)
{
	uint64_t tag, number;

	memcpy(&tag, page, sizeof(tag));
	number = page_number_of(tag);
	if (number >> 8 != plan->history || !page_holds(page, tag))
		return VERSION_STRANGE;
	return number & 0xff;
}

static bool is_recorded(const struct step *step)
{
	return step->kind <= STEP_FLUSH_RANGE;
}

static void beside(struct actor *a, const struct step *step, const void *page)
{
	struct crew *crew = a->crew;
	const struct backend *be = crew->rig->backend;
	const int client = crew->plan->client[a->worker];
	struct tmem_handle other;
	uint64_t before;

	switch (step->kind) {
	case STEP_FREEZE:
		before = __atomic_fetch_xor(&crew->frozen, 1ull << client, __ATOMIC_RELAXED);
		be->freeze(crew->rig, client, !(before >> client & 1));
		break;
	case STEP_RECLAIM:
		be->reclaim(crew->rig, a->worker, 64u << 10);
		break;
	case STEP_TAKE:
		be->take(crew->rig, 2);
		break;
	case STEP_PRESS:
		other = rig_handle(crew->plan->pool[a->worker], 0,
				   (uint32_t)(crew->plan->history * CREW_THREADS + a->worker));
		/* Whether it is stored is nobody's business here. */
		if (be->put(crew->rig, a->worker, client, &other, page) > 0)
			FAIL("a put says more than 0");
		break;
	default:
		be->step(crew->rig, a->worker, (uint32_t)step->count);
		break;
	}
}

static struct tmem_handle handle_of(const struct actor *a, const struct step *step)
{
	struct tmem_handle h = a->crew->plan->handle[step->handle];

	h.pool = a->crew->plan->pool[a->worker];
	return h;
}

static int call(struct actor *a, const struct step *step, void *page)
{
	struct rig *rig = a->crew->rig;
	const struct backend *be = rig->backend;
	const int client = a->crew->plan->client[a->worker];
	const struct tmem_handle h = handle_of(a, step);

	switch (step->kind) {
	case STEP_PUT:
		return be->put(rig, a->worker, client, &h, page);
	case STEP_GET:
		return be->get(rig, a->worker, client, &h, page);
	case STEP_FLUSH:
		return be->flush(rig, a->worker, client, &h);
	case STEP_FLUSH_OBJECT:
		return be->flush_object(rig, a->worker, client, &h);
	default:
		return be->flush_range(rig, a->worker, client, &h, step->count);
	}
}

/* Steps from @i on that go in one batch; 0: the step goes by itself. */
static uint32_t row_at(const struct actor *a, uint32_t i)
{
	const struct plan *plan = a->crew->plan;
	uint32_t most = (uint32_t)(plan->history + a->worker + i) % 5, count = 0;

	if (a->crew->rig->backend != &backend_batch)
		return 0;
	while (count < most && i + count < a->steps && is_recorded(&a->step[i + count]))
		count++;
	return count;
}

/* Each of them is carried out at some moment between the batch's call and its return. */
static void call_row(struct actor *a, uint32_t i, uint32_t count)
{
	static const uint32_t codes[] = {[STEP_PUT] = TMEM_OP_PUT,
					 [STEP_GET] = TMEM_OP_GET,
					 [STEP_FLUSH] = TMEM_OP_FLUSH,
					 [STEP_FLUSH_OBJECT] = TMEM_OP_FLUSH_OBJECT,
					 [STEP_FLUSH_RANGE] = TMEM_OP_FLUSH_RANGE};
	struct rig *rig = a->crew->rig;
	struct tmem_op ops[CREW_STEPS];
	uint32_t n;

	for (n = 0; n < count; n++) {
		const struct step *step = &a->step[i + n];

		ops[n] = (struct tmem_op){codes[step->kind], 0, handle_of(a, step), step->count,
					  a->page[i + n]};
	}
	for (n = 0; n < count; n++)
		a->event[i + n].began = tick(a->crew);
	rig->backend->batch(rig, a->worker, a->crew->plan->client[a->worker], ops, count);
	for (n = 0; n < count; n++) {
		a->event[i + n].result = ops[n].result;
		a->event[i + n].ended = tick(a->crew);
	}
}

static void prepare(struct actor *a)
{
	uint32_t i;

	for (i = 0; i < a->steps; i++)
		page_fill(a->page[i], tag_of(a->crew->plan, &a->step[i]));
}

static void carry_out(struct actor *a)
{
	uint32_t i, row;

	for (i = 0; i < a->steps; i += row ? row : 1) {
		const struct step *step = &a->step[i];
		struct event *e = &a->event[i];
		volatile uint16_t turn = step->pause;

		if (step->yield)
			sched_yield();
		while (turn)
			turn--;
		row = row_at(a, i);
		if (row) {
			call_row(a, i, row);
		} else if (is_recorded(step)) {
			e->began = tick(a->crew);
			e->result = call(a, step, a->page[i]);
			e->ended = tick(a->crew);
		} else {
			beside(a, step, a->page[i]);
		}
	}
}

static void start_together(struct crew *crew)
{
	uint32_t turns = 0;

	__atomic_add_fetch(&crew->arrived, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&crew->arrived, __ATOMIC_SEQ_CST) < crew->plan->threads)
		if (++turns % 64 == 0)
			sched_yield();
}

static void *act(void *arg)
{
	struct actor *a = arg;
	struct crew *crew = a->crew;
	struct interrupts interrupts;

	prepare(a);
	interrupts_begin(&interrupts, crew->interrupts,
			 crew->plan->history * CREW_THREADS + a->worker);
	start_together(crew);
	interrupts_go(&interrupts);
	carry_out(a);
	interrupts_end(&interrupts);
	return NULL;
}

/* What is there at the end: every handle is got twice, by one who is alone. */
static void look_back(struct crew *crew)
{
	struct actor *a = &crew->actor[CREW_THREADS];
	uint32_t i;

	a->crew = crew;
	a->steps = 2 * crew->plan->handles;
	a->step = crew->look;
	for (i = 0; i < 2 * CREW_HANDLES; i++)
		crew->look[i] = (struct step){.kind = STEP_GET, .handle = (uint8_t)(i / 2)};
	carry_out(a);
}

/* True if a call on @h concerns @other. */
static bool touches(const struct step *step, const struct tmem_handle *h,
		    const struct tmem_handle *other)
{
	if (h == other)
		return true;
	if (memcmp(&h->object, &other->object, sizeof(h->object)))
		return false;
	if (step->kind == STEP_FLUSH_RANGE)
		return other->index >= h->index && other->index - h->index < step->count;
	return step->kind == STEP_FLUSH_OBJECT;
}

static int by_beginning(const void *a, const void *b)
{
	const struct event *x = a, *y = b;

	return x->began < y->began ? -1 : x->began > y->began;
}

/* What an actor did, handle by handle. */
static void collect(const struct actor *a, struct record *record)
{
	const struct plan *plan = a->crew->plan;
	uint32_t i, h;

	for (i = 0; i < a->steps; i++) {
		const struct step *step = &a->step[i];
		struct event e = a->event[i];

		if (!is_recorded(step))
			continue;
		e.kind = step->kind;
		e.worker = (uint8_t)a->worker;
		if (e.kind == EVENT_PUT)
			e.version = step->version;
		else if (e.kind == EVENT_GET && !e.result)
			e.version = version_in(plan, a->page[i]);
		for (h = 0; h < plan->handles; h++)
			if (touches(step, &plan->handle[step->handle], &plan->handle[h]))
				record->event[h][record->count[h]++] = e;
	}
}

void crew_run(struct rig *rig, const struct plan *plan, uint32_t interrupts, struct record *record)
{
	struct crew *crew = calloc(1, sizeof(*crew));
	uint32_t i;

	MUST(crew != NULL);
	*crew = (struct crew){.rig = rig, .plan = plan, .interrupts = interrupts};
	interrupts_prepare();
	for (i = 0; i < plan->threads; i++) {
		struct actor *a = &crew->actor[i];

		a->crew = crew;
		a->worker = i;
		a->steps = plan->steps;
		a->step = plan->step[i];
		MUST_EQ(pthread_create(&a->thread, NULL, act, a), 0);
	}
	for (i = 0; i < plan->threads; i++)
		MUST_EQ(pthread_join(crew->actor[i].thread, NULL), 0);
	look_back(crew);
	/* The next history begins thawed; two threads may have frozen and thawed in another order than counted. */
	for (i = 0; i < plan->threads; i++)
		rig->backend->freeze(rig, plan->client[i], false);
	memset(record->count, 0, sizeof(record->count));
	for (i = 0; i <= CREW_THREADS; i++)
		if (crew->actor[i].crew)
			collect(&crew->actor[i], record);
	for (i = 0; i < plan->handles; i++) {
		qsort(record->event[i], record->count[i], sizeof(struct event), by_beginning);
		judge_mark(record->event[i], record->count[i]);
	}
	free(crew);
}
