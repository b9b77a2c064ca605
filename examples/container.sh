#!/bin/sh
# SPDX-License-Identifier: MIT
# A program in a container, with tmemd outside: all that the container needs is
# the socket, bind-mounted. Pages cross through memory that the program shares
# over it, so nothing else of the host is seen inside, and no privilege is.
#
#	container.sh SOCKET PROGRAM [ARGUMENT...]
#
# With podman or docker it is one option, given the socket of a client that
# `tmem add app --kind device` made:
#
#	podman run -v /run/tmem/app.sock:/run/tmem/tmem.sock IMAGE PROGRAM
#
# The user inside must be one whom the socket's permissions let in. Here a
# container is made by hand of namespaces: /usr read-only, the program, and the
# socket where libtmem looks for it.
#
# Exits with the program's status; 77: no namespaces for this user.
set -u
if [ "$1" != --inside ]; then
	unshare --user --map-root-user --mount true 2>/dev/null || {
		echo "container: this user may make no namespaces" >&2
		exit 77
	}
	exec unshare --user --map-root-user --mount --pid --fork --net --ipc --uts "$0" --inside "$@"
fi
shift
socket=$1 program=$2
shift 2
root=$(mktemp -d) || exit 1
mount -t tmpfs tmpfs "$root" || exit 77
mkdir -p "$root/usr" "$root/run/tmem" "$root/proc"
mount --rbind /usr "$root/usr" && mount -o remount,bind,ro "$root/usr" || exit 77
for name in bin lib lib32 lib64 libx32 sbin; do
	[ ! -L "/$name" ] || ln -s "usr/$name" "$root/$name"
done
touch "$root/run/tmem/tmem.sock" "$root/program"
mount --bind "$socket" "$root/run/tmem/tmem.sock" || exit 77
mount --bind "$program" "$root/program" || exit 77
# An environment without a word about the host.
env -i PATH=/usr/bin:/usr/sbin chroot "$root" /program "$@"
status=$?
umount -R "$root" 2>/dev/null
rmdir "$root" 2>/dev/null
exit $status
