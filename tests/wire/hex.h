/* SPDX-License-Identifier: MIT */
/*
 * Files of bytes that people can read: two digits a byte, "xx*N" for N equal
 * ones, blanks and lines as one likes, # begins a comment up to the line's end.
 */
#ifndef TESTS_WIRE_HEX_H
#define TESTS_WIRE_HEX_H

#include <stddef.h>
#include <stdint.h>

/* The number of bytes, at most @most. Anything unexpected ends the test. */
size_t hex_read(const char *path, uint8_t *bytes, size_t most);

#endif
