// SPDX-License-Identifier: MIT
/* A bounded list of debts; what does not fit makes its pool stale. */
#include "debt.h"
#include "request.h"
#include <stdlib.h>
#include <string.h>

#define DEBTS_MAX  4096u
#define DEBTS_GROW 64u

static struct debt *another(struct tmem *tmem)
{
	struct debt *debts;
	uint32_t room;

	if (tmem->debt_count == tmem->debt_room) {
		room = tmem->debt_room ? tmem->debt_room * 2 : DEBTS_GROW;
		debts = room <= DEBTS_MAX ? realloc(tmem->debts, room * sizeof(*debts)) : NULL;
		if (!debts)
			return NULL;
		tmem->debts = debts;
		tmem->debt_room = room;
	}
	return &tmem->debts[tmem->debt_count++];
}

void lt_debt_add(struct tmem *tmem, const struct tmem_io *io)
{
	struct debt *debt;

	if (io->code == TMEM_IO_GET || io->pool->stale)
		return;
	debt = another(tmem);
	if (!debt) {
		io->pool->stale = true;
		return;
	}
	debt->pool = io->pool;
	debt->number = 0;
	debt->op = (uint8_t)(io->code == TMEM_IO_PUT ? TMEM_WIRE_FLUSH : io->code);
	debt->object = io->object;
	debt->index = io->code == TMEM_IO_FLUSH_OBJECT ? 0 : io->index;
	debt->count = 0;
	if (io->code == TMEM_IO_FLUSH_RANGE)
		debt->count = io->count < TMEM_WIRE_RANGE - io->index ? io->count
								      : TMEM_WIRE_RANGE - io->index;
}

void lt_debt_drop(struct tmem *tmem, const struct tmem_pool *pool)
{
	uint32_t i, kept = 0;

	for (i = 0; i < tmem->debt_count; i++) {
		if (tmem->debts[i].pool != pool)
			tmem->debts[kept++] = tmem->debts[i];
	}
	tmem->debt_count = kept;
}

void lt_debt_add_pool(struct tmem *tmem, const struct tmem_pool *pool)
{
	struct debt *debt;

	lt_debt_drop(tmem, pool);
	debt = another(tmem);
	/* Without room for it the pool stays with the daemon until the session ends. */
	if (!debt)
		return;
	memset(debt, 0, sizeof(*debt));
	debt->number = pool->number;
	debt->op = TMEM_WIRE_DESTROY_POOL;
}

static bool is_due(const struct debt *debt, bool resumed)
{
	if (!debt->pool)
		return resumed;
	return (resumed || (debt->pool->flags & TMEM_POOL_SHARED)) && !debt->pool->refused;
}

static int pay(struct tmem *tmem, const struct debt *debt)
{
	struct tmem_req request = {.op = debt->op, .count = 1, .index = debt->index};
	struct tmem_rep reply;
	uint8_t result[8];

	request.pool = debt->pool ? debt->pool->number : debt->number;
	memcpy(request.object, debt->object.word, sizeof(request.object));
	request.arg[0] = debt->count;
	/* Whatever the status: it was carried out, or there is no such pool. */
	return lt_request_control(tmem, &request, &reply, result,
				  debt->op == TMEM_WIRE_FLUSH ? sizeof(result) : 0);
}

int lt_debt_pay(struct tmem *tmem, bool resumed)
{
	uint32_t i;
	int error;

#ifdef LIBTMEM_FORGETS_DEBTS /* a test's control */
	tmem->debt_count = 0;
#endif
	for (i = 0; i < tmem->debt_count; i++) {
		if (!is_due(&tmem->debts[i], resumed))
			continue;
		error = pay(tmem, &tmem->debts[i]);
		if (error)
			return error;
	}
	tmem->debt_count = 0;
	return 0;
}
