#!/bin/bash
# SPDX-License-Identifier: MIT
# Containers of LXC, whose state stands in no file: from create to destroy, and against a local user who poses as a container.
# shellcheck source=tests/lib/integration.sh
. "${BASH_SOURCE[0]%/*}/../lib/integration.sh"
# shellcheck source=tests/lib/lookups.sh
. "$ROOT/tests/lib/lookups.sh"

n=$LAB_ID-web

lxc_up "$LAB_ID-before"
lxc_make "$LAB_ID-off"
broker_start
told lxc "$LAB_ID-before" "running before the broker was"
told_error stopped "$LAB_ID-off" "defined, not running"
lxc_start "$LAB_ID-off"
told lxc "$LAB_ID-off" "then started"
lxc_down "$LAB_ID-off"
told_error unknown "$LAB_ID-off" "removed"

lxc_up "$n"
told lxc "$n" "immediately after creation"
lxc_down "$n"
lxc_up "$n" another
sleep 0.05
told lxc "$n" "50 ms after it was created again under its old name"
told lxc "$n" "narrowed to its engine" "lxc:$n"
is "$(ps_count "$(engine_pid lxc "$n")")" 1 "it stands in the table once"

set_hostname "$(engine_pid lxc "$n")" changed
is "$(ctl hostname "$n")" changed "a changed hostname is seen at once"

lxc_restart "$n"
told lxc "$n" "immediately after a restart"
lxc_restart "$n"
sleep 0.05
told lxc "$n" "50 ms after another"

lxc-freeze -n "$n"
told lxc "$n" "frozen"
lxc-unfreeze -n "$n"

kill_init "$(engine_pid lxc "$n")"
told_error stopped "$n" "its init was killed a moment ago"
check "a stopped container can be inspected" ctl inspect "$n"
like "$OUT" stopped "and shows as stopped"
lxc_start "$n"
told lxc "$n" "started again"

mv "/var/lib/lxc/$LAB_ID-before" "/var/lib/lxc/$LAB_ID-x" 2>/dev/null || :
mv "/var/lib/lxc/$LAB_ID-x" "/var/lib/lxc/$LAB_ID-before"
told lxc "$LAB_ID-before" "its directory moved away and back"

lxc_stop "$n"
told_error stopped "$n" "stopped"
compile impostor "$ROOT/tests/integration/impostor.c"
nobody_starts "$BIN/impostor" "/var/lib/lxc/$n/command" 1 >"$LAB_DIR/impostor.log"
impostor=$!
wait_for 5 grep -q listening "$LAB_DIR/impostor.log"
told_error stopped "$n" "while a local user poses as its monitor"
kill $impostor
wait $impostor || :
lxc_start "$n"
told lxc "$n" "started, with the impostor gone"

lxc_stop "$n"
lxc_rename "$n" "$n-renamed"
told_error unknown "$n" "renamed, its old name"
told_error stopped "$n-renamed" "renamed, its new name"
lxc_start "$n-renamed"
told lxc "$n-renamed" "renamed and started"
lxc_stop "$n-renamed"
lxc_rename "$n-renamed" "$n"
lxc_start "$n"
sleep 0.05
told lxc "$n" "50 ms after it was renamed back and started"

lxc_down "$n"
told_error unknown "$n" "removed"
lxc_down "$LAB_ID-before"

wrong=
for i in {1..8}; do
	lxc_up "$LAB_ID-c$i"
	[ "$(ctl pid "$LAB_ID-c$i" 2>&1)" = "$(engine_pid lxc "$LAB_ID-c$i")" ] || wrong="$wrong up:$i"
	lxc_down "$LAB_ID-c$i"
	! ctl pid "$LAB_ID-c$i" >/dev/null 2>&1 || wrong="$wrong down:$i"
done
is "$wrong" "" "8 containers come and go, each known while it lives"

broker_finish
done_testing
