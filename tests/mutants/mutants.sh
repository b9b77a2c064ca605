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
passed=0 failed=0
note() {
	if [ "$1" = "$2" ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAIL $3"
	fi
}
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
cp "$top"/core/*.[ch] "$work/core"
build "$@" || exit 2
pass >"$work/log" 2>&1
note $? 0 "the tests fail on what is not broken: $(tail -n 3 "$work/log")"
while IFS=@ read -r file from to; do
	cp "$top"/core/*.[ch] "$work/core"
	# The text is a plain one, and must be there.
	FROM=$from TO=$to awk 'BEGIN { from = ENVIRON["FROM"]; to = ENVIRON["TO"] }
		!done && (at = index($0, from)) {
			$0 = substr($0, 1, at - 1) to substr($0, at + length(from)); done = 1 }
		{ print } END { exit !done }' "$top/core/$file" >"$work/core/$file"
	note $? 0 "$file has no: $from"
	if ! build "$@"; then
		note 1 0 "does not build: $to"
		continue
	fi
	pass >"$work/log" 2>&1
	note $((!$?)) 0 "not noticed: $file: $from -> $to"
	echo "$from: $(tail -n 1 "$work/log")"
done <"$work/mutants"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
