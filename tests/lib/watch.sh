#!/bin/sh
# SPDX-License-Identifier: MIT
# tmem watch says how many of the gets between two lines found their page: none
# in the first line, half of the two that TWO_GETS does before the second. And
# a guest that is removed and added again has counted nothing yet.
#
#	watch.sh TMEMD TMEM TWO_GETS
if [ "$1" != --inside ]; then
	exec "$(dirname "$0")/with-tmemd.sh" "$1" "$2" "$0" --inside "$3"
fi
out=$TMEM_RUN_DIR/watch

# watch COMMAND...: two lines, with the command between them.
watch() {
	: >"$out"
	"$TMEM" watch app --count 2 --interval 4 >"$out" &
	until [ "$(wc -l <"$out")" -ge 2 ]; do
		kill -0 $! || exit
		sleep 0.05
	done
	"$@" || {
		echo "FAIL watch: $*, status $?"
		exit 1
	}
	wait $! || exit
}

# must_be WHAT COLUMNS-FROM-THE-END TEXT
must_be() {
	found=$(awk -v back="$2" '{ print $(NF - back) }' "$out" | tr '\n' ' ')
	[ "$found" = "$3 " ] || {
		echo "FAIL watch: $1 are $found"
		exit 1
	}
}

again() {
	"$TMEM" remove app >/dev/null && "$TMEM" add app --kind device --allocation 8M >/dev/null
}

watch "$2"
must_be hits 1 "HIT% - 50.0"
watch again
must_be hits 1 "HIT% - -"
must_be puts 3 "PUTS/s 0 0"
must_be gets 2 "GETS/s 0 0"
echo "2 passed, 0 failed"
