#!/bin/bash
# SPDX-License-Identifier: MIT
# kill -9 of each process under load: right answers or a reason to try again, connections that go on, programs that live on
# with their statuses, and how long the service was away.
# shellcheck source=tests/lib/integration.sh
. "${BASH_SOURCE[0]%/*}/../lib/integration.sh"

CONNECTIONS=6
KILLS=3
GAP_MS=${CRASH_GAP_MS:-4000} # the goal is a second; machines of automatic tests stall for as long by themselves

exit_with=$(
	script exit-with <<'END'
#!/bin/sh
exit "$1"
END
)
held=$(
	script held <<END
#!/bin/sh
while [ ! -e $LAB_DIR/go ]; do sleep 0.05; done
exit 42
END
)
program exit exec="$exit_with" argument='{int:0-255}'
program held exec="$held"

crun_up web
pid=$(engine_pid crun web)
compile load "$ROOT/tests/integration/load.c"
compile supervisor_load "$ROOT/tests/integration/supervisor_load.c"
broker_start
wait_for 10 ctl hostname web || :

nobody_starts "$BIN/rootctl" --socket "$BROKER_SOCKET" run held </dev/null
client=$!
check "a program runs" wait_for 5 pgrep -f "$held"
program_pid=$(pgrep -o -f "$held")
keeper=$(process_of keeper)

replaced() { # replaced KIND OLD
	local new
	new=$(process_of "$1") && [ -n "$new" ] && [ "$new" != "$2" ]
}

kill_under_load() { # kill_under_load KIND...
	local kind i old line what=$*
	nobody_starts "$BIN/load" "$BROKER_SOCKET" 5 $CONNECTIONS web "$pid" web-host >"$LAB_DIR/load.out" 2>&1
	local load=$!
	for ((i = 0; i < KILLS; i++)); do
		sleep 0.9
		for kind in "$@"; do
			old=$(process_of "$kind")
			kill -KILL "$old" 2>/dev/null || :
		done
		wait_for 10 replaced "$kind" "$old" || fail "$what: no new $kind came"
	done
	wait $load && rc=0 || rc=$?
	line=$(tail -1 "$LAB_DIR/load.out")
	diag "$what killed $KILLS times: $line"
	is "$rc" 0 "$what: every answer was right, or a reason to try again"
	[ "$rc" = 0 ] || diag "$(head -20 "$LAB_DIR/load.out")"
	like "$line" "right=[1-9][0-9]" "$what: there were answers"
	at_most "$(sed -n 's/.* lost=\([0-9]*\).*/\1/p' <<<"$line")" 0 "$what: lost connections"
	at_most "$(sed -n 's/.*gap_ms=\([0-9]*\).*/\1/p' <<<"$line")" "$GAP_MS" "$what: longest time without an answer, ms"
	is "$(cat "/proc/$program_pid/comm" 2>/dev/null)" held "$what: the running program lives on"
}

kill_under_load joiner
kill_under_load resolver
kill_under_load frontend
kill_under_load monitor
kill_under_load frontend resolver joiner
kill_under_load monitor frontend
is "$(process_of keeper)" "$keeper" "the keeper was the same all the time"

touch "$LAB_DIR/go"
wait $client && rc=0 || rc=$?
is "$rc" 42 "the program that lived through all of it: its status arrives at the client that started it"

# Programs are started and waited for while the monitor and the frontend die.
nobody_starts timeout 120 "$BIN/supervisor_load" "$BROKER_SOCKET" 4 400 exit >"$LAB_DIR/supervisor.out" 2>&1
client=$!
for kind in monitor frontend monitor; do
	sleep 0.3
	kill -KILL "$(process_of $kind)" 2>/dev/null || :
done
wait $client && rc=0 || rc=$?
is "$rc" 0 "400 programs are started and waited for while monitor and frontend die: 400 right statuses"
diag "$(tail -5 "$LAB_DIR/supervisor.out")"

check "every lookup is answered as ever" ctl hostname web
wait_for 5 not grep -q '^State:.Z' /proc/[0-9]*/status || :
is "$(grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l)" 0 "no zombie is left"

# The keeper itself: everything ends with it, and a new one takes its place.
rm -f "$LAB_DIR/go"
nobody_starts "$BIN/rootctl" --socket "$BROKER_SOCKET" run held </dev/null >/dev/null 2>&1
client=$!
check "another program runs" wait_for 5 pgrep -f "$held"
kill -KILL "$keeper"
wait "$BROKER_PID" 2>/dev/null || :
nothing_left() { [ -z "$(broker_processes)" ]; }
check "the keeper was killed: the other processes end" wait_for 10 nothing_left
wait $client && rc=0 || rc=$?
isnt "$rc" 0 "a client that waits for a program is told that the server is gone"
touch "$LAB_DIR/go"
broker_start
is "$(ctl hostname web)" web-host "a new one serves at the same place"

crun_down web
broker_finish
done_testing
