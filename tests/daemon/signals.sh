#!/bin/sh
# SPDX-License-Identifier: MIT
# A clean stop leaves no files; --run passes on its command's status, and
# signals to its command.
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 2
dir=$work/run

status_is() {
	check "--run: $2 ends with $1" run "$1" "$TMEMD" $small --run sh -c "$2"
}
status_is 0 'exit 0'
status_is 5 'exit 5'
status_is 137 'kill -9 $$'
check "--run: a command that does not exist" run 127 "$TMEMD" $small --run "$work/none"
check "that is said" says "cannot run $work/none"
check "--run: a command that is not a program" run 126 "$TMEMD" $small --run "$work"
check "--run takes arguments as they are" run 0 "$TMEMD" $small --run test 'a  $b' = 'a  $b'
status_is 143 'kill -TERM $$; exit 1'

# What is started: nothing runs with rights or limits that tmemd took for itself.
check "--run: limits and scores are not inherited" run 0 "$TMEMD" $small --run sh -c \
	'test "$(cat /proc/self/oom_score_adj) $(ulimit -n) $(ulimit -l)" = "$0"' \
	"$(cat /proc/self/oom_score_adj) $(ulimit -n) $(ulimit -l)"

# The daemon in the background says that it serves; then the signal comes.
for signal in TERM INT; do
	mkfifo "$work/said"
	# Background processes of a shell ignore INT; this one has not been told to.
	python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])' "$TMEMD" $small --log-level info --run-dir "$dir" 2>"$work/said" &
	pid=$!
	exec 3<"$work/said"
	timeout 30 sed -n '/serving/q' <&3
	"$TMEM" --control "$dir/control.sock" list >/dev/null 2>&1
	"$TMEM" add a --disk 1M --control "$dir/control.sock" >/dev/null
	check "SIG$signal: a guest's socket is there" [ -S "$dir/a.sock" ]
	kill -$signal $pid
	wait $pid
	status=$?
	exec 3<&-
	check "SIG$signal: status 0" [ "$status" = 0 ]
	check "SIG$signal: no files" [ ! -e "$dir" ]
	rm -f "$work/said"
done

# With a command: it gets the signal, and the daemon serves it until its end.
check "SIGTERM goes to the command, which is served until it ends" run 9 "$TMEMD" $small \
	--run-dir "$dir" --run sh -c 'trap "\"\$TMEM\" list && exit 9" TERM
		kill -TERM $PPID
		while :; do "$TMEM" list >/dev/null; done'
check "no files" [ ! -e "$dir" ]
check "the second SIGTERM ends both" run 143 "$TMEMD" $small --run-dir "$dir" --run \
	sh -c 'trap "kill -TERM \$PPID" TERM; kill -TERM $PPID; while :; do "$TMEM" list >/dev/null 2>&1; done'
check "no files" [ ! -e "$dir" ]
finish
