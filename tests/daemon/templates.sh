#!/bin/sh
# SPDX-License-Identifier: MIT
# Templates outlive a tmemd that is killed: processes find their socket again.
# What remembers them is read as if it were hostile, and a clean stop leaves nothing.
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 2
dir=$work/run

# killed COMMAND...: under a daemon that is then killed
killed() {
	"$TMEMD" $small --run-dir "$dir" --run sh -c "$1; kill -9 \$PPID" >out 2>err
	:
}
again() {
	run 0 "$TMEMD" $small --run-dir "$dir" --run "$TMEM" list --json
}
killed '"$TMEM" add web --kind template --mode 0660 --connections 20 --linger 0 --cap 8M --weight 30 --rate 5M --codec raw --allocation 1M
	"$TMEM" add tmem --kind template; "$TMEM" add gone --kind template; "$TMEM" remove gone
	"$TMEM" set tmem --per-user 7; "$TMEM" freeze tmem; "$TMEM" list --json >"$TMEM_RUN_DIR/../before"'
check "control: there were templates" grep -q '"name":"web".*"linger_s":0.*"weight":30,"rate":5242880,' before
check "and a file remembers them" [ -s "$dir/templates" ]
check "it is for nobody else" [ "$(stat -c %a "$dir/templates")" = 600 ]
check "a killed daemon's templates come back" again
check "as they were" cmp before out
check "a clean stop leaves no file" [ ! -e "$dir/templates" ]
check "and the next one has none" again
check "none at all" grep -qx '{"guests":\[\],"templates":\[\]}' out

# Lines that nobody wrote: each is judged like one from the control socket.
mkdir -m 700 -p "$dir"
{
	echo '{"v":1,"op":"add","name":"good","kind":"template"}'
	echo 'garbage'
	echo '{"v":1,"op":"add","name":"../x","kind":"template"}'
	echo '{"v":1,"op":"add","name":"disk","disk":4096}'
	echo '{"v":1,"op":"remove","name":"good","force":true}'
	echo '{"v":1,"op":"freeze","all":true}'
	echo '{"v":1,"op":"shared-auth","name":"nobody","action":"grant","uuid":"11111111111111111111111111111111"}'
	echo '{"v":1,"op":"shared-auth","name":"good","action":"list"}'
	echo '{"v":1,"op":"shared-auth","name":"good","action":"grant","uuid":"11111111111111111111111111111111"}'
	echo '{"v":1,"op":"add","name":"good","kind":"template"}'
	head -c 70000 /dev/zero | tr '\0' x
	echo
	printf '{"v":1,"op":"add","name":"last","kind":"template"}'
} >"$dir/templates"
check "a file with bad lines is no reason to serve nobody" again
check "the good ones are there" [ "$(grep -o '"name":"[a-z]*"' out | tr '\n' ' ')" = '"name":"good" "name":"last" ' ]
check "of the others each is said" [ "$(grep -c 'does not come back' err)" = 9 ]
check "nobody is frozen by them" [ "$(grep -c '"frozen":true' out)" = 0 ]
mkdir -m 700 -p "$dir/templates"
check "a directory in its place is said" again
check "and is not used" says "templates cannot be read"
rm -rf "$dir/templates"
head -c 1100000 /dev/zero | tr '\0' '\n' >"$dir/templates"
check "a file that is too long is said" again
check "with its limit" says "longer than 1048576 bytes"
rm -rf "$dir"

# What cannot be remembered is refused, and undone.
check "no room for the file" run 0 "$TMEMD" $small --run-dir "$dir" --run sh -c '"$TMEM" add t --kind template --cap 4M >/dev/null
	"$TMEM" list --json >before; mkdir "$TMEM_RUN_DIR/templates.new"
	"$TMEM" add u --kind template && exit 1; "$TMEM" set t --cap 1M && exit 1
	"$TMEM" list --json | cmp - before || exit 1; rmdir "$TMEM_RUN_DIR/templates.new"; "$TMEM" set t --cap 1M'
check "that is said" says "the state file cannot be written; nothing was changed"
check "nothing is left" [ ! -e "$dir" ]
finish
