# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# The host's side of a guest run, for scripts/demo and tests/guest (sourced,
# bash): finds or builds what is needed, starts daemons and guests, waits for
# what they report, and leaves nothing behind, however the caller ends. Every
# wait has an end: it is over when the line is there, when the process that
# should write it is gone, or when the time is up.
#
# Environment: RIG_BUILD names another build than build/, TMEMD and TMEM binaries of none;
# GUEST_RAM gives guests another size than 192M, which a kernel with KASAN needs;
# GUEST_KERNEL, another kernel. RIG_PATIENCE=N waits N times as long for guests, where
# others use the machine.

rig_top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
rig_name=$(basename "$0" .sh)
rig_built=${RIG_BUILD:-$rig_top/build}
rig_tmemd=${TMEMD:-$rig_built/daemon/tmemd}
rig_tmem=${TMEM:-$rig_built/cli/tmem}
rig_ram=${GUEST_RAM:-192M}
rig_patience=${RIG_PATIENCE:-1}
rig_disk_size=512M
# What no kernel says of itself that is well. On the console are warnings and what is worse.
rig_complaint='BUG: |KASAN: |WARNING: |ODEBUG: |list_(add|del) corruption|general protection|Oops'
declare -A rig_guest=() # name: process id of its QEMU
rig_daemon=

say() {
	echo "$rig_name: $*"
}

give_up() { # what is missing, and what to do: not a failure of what is tested
	say "cannot run: $*" >&2
	exit 77
}

fail() {
	local log
	for log in "$rig_work"/*.report "$rig_work"/*.console "$rig_work"/*.log; do
		[ -s "$log" ] || continue
		echo "--- end of $(basename "$log")" >&2
		tail -n "${RIG_TAIL:-12}" "$log" | tr -d '\r' >&2
	done
	say "FAILED: $*" >&2
	exit 1
}

rig_end() {
	local status=$? pid
	trap '' INT TERM
	trap - EXIT
	for pid in "${rig_guest[@]}" $rig_daemon $(jobs -p); do
		kill "$pid" 2>/dev/null
	done
	for pid in "${rig_guest[@]}" $rig_daemon; do
		rig_wait_pid "$pid" 5 || kill -9 "$pid" 2>/dev/null
	done
	wait 2>/dev/null
	rm -rf "$rig_work"
	exit "$status"
}

rig_wait_pid() { # PID SECONDS: true once the process is gone
	local end=$((SECONDS + $2 + 1))
	while kill -0 "$1" 2>/dev/null; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}

# Looks for an extended regular expression in a file that PID may still write.
wait_line() { # FILE EXPRESSION SECONDS PID; 0 seconds: looks once
	local end=$((SECONDS + $3 + ($3 > 0))) alive=yes
	while :; do
		kill -0 "$4" 2>/dev/null || alive=no
		grep -qsaE -- "$2" "$1" && return 0
		[ $alive = yes ] && [ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}

count_lines() { # FILE EXPRESSION
	grep -csaE -- "$2" "$1" || true
}

rig_build() { # TARGET...
	local dir=$rig_built
	command -v meson >/dev/null || give_up "meson is missing: run 'sudo scripts/setup'"
	mkdir -p "$dir"
	say "building $* in $dir"
	# Two tests may begin at once.
	(
		flock 9
		if [ ! -e "$dir/build.ninja" ]; then
			cd "$rig_top" && meson setup "$dir" >"$rig_work/meson.log" 2>&1 || exit 1
		fi
		# On a terminal ninja shows how far it is, in one line.
		if [ -t 1 ]; then
			ninja -C "$dir" "$@"
		else
			ninja -C "$dir" "$@" >"$rig_work/ninja.log" 2>&1
		fi
	) 9>"$dir/rig.lock" || fail "$dir cannot be built"
}

# Sets up everything but daemon and guests.
rig_begin() {
	local paths
	rig_work=$(mktemp -d "${TMPDIR:-/tmp}/tmem-$rig_name.XXXXXX") || exit 1
	trap rig_end EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	command -v qemu-system-x86_64 >/dev/null ||
		give_up "qemu-system-x86_64 is missing: run 'sudo scripts/setup'"
	command -v python3 >/dev/null || give_up "python3 is missing: run 'sudo scripts/setup'"
	paths=$("$rig_top/scripts/guest-image") || give_up "no image to boot"
	{ read -r rig_kernel && read -r rig_image; } <<<"$paths"
	[ -n "${TMEMD-}" ] || rig_build daemon/tmemd cli/tmem
	# A nested machine may have the device and not the instructions.
	if (: <>/dev/kvm) 2>/dev/null && grep -qwE 'vmx|svm' /proc/cpuinfo; then
		rig_accel=(-accel kvm -cpu host)
	else
		rig_accel=(-accel "tcg,thread=multi")
	fi
}

daemon_start() { # [BINARY]: with the run-time directory of the one before
	TMEM_RUN_DIR=$rig_work/run
	TMEM_CONTROL=$TMEM_RUN_DIR/control.sock
	export TMEM_RUN_DIR TMEM_CONTROL
	"${1:-$rig_tmemd}" --run-dir "$TMEM_RUN_DIR" --memory 1G --persistent 640M --at-own-risk \
		>>"$rig_work/tmemd.log" 2>&1 &
	rig_daemon=$!
	local end=$((SECONDS + 20))
	until "$rig_tmem" list >/dev/null 2>&1; do
		kill -0 $rig_daemon 2>/dev/null || fail "tmemd ended at once"
		[ $SECONDS -lt $end ] || fail "tmemd does not answer"
		sleep 0.05
	done
}

daemon_kill() { # -9: no chance to put anything in order
	kill -9 "$rig_daemon"
	wait "$rig_daemon" 2>/dev/null
	rig_daemon=
}

daemon_stop() {
	kill "$rig_daemon"
	rig_wait_pid "$rig_daemon" 10 || fail "tmemd does not stop"
	wait "$rig_daemon" || fail "tmemd ended with status $?"
	rig_daemon=
}

# A value of a JSON object on the input, by its path: guests.0.connected.
json() { # PATH
	python3 -c '
import json, sys
value = json.load(sys.stdin)
for step in sys.argv[1].split("."):
    value = value[int(step) if step.isdigit() else step]
print("\n".join(map(str, value)) if isinstance(value, list) else value)' "$1"
}

figure() { # GUEST PATH: figure a 'disk.blocks_lost'
	"$rig_tmem" stat "$1" --json | json "guests.0.$2"
}

# Starts a guest without a swap disk: its console and its reports are files.
guest_boot() { # NAME RUN QEMU-AND-KERNEL-OPTIONS: those with tmem. go to the kernel
	local name=$1 run=$2 option kernel=() machine=()
	shift 2
	# A panic ends the guest, instead of beginning it again.
	[ "$run" = reboot ] || machine+=(-no-reboot)
	for option in "$@"; do
		case $option in
		tmem.* | rootfstype=*) kernel+=("$option") ;;
		*) machine+=("$option") ;;
		esac
	done
	# Nobody may take the reports of a life before for this one's.
	rm -f "$rig_work/$name".{console,report}
	qemu-system-x86_64 "${rig_accel[@]}" -nodefaults -no-user-config -display none \
		-kernel "$rig_kernel" -initrd "$rig_image" \
		-serial "file:$rig_work/$name.console" -serial "file:$rig_work/$name.report" \
		"${machine[@]}" -append "console=ttyS0 loglevel=5 panic=-1 no_timer_check tmem.run=$run ${kernel[*]}" \
		</dev/null >"$rig_work/$name.qemu.log" 2>&1 &
	rig_guest[$name]=$!
}

# The same with a disk, as 'tmem add' says that QEMU wants it.
guest_start() { # NAME RUN OPTIONS: as guest_boot
	local arguments name=$1 run=$2
	shift 2
	arguments=$("$rig_tmem" add "$name" --disk $rig_disk_size --queues 1 --ram $rig_ram --json) ||
		fail "tmem add $name"
	mapfile -t rig_disk < <(json qemu <<<"$arguments")
	guest_boot "$name" "$run" "${rig_disk[@]}" "$@"
}

# The same with tmem.ko and a device in place of the disk.
guest_start_module() { # NAME RUN OPTIONS: as guest_boot
	local name=$1 run=$2
	shift 2
	guest_add_device "$name"
	guest_boot "$name" "$run" "${rig_disk[@]}" "$@"
}

# Only adds it; $rig_disk is what QEMU needs for it.
guest_add_device() { # NAME
	local arguments name=$1
	arguments=$("$rig_tmem" add "$name" --kind device --allocation $rig_disk_size --queues 3 \
		--ram $rig_ram --json) || fail "tmem add $name"
	mapfile -t rig_disk < <(json qemu <<<"$arguments")
}

# Builds tmem.ko for the guests' kernel and prints its path.
rig_module() { # [CONTROL]: broken in this way
	local release=${rig_kernel#/boot/vmlinuz-}
	"$rig_top/scripts/guest-module" "${release%/arch/x86/boot/bzImage}" "$(dirname "$rig_bare_image")" "$@"
}

# Whether it is Debian's, and not of scripts/guest-kernel.
rig_is_stock() {
	[ "${rig_kernel#/boot/}" != "$rig_kernel" ]
}

# Whether this kernel has guest/linux/patch.
rig_is_patched() {
	grep -qsx CONFIG_TMEM_HOOKS=y "${rig_kernel%/arch/x86/boot/bzImage}/.config"
}

# From here on guests have tmem.ko, and load it as the last of their modules.
rig_take_module() { # [CONTROL]: broken in this way
	local module
	: "${rig_bare_image:=$rig_image}"
	module=$(rig_module "$@") || give_up "no module for $rig_kernel"
	mkdir -p "$rig_work/overlay/lib/modules"
	cp "$module" "$rig_work/overlay/lib/modules/90-tmem.ko"
	(cd "$rig_work/overlay" && find . -mindepth 1 | cpio --quiet -R 0:0 -o -H newc) \
		>"$rig_work/overlay.cpio"
	cat "$rig_bare_image" "$rig_work/overlay.cpio" >"$rig_work/image.cpio"
	rig_image=$rig_work/image.cpio
}

# Tells QEMU's monitor of a guest with $(guest_monitor NAME), once its machine has that STATUS,
# and waits for EVENT.
guest_tell() { # NAME EVENT COMMAND [STATUS]
	python3 - "$rig_work/$1.qmp" "$2" "$3" "${4-}" $((120 * rig_patience)) <<'END'
import json, socket, sys, time

path, event, command, status, patience = sys.argv[1:]
end = time.monotonic() + int(patience)
monitor = socket.socket(socket.AF_UNIX)
monitor.settimeout(int(patience))
monitor.connect(path)
lines = monitor.makefile("rw")
events = set()

def ask(name, **arguments):
    lines.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
    lines.flush()
    while True:
        said = hear()
        if "return" in said or "error" in said:
            return said

def hear():
    line = lines.readline()
    said = json.loads(line) if line else sys.exit("QEMU has gone")
    events.add(said.get("event"))
    return said

hear()
ask("qmp_capabilities")
while status and ask("query-status")["return"]["status"] != status:
    if time.monotonic() > end:
        sys.exit("QEMU: the machine is not %s" % status)
    time.sleep(0.1)
said = ask("human-monitor-command", **{"command-line": command})
if said.get("return") or "error" in said:
    sys.exit("QEMU: %s: %s" % (command, said))
while event and event not in events:
    hear()
END
}

guest_monitor() { # NAME: options
	echo "-qmp unix:$rig_work/$1.qmp,server=on,wait=off"
}

report_of() {
	echo "$rig_work/$1.report"
}

guest_line() { # NAME EXPRESSION SECONDS: a line of its report
	wait_line "$(report_of "$1")" "$2" $(($3 * rig_patience)) "${rig_guest[$1]}"
}

guest_stat() { # NAME COUNTER: as the guest's module counted it
	sed -n "s/^stat $2 \\([0-9]*\\).*/\\1/p" "$(report_of "$1")" | tail -n 1
}

# The first complaint of its kernel, if there is one.
guest_complaint() { # NAME
	grep -aE -m 1 "$rig_complaint" "$rig_work/$1.console"
}

# A caller that plants complaints sets $rig_planted.
guest_gone() { # NAME
	unset "rig_guest[$1]"
	[ -n "${rig_planted-}" ] || ! guest_complaint "$1" || fail "the kernel of guest $1 complains"
}

guest_end() { # NAME SECONDS: true once it has powered itself off
	rig_wait_pid "${rig_guest[$1]}" $(($2 * rig_patience)) || return 1
	wait "${rig_guest[$1]}"
	local status=$?
	guest_gone "$1"
	return $status
}

guest_kill() { # NAME
	kill -9 "${rig_guest[$1]}"
	wait "${rig_guest[$1]}" 2>/dev/null
	guest_gone "$1"
}

# Seconds of CPU of everything that was started and has ended. Not for a
# subshell, $(...) included: it has no children yet.
cpu_seconds() {
	times >"$rig_work/times"
	awk 'function s(t) { split(t, p, /[ms]/); return p[1] * 60 + p[2] }
		{ sum += s($1) + s($2) } END { printf "%.0f s\n", sum }' "$rig_work/times"
}
