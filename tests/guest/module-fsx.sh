#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Ten thousand random operations on a file of ext4, and five thousand on one
# behind a loop device, in less memory than the files have, so that their pages
# go to the host and come back: each byte that is read is compared with a copy.
# So too where the module can remember few changes, and begins anew again and again.
# The controls: modules that leave out a hook are found out.
#
#	SEED=N tests/guest/module-fsx.sh	(a new one each time)
set -u
. "$(dirname "$0")/../../guest/demo/rig.sh"

seed=${SEED:-$((RANDOM + 1))}

rig_begin
PATH=$PATH:/usr/sbin:/sbin
command -v mke2fs >/dev/null || give_up "mke2fs is missing (Debian package e2fsprogs)"
rig_disk_size=1M
say "seed $seed"
daemon_start

use_files() { # GUEST OPERATIONS SKIP
	local name=$1
	rm -rf "$rig_work/files" "$rig_work/disk"
	mkdir "$rig_work/files"
	truncate -s 48M "$rig_work/files/image"
	truncate -s 128M "$rig_work/disk"
	mke2fs -q -F -t ext4 -O ^metadata_csum "$rig_work/files/image" &&
		mke2fs -q -F -t ext4 -O ^metadata_csum -d "$rig_work/files" "$rig_work/disk" ||
		give_up "mke2fs fails"
	guest_start_module "$name" fsx rootfstype=ramfs "tmem.operations=$2" "tmem.seed=$seed" "tmem.skip=$3" \
		-drive "file=$rig_work/disk,format=raw,if=none,id=disk,cache=none" \
		-device virtio-blk-pci,drive=disk,disable-legacy=on
	guest_end "$name" 350 || fail "guest $name did not end"
	report=$(report_of "$name")
	grep -q '^all done' "$report" || fail "guest $name did not come to its end"
	! grep -q 'does not\|no file system' "$report" || fail "guest $name complains"
	"$rig_tmem" check >/dev/null || fail "tmem check"
	"$rig_tmem" remove "$name" >/dev/null || fail "tmem remove"
}

rig_take_module
use_files a 10000 none
! grep -q complains "$report" || fail "the kernel complains"
tr -d '\r' <"$report" | grep '^fsx: ok'
[ "$(grep -c '^fsx: ok' "$report")" = 2 ] && ! grep -q 'fsx: BAD' "$report" ||
	fail "a file is not what it should be, seed $seed"
said=$(sed -n 's/.*tmem: clean pages: //p' "$report" | tr -d '\r')
hits=$(sed -n 's/.*put, \([0-9]*\) of [0-9]* got.*/\1/p' <<<"$said")
[ "${hits:-0}" -ge 5000 ] || fail "only $hits pages came from the host: nothing was shown"
say "PASS all bytes right, seed $seed; $said"

rig_take_module SKIP
use_files b 3000 room64,1,2,4
sed -n '/^fsx: without room/,/^fsx: without 1/p' <(tr -d '\r' <"$report") >"$rig_work/part"
[ "$(grep -c '^fsx: ok' "$rig_work/part")" = 2 ] || fail "with little room a file is not what it should be, seed $seed"
anew=$(sed -n 's/^fsx: began anew \([0-9]*\) times/\1/p' "$rig_work/part")
[ "$anew" -ge 2 ] || fail "it began anew $anew times: nothing was shown"
say "PASS all bytes right where it began anew $anew times"
for bits in 1 2 4; do
	sed -n "/^fsx: without $bits/,/^fsx: without/p" <(tr -d '\r' <"$report"; echo) >"$rig_work/part"
	found=$(sed "/^fsx: without $bits/d; /^fsx: without/q" "$rig_work/part" | grep -m 1 'BAD') ||
		fail "the module without the hooks of skip=$bits goes unnoticed"
	say "PASS control: skip=$bits: ${found#fsx: }"
done
daemon_stop
say "PASS"
