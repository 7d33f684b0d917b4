#!/bin/bash
# SPDX-License-Identifier: MIT
# Hostile clients as nobody: whatever they do costs only themselves. Another user's requests are answered all the while.
# shellcheck source=tests/lib/integration.sh
. "${BASH_SOURCE[0]%/*}/../lib/integration.sh"

compile abuse "$ROOT/tests/abuse/abuse.c" "$ROOT"/proto/{wire,codec,proto}.c
compile load "$ROOT/tests/integration/load.c"
broker_config
# A log line for each of a million refusals is not what is tested here.
sed -i 's/^log_level = .*/log_level = info/' "$BROKER_CONF"
program true exec=/bin/true
crun_up web
pid=$(engine_pid crun web)
broker_start
wait_for 10 ctl hostname web || :
frontend=$(process_of frontend)
monitor=$(process_of monitor)

memory_kb() { # resident, of the process
	sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$1/status"
}

neighbour() { # neighbour SECONDS TEXT: user 1000 on two connections
	local rc=0 line
	line=$(as_uid 1000 "$BIN/load" "$BROKER_SOCKET" "$1" 2 web "$pid" web-host 2>&1) || rc=$?
	diag "$2: the neighbour got $(tail -1 <<<"$line")"
	is $rc 0 "$2: the neighbour is answered rightly"
	like "$(tail -1 <<<"$line")" 'right=[1-9][0-9]*.* lost=0 ' "$2: and loses no connection"
}

abuser() { # abuser MODE NUMBER: in the background
	nobody_starts "$BIN/abuse" "$BROKER_SOCKET" "$1" "$2" >"$LAB_DIR/abuse.out" 2>&1
	abuser=$!
}

before=$(memory_kb "$frontend")
for mode in flood connect fds; do
	abuser $mode 4
	neighbour 3 "$mode"
	wait $abuser || :
	diag "$mode: $(cat "$LAB_DIR/abuse.out")"
done
if sanitizer_build; then
	skip "the frontend's memory does not grow" "the sanitizers keep what was freed"
else
	at_most $(($(memory_kb "$frontend") - before)) 20000 "the frontend's memory grew by, kB"
fi

# One user's connections are counted; everybody else's go on.
for mode in mute hold; do
	mkfifo "$LAB_DIR/hold"
	exec 9<>"$LAB_DIR/hold" # ends with the last writer, which is this shell alone
	nobody_starts "$BIN/abuse" "$BROKER_SOCKET" $mode 200 <"$LAB_DIR/hold" >"$LAB_DIR/abuse.out" 2>&1 9>&-
	abuser=$!
	check "200 connections of one user ($mode)" wait_for 30 grep -q got= "$LAB_DIR/abuse.out"
	diag "$mode: $(cat "$LAB_DIR/abuse.out")"
	[ $mode != hold ] || is "$(cat "$LAB_DIR/abuse.out")" "got=128 refused=72" "128 of them are accepted, the rest refused"
	fails "one more of that user is refused" 1 ctl hostname web
	like "$OUT" "limit|again|too many" "and told why ($mode)"
	neighbour 2 "$mode"
	exec 9>&-
	wait $abuser || :
	rm "$LAB_DIR/hold"
	check "when they are closed, that user is served again ($mode)" wait_for 10 ctl hostname web
done

is "$(process_of frontend) $(process_of monitor)" "$frontend $monitor" "no process of the broker had to be replaced"
settled() { [ "$(open_descriptors "$frontend")" -lt 20 ] && [ "$(open_descriptors "$monitor")" -lt 30 ]; }
check "no descriptor stays open" wait_for 5 settled
check "programs are started as ever" ctl run true

crun_down web
broker_finish
done_testing
