#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A guest with more to do than memory does it over tmemd's swap disk, and
# every program's own check holds. The control: without the disk the same
# programs are killed for want of memory, so it was the disk that carried them.
set -u
. "$(dirname "$0")/../../guest/demo/rig.sh"

text=50

rig_begin
sum=$(cc -O2 -D_GNU_SOURCE -o "$rig_work/text" "$rig_top/guest/demo/text.c" &&
	"$rig_work/text" $text | LC_ALL=C sort | sha256sum | cut -d' ' -f1)
options=("tmem.mib=240" "tmem.text=$text" "tmem.faults=0")

daemon_start
guest_start a programs "${options[@]}" "tmem.sum=$sum"
guest_end a 240 || fail "the guest did not end"
grep -q '^all stages verified' "$(report_of a)" || fail "the guest did not verify its work"
out=$(sed -n 's/^vm .* out=\([0-9]*\) .*/\1/p' "$(report_of a)" | tail -n 1)
in=$(sed -n 's/^vm .* in=\([0-9]*\) .*/\1/p' "$(report_of a)" | tail -n 1)
[ "$out" -ge 20000 ] && [ "$in" -ge 10000 ] || fail "it hardly swapped: $out pages out, $in in"
[ "$(figure a disk.blocks_lost)" = 0 ] || fail "blocks were lost"
[ "$(figure a engine.puts)" -ge "$out" ] || fail "the daemon saw fewer pages than the guest wrote"
"$rig_tmem" check >/dev/null || fail "tmem check"
say "PASS verified with the disk: $out pages out, $in in"

# What must not be verified: a sum that is wrong by one digit.
case $sum in 0*) wrong=1${sum#?} ;; *) wrong=0${sum#?} ;; esac
rig_disk_size=64M
guest_start b programs "tmem.mib=16" "tmem.text=4" "tmem.faults=0" "tmem.sum=$wrong"
guest_end b 120 || fail "the guest with the wrong checksum did not end"
grep -q '^stage sort FAILED' "$(report_of b)" || fail "the guest accepts a wrong checksum"
daemon_stop
say "PASS control: a wrong checksum is seen"

guest_boot control programs "${options[@]}" "tmem.sum=$sum" -m $rig_ram
guest_end control 120 || fail "the control's guest did not end"
grep -qa 'Out of memory: Killed process' "$rig_work/control.console" || fail "the control was not killed"
! grep -q '^all stages verified' "$(report_of control)" || fail "the control verified its work"
say "PASS control: killed without the disk"
say "PASS"
