/* SPDX-License-Identifier: MIT */
/*
 * What the daemon and the tool must agree on without talking: how a size, a
 * number and a client's name are written. Judged here and nowhere else.
 */
#ifndef TMEM_UNITS_H
#define TMEM_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longest client name; it lands in paths and in QEMU's arguments. */
#define UNITS_NAME_MAX 64

/*
 * "4096", "512K", "2G": decimal digits and at most one of K M G T P, powers
 * of 1024. False: something else, or beyond 2^63 - 1.
 */
bool units_parse_size(const char *text, uint64_t *bytes);

/*
 * As a configuration file says them, with the unit spelled out: "4 GiB", "4G",
 * "512 MiB", "4096 bytes"; "90 s", "90 seconds", "5 min", "1 hour". A number
 * without a unit is refused. False: something else, or beyond 2^63 - 1.
 */
bool units_parse_spelled_size(const char *text, uint64_t *bytes);
bool units_parse_spelled_seconds(const char *text, uint64_t *seconds);

/* Decimal digits only. False: something else, or beyond 2^63 - 1. */
bool units_parse_number(const char *text, uint64_t *number);

/* The shortest exact form: 536870912 is "512M", 1000 is "1000". */
#define UNITS_SIZE_TEXT 24
const char *units_format_size(uint64_t bytes, char text[UNITS_SIZE_TEXT]);

/* Three significant digits for people: "1.46 GiB". */
const char *units_format_rough(uint64_t bytes, char text[UNITS_SIZE_TEXT]);

/*
 * 128 bits as 32 hexadecimal digits, with single hyphens between digits
 * wherever they stand; word 0 comes first. False: something else, or zero,
 * which is no pool's uuid.
 */
bool units_parse_uuid(const char *text, uint64_t uuid[2]);

/* 8-4-4-4-12 digits, in lower case. */
#define UNITS_UUID_TEXT 37
const char *units_format_uuid(const uint64_t uuid[2], char text[UNITS_UUID_TEXT]);

/* [a-z0-9_.-]{1,64}, and neither "." nor "..". @length bytes, no closing zero needed. */
bool units_name_ok(const char *name, size_t length);

#endif
