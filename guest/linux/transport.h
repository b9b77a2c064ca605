/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The way to the host, as the rest of the module sees it: exchanges are
 * taken, run and given back. A transport that is gone answers -EIO at once,
 * for ever; what it was asked before has then been answered or given up, and
 * no host writes to this guest's pages any more.
 */
#ifndef TMEM_LINUX_TRANSPORT_H
#define TMEM_LINUX_TRANSPORT_H

#include "exchange.h"

struct tmem_transport;

struct tmem_transport_ops {
	/* An exchange. Sleeps until one is free. */
	struct tmem_exchange *(*take)(struct tmem_transport *transport);
	void (*give)(struct tmem_transport *transport, struct tmem_exchange *exchange);
	/* Carries it out. 0 with exchange->length, or -EIO. May sleep. */
	int (*run)(struct tmem_transport *transport, struct tmem_exchange *exchange);
	/* What the host said is nonsense: it is not to be asked again. Any context. */
	void (*give_up)(struct tmem_transport *transport, const char *why);
};

struct tmem_transport {
	const struct tmem_transport_ops *ops;
	const char *name; /* for people */
};

#endif
