/* SPDX-License-Identifier: MIT */
/* Small arithmetic and the hash of objects, against what they are defined as. */
#include <stdio.h>
#include <stdlib.h>

#include "internal.h"
#include "hash.h"
#include "must.h"
#include "page.h"

static void arithmetic(void)
{
	uint64_t state = 1;
	unsigned int bit, i;

	for (bit = 0; bit < 64; bit++) {
		MUST_EQ(tmem_log2(1ull << bit), bit);
		MUST_EQ(tmem_log2(~0ull >> (63 - bit)), bit);
		MUST_EQ(tmem_power2(1ull << bit), 1ull << bit);
		if (bit > 1)
			MUST_EQ(tmem_power2((1ull << bit) - 1), 1ull << bit);
		if (bit < 63)
			MUST_EQ(tmem_power2((1ull << bit) + 1), 1ull << (bit + 1));
	}
	MUST_EQ(tmem_power2(0), 1);
	MUST_EQ(tmem_min64(~0ull, 5), 5);
	MUST_EQ(tmem_min64(5, ~0ull), 5);
	MUST_EQ(tmem_min32(0xffffffffu, 7), 7);
	for (i = 0; i < 100000; i++) {
		uint64_t a = rng_next(&state) >> rng_below(&state, 64);
		uint64_t b = rng_next(&state) >> rng_below(&state, 64);

		MUST(tmem_min64(a, b) == (a < b ? a : b));
		if (a)
			MUST(a >> tmem_log2(a) == 1);
	}
}

/* Ids that differ in one bit, counters, and one id in many pools: none in one bucket. */
static void spread(void)
{
	static const uint64_t seeds[2][2] = {{0, 0}, {0x123456789abcdef0u, 77}};
	static uint32_t bucket[4096];
	unsigned int s, how, i, most;

	for (s = 0; s < 2; s++)
		for (how = 0; how < 6; how++) {
			for (i = 0; i < 4096; i++)
				bucket[i] = 0;
			for (i = 0; i < 4096 * 8; i++) {
				struct tmem_object_id id = {{0, 0, 0}};
				uint32_t pool = 1;

				if (how < 3)
					id.word[how] = i;
				else if (how == 3)
					pool = i;
				else if (how == 4)
					id.word[0] = (uint64_t)i << 40;
				else
					id = (struct tmem_object_id){
						{i & 31, i >> 5 & 31, i >> 10}};
				bucket[tmem_hash(seeds[s], pool, &id) % 4096]++;
			}
			for (i = 0, most = 0; i < 4096; i++)
				most = bucket[i] > most ? bucket[i] : most;
			/* Eight on average; thirty would be one in 10^8. */
			if (most > 30)
				FAIL("%u of 32768 ids of kind %u meet in one of 4096 buckets", most,
				     how);
		}
}

/* Another seed puts them elsewhere, or a client could aim. */
static void seeded(void)
{
	uint64_t a[2] = {1, 2}, b[2] = {1, 3}, c[2] = {2, 2};
	unsigned int i, same = 0;

	for (i = 0; i < 10000; i++) {
		struct tmem_object_id id = {{i, 0, 0}};

		same += tmem_hash(a, 1, &id) % 4096 == tmem_hash(b, 1, &id) % 4096;
		same += tmem_hash(a, 1, &id) % 4096 == tmem_hash(c, 1, &id) % 4096;
	}
	MUST_LE(same, 40);
}

int main(void)
{
	arithmetic();
	spread();
	seeded();
	printf("bits: 3 passed, 0 failed\n");
	return 0;
}
