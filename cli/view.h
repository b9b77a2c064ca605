/* SPDX-License-Identifier: MIT */
/* Reading an answer's values; what is not there reads as 0, false or "". */
#ifndef TMEM_CLI_VIEW_H
#define TMEM_CLI_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include <json-c/json.h>

/* Also of a number that travels as a string because it is large. */
uint64_t view_u64(struct json_object *object, const char *key);
bool view_bool(struct json_object *object, const char *key);
const char *view_text(struct json_object *object, const char *key);
/* Borrowed; NULL: not there. */
struct json_object *view_member(struct json_object *object, const char *key);
/* Length of the array under @key; 0: none. */
size_t view_count(struct json_object *object, const char *key);
struct json_object *view_item(struct json_object *object, const char *key, size_t index);
/* The object in the array under @key that has this name. Borrowed; NULL: none. */
struct json_object *view_named(struct json_object *object, const char *key, const char *name);

#endif
