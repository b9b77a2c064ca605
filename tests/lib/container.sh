#!/bin/sh
# SPDX-License-Identifier: MIT
# The container example says hello through a tmemd outside; the control: it
# does not where another file is in the socket's place.
#
#	container.sh TMEMD TMEM EXAMPLE PROGRAM
if [ "$1" != --inside ]; then
	exec "$(dirname "$0")/with-tmemd.sh" "$1" "$2" "$0" --inside "$3" "$4"
fi
out=$("$2" "$TMEM_SOCKET" "$3") || {
	status=$?
	[ $status = 77 ] && echo "SKIP container: no namespaces" && exit 77
	echo "FAIL container: status $status, $out"
	exit 1
}
[ "$out" = "hello, world" ] || {
	echo "FAIL container: $out"
	exit 1
}
if "$2" "$0" "$3" 2>/dev/null; then
	echo "FAIL container: it needs no socket"
	exit 1
fi
echo "2 passed, 0 failed"
