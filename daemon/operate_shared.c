// SPDX-License-Identifier: MIT
/*
 * Which shared pools a guest may make and join, or each client of a
 * template, those to come included.
 */
#include "operate_parts.h"

#include "daemon.h"
#include "guest.h"
#include "report.h"
#include "request.h"
#include "state.h"
#include "template.h"
#include "template_file.h"

static int change(struct grants *grants, const struct request *request)
{
	switch (request->action) {
	case REQUEST_GRANT:
		return grants_add(grants, request->uuid);
	case REQUEST_REVOKE:
	case REQUEST_REVOKE_NOW:
		return grants_remove(grants, request->uuid);
	default:
		return 0;
	}
}

static bool refuse_change(int error, const struct request *request, struct refusal *refusal)
{
	char text[UNITS_UUID_TEXT];

	if (error == -TMEM_ENOENT) {
		refuse(refusal, "ENOENT", "%s was not granted %s", request->name,
		       units_format_uuid(request->uuid, text));
		refuse_hint(refusal, "tmem shared-auth %s --list shows its grants", request->name);
	} else {
		refuse(refusal, "EOVERFLOW", "%s has %u grants; that is the most", request->name,
		       TMEM_GRANTS);
		refuse_hint(refusal, "revoke one that it no longer needs");
	}
	return false;
}

struct visit {
	struct daemon *daemon;
	const struct request *request;
};

/* The engine's grants of a client are those that are known here, so it refuses neither. */
static void carry_out(const struct visit *visit, struct tmem_client *client)
{
	const struct request *request = visit->request;

	if (request->action == REQUEST_GRANT)
		(void)!tmem_client_grant(client, request->uuid);
	else
		(void)!tmem_client_revoke(client, visit->daemon->worker, request->uuid,
					  request->action == REQUEST_REVOKE_NOW);
}

static bool carry_out_one(const struct template_client *client, void *arg)
{
	if (client->client)
		carry_out(arg, client->client);
	return true;
}

static void set_grants(struct operate_target *target, const struct grants *grants)
{
	if (target->guest)
		target->guest->grants = *grants;
	else
		template_set_grants(target->template, grants);
}

bool operate_shared_auth(struct daemon *daemon, const struct request *request,
			 struct json_object **ok, struct refusal *refusal)
{
	struct visit visit = {daemon, request};
	struct operate_target target;
	struct grants old, now;
	int error;

	if (!operate_find(daemon, request, &target, refusal))
		return false;
	old = target.guest ? target.guest->grants : *template_grants(target.template);
	now = old;
	error = change(&now, request);
	if (error)
		return refuse_change(error, request, refusal);
	if (request->action != REQUEST_GRANTS) {
		set_grants(&target, &now);
		/* First the file: who was a member and is none any more cannot be made one again. */
		if (!(target.guest ? state_save(daemon) : template_file_save(daemon))) {
			set_grants(&target, &old);
			return operate_refuse_state(refusal);
		}
		if (target.guest)
			carry_out(&visit, guest_client(target.guest->guest));
		else
			template_each(target.template, carry_out_one, &visit);
	}
	*ok = report_grants(request->name, &now);
	return true;
}
