#!/bin/sh
# SPDX-License-Identifier: MIT
# Without locked memory or a lowered out-of-memory score, a swap disk is
# refused with a sentence on what is missing and what to do.
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 2
sizes="--memory 64M --persistent 32M --log-level error"

# A shell that has lost rights, and may lock 64 KiB; the rest of its words are run.
cat >"$work/weak" <<'S'
ulimit -l 64
exec "$@"
S
weak() {
	rights=$1
	shift
	if [ "$(id -u)" = 0 ]; then
		run "$wanted" setpriv --bounding-set "$rights" --inh-caps "$rights" sh "$work/weak" "$@"
	else
		run "$wanted" sh "$work/weak" "$@"
	fi
}

wanted=1
check "with neither, a disk is refused" weak -all "$TMEMD" $sizes --run "$TMEM" add a --disk 1M
check "what is missing" says "tmem: persistent memory is not locked and may be swapped out; the out-of-memory killer may choose tmemd"
check "what to do" says "a locked-memory limit of 51200 KiB (ulimit -l, LimitMEMLOCK=) and a negative oom_score_adj (OOMScoreAdjust=)"
check "or the risk" says "--at-own-risk"
check "a device is not" weak -all "$TMEMD" $sizes --run sh -c '"$TMEM" add d --kind device >/dev/null && "$TMEM" set d --cap 1M >/dev/null &&
	"$TMEM" set d --allocation 1M'
check "but an allocation for it" says "tmem: persistent memory is not locked"
wanted=0
check "at one's own risk it is added" weak -all "$TMEMD" $sizes --at-own-risk --run "$TMEM" add a --disk 1M
check "the daemon says at its start what is missing" weak -all "$TMEMD" $sizes --log-level warning --run true
check "in a line each: memory" says "tmemd: warning: persistent memory is not locked and may be swapped out"
check "in a line each: the score" says "tmemd: warning: the out-of-memory killer may choose tmemd"
check "with what to do" says "no guest with an allocation can be added. To change that, start tmemd"
check "what is refused leaves nothing behind" weak -all "$TMEMD" $sizes --run \
	sh -c '"$TMEM" add a --disk 1M; test -z "$("$TMEM" list)" && test ! -e "$TMEM_RUN_DIR/a.sock"'

# The control: who has the rights needs no option.
"$TMEMD" $sizes --run "$TMEM" stat --json >"$work/out" 2>"$work/err"
if grep -q '"memory_locked":true,"oom_lowered":true' "$work/out"; then
	check "with both, a disk is added" run 0 "$TMEMD" $sizes --run "$TMEM" add a --disk 1M
	wanted=1
	check "memory alone is not enough" weak -sys_resource "$TMEMD" $sizes --run "$TMEM" add a --disk 1M
else
	skip "control: this system grants no one a lowered out-of-memory score"
fi
finish
