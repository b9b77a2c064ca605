# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Swap: hog over the module's disk in one guest, over the same daemon's virtio
# disk in another. Both keep their pages in a pool; what differs is the way.

swap_mib=220 # that hog touches, in 192 MiB

swap_boot() { # NAME START
	serve_options "$1"
	rig_disk_size=280M
	"$2" "$1" serve "${serve[@]}"
	serve_wait "$1"
	phase "$1" 'swap_on; echo 1 >/proc/sys/vm/overcommit_memory; echo 0 >/proc/sys/vm/page-cluster'
	phase "$1" 'swapped() { set -- $(grep -E "^pswp(in|out) " /proc/vmstat); echo "swapped $2 $4"; }'
	# What the image left in memory goes to swap once, and not in a round that counts.
	phase "$1" "hog $swap_mib"
}

swap_round() { # SIDE GUEST SEED
	local in out
	phase "$2" "swapped; hog --seed $3 $swap_mib; swapped"
	grep -q '^hog: result bad=0 lost=0 ' <<<"$phase_said" || fail "guest $2 lost pages"
	in=$(awk '/^swapped/ { n = $2 - last; last = $2 } END { print n }' <<<"$phase_said")
	out=$(awk '/^swapped/ { n = $3 - last; last = $3 } END { print n }' <<<"$phase_said")
	sample guest.swap.fault "$1" "$(awk "BEGIN { print $phase_cpu / $in * 1e6 }")"
	sample guest.swap.latency "$1" \
		"$(sed -n 's/.* fault_p50_ns=\([0-9]*\) .*/\1/p' <<<"$phase_said" | awk '{ print $1 / 1000 }')"
	say "swap, $1: $in pages in, $out out in $phase_cpu s ($phase_parts)"
}

bench_swap() {
	local i
	swap_boot tmem0 guest_start_module
	swap_boot vda guest_start
	row guest.swap.fault "us of CPU per page swapped in" less "virtio-blk swap, same daemon" 0.83 0.67 \
		"CPU time of QEMU and tmemd for all of hog, over the pages that came back; page-cluster 0"
	row guest.swap.latency "us" less "virtio-blk swap, same daemon" 0.83 0.67 \
		"median time of a major fault by the guest's own clock, which stands still for nobody"
	for ((i = 1; i <= bench_rounds; i++)); do
		swap_round ours tmem0 "$i"
		swap_round peer vda "$i"
	done
	phase tmem0 'counters | grep -A 6 "^swap disk"'
	say "$phase_said"
	guest_kill tmem0
	guest_kill vda
}
