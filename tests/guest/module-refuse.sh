#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Memory is refused to tmem.ko at every one of its allocations in turn: it
# then has no device, frees what it had got, and works the next time. Linux 6.1
# only: later kernels' allocators cannot be wrapped so. The control: a module
# that does not free one thing is found out.
set -u
. "$(dirname "$0")/../../guest/demo/rig.sh"

refuse() { # GUEST FORGET ROUNDS
	rig_disk_size=1M
	guest_start_module "$1" refuse "tmem.forget=$2" "tmem.rounds=$3"
	guest_end "$1" 300 || fail "guest $1 did not end"
	report=$(report_of "$1")
	grep -q '^all done' "$report" || fail "guest $1 did not come to its end"
	! grep -q 'complains\|does not go' "$report" || fail "guest $1 complains"
}

rig_begin
case $rig_kernel in */vmlinuz-6.1.*) ;; *) give_up "this is a test for Linux 6.1" ;; esac
rig_take_module REFUSE
daemon_start
refuse a 0 1000
rounds=$(grep -c '^refused ' "$report")
[ "$rounds" -ge 30 ] || fail "there were only $rounds allocations"
[ "$(grep -c '^refused .* live=0\.' "$report")" = "$rounds" ] ||
	fail "$(grep '^refused' "$report" | grep -m 1 -v 'live=0\.')"
# All but the last were refused something: they had no device, or one that does without clean pages.
[ "$(grep -cE '^refused .* disk=(no|alone) ' "$report")" = $((rounds - 1)) ] ||
	fail "$(grep '^refused .* disk=yes' "$report" | head -n 1)"
grep -q "^disk $rounds right=8 wrong=0 zero=0 error=0" "$report" || fail "it does not work in the end"
say "PASS $((rounds - 1)) allocations refused, each of them undone"

"$rig_tmem" remove a >/dev/null || fail "tmem remove"
refuse b 5 9
[ "$(grep -c '^refused .* live=0\.' "$report")" -lt "$(grep -c '^refused ' "$report")" ] ||
	fail "the control: what is not freed goes unnoticed"
daemon_stop
say "PASS control: $(grep '^refused' "$report" | grep -m 1 -v 'live=0\.' | tr -d '\r')"
say "PASS"
