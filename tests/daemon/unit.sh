#!/bin/sh
# SPDX-License-Identifier: MIT
# The unit for systemd says nothing that systemd does not know, and starts
# tmemd with options that it has.
#	unit.sh TMEMD TMEM UNIT
unit=$(realpath "$3")
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 2

# The program in it is where it will be installed: here, the one that was built.
sed "s,^ExecStart=[^ ]*,ExecStart=$TMEMD," "$unit" >tmemd.service
words=$(sed -n 's/^ExecStart=[^ ]* //p' "$unit")
check "it starts tmemd" [ -n "$words" ]
check "with options that tmemd takes" run 0 "$TMEMD" $words --version
sed 's/^Restart=/Restrat=/' tmemd.service >planted.service
if command -v systemd-analyze >/dev/null && run 0 systemd-analyze --version; then
	check "systemd knows all of it" run 0 systemd-analyze verify --man=no ./tmemd.service
	check "and has nothing to say" [ ! -s err ]
	run 0 systemd-analyze verify --man=no ./planted.service
	check "control: a word that it does not know is said" says Restrat
else
	skip "no systemd-analyze"
fi
# What the sandbox must leave: no capability, and still memory that is locked.
for line in 'CapabilityBoundingSet=' 'NoNewPrivileges=yes' 'ProtectSystem=strict' 'LimitMEMLOCK=infinity' \
	'OOMScoreAdjust=-900' 'Type=notify' 'ExecReload=/bin/kill -HUP $MAINPID'; do
	check "$line" grep -qxF "$line" tmemd.service
done
finish
