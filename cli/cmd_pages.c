// SPDX-License-Identifier: MIT
/* Commands on what guests stored: flush, freeable, destroy. */
#include <inttypes.h>
#include <stdio.h>

#include "command.h"
#include "link.h"
#include "view.h"

enum status cmd_flush(const struct arguments *arguments)
{
	struct json_object *request = link_named(arguments);
	struct json_object *ok;
	enum status status;

	json_object_object_add(request, "bytes", json_object_new_int64((int64_t)arguments->bytes));
	status = link_ask(arguments, "flush", request, &ok);
	if (status != STATUS_OK || link_print_json(arguments, ok))
		return status;
	printf("%" PRIu64 " bytes given back\n", view_u64(ok, "given_back"));
	json_object_put(ok);
	return STATUS_OK;
}

enum status cmd_freeable(const struct arguments *arguments)
{
	struct json_object *ok;
	enum status status = link_ask(arguments, "freeable", link_named(arguments), &ok);

	if (status != STATUS_OK || link_print_json(arguments, ok))
		return status;
	printf("%" PRIu64 " bytes\n", view_u64(ok, "freeable"));
	json_object_put(ok);
	return STATUS_OK;
}

enum status cmd_destroy(const struct arguments *arguments)
{
	struct json_object *request = link_named(arguments);
	struct json_object *ok;
	enum status status;

	if (arguments_given(arguments, "pool"))
		json_object_object_add(request, "pool",
				       json_object_new_int64((int64_t)arguments->pool));
	if (arguments->force)
		json_object_object_add(request, "force", json_object_new_boolean(true));
	status = link_ask(arguments, "destroy", request, &ok);
	if (status != STATUS_OK || link_print_json(arguments, ok))
		return status;
	printf("%s: pools destroyed: %" PRIu64 "\n", arguments->name, view_u64(ok, "destroyed"));
	json_object_put(ok);
	return STATUS_OK;
}
