# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# TAP for shell tests: one point a check, the plan at the end, in done_testing. A test that dies before has no plan, and
# counts as failed.

TAP_COUNT=0
TAP_FAILED=0

diag() {
	printf '%s\n' "$*" | sed 's/^/# /'
}

point() { # point "ok"|"not ok" TEXT
	TAP_COUNT=$((TAP_COUNT + 1))
	printf '%s %d - %s\n' "$1" "$TAP_COUNT" "$2"
	[ "$1" = ok ] || TAP_FAILED=$((TAP_FAILED + 1))
}

pass() {
	point ok "$1"
}

fail() { # fail TEXT [DETAIL...]
	point "not ok" "$1"
	shift
	[ $# = 0 ] || diag "$*"
}

skip() { # skip TEXT REASON
	TAP_COUNT=$((TAP_COUNT + 1))
	printf 'ok %d - %s # SKIP %s\n' "$TAP_COUNT" "$1" "$2"
}

is() { # is GOT WANT TEXT
	if [ "$1" = "$2" ]; then
		pass "$3"
	else
		fail "$3" "got:  $1"$'\n'"want: $2"
	fi
}

isnt() { # isnt GOT REFUSED TEXT
	if [ "$1" != "$2" ]; then
		pass "$3"
	else
		fail "$3" "got what must not be: $1"
	fi
}

like() { # like GOT EXTENDED-REGEX TEXT
	if [[ $1 =~ $2 ]]; then
		pass "$3"
	else
		fail "$3" "got:  $1"$'\n'"want: $2"
	fi
}

at_most() { # at_most GOT LIMIT TEXT
	if [ "$1" -le "$2" ]; then
		pass "$3 ($1, at most $2)"
	else
		fail "$3" "got $1, at most $2"
	fi
}

# check TEXT CMD...: CMD succeeds. fails TEXT STATUS CMD...: it ends with STATUS. What it said is in $OUT.
check() {
	fails "$1" 0 "${@:2}"
}

fails() {
	local text=$1 want=$2 rc=0
	shift 2
	OUT=$("$@" 2>&1) || rc=$?
	if [ $rc = "$want" ]; then
		pass "$text"
	else
		fail "$text" "$*"$'\n'"status $rc instead of $want; it said:"$'\n'"$OUT"
	fi
}

# wait_for SECONDS CMD...: until CMD succeeds
wait_for() {
	local end=$((SECONDS + $1 + 1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}

now_ms() {
	echo $(($(date +%s%N) / 1000000))
}

done_testing() {
	echo "1..$TAP_COUNT"
	[ $TAP_FAILED = 0 ]
}
