#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# fio on a file of ext4 that is larger than the guest's memory: small blocks
# and large ones, mapped, direct, and written directly but read through the
# page cache. Each job goes over what the one before it left in the host, and
# each block is verified. The controls: modules that leave out a hook.
set -u
. "$(dirname "$0")/../../guest/demo/rig.sh"

size=48

rig_begin
PATH=$PATH:/usr/sbin:/sbin
command -v mke2fs >/dev/null || give_up "mke2fs is missing (Debian package e2fsprogs)"
fio=$(command -v fio) || give_up "fio is missing: run 'sudo scripts/setup'"

# What was there is never what comes next: blocks differ by their job's seed, or by a word.
mkdir "$rig_work/fio"
cp "$fio" "$rig_work/fio/fio"
ldd "$fio" | grep -o '/[^ ]* (0x' | cut -d' ' -f1 | xargs cp -Lt "$rig_work/fio"
global='[global]
thread
fallocate=none
verify_fatal=1
ioengine=psync'
again='stonewall
rw=randrw
bs=16k
verify=crc32c'
between='[old]
stonewall
rw=read
bs=64k
[write]
stonewall
rw=randwrite
bs=16k
direct=1
verify=pattern
verify_pattern=%o"direct"
do_verify=0
[look]
stonewall
rw=randread
bs=16k
verify=pattern
verify_pattern=%o"direct"'
cat >"$rig_work/fio/all.jobs" <<JOBS
$global
[small]
rw=randrw
bs=4k
verify=crc32c
[mapped]
stonewall
rw=randrw
bs=16k
verify=md5
ioengine=mmap
[large]
stonewall
rw=randrw
bs=64k
verify=crc32c
[direct]
$again
direct=1
$between
JOBS
printf '%s\n' "$global" '[one]' "$again" randseed=1 '[two]' "$again" randseed=2 \
	>"$rig_work/fio/twice.jobs"
printf '%s\n' "$global" "$between" >"$rig_work/fio/between.jobs"

truncate -s 160M "$rig_work/fio.disk"
truncate -s $((size + 32))M "$rig_work/disk"
mke2fs -q -t ext4 -O ^metadata_csum -d "$rig_work/fio" "$rig_work/fio.disk" &&
	mke2fs -q -t ext4 -O ^metadata_csum "$rig_work/disk" || give_up "mke2fs fails"

rig_take_module
skip=$("$rig_top/scripts/guest-module" "${rig_kernel#/boot/vmlinuz-}" "$(dirname "$rig_bare_image")" \
	SKIP) || give_up "no module that skips"
mkdir "$rig_work/skip" && cp "$skip" "$rig_work/skip/skip.ko"
(cd "$rig_work/skip" && find . -mindepth 1 | cpio --quiet -R 0:0 -o -H newc) >>"$rig_image"

rig_disk_size=1M
daemon_start
guest_start_module a fio "tmem.size=$size" \
	-drive "file=$rig_work/disk,format=raw,if=none,id=disk,cache=none" \
	-device virtio-blk-pci,drive=disk,disable-legacy=on \
	-drive "file=$rig_work/fio.disk,format=raw,if=none,id=fio,cache=none,read-only=on" \
	-device virtio-blk-pci,drive=fio,disable-legacy=on
guest_end a 500 || fail "guest a did not end"
tr -d '\r' <"$(report_of a)" >"$rig_work/report"
grep -q '^all done' "$rig_work/report" || fail "guest a did not come to its end"
! grep -q 'does not\|no file system\|complains' "$rig_work/report" || fail "guest a complains"
"$rig_tmem" check >/dev/null || fail "tmem check"

part() { # JOBS: what they said
	sed -n "/^module $1/,/^module [^$1]/p" "$rig_work/report"
}

part all >"$rig_work/part"
jobs="small mapped large direct old write look"
for job in $jobs; do
	grep -q "^fio $job ok" "$rig_work/part" || fail "$job: fio read what was not written"
done
# Each module says it as it goes, the real one first.
said=$(sed -n 's/.*tmem: clean pages: //p' "$rig_work/report" | head -n 1)
hits=$(sed -n 's/.*put, \([0-9]*\) of [0-9]* got.*/\1/p' <<<"$said")
[ "${hits:-0}" -ge 5000 ] || fail "only $hits pages came from the host: nothing was shown"
say "PASS fio verified $jobs; $said"

while read -r jobs job skip; do
	part "$jobs" >"$rig_work/part"
	grep -q "^fio $job BAD" "$rig_work/part" && found=$(grep -m 1 '^fio said' "$rig_work/part") ||
		fail "the module without the hooks of skip=$skip goes unnoticed"
	say "PASS control: skip=$skip: $job: ${found#fio said: }"
done <<'CONTROLS'
twice two 4
between look 2
CONTROLS
daemon_stop
say "PASS"
