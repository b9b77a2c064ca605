#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The control of all the tests that run under scripts/guest-kernel: that
# kernel notices a fault of each kind that it is built to watch for, in this
# module, and nothing where there is none.
set -u
. "$(dirname "$0")/../../guest/demo/rig.sh"

grep -qs '^CONFIG_KASAN=y' "${GUEST_KERNEL-}/.config" ||
	give_up "this is a test for the kernel that scripts/guest-kernel builds: GUEST_KERNEL"
rig_begin
rig_take_module FAULTY
rig_disk_size=1M
daemon_start
guest_start_module a faulty
rig_planted=yes
guest_end a 240 || fail "the guest did not end"
report=$(report_of a)
grep -q '^all done' "$report" && ! grep -q 'does not load\|does not go' "$report" ||
	fail "the guest did not come to its end"
grep -q '^fault 0: .\?$' "$report" || fail "it complains of nothing: $(grep '^fault 0' "$report")"
while read -r fault said; do
	grep -q "^fault $fault: .*$said" "$report" || fail "not noticed: $said"
	say "PASS $said"
done <<'END'
1 BUG: sleeping function called from invalid context
2 WARNING: possible circular locking dependency
3 BUG: KASAN: .*use-after-free
4 ODEBUG: free active
5 list_del corruption
END
guest_complaint a >/dev/null || fail "nothing of it is on the console"
grep -q '^the kernel complains: it does not watch' "$report" || fail "a kernel that stopped looking goes unnoticed"
daemon_stop
say "PASS"
