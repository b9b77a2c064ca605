#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A swap disk that is larger than its allocation, with a virtio disk behind it:
# what the host refuses is on that disk, and every page comes back right; two
# programs swap at once, and free slots are discarded as well as told of. The
# control: a module that forgets what it wrote there reads zeros, and hog sees it.
set -u
. "$(dirname "$0")/../../guest/demo/rig.sh"

rig_disk_size=12M
size=420M

rig_begin
daemon_start

swap_behind() { # GUEST RUN OPTIONS
	local name=$1 run=$2
	shift 2
	truncate -s $size "$rig_work/behind"
	guest_start_module "$name" "$run" "tmem.backing=$size" -smp 2 "$@" \
		-drive "file=$rig_work/behind,format=raw,if=none,id=behind,cache=unsafe" \
		-device virtio-blk-pci,drive=behind,disable-legacy=on
	guest_end "$name" 300 || fail "guest $name did not end"
	! grep -q 'complains\|failed\|does not\|no swap' "$(report_of "$name")" || fail "guest $name complains"
}

rig_take_module
swap_behind a module tmem.mib=36 tmem.limit=20 tmem.hogs=2 tmem.discard=1
report=$(report_of a)
grep -q '^all done' "$report" || fail "the guest did not come to its end"
[ "$(grep -c '^hog: result bad=0 lost=0 ' "$report")" = 2 ] || fail "not every page was verified"
[ "$(guest_stat a swap_blocks)" = $((420 * 256)) ] || fail "the disk has not the size that it was given"
refused=$(guest_stat a swap_writes_refused)
wrote=$(guest_stat a swap_backing_writes) read=$(guest_stat a swap_backing_reads)
[ "$(figure a engine.puts_stored)" -ge 5000 ] && [ "$(guest_stat a swap_reads)" -ge 2000 ] ||
	fail "the host was hardly used"
[ "$wrote" -ge 2000 ] && [ "$read" -ge 1000 ] || fail "the backing device was hardly used: $wrote, $read"
[ "$(guest_stat a swap_backed)" = 0 ] || fail "blocks are left on the backing device"
[ "$(guest_stat a swap_lost)" = 0 ] || fail "pages were lost"
# A slot that was freed, and discarded before its flush went out, is flushed all the same.
grep -q '^label: 1 pages' "$report" || fail "swapoff left $(sed -n 's/^label: //p' "$report")"
left=$(figure a engine.persistent_pages)
[ "$left" = 0 ] || fail "$left pages are left in the pool"
"$rig_tmem" check >/dev/null || fail "tmem check"
say "PASS of $refused pages that the host refused the backing device got $wrote, and gave $read back"
"$rig_tmem" remove a >/dev/null || fail "tmem remove"

rig_take_module FORGETFUL
# Nobody but hog is there, to die of it.
rig_disk_size=4M
swap_behind b hog rootfstype=ramfs tmem.mib=32 tmem.limit=8
grep -q '^hog: result bad=[1-9]' "$(report_of b)" || fail "nobody notices that pages are forgotten"
daemon_stop
say "PASS control: $(sed -n 's/^hog: result bad=\([0-9]*\).*/\1/p' "$(report_of b)") pages are wrong when the bits are forgotten"
say "PASS"
