/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The page copies of every world whose processor has nothing better: plain C,
 * no library, instrumented by sanitizers like any other code. Included by the
 * tmem_port.h files only.
 */
#ifndef TMEM_PORTABLE_COPY_H
#define TMEM_PORTABLE_COPY_H

#include <tmem/types.h>

/*
 * One page in. The owner may rewrite @src meanwhile, so each word is loaded
 * once and the same value is stored and judged: the empty asm makes it opaque,
 * or the compiler could load it a second time. Non-zero: all words are equal.
 */
static inline int tmem_portable_copy_in(void *dst, const void *src)
{
	const unsigned char *from = src;
	uint64_t *to = __builtin_assume_aligned(dst, 16);
	uint64_t first = 0, differs = 0, word;
	size_t i;

	for (i = 0; i < TMEM_PAGE_SIZE / sizeof(word); i++) {
		__builtin_memcpy(&word, from + i * sizeof(word), sizeof(word));
		__asm__("" : "+r"(word));
		__builtin_memcpy(to + i, &word, sizeof(word));
		if (i == 0)
			first = word;
		differs |= word ^ first;
	}
	return differs == 0;
}

#endif
