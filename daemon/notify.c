// SPDX-License-Identifier: MIT
/* Eventfds signalled by completions of the kernel's asynchronous I/O. */
#include "notify.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Completions are thrown away so many at a time: one system call more for each so many. */
#define REAP 64

int notify_open(struct notify *notify)
{
	int error;

	memset(notify, 0, sizeof(*notify));
	notify->zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	if (notify->zero < 0)
		return -errno;
	notify->mute = open("/dev/zero", O_WRONLY | O_CLOEXEC);
	if (notify->mute < 0) {
		error = -errno;
		goto err_zero;
	}
	if (syscall(SYS_io_setup, 2 * REAP, &notify->context)) {
		error = -errno;
		goto err_mute;
	}
	return 0;

err_mute:
	close(notify->mute);
err_zero:
	close(notify->zero);
	return error;
}

void notify_close(struct notify *notify)
{
	(void)syscall(SYS_io_destroy, notify->context);
	close(notify->mute);
	close(notify->zero);
}

/* Reads no bytes of @file and then signals @fd. 0 or -errno. */
static int submit(const struct notify *notify, int file, int fd)
{
	struct iocb request = {
		.aio_lio_opcode = IOCB_CMD_PREAD,
		.aio_fildes = (uint32_t)file,
		.aio_flags = IOCB_FLAG_RESFD,
		.aio_resfd = (uint32_t)fd,
	};
	struct iocb *list = &request;

	return syscall(SYS_io_submit, notify->context, 1, &list) == 1 ? 0 : -errno;
}

/* The eventfd is looked at before the file is, so the two are told apart by what is refused. */
bool notify_takes(const struct notify *notify, int fd)
{
	return submit(notify, notify->mute, fd) == -EBADF;
}

static void reap(struct notify *notify)
{
	struct timespec now = {0, 0};
	struct io_event events[REAP];

	if (syscall(SYS_io_getevents, notify->context, 0, REAP, events, &now) > 0)
		notify->unreaped = 0;
}

int notify_send(struct notify *notify, int fd)
{
	int error = submit(notify, notify->zero, fd);

	if (!error && ++notify->unreaped >= REAP)
		reap(notify);
	return error;
}
