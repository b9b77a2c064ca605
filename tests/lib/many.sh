#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs test-many with the clients that it needs.
#
#	many.sh TMEMD TMEM PROGRAM
set -e
if [ "$1" != --inside ]; then
	TMEMD=$1 TMEM=$2
	export TMEM
	exec "$TMEMD" --memory 128M --persistent 64M --at-own-risk --log-level error --run "$0" --inside "$3"
fi
unset TMEM_SOCKET
"$TMEM" add tmem --kind template --allocation 1M --linger 60 >/dev/null
for name in one two; do
	"$TMEM" add $name --kind device --allocation 4M >/dev/null
	"$TMEM" shared-auth $name --grant 00000000000000010000000000000002 >/dev/null
done
"$TMEM" add disk --disk 4M >/dev/null
exec "$2"
