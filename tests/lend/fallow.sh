#!/bin/sh
# SPDX-License-Identifier: MIT
# tmemd in a memory cgroup whose memory it fills, and another program that
# takes half of it and keeps it: tmemd gives back, says how much, how fast and
# why, and grows no more than the group allows. Without --fallow yes, which is
# the control, it gives nothing back, and the kernel has to take.
#
#	fallow.sh TMEMD TMEM FILL [--control]
say() { echo "lend-fallow: $*"; }
if [ "$1" != --inside ]; then
	TMEMD=$1 TMEM=$2 FILL=$3 FALLOW=yes
	[ "$4" = --control ] && FALLOW=no
	for root in /sys/fs/cgroup/memory /sys/fs/cgroup; do
		group=$root/tmem-fallow-$$
		mkdir "$group" 2>/dev/null || continue
		for limit in memory.limit_in_bytes memory.max; do
			{ echo 192M >"$group/$limit"; } 2>/dev/null && break 2
		done
		rmdir "$group"
		group=
	done
	[ -n "$group" ] && [ -d "$group" ] || { say "no memory cgroup to be had here"; exit 77; }
	export TMEM FILL FALLOW
	(
		sh -c 'echo $PPID' >"$group/cgroup.procs" &&
			exec "$TMEMD" --no-config --memory 180M --persistent 4M --at-own-risk \
				--lend yes --fallow $FALLOW --log-level error --run "$0" --inside
	)
	status=$?
	# What is left in there goes before the group does.
	until rmdir "$group" 2>/dev/null; do
		xargs -r kill -9 <"$group/cgroup.procs" 2>/dev/null
	done
	say "--fallow $FALLOW ends with status $status"
	exit $status
fi
figure() { # NAME: of the line in $line
	echo "$line" | grep -o "\"$1\":[^,}]*" | head -n 1 | cut -d: -f2
}
"$TMEM" add app --kind device --codec raw --allocation 1M >/dev/null || exit 1
TMEM_SOCKET=$TMEM_RUN_DIR/app.sock
export TMEM_SOCKET
mkfifo "$TMEM_RUN_DIR/go" "$TMEM_RUN_DIR/said" "$TMEM_RUN_DIR/end" "$TMEM_RUN_DIR/held" "$TMEM_RUN_DIR/watched" || exit 1
"$FILL" 250 <"$TMEM_RUN_DIR/go" >"$TMEM_RUN_DIR/said" &
fill=$!
exec 3>"$TMEM_RUN_DIR/go" 4<"$TMEM_RUN_DIR/said"
read -r word <&4
[ "$word" = ready ] || exit 1
line=$("$TMEM" stat --json)
say "before: fallow $(figure fallow), held $(figure ephemeral_held), given back $(figure given_back)"
[ "$FALLOW" = no ] || [ "$(figure ephemeral_held)" -gt 60000000 ] || exit 1
python3 -c 'import sys; b = bytearray(100 << 20); print("held", flush=True); sys.stdin.read()' \
	<"$TMEM_RUN_DIR/end" >"$TMEM_RUN_DIR/held" &
other=$!
exec 5>"$TMEM_RUN_DIR/end" 6<"$TMEM_RUN_DIR/held"
read -r word <&6
[ "$word" = held ] || { say "the other program was not served"; exit 3; }
timeout 60 "$TMEM" watch --json >"$TMEM_RUN_DIR/watched" &
watch=$!
# Until it has come down to what is left beside the other program.
exec 7<"$TMEM_RUN_DIR/watched"
status=1
while read -r line <&7; do
	[ "$FALLOW" = yes ] || break
	# Whoever waited may have been seen before the watermark was.
	given=$(($(figure given_for_cgroup) + $(figure given_for_pressure)))
	[ $given -gt 0 ] && [ "$(figure ephemeral_held)" -lt 90000000 ] && status=0 && break
done
kill $watch 2>/dev/null
say "after: held $(figure ephemeral_held), given back $(figure given_back), the last" \
	"$(figure give_back_bytes) at $(figure give_back_rate) bytes/s, cause $(figure give_back_cause)"
[ "$FALLOW" = yes ] && [ "$(figure give_back_rate)" = 0 ] && status=1
[ "$FALLOW" = no ] && [ "$(figure given_back)" = 0 ] && status=0
exec 5>&-
wait $other
echo >&3
read -r word <&4
say "$word"
wait $fill || status=1
exit $status
