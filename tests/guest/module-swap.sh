#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# tmem.ko's swap disk on Debian's stock kernel: what is swapped comes back
# right, and each slot that is free again is flushed, so that nothing but what
# was written past swap is left in the pool. The control: without the hook that
# says so, dead pages are left.
set -u
. "$(dirname "$0")/../../guest/demo/rig.sh"

rig_disk_size=420M

rig_begin
rig_take_module
daemon_start

guest_start_module a module tmem.mib=170
guest_end a 240 || fail "the guest did not end"
report=$(report_of a)
grep -q '^hog: result bad=0 lost=0 ' "$report" || fail "not every page was verified"
grep -q '^all done' "$report" && ! grep -q 'complains\|failed\|ended with' "$report" ||
	fail "the guest complains"
out=$(sed -n 's/^vm .* out=\([0-9]*\).*/\1/p' "$report")
[ "$out" -ge 30000 ] || fail "it hardly swapped: $out pages out"
# When swapoff returns nothing is left but what mkswap wrote, and nothing beside a discard.
label=$(sed -n 's/^label: \([0-9]*\) pages.*/\1/p' "$report")
[ "$label" = 1 ] || fail "$label pages are in the pool after swapoff, in place of the label"
left=$(figure a engine.persistent_pages)
[ "$left" = 0 ] || fail "$left pages are left in the pool"
[ "$(figure a engine.gets_lost)" = 0 ] || fail "pages were lost"
"$rig_tmem" check >/dev/null || fail "tmem check"
# What the guest counted is what it did, and what the daemon counted.
for pair in swap_writes:puts swap_reads:gets; do
	[ "$(guest_stat a "${pair%:*}")" = "$(figure a "engine.${pair#*:}")" ] ||
		fail "${pair%:*} of the guest are not the ${pair#*:} of the daemon"
done
[ "$(guest_stat a swap_stored)" = 1 ] || fail "the disk has not got what the pool has"
[ "$(guest_stat a swap_writes)" -ge $(($(guest_stat a swap_write_requests) * 24)) ] ||
	fail "pages are written by fewer than 24 in a request"
[ "$(guest_stat a exchanges)" = $(($(guest_stat a spins_paid) + $(guest_stat a sleeps))) ] ||
	fail "the guest's requests do not add up"
grep -q '^clean pages: off: clean=1 was not asked for' "$report" || fail "the summary says nothing"
say "PASS $out pages out, all verified, $(guest_stat a swap_write_requests) requests; none left when swap is off"

"$rig_tmem" remove a >/dev/null || fail "tmem remove"
rig_take_module DEAF
guest_start_module b module tmem.mib=32 tmem.limit=12 tmem.complain=BUG:
rig_planted=yes
guest_end b 240 || fail "the control's guest did not end"
guest_complaint b >/dev/null || fail "a kernel that complains goes unnoticed"
grep -q '^hog: result bad=0 lost=0 ' "$(report_of b)" || fail "the control did not verify its pages"
left=$(sed -n 's/^label: \([0-9]*\) pages.*/\1/p' "$(report_of b)")
[ "$left" -gt 1000 ] || fail "without the hook only $left pages are left: the check would not notice"
[ "$(guest_stat b swap_freed)" = 0 ] || fail "the control's module counted slots that it did not hear of"
daemon_stop
say "PASS control: without the hook $left pages are left"
say "PASS"
