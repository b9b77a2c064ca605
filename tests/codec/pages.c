/* SPDX-License-Identifier: MIT */
#include "pages.h"

#include <string.h>

static void put_word(unsigned char *page, uint32_t i, uint64_t word)
{
	uint32_t b;

	for (b = 0; b < 8; b++)
		page[8 * i + b] = (unsigned char)(word >> 8 * b);
}

/* Structures of @size words: a pointer into an area, a small number, flags, zeros. */
static void structures(unsigned char *page, uint64_t *seed, uint32_t size)
{
	uint64_t area = (uint64_t)dice(seed) << 24 & 0x7fffff000000;
	uint32_t i;

	for (i = 0; i < PAGE / 8; i++)
		put_word(page, i,
			 i % size == 0	 ? area + (dice(seed) & 0xfffff8)
			 : i % size == 1 ? dice(seed) % 3
			 : i % size == 2 ? (uint64_t)(dice(seed) % 256) << 32 | 7
					 : 0);
}

/* @period bytes, again and again. */
static void repeated(unsigned char *page, uint64_t *seed, uint32_t period)
{
	uint32_t i;

	for (i = 0; i < PAGE; i++)
		page[i] = i < period ? (unsigned char)dice(seed) : page[i - period];
}

void make_page(unsigned char *page, uint32_t number)
{
	uint64_t seed = number, word;
	uint32_t i, kind = number % KINDS;

	memset(page, 0, PAGE);
	(void)dice(&seed);
	switch (kind) {
	case 0: /* nearly nothing */
		page[dice(&seed) % PAGE] = 1;
		break;
	case 1:
		structures(page, &seed, 3 + dice(&seed) % 30);
		break;
	case 2: /* text, of a kind */
		for (i = 0; i < PAGE; i++)
			page[i] = (unsigned char)("etaoin shrdlu\n"[dice(&seed) % 14]);
		break;
	case 3: /* noise */
		for (i = 0; i < PAGE; i++)
			page[i] = (unsigned char)dice(&seed);
		break;
	case 4:
		repeated(page, &seed, 1 + dice(&seed) % 20);
		break;
	case 5:
		repeated(page, &seed, 200 + dice(&seed) % 2000);
		break;
	case 6: /* small numbers of 32 bits */
		for (i = 0; i < PAGE; i += 4)
			page[i] = (unsigned char)(dice(&seed) % 100);
		break;
	case 7: /* negative ones, of 64 bits */
		for (i = 0; i < PAGE / 8; i++)
			put_word(page, i, -(uint64_t)(dice(&seed) % 1000));
		break;
	case 8: /* addresses of a kernel */
		for (i = 0; i < PAGE / 8; i++)
			put_word(page, i, 0xffff888000000000 + dice(&seed) % 0x1000000);
		break;
	case 9: /* each length that a word can have */
		for (i = 0; i < PAGE / 8; i++) {
			word = (uint64_t)dice(&seed) << 33 | 1;
			word |= dice(&seed);
			put_word(page, i, word >> 8 * (dice(&seed) % 8));
		}
		break;
	case 10: /* half noise, half structures: just too much, or just not */
		structures(page, &seed, 5);
		for (i = dice(&seed) % (PAGE / 2); i < PAGE; i++)
			page[i] = (unsigned char)dice(&seed);
		break;
	default: /* noise between what repeats at changing distances */
		repeated(page, &seed, 24);
		for (i = 0; i < PAGE; i += 1 + dice(&seed) % 40)
			page[i] = (unsigned char)dice(&seed);
		break;
	}
}
