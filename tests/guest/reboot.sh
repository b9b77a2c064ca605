#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A guest reboots with its pages on the swap disk. A disk keeps its contents
# over a reboot; once the second life has made it its own swap, nothing of the
# former one may be served any more. The control is in the guest: before that,
# the scan must find the former life's pages, or it could not miss them after.
set -u
. "$(dirname "$0")/../../guest/demo/rig.sh"

rig_begin
rig_disk_size=40M
daemon_start
guest_start a reboot rootfstype=ramfs tmem.mib=20 tmem.limit=8
guest_line a '^reboot: first life ends' 120 || fail "the first life did not end"
guest_line a '^reboot: second life' 60 || fail "the guest did not come back"
guest_line a '^reboot: hog exit' 120 || fail "the second life did not end"
guest_end a 30 || fail "the guest did not power itself off"
"$rig_tmem" check >/dev/null || fail "tmem check"
[ "$(figure a disk.blocks_lost)" = 0 ] || fail "blocks were lost"
report=$(report_of a)
grep -q '^hog: round 1 pages=5120 bad=0 lost=0' "$report" || fail "the first life's pages were not verified"
found=$(sed -n 's/^reboot: before: .* of_seed=\([0-9]*\) .*/\1/p' "$report")
[ "${found:-0}" -ge 1000 ] || fail "control: the scan finds ${found:-no} pages of the life that left them"
say "PASS control: the disk keeps $found pages of the first life until it is swap again"
after=$(sed -n 's/^reboot: after: .* of_seed=\([0-9]*\) other=\([0-9]*\).*/\1 \2/p' "$report")
[ "$after" = "0 1" ] || fail "after mkswap and discard: pages of the first life, and others, are $after, not 0 1"
say "PASS after mkswap and discard the disk holds nothing but the swap header"
grep -q '^reboot: hog exit 0' "$report" || fail "the second life's pages were not verified"
daemon_stop
say "PASS the second life verified all its pages"
say "PASS"
