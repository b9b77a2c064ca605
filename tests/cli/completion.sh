#!/bin/bash
# SPDX-License-Identifier: MIT
# Completion offers every command, every option and every guest that tmem has,
# where they belong, and nothing else.
#	completion.sh TMEMD TMEM
if [ "$1" != inner ]; then
	work=$(mktemp -d "${TMPDIR:-/tmp}/tmem-test-XXXXXX") || exit 2
	trap 'rm -rf "$work"' EXIT
	trap 'exit 143' HUP TERM
	trap 'exit 130' INT
	ln -s "$(realpath "$2")" "$work/tmem"
	PATH=$work:$PATH "$1" --no-config --memory 64M --persistent 32M --at-own-risk --log-level error --run-dir "$work/run" \
		--run bash "$(realpath "$0")" inner
	exit
fi
. "$(dirname "$0")/../../contrib/completion/tmem"
passed=0 failed=0

# The words so far, the last of which is being written, give these, in any order.
gives() {
	local wanted
	wanted=$(tr ' ' '\n' <<<"$1" | sort)
	shift
	COMP_WORDS=(tmem "$@")
	COMP_CWORD=$#
	_tmem
	if [ "$(printf '%s\n' "${COMPREPLY[@]}" | sort)" = "$wanted" ]; then
		passed=$((passed + 1))
		return 0
	fi
	echo "tmem $*: ${COMPREPLY[*]}; wanted: ${wanted//$'\n'/ }" >said
	return 1
}
check() {
	if ! gives "$@"; then
		failed=$((failed + 1))
		echo "FAIL $(cat said)"
	fi
}
cd "$TMEM_RUN_DIR/.." || exit 2
tmem add vm1 --disk 1M --allocation 2M >/dev/null
tmem add vm2 --disk 1M --allocation 2M >/dev/null
commands=$(tmem --help | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p' | tr '\n' ' ')
[ "$(wc -w <<<"$commands")" -ge 14 ] || failed=$((failed + 1))
check "${commands}--help --version" ''
check "freeze freeable" fr
check "" nothing
all=''
for command in $commands; do
	options=$(tmem "$command" --help | grep -oE '^ +(-., )?--[a-z-]+' | grep -oE -- '--[a-z-]+' | tr '\n' ' ')
	all="$all $options"
	check "${options% }" "$command" -
done
# Each option of the tool is offered by some command, and no other.
[ "$(tr ' ' '\n' <<<"$all" | grep . | sort -u)" = "$(tmem --long-options | sort)" ] || {
	failed=$((failed + 1))
	echo "FAIL not every option is offered"
}
for command in remove stat watch set freeze thaw flush freeable destroy shared-auth; do
	check "vm1 vm2" "$command" ''
done
check "vm2" remove vm2
check "" remove vm1 ''
check "vm1 vm2" flush --bytes 1M ''
check "" flush --bytes ''
check "" add ''
check "" list ''
check "" check ''
check "lz4 raw vector" set vm1 --codec ''
check "raw" set vm1 --codec r
check "disk device template" add vm3 --kind ''
check "--pool" set vm1 --po
# The control: what is not offered is not found.
gives "remove reload list" r && failed=$((failed + 1)) && echo "FAIL the comparison does not compare"
echo "$passed passed, $failed failed"
[ $failed = 0 ] && [ $passed -gt 30 ]
