/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The way to the host, as the rest of the module sees it: exchanges are
 * taken, run and given back. A transport that is gone answers -EIO at once,
 * for ever; what it was asked before has then been answered or given up, and
 * no host writes to this guest's pages any more.
 *
 * While the system is suspended, who runs an exchange waits. Afterwards the
 * host is greeted before anything else is said.
 */
#ifndef TMEM_LINUX_TRANSPORT_H
#define TMEM_LINUX_TRANSPORT_H

#include "counters.h"
#include "exchange.h"

struct tmem_transport;

enum tmem_purpose {
	TMEM_FOR_PAGES,
	TMEM_FOR_GREETING, /* there is one, which is never waited for; before all others */
	TMEM_FOR_NEWS	   /* there is one; for a kernel thread, and may wait without end */
};

struct tmem_transport_ops {
	/* An exchange. Sleeps until one is free. */
	struct tmem_exchange *(*take)(struct tmem_transport *transport, enum tmem_purpose purpose);
	void (*give)(struct tmem_transport *transport, struct tmem_exchange *exchange);
	/*
	 * Carries it out. 0 with exchange->length, or -EIO. May sleep. For news
	 * also 1: the system was suspended, ask again; -EINTR: the thread is to end.
	 */
	int (*run)(struct tmem_transport *transport, struct tmem_exchange *exchange);
	/* The host is to be asked for pages from now on; it has been greeted. */
	void (*open)(struct tmem_transport *transport);
	/* What the host said is nonsense: it is not to be asked again. Any context. */
	void (*give_up)(struct tmem_transport *transport, const char *why);
};

struct tmem_transport {
	const struct tmem_transport_ops *ops;
	const char *name; /* for people */
	u32 pages;	  /* of one exchange, at most; constant */
	struct tmem_counters __percpu *counters;
};

#endif
