// SPDX-License-Identifier: MIT
/* One table of codes: a few words for tmem_strerror(), advice for tmem_last_error(). */
#include "error.h"
#include "connection.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct text {
	int code;
	const char *words;
	const char *advice;
} texts[] = {
	{0, "success", ""},
	{TMEM_ENOENT, "no such page", "the page was never put, was flushed, or was dropped"},
	{TMEM_EIO, "page lost",
	 "the daemon came back without this pool's contents, or the page failed its check: restore "
	 "it from elsewhere, or call tmem_pool_accept_loss() to begin again"},
	{TMEM_ECHILD, "connection of the parent process",
	 "a connection does not survive fork(): let the child call tmem_connect() itself"},
	{TMEM_EAGAIN, "frozen",
	 "an administrator froze this client: puts are stored again after `tmem thaw`"},
	{TMEM_ENOMEM, "the host has no room",
	 "drop the page or keep it yourself; the host has no memory for it now"},
	{TMEM_EACCES, "not authorised",
	 "ask the administrator: the socket's permissions, or `tmem shared-auth` for a shared "
	 "pool"},
	{TMEM_EFAULT, "bad address", "the page given is not readable, or not writable"},
	{TMEM_EBUSY, "still under way", "call tmem_batch_reap() until the batches are complete"},
	{TMEM_EEXIST, "already joined", "close the other pool with this uuid first"},
	{TMEM_ENODEV, "no such pool",
	 "the pool was destroyed, or this client's membership ended: close it and open another"},
	{TMEM_EINVAL, "invalid argument", "look the call up in libtmem(3)"},
	{TMEM_ENOSPC, "over the client's allocation or cap",
	 "flush pages, or ask the administrator for more (`tmem set`)"},
	{TMEM_EPROTO, "protocol error",
	 "the other side of the socket does not speak tmem as it should: is it a tmem device?"},
	{TMEM_EOVERFLOW, "too many pools", "close a pool first"},
	{TMEM_EOPNOTSUPP, "not supported",
	 "the daemon does not know this version, flag or page "
	 "size: upgrade the older of the two"},
	{TMEM_ENOTCONN, "the daemon is away", "see whether tmemd runs and serves this socket"},
	{TMEM_ESHUTDOWN, "the client is being destroyed",
	 "the administrator removed this client: stop using it"},
	{TMEM_ETIMEDOUT, "the daemon does not answer",
	 "see whether tmemd is stopped or the machine overloaded; timeout_ms says how long to "
	 "wait"},
	{TMEM_EWAITS, "not answered yet", "call tmem_batch_reap()"},
};

static _Thread_local char kept[LT_SENTENCE_MAX];

static const struct text *find(int code)
{
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (texts[i].code == code || texts[i].code == -(int64_t)code)
			return &texts[i];
	}
	return NULL;
}

const char *tmem_strerror(int result)
{
	const struct text *text = find(result);

	return text ? text->words : "unknown result";
}

int lt_fail(struct tmem *tmem, int code, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(tmem->sentence, sizeof(tmem->sentence), format, arguments);
	va_end(arguments);
	tmem->last_code = code;
	tmem->said = true;
	return code;
}

void lt_note(struct tmem *tmem, int code)
{
	/* A sentence that was noted on the way says more than the table. */
	if (tmem->said && tmem->last_code == code)
		return;
	tmem->last_code = code;
	tmem->sentence[0] = '\0';
}

void lt_keep_sentence(const struct tmem *tmem)
{
	const struct text *text = find(tmem->last_code);

	if (tmem->sentence[0])
		memcpy(kept, tmem->sentence, sizeof(kept));
	else
		snprintf(kept, sizeof(kept), "%s: %s", text ? text->words : "failed",
			 text ? text->advice : "");
}

const char *tmem_last_error(const struct tmem *tmem)
{
	/* The lock is the caller's only way to a sentence that is not being written. */
	struct tmem *own = (struct tmem *)(uintptr_t)tmem;

	if (!tmem)
		return kept;
	if (lt_is_forked(tmem))
		return find(TMEM_ECHILD)->advice;
	pthread_mutex_lock(&own->lock);
	if (tmem->last_code)
		lt_keep_sentence(tmem);
	else
		kept[0] = '\0';
	pthread_mutex_unlock(&own->lock);
	return kept;
}
