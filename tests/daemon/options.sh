#!/bin/sh
# SPDX-License-Identifier: MIT
# Wrong options end with status 2 and a sentence that names them; --help and
# the manual page know every option there is.
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 2
manual=$here/../../man/tmemd.8

wrong() {
	text=$1
	shift
	check "$* is refused" run 2 "$TMEMD" "$@"
	check "$* is named: $text" says "$text"
	check "$* leaves no message on standard output" [ ! -s "$work/out" ]
}
wrong "--mmeory: no such option" --mmeory 2G
wrong "memory: no such option" memory
wrong "-m: no such option" -m 2G
wrong "--memory: BYTES is missing" --memory
wrong "--memory 2X: not a number of bytes from 4M to 8T" --memory 2X
wrong "--memory 2g: not a number" --memory 2g
wrong "--memory : not a number" --memory ""
wrong "--memory -1: not a number" --memory -1
wrong "--memory 1M: not a number of bytes from 4M to 8T" --memory 1M
wrong "--memory 9T: not a number of bytes" --memory=9T
wrong "--memory 18446744073709551616: not a number" --memory 18446744073709551616
wrong "--memory 16777216T: not a number" --memory 16777216T
wrong "--persistent 65M is more than the 64M" --memory 64M --persistent 65M
wrong "--control-idle 0: not a number from 1 to 86400" --control-idle 0
wrong "--codec zip: none of lz4, raw, vector" --codec zip
wrong "--fallow much: neither yes nor no" --fallow much
wrong "--verify 2: neither yes nor no" --verify 2
wrong "--reserve 0: not a number of bytes from 1M to 8T" --reserve 0
wrong "--dense-cpu 101: not a number from 0 to 100" --dense-cpu 101
wrong "--dense-cpu 10%: not a number from 0 to 100" --dense-cpu 10%
wrong "--dense-cpu -1: not a number from 0 to 100" --dense-cpu=-1
wrong "--log-level loud: not one of" --log-level loud
wrong "--at-own-risk takes no value" --at-own-risk=yes
wrong "--run-dir: empty" --run-dir ""
wrong "--run: no command" --run
wrong "the command is a word of its own" --run=true

check "--version" run 0 "$TMEMD" --version
check "--version prints one line" [ "$(wc -l <"$work/out")" = 1 ]
check "--help" run 0 "$TMEMD" --help
cp "$work/out" "$work/help"
check "--long-options" run 0 "$TMEMD" --long-options
cp "$work/out" "$work/names"
check "there are options" [ "$(wc -l <"$work/names")" -ge 10 ]

# An item of the manual page's list of options; in roff, a hyphen is \-.
sed -n 's/\\-/-/g; s/^\.It Fl -/--/p' "$manual" >"$work/manual"
listed() {
	grep -qE -- "^ *$1( |\$)" "$2"
}
says_not_listed() {
	! listed "$1" "$work/keys"
}
while read -r name; do
	check "--help lists $name" listed "$name" "$work/help"
	check "tmemd(8) lists $name" listed "$name" "$work/manual"
done <"$work/names"
while read -r name rest; do
	check "tmemd has $name of tmemd(8)" listed "$name" "$work/names"
done <"$work/manual"
# tmemd.conf(5) has a key for each option that a file may have, and no other.
sed -n 's/\\-/-/g; s/^\.It Cm //p' "$here/../../man/tmemd.conf.5" >"$work/keys"
check "tmemd.conf(5) has keys" [ "$(wc -l <"$work/keys")" -ge 5 ]
while read -r name; do
	echo "${name#--} = " >"$work/one.conf"
	run 2 "$TMEMD" --config "$work/one.conf" --run true
	if says "belongs on the command line"; then
		check "tmemd.conf(5) lists ${name#--}, which no file may have" says_not_listed "${name#--}"
	else
		check "tmemd.conf(5) lists ${name#--}" listed "${name#--}" "$work/keys"
	fi
done <"$work/names"
while read -r name; do
	echo "$name = " >"$work/one.conf"
	run 2 "$TMEMD" --config "$work/one.conf" --run true
	check "tmemd has the key $name" says_not "$name: no such key"
done <"$work/keys"
echo "nothing = " >"$work/one.conf"
check "control: a key that there is not" run 2 "$TMEMD" --config "$work/one.conf" --run true
check "is found out" says "nothing: no such key"
# The control: an option that does not exist, and a part of one, are not found.
listed --memor "$work/manual" || listed --no-such-option "$work/manual"
check "the search finds what is not there" [ $? = 1 ]
finish
