/* SPDX-License-Identifier: MIT */
/* Pages as programs have them, the same on every machine. */
#ifndef TESTS_CODEC_PAGES_H
#define TESTS_CODEC_PAGES_H

#include <stdint.h>

#define PAGE 4096u

/* Never 0 again; good enough to tell pages apart. */
static inline uint32_t dice(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*seed >> 33);
}

/* Which kinds of pages there are, and a page of kind number % KINDS. */
#define KINDS 12u
void make_page(unsigned char *page, uint32_t number);

#endif
