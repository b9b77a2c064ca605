// SPDX-License-Identifier: MIT
/* A sealed memfd, mapped here and in no child. */
#include "memory.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

_Static_assert(MEMORY_SLOT_PAGES * 32 + 64 <= MEMORY_REPLY, "a request fits before its reply");
_Static_assert(MEMORY_REPLY + 16 + MEMORY_SLOT_PAGES * 4 <= MEMORY_TABLE, "a reply fits");
_Static_assert(MEMORY_TABLE + (MEMORY_SLOT_PAGES + 2) * 16 <= MEMORY_PAGE, "a table fits");
_Static_assert(MEMORY_RING_SIZE * 16 <= MEMORY_RING_AVAIL, "descriptors fit");
_Static_assert(MEMORY_RING_SIZE * 8 + 6 <= MEMORY_RING_BYTES - MEMORY_RING_USED, "used fits");

int lt_memory_open(struct memory *memory, size_t buffer_bytes)
{
	int error;
	void *base;

	memory->buffer_bytes = buffer_bytes;
	memory->size = MEMORY_BUFFERS_AT + buffer_bytes;
	memory->fd = memfd_create("tmem", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (memory->fd < 0)
		return -errno;
	if (ftruncate(memory->fd, (off_t)memory->size) ||
	    fcntl(memory->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		goto err_close;
	base = mmap(NULL, memory->size, PROT_READ | PROT_WRITE, MAP_SHARED, memory->fd, 0);
	if (base == MAP_FAILED)
		goto err_close;
	/* A child that wrote here would write into what its parent is sending. */
	if (madvise(base, memory->size, MADV_DONTFORK)) {
		error = -errno;
		munmap(base, memory->size);
		close(memory->fd);
		return error;
	}
	memory->base = base;
	return 0;

err_close:
	error = -errno;
	close(memory->fd);
	return error;
}

void lt_memory_close(struct memory *memory, bool forked)
{
	if (!forked)
		munmap(memory->base, memory->size);
	close(memory->fd);
}
