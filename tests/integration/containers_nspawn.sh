#!/bin/bash
# SPDX-License-Identifier: MIT
# Containers of systemd-nspawn, registered with the real systemd-machined: what nobody is told equals what machined and the kernel say.
# shellcheck source=tests/lib/integration.sh
. "${BASH_SOURCE[0]%/*}/../lib/integration.sh"
# shellcheck source=tests/lib/lookups.sh
. "$ROOT/tests/lib/lookups.sh"
# shellcheck source=tests/lib/machined.sh
. "$ROOT/tests/lib/machined.sh"

if ! command -v systemd-nspawn >/dev/null || ! machined_program >/dev/null; then
	skip "containers of systemd-nspawn" "this system has no systemd"
	done_testing
	exit
fi

# nspawn makes a cgroup in the hierarchies of systemd alone; the others show whatever it was started in. The unit's is the container's
# own, and its init is in one below.
kernel_cgroup() {
	grep -o "/$LAB_ID\\.slice/[^/]*" "/proc/$1/cgroup" | sort -u
}

check "machined's directory is not there when the broker starts" [ ! -e /run/systemd/machines ]
broker_start
machined_start

nspawn_up web web-host
told nspawn web "immediately after creation"
told nspawn web "narrowed to its engine" nspawn:web
like "$(kernel_cgroup "$(machine_pid web)")" "^/$LAB_ID\.slice/systemd-nspawn@web\.service" "its cgroup is its own"
is "$(ps_count "$(machine_pid web)")" 1 "it stands in the table once"
told_error unknown "unit:$(nspawn_unit web)" "its unit's link is no container"
told_error unknown .host "nor is the host"

set_hostname "$(machine_pid web)" changed
is "$(ctl hostname web)" changed "a changed hostname is seen at once"

nspawn_freeze web 1
is "$(state_of nspawn web)" paused "frozen"
told nspawn web "frozen"
nspawn_freeze web 0
is_running() { [ "$(state_of nspawn "$1")" = running ]; }
check "and thawed" wait_for 5 is_running web

nspawn_up web2 web2-host
told nspawn web2 "a second one"
told nspawn web "beside the first"

nspawn_down web
told_error unknown web "ended"
nspawn_up web other-host
told nspawn web "immediately after a restart"
nspawn_down web
nspawn_up web
sleep 0.05
told nspawn web "50 ms after another"

sleep 100000 &
vm=$!
enter_unit vm.service $vm
check "a virtual machine is registered" machine_register vm qemu vm $vm
is "$(machine_pid vm)" $vm "and machined knows it"
told_error unknown vm "a virtual machine"
kill $vm
wait $vm || :

# A container that another service registers.
sleep 100000 &
other=$!
enter_unit other.service $other
machine_register other something container $other
told nspawn other "registered by another service"
kill $other
wait $other || :
told_error stopped other "its process was killed a moment ago, and machined does not look"

machined_kill
is "$(ctl pid web)" "$(sed -n 's/^LEADER=//p' /run/systemd/machines/web)" "machined was killed: its containers are known still"
kill -KILL "$(ctl pid web)"
told_error stopped web "its init was killed a moment ago, and the file says nothing of it"
check "the file is there still" [ -e /run/systemd/machines/web ]
machined_start
wait_for 5 [ ! -e /run/systemd/machines/web ] || rm -f /run/systemd/machines/web "/run/systemd/machines/unit:$(nspawn_unit web)"
told_error unknown web "machined is there again, and has looked"
told nspawn web2 "the other one, through all of that"

wrong=
for i in {1..5}; do
	nspawn_up churn
	[ "$(ctl pid churn 2>&1)" = "$(machine_pid churn)" ] || wrong="$wrong up:$i"
	nspawn_down churn
	! ctl pid churn >/dev/null 2>&1 || wrong="$wrong down:$i"
done
is "$wrong" "" "5 times the same name comes and goes, known while it lives"

broker_stop
broker_start
told nspawn web2 "running before the broker was"
nspawn_down web2
told_error unknown web2 "removed"
machined_stop

broker_finish
done_testing
