#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs a program as the client "app" of a tmemd of its own.
#
#	with-tmemd.sh TMEMD TMEM PROGRAM [ARGUMENT...]
if [ "$1" != --inside ]; then
	TMEMD=$1 TMEM=$2
	export TMEM
	shift 2
	exec "$TMEMD" --memory 64M --persistent 32M --at-own-risk --log-level error --run "$0" --inside "$@"
fi
shift
"$TMEM" add app --kind device --allocation 8M >/dev/null || exit
TMEM_SOCKET=$TMEM_RUN_DIR/app.sock
export TMEM_SOCKET
exec "$@"
