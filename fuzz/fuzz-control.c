// SPDX-License-Identifier: MIT
/*
 * Control lines: any bytes give a request that is good in form or one
 * refusal, and what is called good keeps the promises that the operations
 * rely on. The JSON reader, which the state file has too, is called by itself as well.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tmem/types.h>

#include "guest.h"
#include "json.h"
#include "request.h"
#include "template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool fact, const char *what)
{
	if (fact)
		return;
	fprintf(stderr, "broken promise: %s\n", what);
	abort();
}

static bool has(const struct request *request, enum request_key key)
{
	return request->keys & 1u << key;
}

static void check_good(const struct request *request)
{
	bool named = has(request, REQUEST_KEY_NAME);

	must(request->op < REQUEST_OP_COUNT, "an operation that exists");
	must(has(request, REQUEST_KEY_V) && has(request, REQUEST_KEY_OP), "version and operation");
	must(request->id < UINT64_C(1) << 53, "an id that every reader can hold");
	must(named == (request->name[0] != 0), "a name where there is one");
	must(!named || units_name_ok(request->name, strlen(request->name)), "a name in form");
	must(memchr(request->name, 0, sizeof(request->name)), "a name that ends");
	must(request->disk % TMEM_PAGE_SIZE == 0 && request->disk <= REQUEST_DISK_MAX,
	     "a disk of whole pages");
	must(request->queues <= REQUEST_QUEUES_MAX, "queues in bounds");
	must(request_codec_name(request->codec), "a codec that exists");
	must(request_kind_name(request->kind), "a kind that exists");
	must(request->op != REQUEST_ADD ||
		     (named && !request->disk == (request->kind != GUEST_DISK)),
	     "add has a name, and a disk where one is meant");
	must(named || (request->op != REQUEST_REMOVE && request->op != REQUEST_SET &&
		       request->op != REQUEST_DESTROY && request->op != REQUEST_SHARED_AUTH),
	     "what changes a guest names it");
	must((request->op != REQUEST_FREEZE && request->op != REQUEST_THAW) ||
		     named == !request->all,
	     "one guest is frozen, or all are");
	must(request->weight <= REQUEST_WEIGHT_MAX && request->cap <= REQUEST_BYTES_MAX &&
		     request->rate <= REQUEST_BYTES_MAX && request->bytes <= REQUEST_BYTES_MAX &&
		     request->pool <= UINT32_MAX,
	     "limits in bounds");
	must(request->mode <= 0777 && has(request, REQUEST_KEY_MODE) == (request->mode != 0),
	     "permission bits");
	must(request->connections <= TEMPLATE_CONNECTIONS_MAX &&
		     request->per_user <= TEMPLATE_CONNECTIONS_MAX &&
		     request->linger_s <= TEMPLATE_LINGER_MAX &&
		     request->pages_per_object <= UINT32_MAX,
	     "a template's limits in bounds");
	must(has(request, REQUEST_KEY_WEIGHT) == (request->weight != 0), "no weight of zero");
	must((request->op == REQUEST_FLUSH) == (request->bytes != 0), "a flush says how much");
	must(request->action <= REQUEST_GRANTS, "an action that exists");
	must(has(request, REQUEST_KEY_UUID) == ((request->uuid[0] | request->uuid[1]) != 0),
	     "no uuid of zero");
	must((request->op == REQUEST_SHARED_AUTH && request->action != REQUEST_GRANTS) ==
		     has(request, REQUEST_KEY_UUID),
	     "a uuid where one is granted or revoked");
	must(!request->interval_ms || (request->interval_ms >= REQUEST_INTERVAL_LOW &&
				       request->interval_ms <= REQUEST_INTERVAL_MAX),
	     "an interval in bounds");
}

static void check_refusal(const struct request *request, const struct refusal *refusal)
{
	must(refusal->code && refusal->code[0] == 'E', "a refusal has a code");
	must(refusal->text[0], "a refusal has a text");
	must(memchr(refusal->text, 0, sizeof(refusal->text)), "the text ends");
	must(memchr(refusal->hint, 0, sizeof(refusal->hint)), "the hint ends");
	must(!has(request, REQUEST_KEY_ID) || request->id < UINT64_C(1) << 53, "an id in bounds");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json_object *document;
	struct refusal refusal;
	struct request request;
	struct request again;
	const char *why = NULL;
	bool good;
	char *line;

	/* Exactly these bytes, in memory of their own: one read too far is seen. */
	line = malloc(size ? size : 1);
	if (!line)
		return 0;
	memcpy(line, data, size);

	good = request_judge(line, size, &request, &refusal);
	must(!memcmp(line, data, size), "the line is only read");
	if (good)
		check_good(&request);
	else
		check_refusal(&request, &refusal);
	must(request_judge(line, size, &again, &refusal) == good, "the same verdict twice");
	must(!good || !memcmp(&request, &again, sizeof(request)), "the same request twice");

	document = json_parse(line, size, &why);
	must(!document == (why != NULL), "a document, or a reason");
	must(!good || document, "a request is a document");
	json_object_put(document);
	free(line);
	return 0;
}
