#!/bin/sh
# SPDX-License-Identifier: MIT
# The control of the tests of lent memory: each line below breaks core/ in one
# place, and the model or the histories must notice. Unbroken, they pass.
#
#	mutants.sh <build directory> <compiler> [argument...]
here=$(cd "$(dirname "$0")" && pwd) || exit 2
top=$here/../..
linear=$top/tests/linear
build=$1
shift
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
archives="-Wl,--start-group $build/tests/libtest-support-test.a $build/port/libport_test.a
	$build/core/libcore_test.a $build/codec/libcodec-own.a -llz4 -pthread -Wl,--end-group"
objects=
for name in crew faults interrupt judge scene test-linear; do
	objects="$objects $work/$name.o"
	"$@" -std=gnu11 -O1 -w -D_GNU_SOURCE -I"$top/include" -I"$top/tests/support" \
		-c -o "$work/$name.o" "$linear/$name.c" || exit 2
done
"$@" -std=gnu11 -O1 -w -D_GNU_SOURCE -I"$top/include" -I"$top/tests/support" \
	-c -o "$work/test-model.o" "$top/tests/model/test-model.c" || exit 2
"$@" -std=gnu11 -O1 -w -D_GNU_SOURCE -I"$top/include" -I"$top/tests/support" \
	-c -o "$work/test-lend.o" "$here/test-lend.c" || exit 2
# build COMPILER...: the tests over the sources in $work/core
# shellcheck disable=SC2086
build() {
	"$@" -std=gnu99 -O1 -w -I"$top/include" -I"$top/port/test" -c -o "$work/core.o" \
		"$work/core/all.c" &&
		"$@" -o "$work/lend" "$work/core.o" "$work/test-lend.o" $archives &&
		"$@" -o "$work/model" "$work/core.o" "$work/test-model.o" $archives &&
		"$@" -o "$work/linear" "$work/core.o" $objects $archives
}
# A broken engine may also go on for ever.
pass() {
	timeout 60 "$work/lend" &&
		timeout 60 "$work/model" --lend --operations 120000 &&
		timeout 60 "$work/linear" --variety ephemeral-lent --histories 1500 &&
		timeout 60 "$work/linear" --variety shared-lent --histories 1500
}
cp -r "$top/core" "$work/core"
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
done <<'EOM'
get.c@return tmem_unlikely(tmem_lend_asked(extent)) &&@return 0 &&
get.c@err = tmem_decode(worker,@*taken = is_taken(extent, unit, value); if (!*taken && !tmem_decode(worker, SLOT_CODEC(value), data, SLOT_LENGTH(value))) { memcpy(page, worker->page, TMEM_PAGE_SIZE); return 0; } err = tmem_decode(worker,
heap.c@if (!lent || extent->headers) {@if (1) {
lend.c@if (!is_there(extent, lent, i))@if (0)
recode.c@copied = !tmem_lend_asked(extent) ||@copied = 1 ||
lend.c@else if (!extent->headers)@else if (0)
lend.c@is_there(extent, lent, at / TMEM_LENT_UNIT))@1)
EOM
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
