#!/bin/sh
# SPDX-License-Identifier: MIT
# tmemd in a memory cgroup, full of a client's pages, and another program that
# needs more than is left: it gets it, and each page is right or missing.
# Without --lend yes, which is the control, somebody is killed.
#
#	daemon.sh TMEMD TMEM FILL [--control]
say() { echo "lend-daemon: $*"; }
if [ "$1" != --inside ]; then
	TMEMD=$1 TMEM=$2 FILL=$3 lend=yes
	[ "$4" = --control ] && lend=no
	for root in /sys/fs/cgroup/memory /sys/fs/cgroup; do
		group=$root/tmem-lend-$$
		mkdir "$group" 2>/dev/null || continue
		for limit in memory.limit_in_bytes memory.max; do
			{ echo 192M >"$group/$limit"; } 2>/dev/null && break 2
		done
		rmdir "$group"
		group=
	done
	[ -n "$group" ] && [ -d "$group" ] || { say "no memory cgroup to be had here"; exit 77; }
	export TMEM FILL
	(
		sh -c 'echo $PPID' >"$group/cgroup.procs" &&
			exec "$TMEMD" --no-config --memory 144M --persistent 4M --at-own-risk \
				--lend $lend --log-level error --run "$0" --inside
	)
	status=$?
	# What is left in there goes before the group does.
	until rmdir "$group" 2>/dev/null; do
		xargs -r kill -9 <"$group/cgroup.procs" 2>/dev/null
	done
	say "--lend $lend ends with status $status"
	[ "$lend" = no ] || exit $status
	# 3: the other program was killed; 137: tmemd itself.
	[ $status = 3 ] || [ $status = 137 ]
	exit
fi
"$TMEM" add app --kind device --codec raw --allocation 1M >/dev/null || exit 1
TMEM_SOCKET=$TMEM_RUN_DIR/app.sock
export TMEM_SOCKET
mkfifo "$TMEM_RUN_DIR/go" "$TMEM_RUN_DIR/said" || exit 1
"$FILL" 96 <"$TMEM_RUN_DIR/go" >"$TMEM_RUN_DIR/said" &
fill=$!
exec 3>"$TMEM_RUN_DIR/go" 4<"$TMEM_RUN_DIR/said"
read -r word <&4
[ "$word" = ready ] || exit 1
dd if=/dev/zero of=/dev/null bs=100M count=1 2>/dev/null
[ $? = 0 ] || { say "the other program was not served"; kill $fill; exit 3; }
echo >&3
read -r word <&4
say "$word"
wait $fill
