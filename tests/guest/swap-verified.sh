#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A guest with more to do than memory does it over tmemd's swap disk, and
# every program's own check holds. The control: without the disk the same
# programs are killed for want of memory, so it was the disk that carried them.
set -u
. "$(dirname "$0")/../../guest/demo/rig.sh"

text=24

sum_of() { # MIB of text
	"$rig_work/text" "$1" | LC_ALL=C sort | sha256sum | cut -d' ' -f1
}

rig_begin
cc -O2 -D_GNU_SOURCE -o "$rig_work/text" "$rig_top/guest/demo/text.c" || fail "text.c does not compile"
options=("tmem.mib=150" "tmem.text=$text" "tmem.faults=0" "tmem.sum=$(sum_of $text)")
# What must not be verified: a sum that is wrong by one digit.
right=$(sum_of 4)
case $right in 0*) wrong=1${right#?} ;; *) wrong=0${right#?} ;; esac

daemon_start
guest_start a programs "${options[@]}" "tmem.wrong=$wrong"
guest_end a 240 || fail "the guest did not end"
grep -q '^all stages verified' "$(report_of a)" || fail "the guest did not verify its work"
out=$(sed -n 's/^vm .* out=\([0-9]*\) .*/\1/p' "$(report_of a)" | tail -n 1)
in=$(sed -n 's/^vm .* in=\([0-9]*\) .*/\1/p' "$(report_of a)" | tail -n 1)
[ "$out" -ge 20000 ] && [ "$in" -ge 10000 ] || fail "it hardly swapped: $out pages out, $in in"
[ "$(figure a disk.blocks_lost)" = 0 ] || fail "blocks were lost"
[ "$(figure a engine.puts)" -ge "$out" ] || fail "the daemon saw fewer pages than the guest wrote"
"$rig_tmem" check >/dev/null || fail "tmem check"
say "PASS verified with the disk: $out pages out, $in in"

grep -q "^sort: sha256 $right" "$(report_of a)" && grep -q '^stage wrong FAILED' "$(report_of a)" ||
	fail "the guest accepts a wrong checksum"
daemon_stop
say "PASS control: a wrong checksum is seen"

guest_boot control programs "${options[@]}" -m $rig_ram
guest_end control 120 || fail "the control's guest did not end"
grep -qa 'Out of memory: Killed process' "$rig_work/control.console" || fail "the control was not killed"
! grep -q '^all stages verified' "$(report_of control)" || fail "the control verified its work"
say "PASS control: killed without the disk"
say "PASS"
