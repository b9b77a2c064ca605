#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# No page of a file comes back from the host after it was changed, however it
# was changed while only the host had it. The controls: a module that leaves
# out one hook serves an old page in just the cases that the hook is for.
# Nor when so much changes at once that it cannot be remembered; there the
# control begins anew with what it has.
set -u
. "$(dirname "$0")/../../guest/demo/rig.sh"

cases="unchanged rewrite direct map size punch zero collapse number remount race loop"

rig_begin
PATH=$PATH:/usr/sbin:/sbin
command -v mke2fs >/dev/null || give_up "mke2fs is missing (Debian package e2fsprogs)"
rig_disk_size=1M
daemon_start

change_files() { # GUEST SKIP WRITES FULL: its report says what came back
	local name=$1
	truncate -s 64M "$rig_work/disk"
	mke2fs -q -F -t ext4 -O ^metadata_csum "$rig_work/disk" || give_up "mke2fs fails"
	guest_start_module "$name" stale "tmem.skip=$2" "tmem.race=$3" "tmem.full=$4" \
		-drive "file=$rig_work/disk,format=raw,if=none,id=disk,cache=none" \
		-device virtio-blk-pci,drive=disk,disable-legacy=on
	guest_end "$name" 200 || fail "guest $name did not end"
	grep -q '^all done' "$(report_of "$name")" || fail "guest $name did not come to its end"
	! grep -q 'complains\|does not\|no file\|not used again' "$(report_of "$name")" ||
		fail "guest $name complains"
	"$rig_tmem" remove "$name" >/dev/null || fail "tmem remove"
}

rig_take_module
change_files a 0 1000 ""
for case in $cases; do
	grep -q "^ok $case" "$(report_of a)" || fail "$case: an old page came back"
done
hits=$(sed -n 's/.*put, \([0-9]*\) of [0-9]* got.*/\1/p' "$(report_of a)")
[ "$hits" -ge 500 ] || fail "only $hits pages came from the host: nothing was shown"
say "PASS $cases: no old page among $hits"

rig_take_module SKIP
while read -r skip what bites; do
	# A race is lost by chance: there are many tries, and the first that is ends them.
	change_files "b$skip" "$skip" $((skip == 8 ? 12000 : 1)) "$([ "$skip" != 4 ] || echo 0,16)"
	for case in $bites; do
		grep -q "^STALE $case" "$(report_of "b$skip")" || fail "without $what, $case goes unnoticed"
	done
	say "PASS control: without $what old pages come back: $bites"
done <<'END'
1 truncation size punch
2 invalidation direct
4 flushes-on-removal rewrite
8 a-look-for-writers race
END
grep -q '^ok full-0' "$(report_of b4)" || fail "more changes than fit: $(grep -B3 full-0 "$(report_of b4)")"
say "PASS more changes than can be remembered: $(sed -n 's/^renewed: //p' "$(report_of b4)" | head -n 1)"
grep -q '^STALE full-16' "$(report_of b4)" || fail "beginning anew with what it had goes unnoticed"
say "PASS control: a module that begins anew with what it had serves old pages"
daemon_stop
say "PASS"
