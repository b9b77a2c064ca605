#!/bin/sh
# SPDX-License-Identifier: MIT
# tmem-guest(7) has every parameter, with its default, and every counter of the
# Linux module, and none that the module does not have.
top=$(cd "$(dirname "$0")/../.." && pwd)
manual=$top/man/tmem-guest.7
passed=0 failed=0
check() {
	what=$1
	shift
	if "$@"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAIL $what"
	fi
}
# What only a test's broken module has is between #ifdef and #else or #endif, or in a file of its own.
parameters() {
	find "$top/guest/linux" -name '*.c' ! -name refuse.c ! -name skip.c ! -name faulty.c \
		-exec sed '/^#ifdef TMEM_/,/^#e/d' {} + |
		sed -n 's/^module_param\(_named\|_array_named\)\{0,1\}(\([a-z_]*\),.*/\2/p' | sort
}
counters() {
	sed -n 's/^\tX([A-Z_]*, "\([a-z_]*\)").*/\1/p' "$top/guest/linux/counters.h" | sort
}
items() { # SECTION
	sed -n "/^\.Sh $1/,/^\.El/s/^\.It Cm \([a-z_]*\).*/\1/p" "${2:-$manual}" | sort
}
# A parameter's default as its variable is set, and as the manual says.
default_of() {
	! grep -q "^static char \*$1;\|module_param_array_named($1," "$top"/guest/linux/*.c || return 0
	sed -n "s/^static [a-z ]*\b$1 = \([0-9]*\);.*/\1/p" "$top"/guest/linux/*.c | grep . || echo 0
}
check "there are parameters" [ "$(parameters | wc -l)" -ge 5 ]
check "there are counters" [ "$(counters | wc -l)" -ge 15 ]
check "tmem-guest(7) has the parameters, and no others" [ "$(parameters)" = "$(items PARAMETERS)" ]
check "tmem-guest(7) has the counters, and no others" [ "$(counters)" = "$(items COUNTERS)" ]
for name in $(parameters); do
	check "tmem-guest(7): the default of $name" \
		grep -q "^\.It Cm $name Ns =$(default_of "$name")\( \*\)\{0,1\}$" "$manual"
done
# The controls: a manual without one of them, and another default.
without=$(grep -v '^\.It Cm timeout_ms' "$manual" | sed -n '/^\.Sh PARAMETERS/,/^\.El/s/^\.It Cm \([a-z_]*\).*/\1/p' | sort)
check "a parameter that is missing is noticed" [ "$(parameters)" != "$without" ]
check "another default is noticed" sh -c '! grep -q "^\.It Cm timeout_ms Ns =$0\>" "$1"' 30001 "$manual"
echo "$passed passed, $failed failed"
[ $failed = 0 ]
