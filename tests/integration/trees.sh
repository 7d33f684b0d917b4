#!/bin/bash
# SPDX-License-Identifier: MIT
# Whatever a program has started is gone when it is terminated, by a cgroup of its own and without one.
# shellcheck source=tests/lib/integration.sh
. "${BASH_SOURCE[0]%/*}/../lib/integration.sh"

N=1000
GRACE=200
LIMIT=5000 # ms; the goal is 100, on a machine that does nothing else

unified=/sys/fs/cgroup
[ -e $unified/cgroup.procs ] || unified=/sys/fs/cgroup/unified
subtree=/$LAB_ID-programs

copy_binaries
compile tree "$ROOT/tests/integration/tree.c"
compile terminate "$ROOT/tests/integration/terminate.c"

program tree exec="$BIN/tree" argument=$N grace_ms=$GRACE
program small exec="$BIN/tree" argument=12 grace_ms=$GRACE
program runaway exec="$BIN/tree" argument=run grace_ms=$GRACE
program other exec="$BIN/tree" argument=3

of_trees() { # how many processes of such programs there are
	{ find /proc -mindepth 2 -maxdepth 2 -name exe -lname "$BIN/tree" 2>/dev/null || :; } | wc -l
}
none_of_trees() {
	[ "$(of_trees)" = "$1" ]
}
start_in_background() { # start_in_background PROGRAM: $client
	: >"$LAB_DIR/$1.out"
	nobody_starts "$BIN/rootctl" --socket "$BROKER_SOCKET" run "$1" </dev/null >"$LAB_DIR/$1.out"
	client=$!
	check "$1 runs" wait_for 30 grep -q ready "$LAB_DIR/$1.out"
}

trees() { # trees HOW
	local how=$1 client other ms
	start_in_background other
	other=$client
	check "$how: a tree of $N processes is terminated" as_nobody "$BIN/terminate" "$BROKER_SOCKET" tree signal 9 ready
	is "$(of_trees)" 4 "$how: at the answer nothing of it is left, and of another program all"
	ms=$(sed -n 's/^terminated in \([0-9]*\) ms$/\1/p' <<<"$OUT")
	diag "$how: $N processes were gone $((ms - GRACE)) ms after the grace"
	check "$how: that did not take long" test "${ms:-$LIMIT}" -lt $((GRACE + LIMIT))

	start_in_background small
	kill -KILL "$client"
	wait "$client" 2>/dev/null || :
	check "$how: its client was killed: the whole tree ends" wait_for 20 none_of_trees 4

	start_in_background small
	kill -KILL "$(process_of monitor)"
	check "$how: the monitor was killed: the broker goes on" wait_for 20 broker_answers
	kill -KILL "$client"
	wait "$client" 2>/dev/null || :
	check "$how: under the next monitor the whole tree ends too" wait_for 20 none_of_trees 4
	kill -KILL "$other"
	wait "$other" 2>/dev/null || :
	check "$how: and the other" wait_for 20 none_of_trees 0
}

# --- Without a cgroup ----------------------------------------------------------------------------------------------
broker_start
trees "without a cgroup"
broker_finish

# --- With one ------------------------------------------------------------------------------------------------------
sed -i "s,^\[broker\],&\nprograms_cgroup = $subtree," "$BROKER_CONF"
broker_start
trees "with a cgroup"
start_in_background small
is "$(find $unified"$subtree" -mindepth 1 -type d | wc -l)" 1 "a program has a cgroup"
is "$(wc -l <"$(echo $unified"$subtree"/*/cgroup.procs)")" 13 "with all of its processes in it"
echo 1 >"$(echo $unified"$subtree"/*/cgroup.freeze)"
check "which are frozen" wait_for 5 grep -q 'frozen 1' $unified"$subtree"/*/cgroup.events
kill -KILL "$client"
wait "$client" 2>/dev/null || :
check "frozen ones end as well" wait_for 20 none_of_trees 0
check "one that runs away is terminated" as_nobody "$BIN/terminate" "$BROKER_SOCKET" runaway signal 9 ready
is "$(of_trees)" 0 "nothing of it is left"
is "$(find $unified"$subtree" -mindepth 1 -type d)" "" "no cgroup is left"
broker_finish
done_testing
