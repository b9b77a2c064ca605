// SPDX-License-Identifier: MIT
/* Time as the account, as in rate.c: what was taken pays for the time that it has to last. */
#include "budget.h"

void budget_set(struct budget *budget, uint32_t percent)
{
	*budget = (struct budget){.percent = percent};
}

uint64_t budget_wait(struct budget *budget, uint64_t now)
{
	if (!budget->percent)
		return BUDGET_NEVER;
	if (now < budget->next)
		return budget->next - now;
	if (budget->paid < now) {
		if (now - budget->paid > BUDGET_PERIOD)
			budget->paid = now - BUDGET_PERIOD;
		return 0;
	}
	/* Used up: a whole period is saved before the next slice, or it would be a page at a time. */
	budget->next = budget->paid + BUDGET_PERIOD;
	return budget->next - now;
}

void budget_spend(struct budget *budget, uint64_t time)
{
	if (budget->percent)
		budget->paid += time * 100 / budget->percent;
}
