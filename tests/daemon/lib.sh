# SPDX-License-Identifier: MIT
# Shared by the scripts here: counting, and a private place for each.
#
#	. "$(dirname "$0")/lib.sh"	with the paths of tmemd and tmem as arguments
#
# A test never sleeps to wait: commands run under tmemd --run, which starts
# them when it serves and ends when they do.
TMEMD=$(realpath "$1")
TMEM=$(realpath "$2")
export TMEMD TMEM
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/tmem-test-XXXXXX") || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 143' HUP TERM
trap 'exit 130' INT
unset TMEM_CONTROL TMEM_RUN_DIR
passed=0 failed=0 skipped=0

# Small, so that a test runs anywhere; what it may not do is not the matter here.
small="--no-config --memory 64M --persistent 32M --at-own-risk --log-level error"

pass() {
	passed=$((passed + 1))
}
fail() {
	failed=$((failed + 1))
	echo "FAIL $*"
	sed 's/^/  out: /' "$work/out" 2>/dev/null
	sed 's/^/  err: /' "$work/err" 2>/dev/null
}
skip() {
	skipped=$((skipped + 1))
	echo "SKIP $*"
}

# run WANTED-STATUS COMMAND...: out and err are kept in $work
run() {
	wanted=$1
	shift
	timeout -k 5 60 "$@" >"$work/out" 2>"$work/err" </dev/null
	status=$?
	[ "$status" = "$wanted" ]
}

# what DESCRIPTION CONDITION...
check() {
	what=$1
	shift
	if "$@"; then pass; else fail "$what (status ${status-}; wanted ${wanted-})"; fi
}
# The last command's standard error has this text.
says() {
	grep -qF -- "$1" "$work/err"
}
says_not() {
	! says "$1"
}
finish() {
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
	exit
}
