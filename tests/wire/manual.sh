#!/bin/sh
# SPDX-License-Identifier: MIT
# doc/protocol.md and tmem-protocol(7) name every operation, form and code of
# the headers by its number, and none that is not there; the example of
# doc/protocol.md is made of the golden bytes, and those are what they were.
top=$(dirname "$0")/../..
text=$top/doc/protocol.md
manual=$top/man/tmem-protocol.7
golden=$top/tests/wire/golden
passed=0 failed=0
check() {
	what=$1
	shift
	if "$@"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAIL $what"
	fi
}
# numbers PREFIX FILE: the names of an enum with their numbers
numbers() {
	sed -n "s/^[[:space:]]*TMEM_$1\\([A-Z_]*\\) = \\([0-9]*\\).*/\\1 \\2/p" "$2"
}
operations=$(numbers WIRE_ "$top/include/tmem/wire.h" | grep -vE '^(OPS|ONE|RUN|LIST) ' | sort)
forms=$(numbers WIRE_ "$top/include/tmem/wire.h" | grep -E '^(ONE|RUN|LIST) ' | sort)
codes=$(sed -n 's/^[[:space:]]*TMEM_\(E[A-Z]*\) = \([0-9]*\).*/\1 \2/p' "$top/include/tmem/types.h" | sort)

# What the texts list, in the same form. An argument stands for the file.
text_operations() {
	sed -n '/^## 3/,/^## 4/s/^| \([0-9]*\) | \([A-Z_]*\) |.*/\2 \1/p' "$1" | sort
}
text_forms() {
	sed -n '/^## 2/,/^## 3/s/^| \([0-9]\) | \([A-Z]*\) |.*/\2 \1/p' "$1" | sort
}
text_codes() {
	sed -n '/^## 4/,/^## 5/s/^| \([0-9]*\) | `\([A-Z]*\)` |.*/\2 \1/p' "$1" | sort
}
manual_items() {
	sed -n 's/^\.It \([0-9]*\) Cm \([A-Z_]*\)$/\2 \1/p' "$1" | sort
}
manual_codes() {
	sed -n 's/^\.It Er \([A-Z]*\) No \([0-9]*\)$/\1 \2/p' "$1" | sort
}
both=$(printf '%s\n%s\n' "$operations" "$forms" | sort)
check "eleven operations" [ "$(echo "$operations" | wc -l)" = 11 ]
check "three forms" [ "$(echo "$forms" | wc -l)" = 3 ]
check "fourteen codes" [ "$(echo "$codes" | wc -l)" = 14 ]
check "protocol.md has the operations" [ "$(text_operations "$text")" = "$operations" ]
check "protocol.md has the forms" [ "$(text_forms "$text")" = "$forms" ]
check "protocol.md has the codes" [ "$(text_codes "$text")" = "$codes" ]
check "tmem-protocol(7) has the operations and forms" [ "$(manual_items "$manual")" = "$both" ]
check "tmem-protocol(7) has the codes" [ "$(manual_codes "$manual")" = "$codes" ]
check "protocol.md has the magic" grep -q "$(sed -n 's/^#define TMEM_WIRE_MAGIC[^0]*\(0x[0-9a-f]*\)ull.*/\1/p' \
	"$top/include/tmem/wire.h")" "$text"

# Blocks of the example: a golden file's name, then its bytes.
example() {
	sed -n '/^## 7/,$p' "$1" | sed -n "/^    $2\$/,/^\$/p" | sed '1d; /^$/d; s/^    //'
}
blocks=$(sed -n '/^## 7/,$s/^    \([a-z-]*-re[a-z]*\)$/\1/p' "$text")
check "the example has blocks" [ "$(echo "$blocks" | wc -l)" -ge 8 ]
for block in $blocks; do
	check "the example's $block" [ "$(example "$text" "$block")" = "$(grep -v '^#' "$golden/$block.hex")" ]
done
# untouched FOLDER: each of its files has the sum that it was made with
untouched() {
	(cd "$1" && grep -v '^#' SUMS | sha256sum --check --strict --quiet) >/dev/null 2>&1 &&
		[ "$(cd "$1" && ls -- *.hex)" = "$(sed '/^#/d; s/^[^ ]*  //' "$1/SUMS")" ]
}
check "nobody edited the golden bytes" untouched "$golden"

# groff says what it does not understand; a test machine without it has nothing to say.
if command -v groff >/dev/null; then
	check "groff understands the manual" [ -z "$(groff -mdoc -Tutf8 -ww -z "$manual" 2>&1)" ]
fi

# The control: copies with one mistake each are found out.
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
sed 's/^| 6 | FLUSH |/| 5 | FLUSH |/' "$text" >"$work/operation"
sed '/^| 108 |/d' "$text" >"$work/code"
sed '/^## 7/,$s/56 49 54 54/56 49 54 55/' "$text" >"$work/example"
sed 's/^\.It Er EIO No 5$/.It Er EIO No 6/' "$manual" >"$work/manual"
cp -r "$golden" "$work/edited" && sed -i 's/^06/07/' "$work/edited/flush-one-request.hex"
cp -r "$golden" "$work/added" && cp "$golden/nop-reply.hex" "$work/added/other.hex"
check "an edited file is seen" [ "$(untouched "$work/edited"; echo $?)" = 1 ]
check "a file without a sum is seen" [ "$(untouched "$work/added"; echo $?)" = 1 ]
check "a wrong operation is seen" [ "$(text_operations "$work/operation")" != "$operations" ]
check "a missing code is seen" [ "$(text_codes "$work/code")" != "$codes" ]
check "a wrong byte is seen" \
	[ "$(example "$work/example" hello-request)" != "$(grep -v '^#' "$golden/hello-request.hex")" ]
check "a wrong number in the manual is seen" [ "$(manual_codes "$work/manual")" != "$codes" ]
echo "$passed passed, $failed failed"
[ $failed = 0 ]
