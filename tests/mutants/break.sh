# SPDX-License-Identifier: MIT
# For those who break sources on purpose: "." it with $work set, and with
# functions build COMPILER..., which builds the tests over the broken copy, and
# pass, which runs them.
passed=0 failed=0
note() {
	if [ "$1" = "$2" ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAIL $3"
	fi
}
# break_each SOURCES COPY COMPILER...: each line FILE@FROM@TO of the standard input breaks the copy
# of SOURCES in one place, and must be noticed; unbroken, the tests pass.
break_each() {
	sources=$1
	copy=$2
	shift 2
	cp "$sources"/*.[ch] "$copy"
	build "$@" || exit 2
	pass >"$work/log" 2>&1
	note $? 0 "the tests fail on what is not broken: $(tail -n 3 "$work/log")"
	while IFS=@ read -r file from to; do
		cp "$sources"/*.[ch] "$copy"
		# The text is a plain one, and must be there.
		FROM=$from TO=$to awk 'BEGIN { from = ENVIRON["FROM"]; to = ENVIRON["TO"] }
			!done && (at = index($0, from)) {
				$0 = substr($0, 1, at - 1) to substr($0, at + length(from)); done = 1 }
			{ print } END { exit !done }' "$sources/$file" >"$copy/$file"
		note $? 0 "$file has no: $from"
		if ! build "$@"; then
			note 1 0 "does not build: $to"
			continue
		fi
		pass >"$work/log" 2>&1
		note $((!$?)) 0 "not noticed: $file: $from -> $to"
		echo "$from: $(tail -n 1 "$work/log")"
	done
	echo "mutants: $passed passed, $failed failed"
	[ $failed -eq 0 ]
}
