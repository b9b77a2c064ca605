#!/bin/sh
# SPDX-License-Identifier: MIT
# Configuration files: who has the last word, what is refused and how that is
# said, and what a reload changes while the daemon serves.
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 2
small="--memory 64M --persistent 32M --at-own-risk --log-level error"
conf=$work/tmemd.conf
dir=$work/run

# memory-of CONDITION: what the daemon says its memory is, with --config and more options
memory_is() {
	bytes=$1
	shift
	run 0 "$TMEMD" --config "$conf" "$@" --run sh -c '"$TMEM" stat --json | grep -o "\"memory\":[0-9]*"' &&
		[ "$(cat "$work/out")" = "\"memory\":$bytes" ]
}
cat >"$conf" <<'C'
# of this test
memory = 64 MiB
persistent = 16M
at-own-risk = yes
log-level = error
C
check "a file is read" memory_is 67108864
check "the command line has the last word" memory_is 33554432 --memory 32M
mkdir "$conf.d"
echo 'memory = 48 MiB' >"$conf.d/10-more.conf"
check "a drop-in goes before the file" memory_is 50331648
echo 'memory = 40 MiB' >"$conf.d/20-less.conf"
check "the last drop-in goes before the others" memory_is 41943040
echo 'memory = 8M' >"$conf.d/30-not.conf~"
echo 'memory = 8M' >"$conf.d/.hidden.conf"
check "other files there are not read" memory_is 41943040
check "and the command line still has the last word" memory_is 33554432 --memory=32M
check "no file at all" run 0 "$TMEMD" $small --no-config --config "$work/none" --run true

refused() {
	text=$1
	check "refused: $text" run 2 "$TMEMD" --config "$conf" --run touch "$work/ran"
	check "with its reason: $text" says "$text"
	check "and nothing is run" [ ! -e "$work/ran" ]
}
echo 'mmeory = 40 MiB' >"$conf.d/30-wrong.conf"
refused "$conf.d/30-wrong.conf:1: mmeory: no such key"
printf '# one\n\nmemory = 40\n' >"$conf.d/30-wrong.conf"
refused "$conf.d/30-wrong.conf:3: memory = 40: not a number of bytes"
printf 'persistent = 1T\n' >"$conf.d/30-wrong.conf"
refused "--persistent 1T is more than the 40M of --memory"
chmod 666 "$conf.d/30-wrong.conf"
refused "others may write it"
rm "$conf.d/30-wrong.conf"
mkdir "$conf.d/30-wrong.conf"
refused "30-wrong.conf: not a file"
rmdir "$conf.d/30-wrong.conf"
ln -s nowhere "$conf.d/30-wrong.conf"
refused "30-wrong.conf: No such file"
rm "$conf.d/30-wrong.conf"
mkfifo "$conf.d/30-wrong.conf"
refused "30-wrong.conf: not a file"
rm "$conf.d/30-wrong.conf"
head -c 70000 /dev/zero | tr '\0' '#' >"$conf.d/30-wrong.conf"
refused "longer than 64 KiB"
rm "$conf.d/30-wrong.conf"
check "a file that is named must be there" run 2 "$TMEMD" --config "$work/none" --run true
check "that is said" says "$work/none: No such file"
check "a directory is none" run 2 "$TMEMD" --config "$work" --run true

# Reload: limits change, the rest is named; a file with a mistake changes nothing.
cat >"$work/reload" <<'S'
set -e
memory() {
	"$TMEM" stat --json | grep -o '"memory":[0-9]*'
}
"$TMEM" add a --disk 4M >/dev/null
python3 "$here/front_end.py" "$TMEM_RUN_DIR/a.sock" fill 1024
"$TMEM" reload
echo 'memory = 32 MiB' >"$conf.d/20-less.conf"
"$TMEM" reload
memory
echo 'memory = 40 MiB' >"$conf.d/20-less.conf"
printf 'control-idle = 5 s\ncodec = raw\npolling = no\ndense-cpu = 0\npersistent = 12M\ncore-dumps = yes\n' >"$conf.d/30-more.conf"
"$TMEM" reload
"$TMEM" reload --json
memory
"$TMEM" add b --disk 1M --json | grep -o '"codec":"[a-z0-9]*"'
for text in 'memory = 41M' 'memory = 8M' 'memory = 40' 'colour = red'; do
	echo "$text" >"$conf.d/40-wrong.conf"
	"$TMEM" reload 2>&1 && exit 1
	"$TMEM" reload --json >/dev/null && exit 1
done
memory
rm "$conf.d/40-wrong.conf"
python3 "$here/front_end.py" "$TMEM_RUN_DIR/a.sock" read --resume
"$TMEM" check
S
cat >"$work/wanted" <<S
nothing is different
changed: memory
"memory":33554432
changed: memory codec control-idle polling dense-cpu
changes when tmemd is started anew: persistent core-dumps
{"changed":[],"restart":["persistent","core-dumps"]}
"memory":41943040
"codec":"raw"
tmem: memory cannot become 41M while tmemd serves: from 16M to 40M
hint: start tmemd anew for that, once no guest needs it
tmem: memory cannot become 8M while tmemd serves: from 16M to 40M
hint: start tmemd anew for that, once no guest needs it
tmem: $conf.d/40-wrong.conf:1: memory = 40: not a number of bytes from 4M to 8T (4096 bytes, 512 MiB, 2G, ...)
hint: nothing was changed; mend it and reload again
tmem: $conf.d/40-wrong.conf:1: colour: no such key; tmemd --help lists them, without --
hint: nothing was changed; mend it and reload again
"memory":41943040
0
every count agrees with what is stored
S
export here conf
run 0 "$TMEMD" --config "$conf" --log-level error --run-dir "$dir" --run sh "$work/reload"
check "a reload ends well" [ $? = 0 ]
check "a reload does what it says" cmp "$work/wanted" "$work/out"
diff "$work/wanted" "$work/out"
# The control: the command line's value stays, whatever the file says.
echo 'memory = 32 MiB' >"$conf.d/20-less.conf"
check "what the command line says is not reloaded" run 0 "$TMEMD" --config "$conf" --memory 40M --run sh -c \
	'echo "memory = 24 MiB" >"$conf.d/20-less.conf"; "$TMEM" reload && "$TMEM" stat --json | grep "\"memory\":41943040"'

# SIGHUP is a reload: the next answer shows it, and the daemon goes on.
check "SIGHUP reloads" run 0 "$TMEMD" --config "$conf" --run sh -c 'echo "memory = 20 MiB" >"$conf.d/20-less.conf"
	kill -HUP $PPID; for i in $(seq 1000); do "$TMEM" stat --json | grep -q "\"memory\":20971520" && exit 0; done; exit 1'
check "SIGHUP with a mistake is said" run 0 "$TMEMD" --config "$conf" --log-level error --run sh -c 'echo "memory = x" >"$conf.d/20-less.conf"
	kill -HUP $PPID; for i in $(seq 100); do "$TMEM" stat --json >/dev/null || exit 1; done'
check "with file and line" says "the configuration stays as it was: $conf.d/20-less.conf:1: memory = x"
finish
