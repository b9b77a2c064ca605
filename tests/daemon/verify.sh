#!/bin/sh
# SPDX-License-Identifier: MIT
# A daemon that verifies: what changed in its memory is an error for the guest
# and never wrong bytes; a disk gets the allocation that it needs, from the
# beginning or when it comes back.
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 2
export here work

# figure NAME: of what tmem stat --json printed last
figure() {
	grep -o "\"$1\":[a-z0-9]*" "$work/out" | head -n 1 | cut -d: -f2
}
for verify in yes no; do
	check "--verify $verify" run 0 "$TMEMD" $small --verify $verify --run "$TMEM" stat --json
	[ $verify = yes ] && wanted=true || wanted=false
	check "stat says so: $wanted" [ "$(figure verify)" = $wanted ]
done
check "without the option" run 0 "$TMEMD" $small --run "$TMEM" stat --json
check "nothing is verified" [ "$(figure verify)" = false ]
echo 'verify = yes' >conf
check "a file says it too" run 0 "$TMEMD" --config conf ${small#--no-config} --run "$TMEM" stat --json
check "and stat says so" [ "$(figure verify)" = true ]

# One bit, wherever the daemon has the page.
for codec in raw lz4; do
	for verify in yes no; do
		check "a bit changes in the memory of --verify $verify, codec $codec" run 0 "$TMEMD" $small --verify $verify \
			--run sh -c '"$TMEM" add a --disk 1M --codec '$codec' >/dev/null || exit 1
			python3 "$here/front_end.py" "$TMEM_RUN_DIR/a.sock" hurt $PPID >"$work/read" || exit 4
			"$TMEM" stat a --json'
		if [ $verify = yes ]; then
			check "the read is an error" grep -q '^1 other$' "$work/read"
			check "it is counted" [ "$(figure gets_lost)" = 1 ]
			check "the block is lost" [ "$(figure blocks_lost)" = 1 ]
		else
			check "control: without, wrong bytes are read" grep -q '^0 other$' "$work/read"
			check "control: and nobody knows" [ "$(figure gets_lost)" = 0 ]
		fi
	done
done

# All of a disk can be written, with the allocation that add makes for it.
for verify in no yes; do
	check "a disk is filled, --verify $verify" run 0 "$TMEMD" $small --verify $verify --run sh -c \
		'"$TMEM" add a --disk 4M >/dev/null &&
		python3 "$here/front_end.py" "$TMEM_RUN_DIR/a.sock" fill 1024 && "$TMEM" stat a --json'
	check "all of it is stored" [ "$(figure blocks_stored)" = 1024 ]
	figure billed >"billed.$verify"
	check "it took all that was allocated" [ "$(figure billed)" = "$(figure allocation)" ]
done
check "verified, it takes 16 bytes more for each block" [ $(($(cat billed.yes) - $(cat billed.no))) = 16384 ]

# A daemon that does not verify dies; the next one does.
dir=$work/run
check "a daemon is killed" run 137 "$TMEMD" $small --run-dir "$dir" --run \
	sh -c '"$TMEM" add a --disk 4M >/dev/null && kill -9 $PPID'
check "its disk comes back to one that verifies" run 0 "$TMEMD" $small --verify yes --run-dir "$dir" --run sh -c \
	'python3 "$here/front_end.py" "$TMEM_RUN_DIR/a.sock" fill 1024 && "$TMEM" stat a --json'
check "and all of it can be written" [ "$(figure blocks_stored)" = 1024 ]
check "with the allocation that it needs now" [ "$(figure allocation)" = "$(cat billed.yes)" ]
finish
