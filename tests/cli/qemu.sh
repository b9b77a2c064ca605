#!/bin/sh
# SPDX-License-Identifier: MIT
# The arguments that tmem add prints, appended to a QEMU command as they are:
# QEMU takes them, finds the disk, and the daemon has nothing to complain of.
TMEMD=$(realpath "$1")
TMEM=$(realpath "$2")
export TMEM
command -v qemu-system-x86_64 >/dev/null || {
	echo "no qemu-system-x86_64"
	exit 77
}
work=$(mktemp -d "${TMPDIR:-/tmp}/tmem-test-XXXXXX") || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 143' HUP TERM
trap 'exit 130' INT
cd "$work" || exit 2
cat >inner <<'S'
machine() {
	printf 'qemu-system-x86_64 -accel tcg -S -display none -vga none -nodefaults -monitor stdio \\\n' >machine
	grep -v '^#' >>machine
	printf 'info block\ninfo qtree\nquit\n' | timeout 60 sh machine >said 2>errors
}
passed=0 failed=0
check() {
	what=$1
	shift
	if "$@"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAIL $what"
		cat errors
	fi
}
"$TMEM" add given --disk 16M --ram 64M --queues 2 >words
check "with --ram" machine <words
check "the disk is there" grep -q 'dev: vhost-user-blk-pci' said
check "with two queues" grep -q 'num-queues = 2 ' said
RAM=64M
export RAM
"$TMEM" add shell --disk 16M >words
check "with RAM in the shell" machine <words
"$TMEM" add odd --disk 16M --ram 67M --queues 1 >words
check "with an odd number of MiB" machine <words
RAM=64M
"$TMEM" add pages --kind device --ram 64M --queues 3 >words
check "a tmem device" machine <words
check "the device is there" grep -q 'dev: vhost-user-fs-pci' said
check "with its tag" grep -q 'tag = "tmem"' said
for name in given shell odd; do
	"$TMEM" stat $name --json >figures
	check "$name: one session" grep -q '"sessions":1,"sessions_ended":0' figures
	check "$name: no errors" grep -q '"errors":{}' figures
	check "$name: nobody is connected" grep -q '"connected":false' figures
done
# The control: more queues than were asked for are refused by QEMU.
"$TMEM" add few --disk 16M --ram 64M --queues 1 | sed 's/num-queues=1,/num-queues=2,/' >words
machine <words && check "control: QEMU refuses what the daemon does not have" false
echo "$((passed + 1)) passed, $failed failed"
[ $failed = 0 ]
S
# A path that both a shell and QEMU would take apart.
"$TMEMD" --run-dir "$work/a b,c" --memory 128M --persistent 100M --at-own-risk --log-level error --run sh inner
