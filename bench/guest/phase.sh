# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Phases of guests that do what they are told (guest/demo/run-serve), and the
# processor time that each took: wall time says nothing on a machine that
# others use, and nothing of a guest whose processor is emulated.
#
# The kernel brings processes' times up to date at ticks, so a phase should
# last for seconds. Sourced by scripts/bench-guest, after rig.sh.

phase_limit=900 # seconds; a compiler in an emulated guest beside others takes its time
declare -A phase_number=() phase_pipe=()
bench_ticks=$(getconf CLK_TCK)

# What a guest needs more, for guest_start and guest_start_module; the run is "serve".
serve_options() { # NAME: sets $serve
	mkfifo "$rig_work/$1.go.in" "$rig_work/$1.go.out"
	serve=(-serial "pipe:$rig_work/$1.go" -name "$1,debug-threads=on")
	phase_number[$1]=0
	# Nobody waits for the other end, and what is echoed has somewhere to go.
	exec {serve_out}<>"$rig_work/$1.go.out"
	exec {serve_in}<>"$rig_work/$1.go.in"
	phase_pipe[$1]=$serve_in
}

serve_wait() { # NAME
	guest_line "$1" '^serve: ready' 200 || fail "guest $1 does not come up"
}

# Ticks of a guest's processors, of the rest of its QEMU, and of the daemon.
phase_ticks() { # NAME
	local pid=${rig_guest[$1]}
	# A thread that has ended is in its process alone.
	cat "/proc/$rig_daemon/stat" "/proc/$pid/stat" "/proc/$pid"/task/*/stat 2>/dev/null |
		awk '{
			cpu = index($0, "(CPU ") > 0
			sub(/^.*\) /, "")
			ticks = $12 + $13
			if (NR == 1) d = ticks
			else if (NR == 2) all = ticks
			else if (cpu) c += ticks
		} END { printf "%d %d %d\n", c, all - c, d }'
}

# Sets phase_cpu to the seconds of all three, phase_parts to each for people, and
# phase_said to what the guest said.
phase() { # NAME SHELL-COMMAND
	local name=$1 number=$((++phase_number[$1])) before after
	local b0 b1 b2 a0 a1 a2 from
	from=$(($(wc -l <"$(report_of "$name")") + 1))
	before=$(phase_ticks "$name")
	echo "$2" >&"${phase_pipe[$name]}"
	guest_line "$name" "^serve: done $number"$'\r'"?$" $phase_limit || fail "guest $name: $2: no end"
	after=$(phase_ticks "$name")
	read -r b0 b1 b2 <<<"$before"
	read -r a0 a1 a2 <<<"$after"
	phase_cpu=$(awk "BEGIN { print ($a0 + $a1 + $a2 - $b0 - $b1 - $b2) / $bench_ticks }")
	phase_parts=$(awk "BEGIN { printf \"%.2f s processors, %.2f s emulator, %.2f s tmemd\",
		($a0 - $b0) / $bench_ticks, ($a1 - $b1) / $bench_ticks, ($a2 - $b2) / $bench_ticks }")
	phase_said=$(sed -n "$from,\$p" "$(report_of "$name")" | tr -d '\r' | grep -v '^serve: done' || true)
}

# One of the two numbers of a pair; the pairs are in the order in which they come.
sample() { # ROW ours|peer VALUE
	echo "sample $1 $2 $3" >>"$bench_samples"
}

row() { # NAME UNIT less|more PEER TARGET GOAL NOTE: once per row; no target: -
	printf 'row\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$@" >>"$bench_samples"
}
