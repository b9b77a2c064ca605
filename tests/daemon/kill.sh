#!/bin/sh
# SPDX-License-Identifier: MIT
# A daemon that is killed comes back with its guests; a disk that was in use
# comes back lost, one that was not comes back empty.
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 2
dir=$work/run
export here

# status SOCKET [--resume]: of a read of block 0: 0, or 1 for an I/O error
cat >"$work/first" <<'S'
"$TMEM" add used --disk 1M --queues 2 --codec raw >/dev/null || exit 1
"$TMEM" add free --disk 1M --rate 7M >/dev/null || exit 1
"$TMEM" add cold --disk 1M >/dev/null && "$TMEM" freeze cold >/dev/null || exit 1
test "$(python3 "$here/front_end.py" "$TMEM_RUN_DIR/free.sock" read)" = 0 || exit 2
"$TMEM" remove free --force >/dev/null && "$TMEM" add free --disk 1M --rate 7M >/dev/null || exit 3
"$TMEM" list --json >"$0.before" || exit 4
# In use from here on; the daemon dies under it.
python3 "$here/front_end.py" "$TMEM_RUN_DIR/used.sock" use sh -c "cp \"\$TMEM_RUN_DIR/state.json\" '$0.state'; kill -9 $PPID"
S
check "a daemon is killed under a front-end" run 137 "$TMEMD" $small --run-dir "$dir" --run sh "$work/first"
check "its state file said that the disk is in use" grep -q '"in_use":true' "$work/first.state"
check "its sockets are left behind" [ -S "$dir/used.sock" ]
check "its control socket is left behind" [ -S "$dir/control.sock" ]

cat >"$work/second" <<'S'
"$TMEM" list --json >"$0.after" || exit 1
"$TMEM" list >"$0.list"
for name in used free; do
	python3 "$here/front_end.py" "$TMEM_RUN_DIR/$name.sock" read --resume >"$0.$name"
done
"$TMEM" stat used --json >"$0.stat"
S
cp -r "$dir" "$work/copy"
check "it starts again" run 0 "$TMEMD" $small --run-dir "$dir" --run sh "$work/second"
check "all guests are back as they were" python3 - "$work/first.before" "$work/second.after" <<'P'
import json, sys
before, after = (json.load(open(name))["guests"] for name in sys.argv[1:])
for guest in after:
    guest["in_use"] = False
sys.exit(before != after)
P
check "control: one of them had a rate" grep -q '"rate":7340032' "$work/second.after"
check "the disk that was in use is away" grep -Eq '^used +1M away' "$work/second.list"
check "the other one is free" grep -Eq '^free +1M free' "$work/second.list"
check "a block of the disk in use is an error, not zeros" [ "$(cat "$work/second.used")" = 1 ]
check "all of its blocks are lost" grep -q '"blocks_lost":256' "$work/second.stat"

# The control: with a state file that denies the use, a front-end that starts afresh reads zeros.
sed 's/"in_use":true/"in_use":false/' "$work/copy/state.json" >"$work/denied"
for how in copy denied; do
	rm -rf "$dir"
	mkdir -m 700 "$dir"
	if [ $how = copy ]; then cp "$work/copy/state.json" "$dir"; else cp "$work/denied" "$dir/state.json"; fi
	run 0 "$TMEMD" $small --run-dir "$dir" --run sh -c '"$TMEM" stat used --json'
	cp "$work/out" "$work/$how.stat"
done
check "as it was: lost" grep -q '"blocks_lost":256' "$work/copy.stat"
check "control: the state file decides" grep -q '"blocks_lost":0' "$work/denied.stat"

# Clean stops: the file stays only where a guest could come back and read.
rm -rf "$dir"
check "a clean stop without use" run 0 "$TMEMD" $small --run-dir "$dir" --run "$TMEM" add a --disk 1M
check "leaves nothing" [ ! -e "$dir" ]
check "a clean stop with a disk in use" run 0 "$TMEMD" $small --log-level warning --run-dir "$dir" --run \
	sh -c '"$TMEM" add a --disk 1M >/dev/null && python3 "$here/front_end.py" "$TMEM_RUN_DIR/a.sock" use true'
check "names the guest" says "guest a: its disk was used"
check "says what that means" says "answers reads of what is gone with errors"
check "and how to be rid of it" says "'tmem remove NAME'"
check "leaves the state file and nothing else" [ "$(ls -A "$dir")" = state.json ]
cp -r "$dir" "$work/afresh"
check "the next one" run 0 "$TMEMD" $small --log-level warning --run-dir "$dir" --run "$TMEM" remove a
check "says that its contents are lost" says "guest a is back, and what its disk held is lost"
check "and after that remove it says no more of it when it stops" says_not "its disk was used"
check "and leaves nothing" [ -z "$(ls -A "$dir")" ]
rm "$work/afresh/state.json"
check "without the file, the next one" run 0 "$TMEMD" $small --log-level warning --run-dir "$work/afresh" --run "$TMEM" list
check "starts afresh" [ ! -s "$work/out" ]

# No core file holds what guests stored: the kernel then gives the process's files to root.
chmod 711 "$work"
cp "$TMEMD" "$work/tmemd"
nobody=
[ "$(id -u)" = 0 ] && nobody="setpriv --reuid 65534 --regid 65534 --clear-groups --"
owner() {
	# Asked for an answer first: the command starts before the last phase is over.
	$nobody env TMPDIR=/tmp "$work/tmemd" $small "$@" --run python3 -c '
import os, socket
line = socket.socket(socket.AF_UNIX)
line.connect(os.environ["TMEM_CONTROL"])
line.sendall(b"{\"v\":1,\"op\":\"version\"}\n")
line.recv(4096)
print("root" if os.stat("/proc/%d/status" % os.getppid()).st_uid == 0 else "its own")'
}
check "core dumps are off" [ "$(owner)" = root ]
check "control: they can be asked for" [ "$(owner --core-dumps)" = "its own" ]
finish
