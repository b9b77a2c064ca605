#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A host that lies to tmem.ko, in each way that tests/guest/liar.c knows: its
# disk then has the right pages or errors, never others and never zeros, files
# are what they were, the module gives the host up, says why, and works with
# the next one. The controls: an honest host is not given up; and a module
# that believes how long an answer is serves what was never written.
set -u
. "$(dirname "$0")/../../guest/demo/rig.sh"

greetings="hello_version hello_page hello_batch hello_session hello_known hello_features hello_refused
	hello_never hello_short pool_number stat_huge news_wild"
answers="status_positive status_wild result_positive result_wild length_zero length_short length_long
	length_huge head_wild head_other head_twice index_runs index_back never late stale"

rig_begin
PATH=$PATH:/usr/sbin:/sbin
command -v mke2fs >/dev/null || give_up "mke2fs is missing (Debian package e2fsprogs)"
liar=${TMEMD_LIAR:-$rig_built/tests/guest/tmemd-liar}
[ -n "${TMEMD_LIAR-}" ] || rig_build tests/guest/tmemd-liar

meet() { # GUEST CLEAN LIE...
	local name=$1 clean=$2 disk=()
	shift 2
	# It greets twice before the first lie.
	export TMEM_LIES="honest honest $*"
	daemon_start "$liar"
	if [ "$clean" = 1 ]; then
		truncate -s 64M "$rig_work/disk"
		mke2fs -q -F -t ext4 -O ^metadata_csum "$rig_work/disk" || give_up "mke2fs fails"
		disk=(-drive "file=$rig_work/disk,format=raw,if=none,id=disk,cache=none"
			-device virtio-blk-pci,drive=disk,disable-legacy=on)
	fi
	rig_disk_size=2M
	guest_start_module "$name" liar "tmem.lies=$#" "tmem.clean=$clean" "tmem.full=${full:-0}" "${disk[@]}"
	guest_end "$name" 240 || fail "guest $name did not end"
	report=$(report_of "$name")
	grep -q '^all done' "$report" || fail "guest $name did not come to its end"
	! grep -q 'complains\|does not load\|does not come\|does not go\|is not what\|no file' "$report" || fail "guest $name complains"
	daemon_stop
}

line_of() { # NUMBER EXPRESSION NAME
	grep -qE "^lie $1 $2" "$report" ||
		fail "$3: $(grep "^lie $1 " "$report"), and not $2"
}

check_honest() {
	grep -q '^honest wrote=64 right=64 ' "$report" || fail "an honest host is not served afterwards"
}

# The disk's 64 pages are two requests to write them, and 64 to read them.
rig_take_module
lies=(honest)
for lie in $greetings; do lies+=("$lie"); done
for lie in $answers; do lies+=("$lie@38" "$lie@2"); done
lies+=(after)
meet a 0 "${lies[@]}"
number=0
for lie in "${lies[@]}"; do
	number=$((number + 1))
	case $lie in
	honest | after) line_of $number 'bound=yes wrote=64 right=64 wrong=0 zero=0 error=0 why=.?$' $lie ;;
	stale@2) line_of $number 'bound=no wrote=0  why=its ring' $lie ;;
	# They come at any time.
	news_wild) line_of $number 'bound=(yes|no) wrote=.* why=news that cannot be' $lie ;;
	*@38) line_of $number 'bound=yes wrote=64 right=[0-9]* wrong=0 zero=0 error=[1-9][0-9]* why=[a-z]' $lie ;;
	# What was answered well may be found out later; nothing of it is there then.
	*@2) line_of $number 'bound=yes wrote=(32|64) right=0 wrong=0 zero=0 error=(32|64) why=[a-z]' $lie ;;
	*) line_of $number 'bound=no wrote=0  why=[a-z]' $lie ;;
	esac
done
check_honest
say "PASS ${#lies[@]} hosts met, $((${#lies[@]} - 1)) of them lied and were given up"

# This module can be told that it remembers few changes; nothing is left out.
rig_take_module SKIP
full=7
meet b 1 honest result_positive@69 length_short@69 head_wild@69 never@69 index_runs@69 pool_third
for number in 2 3 4 5 6; do
	line_of $number 'bound=yes wrote=64 right=64 wrong=0 zero=0 error=0 why=[a-z]' "clean pages"
done
line_of 1 '.*why=.?$' honest
check_honest
say "PASS files are what they were over 5 hosts that lie"
line_of 7 'bound=yes wrote=64 right=64 wrong=0 zero=0 error=0 why=.?$' "one pool and no other"
said=$(sed -n 's/^full: //p' "$report" | tr -d '\r')
grep -q '^overflows=1 on=0 hits=0 closed: the host makes no other pool' <<<"$(head -n 1 <<<"$said")" ||
	fail "clean pages go on though the host makes no other pool: $said"
grep -qE '^overflows=1 on=1 hits=[1-9][0-9]* $' <<<"$(tail -n 1 <<<"$said")" ||
	fail "control: clean pages do not begin anew where it makes one: $said"
say "PASS clean pages are closed where the host makes no other pool; control: $(tail -n 1 <<<"$said")"

rig_take_module BELIEVE
full=0
meet c 0 length_short@38
line_of 1 '.* wrong=[1-9]' "a module that believes lengths"
say "PASS control: a module that believes how long answers are serves what was never written"
say "PASS"
