#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# QEMU is killed with -9 at moments drawn at random while its guest swaps; a
# second guest of the same tmemd must not notice, the accounts must stay
# exact, and the dead guest must be listed as not connected, ready for its
# next life. The control: a guest that is alive is listed as connected.
#
# TMEM_SEED repeats a run.
set -u
. "$(dirname "$0")/../../guest/demo/rig.sh"

kills=3
seed=${TMEM_SEED:-$RANDOM}
RANDOM=$seed

connected() { # NAME
	"$rig_tmem" list --json | python3 -c '
import json, sys
print(next(g["connected"] for g in json.load(sys.stdin)["guests"] if g["name"] == sys.argv[1]))' "$1"
}

# Twice what may be in memory, so that hardly a page is visited that is not swapped in. The guest
# that is not killed does so for as long as this takes, and leaves the processor to others.
options=(rootfstype=ramfs tmem.limit=8 tmem.mib=16 tmem.rounds=1000)

rig_begin
rig_disk_size=256M
say "seed $seed"
daemon_start
guest_start other hog "${options[@]}" tmem.seed=5 tmem.pace=400
guest_start victim hog "${options[@]}" tmem.seed=6
for ((kill = 1; kill <= kills; kill++)); do
	guest_line victim '^init: swap' 60 || fail "the victim does not come up"
	lines=$((RANDOM % 10))
	end=$((SECONDS + 120))
	until [ "$(count_lines "$(report_of victim)" '^hog: at')" -ge $lines ]; do
		[ $SECONDS -lt $end ] || fail "the victim does not get on"
		sleep 0.0$((1 + RANDOM % 9))
	done
	[ "$(connected victim)" = True ] || fail "the victim is alive and not listed as connected"
	guest_kill victim
	end=$((SECONDS + 10))
	until [ "$(connected victim)" = False ]; do
		[ $SECONDS -lt $end ] || fail "the killed guest is still listed as connected"
		sleep 0.05
	done
	"$rig_tmem" check >/dev/null || fail "tmem check after kill $kill"
	[ "$(connected other)" = True ] || fail "the other guest lost its disk"
	say "PASS kill $kill of $kills, after $lines lines of progress: accounts exact, victim not connected"
	if [ $kill -lt $kills ]; then
		guest_boot victim hog "${rig_disk[@]}" "${options[@]}" tmem.seed=6
	fi
done
# One round that ends and one that is whole after the last kill.
rounds=$(count_lines "$(report_of other)" '^hog: round ')
guest_line other "^hog: round $((rounds + 2)) " 180 || fail "the other guest does not get on"
end=$((SECONDS + 60))
until swapped=$(figure other engine.gets_hit) && [ "$swapped" -ge 10000 ]; do
	[ $SECONDS -lt $end ] || fail "the other guest hardly swapped: $swapped pages in"
	sleep 0.1
done
[ "$(count_lines "$(report_of other)" '^hog: (round .* (bad=[1-9]|lost=[1-9])|BAD)')" = 0 ] ||
	fail "the other guest lost pages, or read wrong ones"
guest_kill other
"$rig_tmem" remove victim >/dev/null || fail "tmem remove"
"$rig_tmem" check >/dev/null || fail "tmem check after remove"
daemon_stop
say "PASS the other guest verified all its pages in $((rounds + 2)) rounds, $swapped swapped in"
say "PASS"
