/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For a test, and in no other build (TMEM_REFUSE): every allocation of the
 * module comes by here, is counted until it is freed, and the one that the
 * parameter "refuse" names fails. Included before everything else.
 */
#ifndef TMEM_LINUX_REFUSE_H
#define TMEM_LINUX_REFUSE_H

#include <linux/blkdev.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/idr.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

/* True: this one fails. */
bool tmem_refuse(void);
/* What became of it; @there: there is something to free. */
void tmem_refuse_got(bool there);
/* False: this one is to be forgotten. */
bool tmem_refuse_free(bool there);
void tmem_refuse_say(void);

#define REFUSE_(is_there, call)                        \
	({                                             \
		__auto_type refuse_got = (call);       \
		tmem_refuse_got(is_there(refuse_got)); \
		refuse_got;                            \
	})
#define REFUSE_POINTER(p) (!IS_ERR_OR_NULL(p))
#define REFUSE_NUMBER(n)  ((n) != 0)
#define REFUSE_ID(n)	  ((n) >= 0)

#define kzalloc(...)	 (tmem_refuse() ? NULL : REFUSE_(REFUSE_POINTER, kzalloc(__VA_ARGS__)))
#define kvzalloc(...)	 (tmem_refuse() ? NULL : REFUSE_(REFUSE_POINTER, kvzalloc(__VA_ARGS__)))
#define kvcalloc(...)	 (tmem_refuse() ? NULL : REFUSE_(REFUSE_POINTER, kvcalloc(__VA_ARGS__)))
#define alloc_pages(...) (tmem_refuse() ? NULL : REFUSE_(REFUSE_POINTER, alloc_pages(__VA_ARGS__)))
#define get_zeroed_page(...) \
	(tmem_refuse() ? 0ul : REFUSE_(REFUSE_NUMBER, get_zeroed_page(__VA_ARGS__)))
#define alloc_workqueue(...) \
	(tmem_refuse() ? NULL : REFUSE_(REFUSE_POINTER, alloc_workqueue(__VA_ARGS__)))
#define __blk_alloc_disk(...) \
	(tmem_refuse() ? NULL : REFUSE_(REFUSE_POINTER, __blk_alloc_disk(__VA_ARGS__)))
#define kthread_create_on_node(...)       \
	(tmem_refuse() ? ERR_PTR(-ENOMEM) \
		       : REFUSE_(REFUSE_POINTER, kthread_create_on_node(__VA_ARGS__)))
#define __alloc_percpu(...) \
	(tmem_refuse() ? NULL : REFUSE_(REFUSE_POINTER, __alloc_percpu(__VA_ARGS__)))
#define ida_alloc(...) (tmem_refuse() ? -ENOMEM : REFUSE_(REFUSE_ID, ida_alloc(__VA_ARGS__)))

#define REFUSE_FREE(what, is_there, call)                  \
	({                                                 \
		__auto_type refuse_it = (what);            \
		if (tmem_refuse_free(is_there(refuse_it))) \
			call;                              \
	})
#define kfree(p)	       REFUSE_FREE(p, REFUSE_POINTER, kfree(refuse_it))
#define kvfree(p)	       REFUSE_FREE(p, REFUSE_POINTER, kvfree(refuse_it))
#define free_pages(p, order)   REFUSE_FREE(p, REFUSE_NUMBER, free_pages(refuse_it, order))
#define __free_pages(p, order) REFUSE_FREE(p, REFUSE_POINTER, __free_pages(refuse_it, order))
#define destroy_workqueue(q)   REFUSE_FREE(q, REFUSE_POINTER, destroy_workqueue(refuse_it))
#define put_disk(d)	       REFUSE_FREE(d, REFUSE_POINTER, put_disk(refuse_it))
#define kthread_stop(t)	       REFUSE_FREE(t, REFUSE_POINTER, kthread_stop(refuse_it))
#define free_percpu(p)	       REFUSE_FREE(p, REFUSE_POINTER, free_percpu(refuse_it))
#define ida_free(ida, id)      REFUSE_FREE(id, REFUSE_ID, ida_free(ida, (unsigned int)refuse_it))

#endif
