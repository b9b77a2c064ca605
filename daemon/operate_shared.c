// SPDX-License-Identifier: MIT
/*
 * Which shared pools a guest may join.
 */
#include "operate_parts.h"

#include <tmem/engine.h>

#include "daemon.h"
#include "guest.h"
#include "report.h"
#include "request.h"

bool operate_shared_auth(struct daemon *daemon, const struct request *request,
			 struct json_object **ok, struct refusal *refusal)
{
	char text[UNITS_UUID_TEXT];
	struct tmem_client *client;
	struct entry *entry;
	int error = 0;

	if (!operate_find_guest(daemon, request, &entry, refusal))
		return false;
	client = guest_client(entry->guest);
	if (request->action == REQUEST_GRANT)
		error = tmem_client_grant(client, request->uuid);
	else if (request->action != REQUEST_GRANTS)
		error = tmem_client_revoke(client, daemon->worker, request->uuid,
					   request->action == REQUEST_REVOKE_NOW);
	units_format_uuid(request->uuid, text);
	switch (error) {
	case 0:
		*ok = report_grants(entry);
		return true;
	case -TMEM_ENOENT:
		refuse(refusal, "ENOENT", "%s was not granted %s", entry->name, text);
		refuse_hint(refusal, "tmem shared-auth %s --list shows its grants", entry->name);
		return false;
	default:
		refuse(refusal, "EOVERFLOW", "%s has %u grants; that is the most", entry->name,
		       TMEM_GRANTS);
		refuse_hint(refusal, "revoke one that it no longer needs");
		return false;
	}
}
