#!/bin/sh
# SPDX-License-Identifier: MIT
# A control of tests: each mutant breaks core/ in one place, and one of the
# tests must notice. Unbroken, they pass. What is broken and who looks is said
# by a list, a line each:
#
#	program NAME SOURCE...	   of tests/: a test to be built
#	run NAME ARGUMENT...	   what has to notice, in this order
#	mutant FILE@FROM@TO	   the first FROM in core/FILE, which must be there, becomes TO
#
#	mutants.sh LIST BUILD-DIRECTORY COMPILER [ARGUMENT...]
here=$(cd "$(dirname "$0")" && pwd) || exit 2
top=$here/../..
list=$1
build=$2
shift 2
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 2' TERM INT
. "$here/break.sh"
lines() { # KIND: what follows it
	sed -n "s/^$1 //p" "$list"
}
archives="-Wl,--start-group $build/tests/libtest-support-test.a $build/port/libport_test.a
	$build/core/libcore_test.a $build/codec/libcodec-own.a -llz4 -pthread -Wl,--end-group"
mkdir "$work/core"
lines program >"$work/programs"
lines run >"$work/runs"
lines mutant >"$work/mutants"
[ -s "$work/programs" ] && [ -s "$work/runs" ] && [ -s "$work/mutants" ] || exit 2
while read -r name sources; do
	mkdir "$work/$name.objects"
	for source in $sources; do
		"$@" -std=gnu11 -O1 -w -D_GNU_SOURCE -I"$top/include" -I"$top/tests/support" -I"$top/port/test" \
			-I"$top/core" -c -o "$work/$name.objects/$(basename "$source" .c).o" "$top/tests/$source" ||
			exit 2
	done
done <"$work/programs"
# build COMPILER...: the tests over the sources in $work/core
build() {
	"$@" -std=gnu99 -O1 -w -I"$top/include" -I"$top/port/test" -c -o "$work/core.o" "$work/core/all.c" ||
		return 1
	while read -r name _; do
		# shellcheck disable=SC2086
		"$@" -o "$work/$name" "$work/core.o" "$work/$name.objects/"*.o $archives || return 1
	done <"$work/programs"
}
# A broken engine may also go on for ever.
pass() {
	while read -r name arguments; do
		# shellcheck disable=SC2086
		timeout 60 "$work/$name" $arguments </dev/null || return 1
	done <"$work/runs"
}
break_each "$top/core" "$work/core" "$@" <"$work/mutants"
