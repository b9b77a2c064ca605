/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Locks that know their holder, and panics that can be expected. Both are
 * kept per thread: a lock may be taken only while no lock of its own or a
 * higher level is held, so a thread holds at most one per level; and only
 * after the thread's copies into the store were said to be done.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include "host.h"
#include "tmem_port.h"

#define LEVELS		   3
#define LOCK_MAGIC	   0x6c6f636bu
#define SPINS_BEFORE_YIELD 100

struct thread_state {
	struct tmem_lock *held[LEVELS + 1]; /* by level; [0] is not used */
	int copying;			    /* a copy into the store is not done */
	jmp_buf *catcher;		    /* where a panic goes, or NULL */
	const char *text;		    /* of the last panic caught */
};

static __thread struct thread_state self;

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;

static void thread_ends(void *state)
{
	(void)state;
	tmem_test_assert_no_locks();
}

static void make_key(void)
{
	if (pthread_key_create(&key, thread_ends) != 0)
		abort();
}

void tmem_panic(const char *file, int line, const char *what)
{
	jmp_buf *catcher = self.catcher;

	if (catcher != NULL) {
		self.catcher = NULL;
		self.text = what;
		longjmp(*catcher, 1);
	}
	fprintf(stderr, "tmem: broken invariant at %s:%d: %s\n", file, line, what);
	abort();
}

static void release(struct tmem_lock *lock)
{
	self.held[lock->level] = NULL;
	__atomic_store_n(&lock->owner, NULL, __ATOMIC_RELAXED);
	__atomic_store_n(&lock->word, 0, __ATOMIC_RELEASE);
}

int tmem_test_expect_panic(void (*fn)(void *arg), void *arg)
{
	struct thread_state before = self;
	jmp_buf here;
	unsigned int level;

	if (setjmp(here) == 0) {
		self.catcher = &here;
		fn(arg);
		self.catcher = before.catcher;
		return 0;
	}
	self.catcher = before.catcher;
	self.copying = before.copying;
	for (level = 1; level <= LEVELS; level++)
		if (self.held[level] != NULL && self.held[level] != before.held[level])
			release(self.held[level]);
	return 1;
}

const char *tmem_test_panic_text(void)
{
	return self.text != NULL ? self.text : "";
}

unsigned int tmem_test_locks_held(void)
{
	unsigned int level, count = 0;

	for (level = 1; level <= LEVELS; level++)
		count += self.held[level] != NULL;
	return count;
}

void tmem_test_assert_no_locks(void)
{
	if (tmem_test_locks_held() != 0)
		tmem_panic(__FILE__, __LINE__, "a lock is still held");
}

static int is_mine(const struct tmem_lock *lock)
{
	return __atomic_load_n(&lock->owner, __ATOMIC_RELAXED) == (const void *)&self;
}

static void check_made(const struct tmem_lock *lock)
{
	if (lock->magic != LOCK_MAGIC || lock->level < 1 || lock->level > LEVELS)
		tmem_panic(__FILE__, __LINE__, "a lock was used that was never made");
}

void tmem_lock_init(struct tmem_lock *lock, unsigned int level)
{
	if (level < 1 || level > LEVELS)
		tmem_panic(__FILE__, __LINE__, "a lock's level is out of range");
	lock->word = 0;
	lock->level = level;
	lock->magic = LOCK_MAGIC;
	lock->owner = NULL;
}

void tmem_lock(struct tmem_lock *lock)
{
	unsigned int level, spins = 0;

	check_made(lock);
	if (is_mine(lock))
		tmem_panic(__FILE__, __LINE__, "a lock was taken twice");
	if (self.copying)
		tmem_panic(__FILE__, __LINE__, "a lock was taken before copies were done");
	for (level = lock->level; level <= LEVELS; level++)
		if (self.held[level] != NULL)
			tmem_panic(__FILE__, __LINE__, "locks were taken in the wrong order");
	while (__atomic_exchange_n(&lock->word, 1, __ATOMIC_ACQUIRE) != 0) {
		tmem_cpu_relax();
		if (++spins % SPINS_BEFORE_YIELD == 0)
			sched_yield();
	}
	__atomic_store_n(&lock->owner, (const void *)&self, __ATOMIC_RELAXED);
	self.held[lock->level] = lock;
	/* Any value but NULL, so that the key's destructor runs when this thread ends. */
	pthread_once(&key_once, make_key);
	pthread_setspecific(key, &self);
}

void tmem_test_copies_begun(void)
{
	self.copying = 1;
}

void tmem_copy_done(void)
{
	self.copying = 0;
}

void tmem_unlock(struct tmem_lock *lock)
{
	check_made(lock);
	if (__atomic_load_n(&lock->word, __ATOMIC_RELAXED) == 0)
		tmem_panic(__FILE__, __LINE__, "a free lock was unlocked");
	if (!is_mine(lock))
		tmem_panic(__FILE__, __LINE__, "a lock was unlocked by another thread");
	release(lock);
}

void tmem_assert_held(const struct tmem_lock *lock)
{
	check_made(lock);
	if (!is_mine(lock))
		tmem_panic(__FILE__, __LINE__, "a lock that should be held is not");
}
