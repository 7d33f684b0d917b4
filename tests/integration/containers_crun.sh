#!/bin/bash
# SPDX-License-Identifier: MIT
# Containers of crun and runc without an engine above: what nobody is told equals what crun, runc and the kernel say, from the
# first moment to the last.
# shellcheck source=tests/lib/integration.sh
. "${BASH_SOURCE[0]%/*}/../lib/integration.sh"
# shellcheck source=tests/lib/lookups.sh
. "$ROOT/tests/lib/lookups.sh"

check "no engine directory is there when the broker starts" [ ! -e /run/crun -a ! -e /run/runc ]
broker_start

for rt in crun runc; do
	oci_up $rt first
	told $rt first "$rt: the first container, whose state directory did not exist before"
	"${rt}_down" first
	told_error unknown first "$rt: a removed container"

	oci_up $rt web web-host
	told $rt web "$rt: immediately after creation"
	"${rt}_down" web
	oci_up $rt web other-host
	sleep 0.05
	told $rt web "$rt: 50 ms after it was created again under its old name"
	told $rt web "$rt: narrowed to its engine" $rt:web

	pid=$(engine_pid $rt web)
	wrong=0
	for i in {1..20}; do
		set_hostname "$pid" "changed-$i"
		[ "$(ctl hostname web)" = "changed-$i" ] || wrong=$((wrong + 1))
	done
	is $wrong 0 "$rt: 20 changes of the hostname, each seen at once"

	is "$(ctl which "$pid")" "$rt:web" "$rt: whose process its init is"
	is "$(ctl which "$(ctl cgroup web)/below")" "$rt:web" "$rt: whose a cgroup below its own is"
	$rt exec web sleep 60 &
	for _ in {1..200}; do
		other=$(pgrep -P "$!" -x sleep) && break
		sleep 0.01
	done
	is "$(ctl which "$other")" "$rt:web" "$rt: whose process one is that came in later"
	kill "$other"
	like "$(ctl which $$ 2>&1)" "process $$ is in no container" "$rt: this script is in none"
	check "$rt: inspect" ctl inspect web
	like "$OUT" "pid +$pid +/run/$rt/web/" "$rt: where its pid is known from"

	oci_create $rt waiting
	told $rt waiting "$rt: created, not started"
	$rt start waiting
	told $rt waiting "$rt: started"
	$rt pause waiting
	is "$(state_of $rt waiting)" paused "$rt: paused"
	told $rt waiting "$rt: paused"
	$rt resume waiting
	is "$(state_of $rt waiting)" running "$rt: and resumed"

	pid=$(engine_pid $rt waiting)
	kill_init "$pid"
	told_error stopped waiting "$rt: its init was killed a moment ago"
	check "$rt: a stopped container can be inspected" ctl inspect waiting
	like "$OUT" stopped "$rt: and shows as stopped"
	"${rt}_down" waiting
	told_error unknown waiting "$rt: stopped, then removed"

	oci_up $rt prefix-one
	oci_up $rt prefix
	told $rt prefix "$rt: an id exactly, though another begins likewise"
	"${rt}_down" prefix
	told_error unknown prefix "$rt: a name has no prefixes: its neighbour is not taken for it"
	"${rt}_down" prefix-one
	"${rt}_down" web
done

crun_up same crun-same
runc_up same runc-same
told_error ambiguous same "one name in two engines"
told crun same "told apart by crun:" crun:same
told runc same "told apart by runc:" runc:same
told_error unknown podman:same "asked for in a third engine"
told_error unknown nosuchengine:same "asked for in an engine that does not exist"
crun_down same
told runc same "one of the two is gone" same
runc_down same

told_error unknown nosuch "a name that nobody has"
told_error unknown "$(printf 'a%.0s' {1..511})" "the longest possible name"
told_error unknown "../../etc" "a path is only a name"
told_error unknown "*" "a pattern is only a name"
told_error unknown 1 "a PID is only a name"
for name in "" "$(printf 'a%.0s' {1..512})"; do
	told_error invalid "$name" "a name of ${#name} bytes"
done

wrong=
for i in {1..15}; do
	crun_up "churn$i"
	[ "$(ctl pid "churn$i" 2>&1)" = "$(engine_pid crun "churn$i")" ] || wrong="$wrong up:$i"
	crun_down "churn$i"
	! ctl pid "churn$i" >/dev/null 2>&1 || wrong="$wrong down:$i"
done
is "$wrong" "" "15 containers come and go, each known while it lives"

crun_up table
check "the table is shown to nobody" ctl ps
like "$OUT" "table.*crun|crun.*table" "with the container"
is "$(ps_count "$(engine_pid crun table)")" 1 "in JSON too, once"
as_1001() { as_uid 1001 "$BIN/rootctl" --socket "$BROKER_SOCKET" "$@"; }
is "$(as_1001 hostname table)" "table-host" "a user who may ask for hostnames is told it"
for what in pid cgroup inspect; do
	fails "but not the $what" 1 as_1001 $what table
	like "$OUT" "policy|refuses" "and why: $what"
done
fails "nor the table" 1 as_1001 ps
fails "a user without any role is refused" 1 as_uid 2000 "$BIN/rootctl" --socket "$BROKER_SOCKET" hostname table
like "$OUT" "policy|refuses|role" "and is told why"
crun_down table

broker_finish
done_testing
