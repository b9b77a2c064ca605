/* SPDX-License-Identifier: MIT */
/*
 * The one place where bytes become JSON: stricter than the library, because
 * what a document may mean must not depend on the reader. Used for control
 * lines and for the state file.
 */
#ifndef TMEMD_JSON_H
#define TMEMD_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#define JSON_DEPTH     8
#define JSON_INT_EXACT (UINT64_C(1) << 53) /* beyond this, a number travels as a string */

/*
 * One object and nothing after it, from exactly @length bytes, which need no
 * closing zero. NULL: *@why is a sentence. The caller puts the object back.
 */
struct json_object *json_parse(const char *bytes, size_t length, const char **why);

/* An integer from 0 to @high; a string of decimal digits is one too. */
bool json_get_u64(struct json_object *value, uint64_t high, uint64_t *number);

/* A string without zero bytes: its text, owned by @value, and length. NULL: something else. */
const char *json_get_text(struct json_object *value, size_t *length);

/*
 * Adds @number under @key, as a string where a reader's double would round
 * it. The add functions never fail visibly: out of memory ends the daemon's
 * reply, which then misses the key, and nothing else.
 */
void json_add_u64(struct json_object *object, const char *key, uint64_t number);
void json_add_text(struct json_object *object, const char *key, const char *text);
void json_add_bool(struct json_object *object, const char *key, bool value);

#endif
