#!/bin/bash
# SPDX-License-Identifier: MIT
# run.sh [--unit] [--integration] [--only PATTERN] [BUILD...]: the tests of each build (B, or build/), one after the other.
#
# A test is a program that speaks TAP on standard output. Points are counted; a test that dies, runs out of time or has
# no plan or another than its points counts as a failure. The last line is "N passed, N failed, N skipped".
set -euo pipefail
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

ROOT=$(cd "${BASH_SOURCE[0]%/*}/.." && pwd)
export B CMOCKA_MESSAGE_OUTPUT=TAP

unit=0 integration=0 pattern='' builds=()
while [ $# -gt 0 ]; do
	case $1 in
	--unit) unit=1 ;;
	--integration) integration=1 ;;
	--only)
		pattern=${2:?--only needs a pattern}
		shift
		;;
	-*)
		echo "usage: run.sh [--unit] [--integration] [--only PATTERN] [BUILD...]" >&2
		exit 2
		;;
	*) builds+=("$1") ;;
	esac
	shift
done
[ $unit$integration != 00 ] || unit=1 integration=1
[ ${#builds[@]} != 0 ] || builds=("${B:-$ROOT/build}")

passed=0 failed=0 skipped=0
out=$(mktemp)
trap 'rm -f "$out"' EXIT

# Counts a finished test's points: count NAME STATUS SECONDS
count() {
	local name=$1 rc=$2 ok notok skip plan line
	ok=$(grep -E '^ok ' "$out" | grep -c -v -i '# skip' || :)
	notok=$(grep -E '^not ok ' "$out" | grep -c -v -i '# skip' || :)
	skip=$(grep -E '^(not )?ok ' "$out" | grep -c -i '# skip' || :)
	plan=$(sed -n 's/^1\.\.\([0-9]*\).*/\1/p' "$out" | awk '{ n += $1 } END { print NR ? n : "none" }')
	line=
	if [ "$rc" = 124 ] || [ "$rc" = 137 ]; then
		line="ran out of time"
	elif [ "$plan" != $((ok + notok + skip)) ]; then
		line="plan $plan, $((ok + notok + skip)) points, status $rc"
	elif [ "$rc" != 0 ] && [ "$notok" = 0 ]; then
		line="status $rc"
	fi
	[ -z "$line" ] || notok=$((notok + 1))
	passed=$((passed + ok)) failed=$((failed + notok)) skipped=$((skipped + skip))
	printf '%-40s %4d passed, %d failed, %d skipped  %3d s%s\n' "$name" "$ok" "$notok" "$skip" "$3" "${line:+: $line}"
	if [ "$notok" != 0 ]; then
		sed 's/^/    /' "$out"
	else
		grep -i '# skip' "$out" | sed 's/^/    /' || :
	fi
}

run() { # run NAME SECONDS CMD...
	local name=$1 limit=$2 rc=0 begin=$SECONDS
	shift 2
	[[ $name = *$pattern* ]] || return 0
	timeout -k 10 "$limit" "$@" >"$out" 2>&1 </dev/null || rc=$?
	count "$name" $rc $((SECONDS - begin))
}

run_unit() {
	local test
	for test in "$B"/tests/test_*; do
		case $test in *.[od] | *'*') continue ;; esac
		if [ ! -x "$test" ] || [ ! -f "$test" ]; then continue; fi
		run "unit/${test##*/}" 300 "$test"
	done
}

run_integration() {
	local test name
	for test in "$ROOT"/tests/integration/*.sh; do
		name=${test##*/}
		if [ "$(id -u)" != 0 ]; then
			[[ $name = *$pattern* ]] || continue
			echo "1..1"$'\n'"ok 1 - $name # SKIP real containers need root: sudo make check" >"$out"
			count "integration/${name%.sh}" 0 0
			continue
		fi
		run "integration/${name%.sh}" 600 bash "$test"
	done
}

for B in "${builds[@]}"; do
	B=$(realpath -m "$B")
	counted=$((passed + failed + skipped))
	[ ${#builds[@]} = 1 ] || echo "== ${B##*/}"
	[ $unit = 0 ] || run_unit
	[ $integration = 0 ] || run_integration
	[ $((passed + failed + skipped)) != $counted ] || {
		echo "run.sh: no test matches; is $B built?"
		failed=$((failed + 1))
	}
done

echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
