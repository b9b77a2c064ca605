#!/bin/sh
# SPDX-License-Identifier: MIT
# tmem(1) lists every command and every option, and none that tmem does not have.
tmem=$1
manual=$(dirname "$0")/../../man/tmem.1
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
items=$(sed -n 's/\\-/-/g; s/^\.It Fl \(. , Fl \)\{0,1\}-\([a-z-]*\).*/--\2/p' "$manual")
words=$(sed -n 's/\\-/-/g; s/ ,//g; s/^\.It Cm //p' "$manual")
has() {
	printf '%s\n' $2 | grep -qx -- "$1"
}
options=$("$tmem" --long-options)
commands=$("$tmem" --help | sed -n 's/^  \([a-z-]*\) .*/\1/p')
check "there are options" [ "$(printf '%s\n' $options | wc -l)" -ge 10 ]
check "there are commands" [ "$(printf '%s\n' $commands | wc -l)" -ge 10 ]
for option in $options; do
	check "tmem(1) lists $option" has "$option" "$items"
done
for option in $items; do
	check "tmem has $option of tmem(1)" has "$option" "$options"
done
for command in $commands; do
	check "tmem(1) lists $command" has "$command" "$words"
	check "tmem $command --help" sh -c '"$0" "$1" --help | grep -q "^usage: tmem $1"' "$tmem" "$command"
done
for command in $words; do
	check "tmem has $command of tmem(1)" has "$command" "$commands"
done
# The control: what is not there is not found.
has --no-such-option "$items" || has --forc "$items" || has ad "$words"
check "the search finds what is not there" [ $? = 1 ]
echo "$passed passed, $failed failed"
[ $failed = 0 ]
