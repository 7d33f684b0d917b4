#!/bin/bash
# SPDX-License-Identifier: MIT
# Containers of docker, whose own containerd and runc know them, too: names, ids, renames, pauses, restarts, a daemon that comes after
# the broker and one that is killed.
# shellcheck source=tests/lib/integration.sh
. "${BASH_SOURCE[0]%/*}/../lib/integration.sh"
# shellcheck source=tests/lib/lookups.sh
. "$ROOT/tests/lib/lookups.sh"

check "no directory of docker is there when the broker starts" [ ! -e /var/lib/docker/containers -a ! -e /run/docker ]
broker_start
dockerd_start

id=$(docker_up web)
told docker web "the first container, before which no directory existed"
told docker web "by its full id" "$id"
told docker web "by 12 bytes of its id" "${id:0:12}"
told_error unknown "${id:0:3}" "by fewer bytes than count"
told docker web "narrowed to its engine" docker:web
told_error unknown "runc:$id" "it is not runc's, though runc knows it"
is "$(ps_count "$(engine_pid docker web)")" 1 "it is one container, though docker, containerd and runc know it"
is "$(state_of docker web)" running "it shows as running"

docker rename web shop
told docker shop "immediately after it was renamed"
told_error unknown web "its old name"
told docker shop "its id is still the same" "$id"
docker rename shop web
told docker web "renamed back"

docker pause web >/dev/null
told docker web "paused"
is "$(state_of docker web)" paused "and shows as paused"
docker unpause web >/dev/null
is "$(state_of docker web)" running "and as running again"

for i in 1 2; do
	docker restart -t 0 web >/dev/null
	told docker web "immediately after restart $i"
done
set_hostname "$(engine_pid docker web)" changed
is "$(ctl hostname web)" changed "a changed hostname is seen at once"

docker stop -t 0 web >/dev/null
told_error stopped web "stopped"
is "$(state_of docker web)" stopped "and shows as stopped"
docker start web >/dev/null
told docker web "started again"
docker_down web
told_error unknown web "removed"
told_error unknown "$id" "removed, by its id"
docker_up web web-again >/dev/null
told docker web "created again under its old name"

docker create --name waiting --network none busybox /bin/true >/dev/null
told_error stopped waiting "created, never started"
docker start waiting >/dev/null
check "its program ends by itself" wait_for 10 [ "$(docker wait waiting)" = 0 ]
told_error stopped waiting "ended by itself"
docker_down waiting

docker_up temporary "" --rm >/dev/null
told docker temporary "a container that docker removes at its end"
docker stop -t 0 temporary >/dev/null
check "and does" wait_for 10 not docker inspect temporary
told_error unknown temporary "after its end"

docker run -d --name plain --network none --uts host busybox /bin/sleep 100000 >/dev/null
told docker plain "one in the host's UTS namespace, whatever docker says its hostname is"
docker_down plain

docker_up lean "" --runtime crun >/dev/null
told docker lean "one that crun runs for docker"
is "$(ps_count "$(engine_pid docker lean)")" 1 "it is one container, too"
docker pause lean >/dev/null
is "$(state_of docker lean)" paused "and can be paused"
docker unpause lean >/dev/null
docker_down lean
told_error unknown lean "removed"

name=$(printf 'n%.0s' {1..200})
docker_up "$name" long >/dev/null
told docker "$name" "a name of 200 bytes"
docker_down "$name"

id=$(docker_up shadowed)
docker_up "${id:0:8}" shadow >/dev/null
told docker "${id:0:8}" "a name wins over another's id that begins with it"
docker_down "${id:0:8}"
docker_down shadowed

wrong=
for i in {1..5}; do
	docker_up "churn$i" >/dev/null
	[ "$(ctl pid "churn$i" 2>&1)" = "$(engine_pid docker "churn$i")" ] || wrong="$wrong up:$i"
	docker_down "churn$i"
	! ctl pid "churn$i" >/dev/null 2>&1 || wrong="$wrong down:$i"
done
is "$wrong" "" "5 containers come and go, each known while it lives"

# Killed, docker takes its containerd with it; the containers live on, and nobody corrects a file any more.
docker pause web >/dev/null
pid=$(engine_pid docker web) want=$(kernel_hostname "$pid")
dockerd_end KILL
is "$(ctl hostname web) $(ctl pid web)" "$want $pid" "known while docker is dead"
is "$(state_of docker web)" paused "paused, still"
runc --root /run/docker/runtime-runc/moby resume "$(ctl ps --all --json | jq -r '[.. | objects | select(.name? == "web")][0].id')"
kill_init "$pid"
told_error stopped web "its init was killed, and docker's file still says that it runs"
dockerd_start
check "docker comes back, and knows it as well" wait_for 10 [ "$(docker inspect -f '{{.State.Running}}' web)" = false ]
docker start web >/dev/null
told docker web "started by the docker that came back"
broker_stop
broker_start
told docker web "running before the broker was"

# A containerd that is the machine's and not docker's.
docker_down web
dockerd_end TERM
containerd_start
dockerd_start --containerd /run/containerd/containerd.sock
docker_up shared >/dev/null
told docker shared "docker on the machine's containerd"
is "$(ps_count "$(engine_pid docker shared)")" 1 "it is one container, though it is in containerd's namespace moby"
docker_down shared
told_error unknown shared "removed there"

broker_finish
done_testing
