#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A guest with swap of its own, cgroup v2, and a tmemd inside that has filled
# all fallow memory. Another program takes 60 % of the guest's memory as fast
# as it can, 20 times: nobody is killed, nothing is swapped out, and it needs
# no more processor time than in the same guest without tmemd, within 10 %. The
# control is a tmemd that neither lends nor gives back: then it is killed, or
# the guest swaps.
#
#	guest-fallow.sh [--ram MIB] [--rounds N] [--real]
#
# Time is counted in instructions (QEMU's -icount: one takes a nanosecond, and
# waiting none), so that what else the machine does is in no figure. --real: as
# it passes; for a machine with nothing else to do.
#
# Not in CI: a quarter of an hour on two processors, and as much memory as
# the guest has. make check-fallow.
. "$(dirname "$0")/../../guest/demo/rig.sh"

ram=4096 rounds=20 real=
while [ $# -gt 0 ]; do
	case $1 in
	--ram) ram=$2; shift ;;
	--rounds) rounds=$2; shift ;;
	--real) real=yes ;;
	*) echo "usage: guest-fallow.sh [--ram MIB] [--rounds N] [--real]" >&2; exit 2 ;;
	esac
	shift
done
patience=$((1800 + rounds * 400))

available=$(sed -n 's/^MemAvailable: *\([0-9]*\).*/\1/p' /proc/meminfo)
[ $((available / 1024)) -gt $((ram + 1024)) ] || {
	echo "guest-fallow: a guest of $ram MiB needs more memory than this machine has" >&2
	exit 77
}
rig_begin
[ -n "$real" ] || rig_accel=(-accel "tcg,thread=single" -icount "shift=0,sleep=off")

# What runs in the guest, with its libraries, over the image.
rig_build daemon/tmemd cli/tmem tests/lend/feed tests/lend/take
root=$rig_work/overlay
mkdir -p "$root/bin" "$root/demo"
for program in "$rig_tmemd" "$rig_tmem" "$rig_built/tests/lend/feed" "$rig_built/tests/lend/take"; do
	cp "$program" "$root/bin/" || fail "no $program"
	ldd "$program" | grep -o '/[^ ]* (0x' | cut -d' ' -f1
done | sort -u | while read -r library; do
	# The loader finds those of the build where it finds all others.
	case $library in
	"$rig_built"/*) target=/lib/x86_64-linux-gnu/${library##*/} ;;
	*) target=$library ;;
	esac
	mkdir -p "$root$(dirname "$target")"
	cp -L "$library" "$root$target"
done
cp "$(dirname "$0")/run-fallow" "$root/demo/"
(cd "$root" && find . -mindepth 1 | cpio --quiet -R 0:0 -o -H newc) >"$rig_work/overlay.cpio"
cat "$rig_image" "$rig_work/overlay.cpio" >"$rig_work/image.cpio"
rig_image=$rig_work/image.cpio

run() { # MODE ROUNDS OPTIONS
	local mode=$1 rounds=$2
	shift 2
	truncate -s "${ram}M" "$rig_work/$mode.swap"
	guest_boot "$mode" fallow -m "$ram" \
		-drive "file=$rig_work/$mode.swap,format=raw,if=none,id=swap,cache=unsafe" \
		-device virtio-blk-pci,drive=swap,disable-legacy=on \
		rootfstype=ramfs "tmem.mode=$mode" "tmem.rounds=$rounds" "tmem.feed=$((ram / 24))" "$@"
	guest_end "$mode" $patience || fail "the guest with mode $mode does not end"
	rm -f "$rig_work/$mode.swap"
	sed "s/^/$mode: /" "$(report_of "$mode")" | tr -d '\r'
}

cpu() { # MODE: how many rounds, and milliseconds of the mean one and of the longest
	sed -n 's/^fallow: round .*: cpu \([0-9.]*\).*/\1/p' "$(report_of "$1")" |
		awk '{ sum += $1; n++; if ($1 > most) most = $1 }
			END { printf "%d %.1f %.1f\n", n, n ? sum / n * 1000 : 0, most * 1000 }'
}

last() { # MODE COUNTER
	sed -n "s/^fallow: after .*$2=\([0-9]*\).*/\1/p" "$(report_of "$1")" | tail -n 1
}

killed() { # MODE
	count_lines "$(report_of "$1")" '^fallow: round .*killed'
}

few=$((rounds < 5 ? rounds : 5))
run none $few
run fallow "$rounds"
run control 2
read -r none_rounds none_cpu none_most < <(cpu none)
read -r done_rounds cpu most < <(cpu fallow)
say "$done_rounds rounds of $rounds, oom_kill $(last fallow oom_kill), pswpout $(last fallow pswpout);" \
	"processor time $cpu ms each, $most at most; without tmemd $none_cpu, $none_most at most:" \
	"$(awk "BEGIN { printf \"%+.1f %%\", ($cpu / $none_cpu - 1) * 100 }")"
say "control: oom_kill $(last control oom_kill), pswpout $(last control pswpout), killed $(killed control)"
[ "$none_rounds" = $few ] && [ "$done_rounds" = "$rounds" ] || fail "not all rounds came to their end"
[ "$(last fallow oom_kill)" = 0 ] || fail "somebody was killed"
[ "$(last fallow pswpout)" = 0 ] || fail "something was swapped out"
guest_line fallow '^fallow: feed ends with 0' 0 || fail "the client found wrong pages, or none"
guest_line fallow '^fallow: full ' 0 && ! guest_line fallow '^fallow: not full' 0 ||
	fail "tmemd did not fill what is fallow"
[ $(($(last control oom_kill) + $(last control pswpout) + $(killed control))) -gt 0 ] ||
	fail "the control was neither killed nor swapped, so this shows nothing"
awk "BEGIN { exit !($cpu <= $none_cpu * 1.1) }" || fail "more than 10 % slower"
say "all as it should be"
