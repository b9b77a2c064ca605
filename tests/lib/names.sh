#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The library's names: the header, the symbol map and the shared library say
# the same; the engine has none of them, so that one program can use both; and
# whatever else the static library defines carries a prefix.
#
#	names.sh SHARED STATIC ENGINE MAP HEADER
set -uo pipefail
passed=0 failed=0
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT

check() {
	if [ ! -s "$2" ]; then
		passed=$((passed + 1))
	else
		echo "FAIL $1:" "$(tr '\n' ' ' <"$2")"
		failed=$((failed + 1))
	fi
}
# only_in FIRST SECOND: lines of the first that the second has not
only_in() {
	comm -23 <(sort -u "$1") <(sort -u "$2")
}
both() {
	comm -12 <(sort -u "$1") <(sort -u "$2")
}

nm -D --defined-only "$1" | awk '$2 == "T" { sub(/@.*/, "", $3); print $3 }' >"$work/shared"
nm --defined-only "$2" | awk '$2 == "T" { print $3 }' >"$work/static"
nm --defined-only "$3" | awk '$2 ~ /[TDBR]/ { print $3 }' >"$work/engine"
sed -n 's/^\t\(tmem_[a-z_]*\);$/\1/p' "$4" >"$work/map"
grep -oE '\btmem_[a-z_]+\(' "$5" | tr -d '(' | sort -u >"$work/mentioned"
tr '\n' ' ' <"$5" | grep -oE 'TMEM_API[^;]*;' | grep -oE 'tmem_[a-z_]+\(' | tr -d '(' >"$work/header"

[ -s "$work/map" ] && [ -s "$work/engine" ] && [ -s "$work/header" ] || echo nothing >"$work/empty"
touch "$work/empty"
check "a list is empty" "$work/empty"
only_in "$work/map" "$work/shared" >"$work/out"
check "in the map, not in the library" "$work/out"
only_in "$work/shared" "$work/map" >"$work/out"
check "in the library, not in the map" "$work/out"
only_in "$work/header" "$work/map" >"$work/out"
check "in the header, not in the map" "$work/out"
only_in "$work/map" "$work/header" >"$work/out"
check "in the map, not in the header" "$work/out"
both "$work/map" "$work/engine" >"$work/out"
check "the engine's as well" "$work/out"
only_in "$work/static" "$work/map" | grep -vE '^(lt|tmem_wire|lt_paths)_' >"$work/out"
check "without a prefix" "$work/out"

# The control: an engine's name in the map is found.
echo tmem_put >>"$work/map"
both "$work/map" "$work/engine" >"$work/out"
if [ -s "$work/out" ]; then passed=$((passed + 1)); else
	echo "FAIL control: tmem_put is nobody's"
	failed=$((failed + 1))
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
