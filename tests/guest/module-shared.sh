#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Guests with the same read-only image share its pages: what one of them has
# read and evicted, another reads without the disk. The controls: a pool that
# was not granted, another pool, a file system that left. And an image that is
# made writable leaves before it is written; the control's module does not
# hear of it, and serves a page from before.
set -u
. "$(dirname "$0")/../../guest/demo/rig.sh"

files=4 pages=5000 # of each
uuid=0b7e3a52-6c1d-4f0e-9a3f-1d2c3b4a5968
other=0b7e3a52-6c1d-4f0e-9a3f-1d2c3b4a5969
none=0b7e3a52-6c1d-4f0e-9a3f-1d2c3b4a596a

rig_begin
rig_take_module
PATH=$PATH:/usr/sbin:/sbin
command -v mke2fs >/dev/null || give_up "mke2fs is missing (Debian package e2fsprogs)"
mkdir "$rig_work/files"
python3 - "$rig_work/files" $files $pages <<'END'
import struct, sys
for number in range(int(sys.argv[2])):
    with open("%s/file%d" % (sys.argv[1], number), "wb") as file:
        for i in range(int(sys.argv[3])):
            file.write(struct.pack("<QQ", i * 0x9e3779b97f4a7c15 & (1 << 64) - 1, number) * 256)
END
all=$(cat "$rig_work"/files/file* | sha256sum | cut -d' ' -f1)
first=$(sha256sum <"$rig_work/files/file0" | cut -d' ' -f1)
changed=$(tr '\0-\377' '\1-\377\0' <"$rig_work/files/file0" | sha256sum | cut -d' ' -f1)
truncate -s $((files * pages / 256 + 64))M "$rig_work/disk"
mke2fs -q -t ext4 -O ^metadata_csum -d "$rig_work/files" "$rig_work/disk" || give_up "mke2fs fails"
rig_disk_size=1M
daemon_start

start() { # GUEST PART GRANTED...
	local name=$1 part=$2
	shift 2
	cp --sparse=always "$rig_work/disk" "$rig_work/copy" || fail "cp"
	guest_add_device "$name"
	for one; do
		"$rig_tmem" shared-auth "$name" --grant "$one" >/dev/null || fail "tmem shared-auth $name"
	done
	guest_boot "$name" shared "${rig_disk[@]}" "tmem.part=$part" "tmem.uuid=$uuid" \
		"tmem.other=$other" "tmem.none=$none" "tmem.ring=${ring:-0}" \
		-drive "file=$rig_work/disk,format=raw,if=none,id=disk,cache=none,read-only=on" \
		-device virtio-blk-pci,drive=disk,disable-legacy=on \
		-drive "file=$rig_work/copy,format=raw,if=none,id=copy,cache=none" \
		-device virtio-blk-pci,drive=copy,disable-legacy=on
	guest_end "$name" 300 || fail "guest $name did not end"
	grep -q '^all done' "$(report_of "$name")" &&
		! grep -q 'complains\|does not\|no file\|no second' "$(report_of "$name")" ||
		fail "guest $name complains"
}

said() { # GUEST LINE...
	local name=$1 line
	shift
	for line; do
		grep -q "^$line" "$(report_of "$name")" || fail "guest $name did not say: $line"
	done
}

from_disk() { # GUEST PASS SUM: its sectors, or -1 where what it read is something else
	sed -n "s/^pass $2 sectors=\([0-9]*\) sha256=$3.*/\1/p" "$(report_of "$1")" | grep . || echo -1
}

little() { # GUEST PASS SUM PAGES: hardly any of them from the disk
	local sectors
	sectors=$(from_disk "$1" "$2" "$3")
	[ "$sectors" -ge 0 ] || fail "guest $1, $2: what it read is something else"
	[ "$sectors" -le $(($4 * 8 / 50)) ] || fail "guest $1, $2: $sectors sectors of $(($4 * 8)) from the disk"
}

much() { # GUEST PASS SUM PAGES: nearly all of them from the disk
	local sectors
	sectors=$(from_disk "$1" "$2" "$3")
	[ "$sectors" -ge $(($4 * 8 * 9 / 10)) ] ||
		fail "guest $1, $2: only $sectors sectors of $(($4 * 8)) from the disk"
}

start a fill "$uuid"
said a "shares .* $uuid"
much a one "$all" $((files * pages))
kept=$("$rig_tmem" list --long --json | json stat.shared.0.ephemeral_pages)
[ "$kept" -ge $((files * pages * 98 / 100)) ] || fail "only $kept pages are in the pool"
say "PASS $kept of $((files * pages)) pages are in the pool"

start b use "$uuid" "$other"
said b 'refused a device' 'refused what is no ext4' 'refused what is no uuid' 'refused twice' \
	'refused what is not granted' 'refused to be written' 'left because' 'left with' 'left when'
said b 'said: tmem: 254:0 shares no pages: the host has not granted this pool'
little b shared "$all" $((files * pages))
for pass in refused left other; do
	much b $pass "$first" $pages
done
say "PASS another guest reads them: $(from_disk b shared "$all") sectors of $((files * pages * 8)) from the disk"
say "PASS control: not granted, left, another pool: at least nine tenths from the disk"

start c write "$uuid"
said c 'left before it was written' 'refused while writable'
little c copy "$first" $pages
[ "$(from_disk c changed "$changed")" -ge 0 ] || fail "an old page came back after the image was changed"
much c another "$changed" $pages
say "PASS an image that is written leaves the pool"

# With so few pages on their way hardly any that has changed reaches the pool: what it has is old.
rig_take_module STUBBORN
ring=16
start d write "$uuid"
[ "$(from_disk d changed "$changed")" = -1 ] || fail "a module that stays in the pool goes unnoticed"
daemon_stop
say "PASS control: one that stays reads what was there before"
say "PASS"
