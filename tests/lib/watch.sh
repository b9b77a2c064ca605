#!/bin/sh
# SPDX-License-Identifier: MIT
# tmem watch says how many of the gets between two lines found their page: none
# in the first line, half of the two that TWO_GETS does before the second.
#
#	watch.sh TMEMD TMEM TWO_GETS
if [ "$1" != --inside ]; then
	exec "$(dirname "$0")/with-tmemd.sh" "$1" "$2" "$0" --inside "$3"
fi
out=$TMEM_RUN_DIR/watch
: >"$out"
"$TMEM" watch app --count 2 --interval 4 >"$out" &
until [ "$(wc -l <"$out")" -ge 2 ]; do
	kill -0 $! || exit
	sleep 0.05
done
"$2" || {
	echo "FAIL watch: two gets, status $?"
	exit 1
}
wait $! || exit
hits=$(awk '{ print $(NF - 1) }' "$out" | tr '\n' ' ')
[ "$hits" = "HIT% - 50.0 " ] || {
	echo "FAIL watch: hits are $hits"
	exit 1
}
echo "1 passed, 0 failed"
