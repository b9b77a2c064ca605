# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Clean pages: a file larger than the guest's memory, of which each page that
# is missed comes from tmem in one guest, and from the disk in another.

clean_pages=76800	# 300 MiB
clean_random=20000	# reads of a random phase

clean_boot() { # NAME CLEAN
	serve_options "$1"
	rig_disk_size=1M
	guest_start_module "$1" serve "${serve[@]}" \
		-drive "file=$rig_work/disk,format=raw,if=none,id=disk,cache=none,read-only=on" \
		-device virtio-blk-pci,drive=disk,disable-legacy=on
	serve_wait "$1"
	phase "$1" "rmmod tmem; insmod /lib/modules/90-tmem.ko clean=$2; mkdir -p /mnt; mount -t ext4 -o ro /dev/vda /mnt"
	phase "$1" 'sectors() { set -- $(cat /sys/block/vda/stat); echo "sectors $3"; }'
	# What is in tmem, and the steady state: from here on each page that comes makes another go.
	phase "$1" "filepages sequence /mnt/file 0 $clean_pages"
}

clean_pass() { # ROW SIDE GUEST PAGES COMMAND
	local read
	phase "$3" "sectors; $5; sectors"
	read=$(awk '/^sectors/ { printf "%s%d", n++ ? "-" : "", $2 }' <<<"$phase_said")
	sample "$1" "$2" "$(awk "BEGIN { print $4 / $phase_cpu }")"
	say "$1, $2: $4 pages in $phase_cpu s ($phase_parts), $((-(read))) sectors from the disk"
}

bench_clean() {
	local i
	mkdir -p "$rig_work/files"
	python3 -c '
import struct, sys
with open(sys.argv[1], "wb") as file:
    for i in range(int(sys.argv[2])):
        file.write(struct.pack("<QQ", i * 0x9e3779b97f4a7c15 & (1 << 64) - 1, i) * 256)
' "$rig_work/files/file" $clean_pages
	truncate -s $((clean_pages / 256 + 64))M "$rig_work/disk"
	PATH=$PATH:/usr/sbin:/sbin mke2fs -q -t ext4 -O ^metadata_csum -d "$rig_work/files" \
		"$rig_work/disk" || fail "mke2fs"
	clean_boot clean 1
	clean_boot disk 0
	row guest.clean.sequence "pages per CPU s" more "the disk, cache=none" 0.6 1.0 \
		"CPU time of QEMU and tmemd; 300 MiB file, second and later passes, 192 MiB guest"
	row guest.clean.random "pages per CPU s" more "the disk, cache=none" 1.5 2.0 \
		"the same, single pages in random order, FADV_RANDOM"
	for ((i = 1; i <= bench_rounds; i++)); do
		clean_pass guest.clean.sequence ours clean $clean_pages "filepages sequence /mnt/file 0 $clean_pages"
		clean_pass guest.clean.sequence peer disk $clean_pages "filepages sequence /mnt/file 0 $clean_pages"
		clean_pass guest.clean.random ours clean $clean_random "filepages shuffle /mnt/file $clean_pages $clean_random $i"
		clean_pass guest.clean.random peer disk $clean_random "filepages shuffle /mnt/file $clean_pages $clean_random $i"
	done
	phase clean "umount /mnt; rmmod tmem; dmesg | grep 'clean pages:'"
	say "$phase_said"
	guest_kill clean
	guest_kill disk
}
