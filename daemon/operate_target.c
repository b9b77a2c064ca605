// SPDX-License-Identifier: MIT
/*
 * Whom a request means, and the refusals that several operations have.
 */
#include "operate_parts.h"

#include "daemon.h"
#include "registry.h"
#include "request.h"
#include "template.h"

bool operate_find(struct daemon *daemon, const struct request *request,
		  struct operate_target *target, struct refusal *refusal)
{
	*target = (struct operate_target){NULL, NULL};
	if (!request->name[0])
		return true;
	target->guest = registry_find(daemon, request->name);
	if (!target->guest)
		target->template = template_find(daemon, request->name);
	if (target->guest || target->template)
		return true;
	refuse(refusal, "ENOENT", "no guest is named %s", request->name);
	refuse_hint(refusal, "tmem list shows the guests");
	return false;
}

bool operate_find_guest(struct daemon *daemon, const struct request *request, struct entry **entry,
			struct refusal *refusal)
{
	struct operate_target target;

	if (!operate_find(daemon, request, &target, refusal))
		return false;
	*entry = target.guest;
	if (*entry)
		return true;
	refuse(refusal, "EOPNOTSUPP", "%s is a template, whose clients come and go", request->name);
	refuse_hint(refusal, "this is for a guest of one's own: tmem add --kind device");
	return false;
}

bool operate_refuse_state(struct refusal *refusal)
{
	refuse(refusal, "EIO", "the state file cannot be written; nothing was changed");
	refuse_hint(refusal, "make room for it in the run-time directory");
	return false;
}

bool operate_refuse_pool(const struct entry *entry, const struct request *request,
			 struct refusal *refusal)
{
	refuse(refusal, "ENOENT", "guest %s has no pool %llu", entry->name,
	       (unsigned long long)request->pool);
	refuse_hint(refusal, "the figures with pools show those that there are");
	return false;
}
