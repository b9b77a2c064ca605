#!/bin/sh
# SPDX-License-Identifier: MIT
# The run-time directory: private, owned by one tmemd at a time, and left as
# it was found. So is the control socket, wherever it is.
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 2
dir=$work/run
long=$work/$(printf '%0120d' 0)

check "a directory is made and removed" run 0 "$TMEMD" $small --run-dir "$dir" --run true
check "nothing is left" [ ! -e "$dir" ]
check "its mode is 0700" run 0 "$TMEMD" $small --run-dir "$dir" --run \
	sh -c 'test "$(stat -c %a "$TMEM_RUN_DIR" "$TMEM_CONTROL" | tr "\n" " ")" = "700 700 "'

mkdir -m 700 "$dir"
check "a directory that was there stays" run 0 "$TMEMD" $small --run-dir "$dir" --run true
check "and is empty" [ -z "$(ls -A "$dir")" ]
chmod 755 "$dir"
check "a directory that others may enter is refused" run 1 "$TMEMD" $small --run-dir "$dir" --run true
check "that is said" says "chmod 700"
chmod 700 "$dir"

# Not a directory, no parent, not permitted (not even to root), too long.
echo >"$work/file"
check "a file is refused" run 1 "$TMEMD" $small --run-dir "$work/file" --run true
ln -s "$dir" "$work/link"
check "a symbolic link is refused" run 1 "$TMEMD" $small --run-dir "$work/link" --run true
check "no parent is refused" run 1 "$TMEMD" $small --run-dir "$work/no/run" --run true
check "not permitted is refused" run 1 "$TMEMD" $small --run-dir /sys/tmem --run true
check "that is said" says "cannot make the run-time directory /sys/tmem"
check "too long for its socket is refused" run 1 "$TMEMD" $small --run-dir "$long" --run true
check "that is said" says "longer than 107 bytes"
check "and nothing is left" [ ! -e "$long" ]

# A second one on the same directory, while the first one serves.
check "a second tmemd is refused" run 0 "$TMEMD" $small --run-dir "$dir" --run \
	sh -c '"$TMEMD" '"$small"' --run-dir "$TMEM_RUN_DIR" --run true; test $? = 1'
check "that is said" says "another tmemd, process "
check "the first one is not disturbed" run 0 "$TMEMD" $small --run-dir "$dir" --run \
	sh -c '"$TMEMD" '"$small"' --run-dir "$TMEM_RUN_DIR" --run true; "$TMEM" list'
check "the lock goes with its owner" run 0 "$TMEMD" $small --run-dir "$dir" --run true

# The control socket elsewhere.
socket=$work/control
check "a socket of one's own" run 0 "$TMEMD" $small --control "$socket" --run \
	sh -c 'test "$TMEM_CONTROL" = '"$socket"' && "$TMEM" list'
check "is removed" [ ! -e "$socket" ]
check "too long is refused" run 1 "$TMEMD" $small --control "$long" --run true
check "that is said" says "longer than 107 bytes"
check "not permitted is refused" run 1 "$TMEMD" $small --control /sys/control --run true
check "that is said" says "cannot make the control socket /sys/control"
check "a daemon that cannot come up runs no command" run 1 "$TMEMD" $small --control /sys/control --run touch "$work/ran"
check "it was not run" [ ! -e "$work/ran" ]
check "control: it runs where it can" run 0 "$TMEMD" $small --run touch "$work/ran"
check "it was run" [ -e "$work/ran" ]
echo precious >"$socket"
check "a file that exists is refused" run 1 "$TMEMD" $small --control "$socket" --run true
check "that is said" says "not a socket"
check "and is not touched" [ "$(cat "$socket")" = precious ]
rm "$socket"
check "a socket that is served is refused" run 0 "$TMEMD" $small --control "$socket" --run \
	sh -c '"$TMEMD" '"$small"' --control '"$socket"' --run true; test $? = 1 && "$TMEM" list'
check "that is said" says "another process serves this socket"
python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$socket"
check "a socket that nobody serves is replaced" run 0 "$TMEMD" $small --control "$socket" --run "$TMEM" list

# The state file: judged, and never thrown away unread.
for text in '' '{' '[]' '{"version":2,"guests":[]}' '{"version":1}' '{"version":1,"guests":[1]}' \
	'{"version":1,"guests":[{"name":"../x","disk":4096,"allocation":65536,"queues":1,"codec":"raw","frozen":false,"in_use":true}]}' \
	'{"version":1,"guests":[{"name":"x","disk":4097,"allocation":65536,"queues":1,"codec":"raw","frozen":false,"in_use":true}]}' \
	'{"version":1,"guests":[{"name":"x","disk":4096,"allocation":65536,"queues":99,"codec":"raw","frozen":false,"in_use":true}]}' \
	'{"version":1,"guests":[{"name":"x","disk":4096,"allocation":65536,"queues":1,"codec":"raw","grants":7,"frozen":false,"in_use":true}]}' \
	'{"version":1,"guests":[{"name":"x","disk":4096,"allocation":65536,"queues":1,"codec":"raw","grants":["1","0"],"frozen":false,"in_use":true}]}'; do
	printf '%s' "$text" >"$dir/state.json"
	check "a bad state file is refused: $text" run 1 "$TMEMD" $small --run-dir "$dir" --run true
	check "that is said" says "state.json: "
	check "and it stays" [ -e "$dir/state.json" ]
done
echo '{"version":1,"guests":[]}' >"$dir/state.json"
check "a good one is taken" run 0 "$TMEMD" $small --run-dir "$dir" --run true
finish
