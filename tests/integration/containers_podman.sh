#!/bin/bash
# SPDX-License-Identifier: MIT
# Containers of podman, over crun and over runc: names, ids, renames, restarts, and that a container which podman and its
# runtime both know is one.
# shellcheck source=tests/lib/integration.sh
. "${BASH_SOURCE[0]%/*}/../lib/integration.sh"
# shellcheck source=tests/lib/lookups.sh
. "$ROOT/tests/lib/lookups.sh"

before=$(podman_up crun before)
broker_start
told podman before "running before the broker was"
told podman before "the same by its full id" "$before"
podman_down crun before
told_error unknown before "removed"
told_error unknown "$before" "removed, by its id"

for rt in crun runc; do
	id=$(podman_up $rt web)
	told podman web "$rt: immediately after creation"
	podman_down $rt web
	id=$(podman_up $rt web web-again)
	sleep 0.05
	told podman web "$rt: 50 ms after it was created again under its old name"
	told podman web "$rt: by its full id" "$id"
	told podman web "$rt: by 12 bytes of its id" "${id:0:12}"
	told podman web "$rt: by 4 bytes of its id" "${id:0:4}"
	told_error unknown "${id:0:3}" "$rt: by fewer bytes than count"
	told podman web "$rt: narrowed to its engine" podman:web
	is "$(ps_count "$(engine_pid podman web)")" 1 "$rt: it is one container, though podman and $rt both know it"

	podman_rename $rt web shop
	told podman shop "$rt: immediately after it was renamed"
	told_error unknown web "$rt: its old name"
	told podman shop "$rt: its id is still the same" "$id"
	podman_rename $rt shop web
	sleep 0.05
	told podman web "$rt: 50 ms after it was renamed back"

	podman_restart $rt web
	told podman web "$rt: immediately after a restart"
	podman_restart $rt web
	sleep 0.05
	told podman web "$rt: 50 ms after another"

	pid=$(engine_pid podman web)
	set_hostname "$pid" changed
	is "$(ctl hostname web)" changed "$rt: a changed hostname is seen at once"

	podman_stop $rt web
	told_error stopped web "$rt: stopped"
	check "$rt: a stopped container can be inspected" ctl inspect web
	like "$OUT" stopped "$rt: and shows as stopped"
	podman_with $rt start web >/dev/null
	told podman web "$rt: started again"
	kill_init "$(engine_pid podman web)"
	told_error stopped web "$rt: its init was killed a moment ago"
	podman_down $rt web
	told_error unknown web "$rt: removed"
	told_error unknown "$id" "$rt: removed, by its id"
done

podman_up crun temporary "" --rm >/dev/null
told podman temporary "a container that podman removes at its end"
podman_stop crun temporary
check "and does" wait_for 10 not podman_with crun container exists temporary
told_error unknown temporary "after its end"

name=$(printf 'n%.0s' {1..200})
podman_up crun "$name" long >/dev/null
told podman "$name" "a name of 200 bytes"
podman_down crun "$name"

# A name that is the beginning of another's id is that name (as docker and podman have it).
id=$(podman_up crun shadowed)
podman_up runc "${id:0:8}" shadow >/dev/null
told podman "${id:0:8}" "a name wins over another's id that begins with it"
told podman shadowed "by its own id" "$id"
podman_down runc "${id:0:8}"
podman_down crun shadowed

podman_up crun both podman-both >/dev/null
crun_up both crun-both
told crun both "an id wins over another engine's name"
told podman both "told apart by podman:" podman:both
told crun both "told apart by crun:" crun:both
crun_down both
podman_down crun both

broker_finish
done_testing
