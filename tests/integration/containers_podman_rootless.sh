#!/bin/bash
# SPDX-License-Identifier: MIT
# podman of users, each with subordinate uids of his own: found wherever podman puts them, from the first container of a user who was
# never here before; and a user who writes into his own files what is not true gains nothing, and disturbs nobody.
# shellcheck source=tests/lib/integration.sh
. "${BASH_SOURCE[0]%/*}/../lib/integration.sh"
# shellcheck source=tests/lib/lookups.sh
. "$ROOT/tests/lib/lookups.sh"

ROOTLESS_USERS=all # of the lab's; other tests have none, for the machine's may be anybody
lab_user rbalice 5001 300000
lab_user rbbob 5002 400000
lab_user rbmallory 5003 500000
lab_user rbplain 5004
log_in rbbob
log_in rbmallory

before=$(user_podman_up rbbob before)
broker_start
told podman@rbbob before "running before the broker was"
told podman@rbbob before "the same by its full id" "$before"
like "$(ctl inspect before)" 5002 "and it is shown whose it is"

log_in rbalice
id=$(user_podman_up rbalice web)
told podman@rbalice web "the first container of a user who has just logged in for the first time"
is "$(ps_count "$(engine_pid podman@rbalice web)")" 1 "it is one container, though podman and crun both know it"
told podman@rbalice web "by its full id" "$id"
told podman@rbalice web "by 12 bytes of its id" "${id:0:12}"
user_podman_up rbbob shop >/dev/null
told podman@rbbob shop "another user's"
told podman@rbalice web "and the first user's, as before"

for user in rbalice rbbob; do
	[ $user = rbalice ] && name=web || name=shop
	user_podman $user restart -t 0 "$name" >/dev/null
	told podman@$user "$name" "$user: immediately after a restart"
	user_podman $user rename "$name" again
	told podman@$user again "$user: immediately after it was renamed"
	told_error unknown "$name" "$user: its old name"
	user_podman $user stop -t 0 again >/dev/null
	told_error stopped again "$user: stopped"
	user_podman $user start again >/dev/null
	told podman@$user again "$user: started again"
	kill_init "$(engine_pid podman@$user again)"
	told_error stopped again "$user: its init was killed a moment ago"
	user_podman $user rm -f -t 0 again >/dev/null
	told_error unknown again "$user: removed"
done

for mode in nomap keep-id; do
	user_podman_up rbalice "ids-$mode" "" --userns=$mode >/dev/null
	told podman@rbalice "ids-$mode" "in a user namespace of its own, --userns=$mode"
	user_podman rbalice rm -f -t 0 "ids-$mode" >/dev/null
done

# --- Who is no user, and where there is no runtime directory -----------------------------------------------------------

as_user rbalice unshare -U sleep 100000 &
wait_for 5 pgrep -u 5001 -f "^sleep 100000"
before_plain=$(ctl ps --json)
as_user rbplain mkdir -p "$(user_home rbplain)/.local/share/containers/storage/vfs-containers"
echo '[{"id":"plain","names":["plain"]}]' |
	as_user rbplain tee "$(user_home rbplain)/.local/share/containers/storage/vfs-containers/containers.json" >/dev/null
told_error unknown plain "of a user without subordinate uids"
is "$(ctl ps --json)" "$before_plain" "nothing of it is shown"

# --- A user who lies --------------------------------------------------------------------------------------------------

podman_up crun victim >/dev/null
victim=$(podman_with crun inspect -f '{{.Id}}' victim)
pid=$(engine_pid podman victim)
store=$(user_home rbmallory)/.local/share/containers/storage/vfs-containers
as_user rbmallory mkdir -p "$store"

# claim ID PID: a state file as crun's, with the true start time and cgroup of a process that he names
claim() {
	local start
	start=$(sed 's/.*) //' "/proc/$2/stat" | cut -d' ' -f20)
	as_user rbmallory mkdir -p "/run/user/5003/crun/$1"
	printf '{"pid":%d,"process-start-time":%d,"cgroup-path":"%s","rootfs":"/","systemd-cgroup":false,"bundle":"/"}' "$2" "$start" \
		"$(kernel_cgroup "$2")" | as_user rbmallory tee "/run/user/5003/crun/$1/status.tmp" >/dev/null
	as_user rbmallory mv "/run/user/5003/crun/$1/status.tmp" "/run/user/5003/crun/$1/status"
}

claim stolen "$pid"
told_error stopped stolen "a user's claim on root's container"
claim others "$(engine_pid podman@rbbob before)"
told_error stopped others "on another user's"
claim system "$$"
told_error stopped system "on a process of root's"
as_user rbmallory sleep 100000 &
wait_for 5 pgrep -u 5003 sleep
claim session "$(pgrep -u 5003 sleep)"
told_error stopped session "on a process of his that is in no container"
user_podman_up rbmallory honest >/dev/null
told podman@rbmallory honest "what he really runs is his"
told podman victim "root's container is root's" podman:victim
is "$(ps_count "$pid")" 1 "and its PID stands in one line"

ln -s /var/lib/containers/storage "$LAB_DIR/link"
user_podman rbmallory rm -f -t 0 honest >/dev/null
as_user rbmallory mv "$(user_home rbmallory)/.local/share/containers/storage" "$(user_home rbmallory)/old"
as_user rbmallory ln -s /var/lib/containers/storage "$(user_home rbmallory)/.local/share/containers/storage"
told podman victim "his link to root's storage"
is "$(ctl ps --json | grep -c "\"$victim\"" || :)" 1 "shows root's container once, as root's"

resolvers() { grep -c 'monitor: resolver ready' "$BROKER_LOG"; }
count=$(resolvers)
wrong=0 asked=0
as_user rbmallory sh -c 'while :; do mv /run/user/5003/crun /run/user/5003/x; mv /run/user/5003/x /run/user/5003/crun; done' &
flapping=$!
end=$((SECONDS + 4))
while [ $SECONDS -lt $end ]; do
	asked=$((asked + 1))
	[ "$(ctl pid victim 2>&1)" = "$pid" ] || wrong=$((wrong + 1))
done
is $wrong 0 "his directory comes and goes all the time: root's container is always told right ($asked times)"
at_most $(($(resolvers) - count)) 12 "few restarts of the resolver for that"
user_podman_up rbbob calm >/dev/null
told podman@rbbob calm "and another user's new container is seen at once"
kill $flapping
pkill -u 5003 || :

# --- Without a runtime directory ----------------------------------------------------------------------------------------

# What podman has in /tmp then is to be the lab's.
mount -t tmpfs -o mode=1777 tmpfs /tmp
lab_user rbtmp 5005 600000
kill -HUP "$BROKER_PID"
user_podman_up rbtmp early >/dev/null
check "a new user of /etc/subuid is known after a reload" wait_for 10 ctl pid early
told podman@rbtmp early "where nobody made /run/user/UID"
user_podman_up rbtmp second >/dev/null
told podman@rbtmp second "and the next one at once"

for user in rbbob rbalice rbtmp; do
	user_podman $user rm -a -f -t 0 >/dev/null || :
	pkill -KILL -u "$(user_uid $user)" || : # the process that keeps podman's namespaces
done
podman_down crun victim
broker_finish
done_testing
