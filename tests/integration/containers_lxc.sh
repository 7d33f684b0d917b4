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
: >>"/run/lxc/lock/var/lib/lxc/.$n" # as lxc-start does: a hint to ask
told_error stopped "$n" "while a local user poses as its monitor"
kill $impostor
wait $impostor || :
# Root, in a container that shares the host's network namespace and has no user namespace.
unshare --pid --fork --kill-child "$BIN/impostor" "/var/lib/lxc/$n/command" 1 >"$LAB_DIR/impostor.log" &
impostor=$!
wait_for 5 grep -q listening "$LAB_DIR/impostor.log"
: >>"/run/lxc/lock/var/lib/lxc/.$n" # as lxc-start does: a hint to ask
wait_for 5 grep "$n: its socket is .* in a container" "$BROKER_LOG"
told_error stopped "$n" "while root of a container poses as its monitor"
like "$(grep 'in a container' "$BROKER_LOG")" "$n" "which the log says"
kill -KILL $impostor
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

# --- Every state, in order, and how it ended: as lxc-monitor prints it ----------------------------------------------

shown() { # shown NAME KEY: of the table
	ctl ps --json | tr -d '\n' | grep -o "{[^{}]*\"$1\"[^{}]*}" | sed -n "s/.*\"$2\": *\"*\([^\",}]*\).*/\1/p"
}

# One life: start, freeze, thaw, an end of its own with status 7; then a start, and a kill.
live() {
	lxc_init_does "$1" 'while [ ! -e /go ]; do sleep 0.02; done; exit 7'
	lxc_start "$1"
	lxc-freeze -n "$1"
	[ "${2:-}" != asking ] || is "$(shown "$1" state)" "paused" "frozen shows as paused"
	lxc-unfreeze -n "$1"
	[ "${2:-}" != asking ] || is "$(shown "$1" state)" "running" "and running when it is thawed"
	: >"/var/lib/lxc/$1/rootfs/go"
	lxc-wait -n "$1" -s STOPPED
	[ "${2:-}" != asking ] || told_error stopped "$1" "it has ended by itself"
	rm "/var/lib/lxc/$1/rootfs/go"
	lxc_start "$1"
	lxc_stop "$1"
}

# What the broker has heard of a container, as lxc-monitor(1) says it.
heard() {
	sed -n "s/.* lxc $1: heard that its init ended: 0x\\(.*\\)/ended \\1/p; s/.* lxc $1: heard \\([A-Z]*\\)\$/state \\1/p" "$BROKER_LOG" |
		while read -r what word; do
			case $what in
			ended) echo "'$1' exited with status [$((0x$word >> 8 & 0xff))]" ;;
			state) echo "'$1' changed state to [$word]" ;;
			esac
		done
}

lives() { # lives NAME NUMBER FILE: it has stopped so often
	[ "$(grep -c "'$1' changed state to .STOPPED" "$3")" = "$2" ]
}

heard_lives() {
	heard "$1" >"$LAB_DIR/heard"
	lives "$1" "$2" "$LAB_DIR/heard"
}

lxc_make "$LAB_ID-seq"
nobody_starts "$BIN/rootctl" --socket "$BROKER_SOCKET" watch "$LAB_ID-seq" >"$LAB_DIR/watched"
watcher=$!
sleep 0.2
live "$LAB_ID-seq" asking
wait_for 5 heard_lives "$LAB_ID-seq" 2
wait_for 5 lives "$LAB_ID-seq" 2 "$LAB_DIR/watched" || :
kill $watcher
wait $watcher || :
is "$(grep changed "$LAB_DIR/watched")" "$(grep changed "$LAB_DIR/heard" | uniq)" "whoever watches is told every state, in order"
lxc_make "$LAB_ID-own"
lxc-monitor -n "$LAB_ID-own" >"$LAB_DIR/monitor" 2>&1 &
lxc_monitor=$!
wait_for 5 pgrep -x lxc-monitord
live "$LAB_ID-own"
wait_for 5 lives "$LAB_ID-own" 2 "$LAB_DIR/monitor"
is "$(sed "s/$LAB_ID-own/$LAB_ID-seq/" "$LAB_DIR/monitor")" "$(cat "$LAB_DIR/heard")" \
	"the broker has heard what lxc-monitor prints of the like: every state, in order"
like "$(cat "$LAB_DIR/heard")" 'exited with status .7.' "the exit status, too"
is "$(heard "$LAB_ID-own")" "" "while there is an lxc-monitord, the broker leaves the fifo to it"
lxc_start "$LAB_ID-own"
told lxc "$LAB_ID-own" "and asks the socket"
lxc_stop "$LAB_ID-own"
told_error stopped "$LAB_ID-own" "stopped meanwhile"
kill $lxc_monitor
wait $lxc_monitor 2>/dev/null || :
pkill -x lxc-monitord
wait_for 5 not pgrep -x lxc-monitord
wait_for 5 test -p /run/lxc/var/lib/lxc/monitor-fifo
live "$LAB_ID-own"
wait_for 5 heard_lives "$LAB_ID-own" 2
is "$(sed "s/$LAB_ID-own/$LAB_ID-seq/" "$LAB_DIR/heard")" "$(heard "$LAB_ID-seq")" "when it has ended, the broker hears everything again"
is "$(stat -c '%U %a %F' /run/lxc/var/lib/lxc/monitor-fifo)" "root 600 fifo" "from the fifo that LXC would have made"

# Whoever may write there is root; and yet nothing runs because it says so.
lxc_message() { # lxc_message NAME STATE
	printf '\0\0\0\0%s' "$1"
	head -c $((256 - ${#1})) /dev/zero
	printf '%b\0\0\0' "\\0$2"
}
lxc_message "$LAB_ID-own" 2 >/run/lxc/var/lib/lxc/monitor-fifo
echo garbage >/run/lxc/var/lib/lxc/monitor-fifo
told_error stopped "$LAB_ID-own" "said to run, but there is no init"
lxc_start "$LAB_ID-own"
lxc_message "$LAB_ID-own" 0 >/run/lxc/var/lib/lxc/monitor-fifo
told lxc "$LAB_ID-own" "said to have stopped, but there is one"
lxc_down "$LAB_ID-own"
lxc_down "$LAB_ID-seq"

# --- Of users, with user namespaces, and in more than one lxcpath -----------------------------------------------------

broker_stop
lxc_user
second=/var/lib/lxc/second
mkdir $second
sed -i "s,^directories = /var/lib/lxc\$,& $second $LXC_HOME/.local/share/lxc," "$BROKER_CONF"
lxc_user_make "$LAB_ID-user"
broker_start
as_lxc_user lxc-start -n "$LAB_ID-user" -d -o "$LAB_DIR/user/log" || cat "$LAB_DIR/user/log"
pid=$(as_lxc_user lxc-info -n "$LAB_ID-user" -pH)
wait_for 5 ctl pid "$LAB_ID-user"
is "$(ctl pid "$LAB_ID-user")" "$pid" "a user's own container is known by its pid"
is "$(ctl hostname "$LAB_ID-user")" "$(kernel_hostname "$pid")" "and its hostname"
is "$(ctl cgroup "$LAB_ID-user")" "$(kernel_cgroup "$pid")" "and its cgroup"
is "$(shown "$LAB_ID-user" owner)" "$LXC_UID" "and whose it is"
as_lxc_user lxc-stop -n "$LAB_ID-user" -k || as_lxc_user lxc-wait -n "$LAB_ID-user" -s STOPPED -t 5
told_error stopped "$LAB_ID-user" "the user's, stopped"
as_lxc_user lxc-start -n "$LAB_ID-user" -d
wait_for 5 ctl pid "$LAB_ID-user" # nothing tells of it but that its config was read, a moment before
is "$(ctl pid "$LAB_ID-user")" "$(as_lxc_user lxc-info -n "$LAB_ID-user" -pH)" "started again, while the broker is there"
as_lxc_user lxc-stop -n "$LAB_ID-user" -k || :

lxc_mapped_config "$LAB_ID-map" "/var/lib/lxc/$LAB_ID-map"
lxc_start "$LAB_ID-map"
told lxc "$LAB_ID-map" "root's, with a user namespace"

lxc_mapped_config "$LAB_ID-map" "$second/$LAB_ID-map"
sed -i "s,^lxc.uts.name.*,&2," "$second/$LAB_ID-map/config"
told_error ambiguous "$LAB_ID-map" "of that name in a second lxcpath"
told_error ambiguous "lxc:$LAB_ID-map" "the engine does not tell them apart"
lxc-start -P $second -n "$LAB_ID-map" -d
told_error ambiguous "$LAB_ID-map" "both run"
is "$(ps_count "$(lxc-info -P $second -n "$LAB_ID-map" -pH)")" 1 "each stands in the table"
is "$(ps_count "$(engine_pid lxc "$LAB_ID-map")")" 1 "under its own pid"
lxc-stop -P $second -n "$LAB_ID-map" -k
rm -rf "${second:?}/$LAB_ID-map"
told lxc "$LAB_ID-map" "alone with its name again"
lxc_down "$LAB_ID-map"

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
