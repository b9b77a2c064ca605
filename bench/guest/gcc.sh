# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# A real job: the C compiler at -O2 on one large translation unit, in a guest
# with half of the memory that it wants and tmem's swap; beside it, a guest
# that has all of it, and one that swaps to a disk file.

# Lines of table and functions: 229 MiB of compiler (gcc 12), 5 s of a processor that is none of
# QEMU's. A calm machine has time for GCC_UNIT="300000 250".
gcc_unit=${GCC_UNIT:-150000 100}
gcc_full=448M # MiB of the guest that wants nothing
gcc_half=192M

gcc_image() { # the compiler, its libraries and the unit, as a disk
	local cc1 tree=$rig_work/gcc
	cc1=$(gcc -print-prog-name=cc1)
	[ -x "$cc1" ] || give_up "cc1 is missing (Debian package gcc)"
	mkdir -p "$tree"
	cp "$cc1" "$tree/cc1"
	ldd "$cc1" | grep -o '/[^ ]* (0x' | cut -d' ' -f1 | xargs cp -Lt "$tree"
	# shellcheck disable=SC2086
	python3 "$rig_top/bench/guest/unit.py" $gcc_unit >"$tree/unit.c"
	gcc_sum=$("$cc1" -quiet -nostdinc -O2 "$tree/unit.c" -o - 2>/dev/null | sha256sum | cut -d' ' -f1)
	truncate -s 128M "$rig_work/gcc.disk"
	PATH=$PATH:/usr/sbin:/sbin mke2fs -q -t ext4 -O ^metadata_csum -d "$tree" "$rig_work/gcc.disk" ||
		fail "mke2fs"
}

gcc_boot() { # NAME RAM START SWAP OPTIONS: a guest, its swap, and the compiler on /mnt
	local name=$1 ram=$2 start=$3 swap=$4 disk
	shift 4
	serve_options "$name"
	rig_ram=$ram rig_disk_size=280M
	"$start" "$name" serve "${serve[@]}" "$@" \
		-drive "file=$rig_work/gcc.disk,format=raw,if=none,id=gcc,read-only=on" \
		-device virtio-blk-pci,drive=gcc,disable-legacy=on,serial=gcc
	serve_wait "$name"
	phase "$name" 'echo 1 >/proc/sys/vm/overcommit_memory; mkdir -p /mnt'
	phase "$name" 'for d in /sys/block/vd?; do [ "$(cat $d/serial)" = gcc ] && mount -t ext4 -o ro /dev/${d##*/} /mnt; done'
	[ -z "$swap" ] || phase "$name" "$swap"
}

gcc_run() { # SIDES GUEST: one compilation, which is sides of rows
	local side wall
	phase "$2" 'cut -d" " -f1 /proc/uptime; /mnt/ld-linux-x86-64.so.2 --library-path /mnt /mnt/cc1 -quiet -nostdinc -O2 /mnt/unit.c -o - | sha256sum; cut -d" " -f1 /proc/uptime; grep -E "^pswp" /proc/vmstat'
	grep -q "^$gcc_sum " <<<"$phase_said" || fail "guest $2 compiled something else: $phase_said"
	wall=$(awk 'NF == 1 && /^[0-9.]+$/ { n = $1 - last; last = $1 } END { print n }' <<<"$phase_said")
	for side in $1; do
		sample "guest.gcc.${side%:*}" "${side#*:}" "$phase_cpu"
		sample "guest.gcc.wall.${side%:*}" "${side#*:}" "$wall"
	done
	say "gcc in $2: $phase_cpu s ($phase_parts), $wall s of wall time, $(grep ^pswp <<<"$phase_said" | tr '\n' ' ')"
}

gcc_plain() { # a guest without tmem, as guest_start
	guest_boot "$1" serve -m "$rig_ram" "${@:3}"
}

bench_gcc() {
	local i
	gcc_image
	truncate -s 512M "$rig_work/gcc.swap"
	gcc_boot full $gcc_full gcc_plain ''
	gcc_boot half $gcc_half guest_start_module 'swap_on'
	gcc_boot file $gcc_half gcc_plain \
		'for d in /sys/block/vd?; do [ "$(cat $d/serial)" = swap ] && { mkswap /dev/${d##*/} >/dev/null; swapon /dev/${d##*/}; }; done' \
		-drive "file=$rig_work/gcc.swap,format=raw,if=none,id=swap,cache=none" \
		-device virtio-blk-pci,drive=swap,disable-legacy=on,serial=swap
	row guest.gcc.full "s of CPU" less "a guest with all the memory" 1.3 1.0 \
		"CPU time of QEMU and tmemd; gcc -O2 of one unit in $gcc_half, swap on tmem"
	row guest.gcc.file "s of CPU" less "swap on a disk file, cache=none" - - "the same beside plain swap"
	row guest.gcc.wall.full "s" less "a guest with all the memory" 1.3 1.0 "wall time in the guest"
	row guest.gcc.wall.file "s" less "swap on a disk file, cache=none" - - "wall time in the guest"
	for ((i = 1; i <= bench_rounds; i++)); do
		gcc_run "full:peer" full
		gcc_run "full:ours file:ours" half
		gcc_run "file:peer" file
	done
	guest_kill full
	guest_kill half
	guest_kill file
}
