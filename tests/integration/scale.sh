#!/bin/bash
# SPDX-License-Identifier: MIT
# A thousand containers that change a hundred times a second: every answer, whatever is asked about and however it is named, is
# compared with what is true at that moment. Also when more has happened than the kernel keeps events of.
# shellcheck source=tests/lib/integration.sh
. "${BASH_SOURCE[0]%/*}/../lib/integration.sh"
# shellcheck source=tests/lib/farm.sh
. "$ROOT/tests/lib/farm.sh"

right() { # right TEXT: of the last answer of the farm
	diag "$FARM_LINE"
	is "$(farm_value wrong) wrong, $(farm_value unknown) unknown" "0 wrong, 0 unknown" "$1: no answer was wrong"
	[ "$(farm_value wrong)" = 0 ] || diag "$(head -20 "$LAB_DIR/farm.err")"
	isnt "$(farm_value right)" 0 "$1: there were answers"
}

farm_start 1100
farm grow 600 100 300 40
is "$(farm_value containers)" 1000 "1,000 containers run"
LOG_LEVEL=info broker_start
farm check
right "before any change"

farm ask 10 4 1000 100
right "100 changes a second"
isnt "$(farm_value changing)" 0 "100 changes a second: some answers came in the middle of one"
at_most 500 "$(farm_value changes)" "100 changes a second: there were so many changes, at least"
farm check
right "afterwards"

# More than the kernel keeps, while nobody reads: twice, once with questions that wait for it.
resolver=$(process_of resolver)
queue=$(cat /proc/sys/fs/inotify/max_queued_events)
overflows() { grep -c "more changes than the kernel keeps" "$BROKER_LOG" || :; }
for turn in 1 2; do
	kill -STOP "$resolver"
	farm burst $((queue + 1000))
	farm_tell check
	kill -CONT "$resolver"
	farm_hear
	right "overflow $turn: asked at once"
	is "$(overflows)" "$turn" "overflow $turn: events were lost indeed"
done
farm ask 2 4 1000 100
right "after the overflows"
is "$(process_of resolver)" "$resolver" "the resolver lived through it"

rc=0
farm_stop || rc=$?
is $rc 0 "nothing that was wrong went unnoticed"
broker_finish
done_testing
