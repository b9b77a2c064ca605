/* SPDX-License-Identifier: MIT */
/* The rules again, slowly. It shares no line with wire/ on purpose. */
#include "oracle.h"

enum { EINVAL_ = -22, EPROTO_ = -71, EOPNOTSUPP_ = -95 };

static uint64_t number(const uint8_t *bytes, unsigned int at, unsigned int size)
{
	uint64_t value = 0;

	while (size--)
		value = value * 256 + bytes[at + size];
	return value;
}

static bool zeros(const uint8_t *bytes, unsigned int from, unsigned int to)
{
	for (; from < to; from++)
		if (bytes[from])
			return false;
	return true;
}

/* The one form that operations without pages have. */
static bool plain(const uint8_t *bytes)
{
	return bytes[1] == 0 && number(bytes, 2, 2) == 1;
}

static int judge_hello(const uint8_t *b)
{
	static const uint8_t magic[8] = {'V', 'I', 'T', 'T', 'M', 'E', 'M', '1'};
	unsigned int i, low = (unsigned int)number(b, 4, 2), high = (unsigned int)number(b, 6, 2);

	for (i = 0; i < 8; i++)
		if (b[8 + i] != magic[i])
			return EINVAL_;
	if (low > high)
		return EINVAL_;
	if (low > 1 || high < 1)
		return EOPNOTSUPP_;
	if (number(b, 32, 4) != 4096)
		return EOPNOTSUPP_;
	return plain(b) && zeros(b, 24, 32) && zeros(b, 36, 48) && zeros(b, 56, 64) ? 0 : EINVAL_;
}

static int judge_new_pool(const uint8_t *b)
{
	uint64_t flags = number(b, 36, 4);

	if (flags >> 24 || (flags >> 4 & 15))
		return EOPNOTSUPP_;
	if (flags > 7)
		return EINVAL_;
	if (!(flags & 2) && !zeros(b, 48, 64))
		return EINVAL_;
	return plain(b) && zeros(b, 4, 36) ? 0 : EINVAL_;
}

static int judge_pages(const uint8_t *b, uint64_t batch)
{
	uint64_t count = number(b, 2, 2), index = number(b, 32, 4);

	if (!zeros(b, 36, 64))
		return EINVAL_;
	if (b[1] == 0)
		return count == 1 ? 0 : EINVAL_;
	if (b[1] > 2 || count == 0 || count > batch)
		return EINVAL_;
	if (b[1] == 1)
		return index + count <= 0x100000000u ? 0 : EINVAL_;
	return zeros(b, 8, 36) ? 0 : EINVAL_;
}

static int judge_fields(const uint8_t *b, uint64_t batch)
{
	switch (b[0]) {
	case 0:
	case 10:
		return plain(b) && zeros(b, 4, 64) ? 0 : EINVAL_;
	case 1:
		return judge_hello(b);
	case 2:
		return judge_new_pool(b);
	case 3:
	case 9:
		return plain(b) && zeros(b, 8, 64) ? 0 : EINVAL_;
	case 4:
	case 5:
	case 6:
		return judge_pages(b, batch);
	case 7:
		return plain(b) && zeros(b, 36, 48) && zeros(b, 56, 64) &&
				       number(b, 48, 8) <= 0x100000000u
			       ? 0
			       : EINVAL_;
	case 8:
		return plain(b) && zeros(b, 32, 64) ? 0 : EINVAL_;
	default:
		return EOPNOTSUPP_;
	}
}

static void lengths(const uint8_t *b, struct oracle_verdict *verdict)
{
	static const uint64_t answers[11] = {[1] = 64, [9] = 128, [10] = 64};
	uint64_t count = number(b, 2, 2), entries = b[1] == 2 ? count * 32 : 0;

	verdict->readable = 64;
	verdict->writable = 16 + answers[b[0]];
	if (b[0] < 4 || b[0] > 6)
		return;
	verdict->readable += entries + (b[0] == 4 ? count * 4096 : 0);
	verdict->writable += (count + count % 2) * 4 + (b[0] == 5 ? count * 4096 : 0);
}

struct oracle_verdict oracle_judge(const struct oracle_case *c)
{
	struct oracle_verdict verdict = {EINVAL_, c->writable < 16, 0, 0};

	if (c->writable < 16 || c->readable < 64)
		return verdict;
	if (c->greeted == (c->bytes[0] == 1)) {
		verdict.code = EPROTO_;
		return verdict;
	}
	verdict.code = judge_fields(c->bytes, c->batch);
	if (verdict.code)
		return verdict;
	lengths(c->bytes, &verdict);
	if (c->readable != verdict.readable || c->writable != verdict.writable)
		verdict.code = EINVAL_;
	return verdict;
}
