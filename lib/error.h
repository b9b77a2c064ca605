/* SPDX-License-Identifier: MIT */
/* Failures in words: what happened, and what to do about it. */
#ifndef LIBTMEM_ERROR_H
#define LIBTMEM_ERROR_H

struct tmem;

/* Notes a sentence with the failure and hands @code on. */
__attribute__((format(printf, 3, 4))) int lt_fail(struct tmem *tmem, int code, const char *format,
						  ...);

/* Notes a failure that the code says all about. */
void lt_note(struct tmem *tmem, int code);

/* Keeps the last sentence of @tmem as this thread's, before a failed connect frees it. */
void lt_keep_sentence(const struct tmem *tmem);

#endif
