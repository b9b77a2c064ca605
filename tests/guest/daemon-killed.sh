#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# tmemd is killed with -9 under a guest that swaps, and started again on the
# same run-time directory; QEMU connects again. What was stored is gone, so
# the guest must see I/O errors, and never one wrong byte; blocks that it
# writes afterwards must serve again. The control: a daemon that answers zeros
# for what it lost must be found out by the same check.
set -u
. "$(dirname "$0")/../../guest/demo/rig.sh"

# hog's verdict in $bad and $lost, of all rounds, and $later, of the last. A
# page of the round under way, or one that this round rewrote before the kill,
# may be lost; the round after the next one has only what was written since.
swap_under_kill() { # DAEMON
	local stored rounds
	rm -rf "$rig_work/run"
	daemon_start "$1"
	guest_start a hog rootfstype=ramfs tmem.limit=8 tmem.mib=16 tmem.rounds=1000 tmem.seed=77
	guest_line a '^hog: at 2048 .* in round 1' 120 || fail "the guest does not swap"
	stored=$(figure a disk.blocks_stored)
	[ "$stored" -gt 1000 ] || fail "nothing is stored that could be lost"
	daemon_kill
	daemon_start "$1"
	say "tmemd killed and restarted under a guest that had $stored pages in it"
	rounds=$(($(count_lines "$(report_of a)" '^hog: round ') + 3))
	guest_line a "^hog: round $rounds " 180 || fail "hog does not live to report"
	"$rig_tmem" check >/dev/null || fail "tmem check"
	guest_kill a
	daemon_stop
	read -r bad lost later < <(tr -d '\r' <"$(report_of a)" | tr '=' ' ' | awk -v last="$rounds" '
		/^hog: round / && $3 <= last { bad += $7; lost += $9; later = $7 + $9 }
		END { print bad + 0, lost + 0, later + 0 }')
}

rig_begin
rig_disk_size=256M
swap_under_kill "$rig_tmemd"
[ "$bad" = 0 ] || fail "$bad pages held wrong bytes after the daemon was killed"
[ "$lost" -ge 1 ] || fail "the guest saw no I/O error, though what was stored is gone"
grep -qa 'Read-error on swap-device' "$rig_work/a.console" || fail "the guest's kernel saw no read error"
[ "$later" = 0 ] || fail "of what was written afterwards, $later pages are bad or lost"
say "PASS no wrong byte, $lost pages lost with I/O errors, none of those written afterwards"

[ -n "${TMEMD_ZEROS-}" ] || rig_build tests/conformance/tmemd-zeros
swap_under_kill "${TMEMD_ZEROS:-$rig_built/tests/conformance/tmemd-zeros}"
[ "$bad" -ge 1 ] || fail "a daemon that answers zeros for lost blocks was not found out"
say "PASS control: a daemon that answers zeros is found out by $bad wrong pages"
say "PASS"
