/* SPDX-License-Identifier: MIT */
/*
 * The two-letter form in which the first tmem's tools listed it: a line of
 * NN:VALUE for the host (G=), for each client (C=) and for each of its pools
 * (P=). For programs that parse it; the long form of list is for people.
 */
#ifndef TMEM_CLI_LETTERS_H
#define TMEM_CLI_LETTERS_H

#include <stdbool.h>

#include <json-c/json.h>

/* From the answers to list and to stat with pools. */
void letters_print(struct json_object *list, struct json_object *stat, bool long_form);

#endif
