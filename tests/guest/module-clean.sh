#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A file that is larger than the guest's memory, read twice on Debian's stock
# kernel: with tmem.ko's clean pages the second pass leaves the disk alone, and
# what is read is right. The control: without them it reads all of it again.
# A kernel that is live patched, or whose functions are not where the hooks
# believe them, is left alone. One with guest/linux/patch has no hooks from
# outside, and only what it tells is tried.
set -u
. "$(dirname "$0")/../../guest/demo/rig.sh"

pages=50000

rig_begin
rig_take_module
broken=$(rig_module ELSEWHERE) || give_up "no broken module"
mkdir "$rig_work/broken" && cp "$broken" "$rig_work/broken/broken.ko"
(cd "$rig_work/broken" && find . -mindepth 1 | cpio --quiet -R 0:0 -o -H newc) >>"$rig_image"
PATH=$PATH:/usr/sbin:/sbin
command -v mke2fs >/dev/null || give_up "mke2fs is missing (Debian package e2fsprogs)"
mkdir "$rig_work/files"
python3 - "$rig_work/files/file" $pages <<'END'
import struct, sys
with open(sys.argv[1], "wb") as file:
    for i in range(int(sys.argv[2])):
        file.write(struct.pack("<QQ", i * 0x9e3779b97f4a7c15 & (1 << 64) - 1, i) * 256)
END
sum=$(sha256sum "$rig_work/files/file" | cut -d' ' -f1)
# Without checksums: their module is not in the guest.
truncate -s $((pages / 256 + 64))M "$rig_work/disk"
mke2fs -q -t ext4 -O ^metadata_csum -d "$rig_work/files" "$rig_work/disk" || give_up "mke2fs fails"
disk=(-drive "file=$rig_work/disk,format=raw,if=none,id=disk,cache=none,read-only=on"
	-device virtio-blk-pci,drive=disk,disable-legacy=on)

read_twice() { # GUEST CLEAN: sets $second to the sectors of the second pass, $said to the module's last words
	local report
	rig_disk_size=1M
	guest_start_module "$1" clean "tmem.clean=$2" "${disk[@]}"
	guest_end "$1" 300 || fail "guest $1 did not end"
	report=$(report_of "$1")
	grep -q '^all done' "$report" && ! grep -q 'complains\|does not\|no file' "$report" ||
		fail "guest $1 complains"
	[ "$(grep -c "^pass .* sha256=$sum" "$report")" = 2 ] || fail "guest $1 read something else"
	second=$(sed -n 's/^pass two sectors=\([0-9]*\) .*/\1/p' "$report")
	said=$(sed -n 's/.*tmem: clean pages: //p' "$report" | tr -d '\r')
}

left_alone() { # WHY...: guest a said each of them, and no others
	local why
	for why; do
		grep -q "clean pages are left alone: $why" "$(report_of a)" ||
			fail "clean pages are not left alone: $why"
	done
	[ "$(grep -c 'left alone' "$(report_of a)")" = $# ] || fail "clean pages are left alone: too often"
}

daemon_start
read_twice a 1
[ "$second" -le $((pages * 8 / 100)) ] || fail "the second pass read $second sectors from the disk: $said"
"$rig_tmem" check >/dev/null || fail "tmem check"
say "PASS $((pages * 8)) sectors of file: the second pass read $second of them from the disk; $said"
"$rig_tmem" remove a >/dev/null || fail "tmem remove"
not_as_expected='truncate_inode_pages_range is not as expected' hooked='register_kprobe|register_ftrace'
hooks=$(nm -u "$(rig_module)" | grep -cE "$hooked")
if rig_is_patched; then
	left_alone "$not_as_expected"
	[ "$hooks" = 0 ] || fail "a module for this kernel has hooks of its own"
	say "PASS a kernel that tells something else is left alone, and nothing is hooked"
else
	left_alone "$not_as_expected" 'the kernel is live patched'
	[ "$hooks" -gt 0 ] || fail "hooks are not found where there are some"
	say "PASS a live patched kernel, and one with a function elsewhere, are left alone"
fi

read_twice b 0
[ "$second" -ge $((pages * 8 * 9 / 10)) ] || fail "the control read only $second sectors"
daemon_stop
say "PASS control: without clean pages it read $second"
say "PASS"
