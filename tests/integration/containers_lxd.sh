#!/bin/bash
# SPDX-License-Identifier: MIT
# Containers of LXD, which are LXC's with a daemon's names: what nobody is told equals what LXD and the kernel say, also without it.
# shellcheck source=tests/lib/integration.sh
. "${BASH_SOURCE[0]%/*}/../lib/integration.sh"
# shellcheck source=tests/lib/lookups.sh
. "$ROOT/tests/lib/lookups.sh"
# shellcheck source=tests/lib/lxd.sh
. "$ROOT/tests/lib/lxd.sh"

if ! command -v lxd >/dev/null; then
	skip "containers of LXD" "this system has no LXD"
	done_testing
	exit
fi

n=$LAB_ID-web
in_shop=shop_$LAB_ID-web

shows() { # shows LOOKUP STATE TEXT: what nothing tells of at once may take a moment
	wait_for 10 shows_now "$1" "$2" || :
	is "$(shows_now "$1" "$2" 2>&1)" "$2" "$3: it shows as $2"
}

shows_now() {
	ctl inspect "$1" | grep -o -w -m1 "$2"
}

check "LXD's directory is not there when the broker starts" [ ! -e "$LXD_DIR" ]
broker_start
lxd_start
lxc project create shop -c features.profiles=false -c features.images=false >/dev/null

lxd_up "$n"
told lxd "$n" "immediately after creation"
told lxd "$n" "narrowed to its engine" "lxd:$n"
is "$(ps_count "$(engine_pid lxd "$n")")" 1 "it stands in the table once"
like "$(cat "/proc/$(engine_pid lxd "$n")/uid_map")" ' 1000000 ' "its root is none of the host's users"
shows "$n" running "started"

lxd_up "$in_shop" -c security.privileged=true
told lxd "$in_shop" "one of that name in another project, as PROJECT/NAME" "shop/$n"
told lxd "$in_shop" "the same by its id"
told lxd "$n" "the one in the default project"

set_hostname "$(engine_pid lxd "$n")" changed
is "$(ctl hostname "$n")" changed "a changed hostname is seen at once"

lxd_command "$n" restart -f
told lxd "$n" "immediately after a restart"
lxd_command "$n" pause
told lxd "$n" "frozen"
shows "$n" paused "frozen"
lxd_command "$n" start
told lxd "$n" "thawed"

kill_init "$(engine_pid lxd "$n")"
told_error stopped "$n" "its init was killed a moment ago"
shows "$n" stopped "its init was killed"
# Once LXD has noticed, and is done with it.
wait_for 10 lxd_command "$n" start
told lxd "$n" "started again"

lxd_command "$n" stop -f
told_error stopped "$n" "stopped"
lxc rename "$n" "$n-renamed"
told_error unknown "$n" "renamed, its old name"
told_error stopped "$n-renamed" "renamed, its new name"
lxd_command "$n-renamed" start
told lxd "$n-renamed" "renamed and started"

pid=$(engine_pid lxd "$n-renamed")
lxd_kill
is "$(ctl pid "$n-renamed" 2>&1)" "$pid" "LXD is killed; its containers live on"
kill_init "$pid"
told_error stopped "$n-renamed" "and die unnoticed by it"
lxd_start
wait_for 10 engine_pid lxd "$n-renamed"
told lxd "$n-renamed" "LXD is back, and has started again what was running"

lxd_down "$n-renamed"
told_error unknown "$n-renamed" "removed"
lxd_up "$n"
told lxd "$n" "another one under the first one's name"
lxd_down "$n"
lxd_down "$in_shop"
told_error unknown "shop/$n" "removed from the project"

lxd_stop
broker_finish
done_testing
