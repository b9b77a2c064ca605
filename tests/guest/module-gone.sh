#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# tmem.ko and its device go while they are used, and come back: the module is
# unloaded under readers, the host unplugs the device under writers and plugs
# it in again, it is removed under swap, the system sleeps, the host freezes the
# guest while it writes and while it swaps. Nothing is wrong afterwards, and
# what is lost is an error. virtiofs, which is asked first, wants the device
# each time. The controls: a host that has another epoch when the guest wakes is
# given up, and its pages are errors; a module that looks neither at the epoch
# nor at what virtiofs is given serves them, and has no device when it is back.
# Of our own kernels none has virtiofs.
set -u
. "$(dirname "$0")/../../guest/demo/rig.sh"

rig_begin
PATH=$PATH:/usr/sbin:/sbin
command -v mke2fs >/dev/null || give_up "mke2fs is missing (Debian package e2fsprogs)"
liar=${TMEMD_LIAR:-$rig_built/tests/guest/tmemd-liar}
[ -n "${TMEMD_LIAR-}" ] || rig_build tests/guest/tmemd-liar

start() { # GUEST GREETINGS OPTION...: the host has another epoch from that greeting on
	local name=$1 honest
	honest=$(printf 'honest %.0s' $(seq "$2"))
	shift 2
	truncate -s 64M "$rig_work/disk"
	mke2fs -q -F -t ext4 -O ^metadata_csum "$rig_work/disk" || give_up "mke2fs fails"
	export TMEM_LIES="$honest epoch"
	daemon_start "$liar"
	rig_disk_size=16M
	guest_add_device "$name"
	# The monitor calls a device by its id.
	rig_disk=("${rig_disk[@]/vhost-user-fs-pci,/vhost-user-fs-pci,id=gone,}")
	guest_boot "$name" gone "${rig_disk[@]}" "$@" $(guest_monitor "$name") \
		-drive "file=$rig_work/disk,format=raw,if=none,id=disk,cache=none" \
		-device virtio-blk-pci,drive=disk,disable-legacy=on
}

end() { # GUEST
	guest_end "$1" 240 || fail "guest $1 did not end"
	report=$(report_of "$1")
	grep -q '^all done' "$report" || fail "guest $1 did not come to its end"
	! grep -q 'complains\|does not load\|does not go\|nothing waits\|taken away\|is not what\|no file\|no disk' \
		"$report" || fail "guest $1 complains"
	daemon_stop
}

freeze() { # GUEST: until a put has met it
	guest_line "$1" '^freeze: now' 120 || fail "guest $1 does not write"
	"$rig_tmem" freeze "$1" >/dev/null || fail "tmem freeze"
	# However long it takes: the guest says when it has written enough.
	until [ "$(figure "$1" engine.puts_frozen)" -ge 1 ]; do
		! guest_line "$1" '^(ok|BAD) freeze' 0 && kill -0 "${rig_guest[$1]}" || fail "no put met the freeze"
		sleep 0.1
	done
	"$rig_tmem" thaw "$1" >/dev/null || fail "tmem thaw"
}

freeze_swap() { # GUEST: until it has read some of what it has there
	guest_line "$1" '^freeze of swap: now' 120 || fail "guest $1 does not swap"
	"$rig_tmem" freeze "$1" >/dev/null || fail "tmem freeze"
	guest_line "$1" '^freeze of swap: status' 120 || fail "guest $1 does not get on while it is frozen"
	"$rig_tmem" thaw "$1" >/dev/null || fail "tmem thaw"
}

wake() { # GUEST: once it sleeps
	guest_tell "$1" WAKEUP system_wakeup suspended || fail "guest $1 does not sleep and wake"
}

unplug() { # GUEST: and plugs it in again, over the same connection
	local option device
	for option in "${rig_disk[@]}"; do
		case $option in vhost-user-fs-pci,*) device=$option ;; esac
	done
	guest_line "$1" '^unplug: now' 180 || fail "guest $1 does not write"
	guest_tell "$1" DEVICE_DELETED "device_del gone" || fail "the device is not unplugged"
	guest_line "$1" '^plug: now' 120 || fail "guest $1 still has a disk"
	guest_tell "$1" "" "device_add $device" || fail "the device is not plugged in"
}

rig_take_module
start a 7 tmem.rounds=3 "tmem.patience=$((60 * rig_patience))"
freeze a
freeze_swap a
wake a
unplug a
wake a
end a
for case in freeze freeze-of-swap suspended swap-stays unload-under-readers unplugged plugged another-epoch \
	swap-removed back; do
	grep -q "^ok $case" "$report" || fail "$case: $(grep -B1 "^BAD $case" "$report")"
	say "PASS $case"
done

rig_take_module BLIND
start b 2 tmem.only=blind tmem.patience=3
wake b
end b
grep -q '^BAD another-epoch' "$report" || fail "the control: another epoch goes unnoticed either way"
if rig_is_stock; then
	grep -q '^BAD back' "$report" && grep -q '^virtiofs has it' "$report" ||
		fail "the control: the device that comes back is not virtiofs's either way"
	say "PASS control: a module that does not look at what is bound leaves virtiofs the device"
fi
say "PASS control: a module that does not look at the epoch serves $(grep '^another' "$report")"
say "PASS"
