#!/bin/bash
# SPDX-License-Identifier: MIT
# Containers of libvirt's LXC driver: what nobody is told equals what libvirt and the kernel say, also when libvirt is killed.
# shellcheck source=tests/lib/integration.sh
. "${BASH_SOURCE[0]%/*}/../lib/integration.sh"
# shellcheck source=tests/lib/lookups.sh
. "$ROOT/tests/lib/lookups.sh"
# shellcheck source=tests/lib/libvirt.sh
. "$ROOT/tests/lib/libvirt.sh"
# shellcheck source=tests/lib/machined.sh
. "$ROOT/tests/lib/machined.sh"

if ! libvirt_can; then
	skip "containers of libvirt-lxc" "no cgroup controllers that libvirt can use"
	done_testing
	exit
fi

n=$LAB_ID-web

shows() { # shows NAME STATE TEXT
	check "$3: it can be inspected" ctl inspect "$1"
	like "$OUT" "$2" "$3: it shows as $2"
}

check "libvirt's directory is not there when the broker starts" [ ! -e /run/libvirt ]
broker_start
libvirt_start

domain_up "$n"
told libvirt-lxc "$n" "immediately after creation"
told libvirt-lxc "$n" "narrowed to its engine" "libvirt-lxc:$n"
told libvirt-lxc "$n" "by its UUID" "$(virsh_lxc domuuid "$n")"
told libvirt-lxc "$n" "by the beginning of its UUID" "$(virsh_lxc domuuid "$n" | cut -c1-13)"
told_error unknown "$(domain_controller "$n")" "by its number, which is a PID"
shows "$n" running "started"

set_hostname "$(domain_pid "$n")" changed
is "$(ctl hostname "$n")" changed "a changed hostname is seen at once"

virsh_lxc suspend "$n"
told libvirt-lxc "$n" "suspended"
shows "$n" paused "suspended"
virsh_lxc resume "$n"
told libvirt-lxc "$n" "resumed"
shows "$n" running "resumed"

second="$n-a.b c+d"
domain_up "$second"
told libvirt-lxc "$second" "a name that is no hostname"
told libvirt-lxc "$n" "beside the first"
domain_down "$second"
told_error unknown "$second" "removed"

domain_down "$n"
domain_up "$n"
told libvirt-lxc "$n" "immediately after a restart"
domain_down "$n"
domain_up "$n"
sleep 0.05
told libvirt-lxc "$n" "50 ms after another"

# libvirt registers its containers with machined where there is systemd. Both know it; it is one.
if machined_program >/dev/null; then
	machined_start
	controller=$(domain_controller "$n")
	enter_unit "machine-lxc.scope" "$(domain_pid "$n")"
	check "registered with machined" machine_register "lxc-$controller-web" libvirt-lxc container "$(domain_pid "$n")"
	check "machined has its file" [ -e "/run/systemd/machines/lxc-$controller-web" ]
	told libvirt-lxc "$n" "registered with machined"
	is "$(ps_count "$(domain_pid "$n")")" 1 "it stands in the table once"
	machined_stop
fi

pid=$(domain_pid "$n")
libvirt_kill
is "$(ctl pid "$n")" "$pid" "libvirtd was killed: its containers are known still"
libvirt_start
told libvirt-lxc "$n" "libvirtd is there again"

libvirt_kill
controller=$(cat "/run/libvirt/lxc/$n.pid")
init=$(ctl pid "$n")
kill -KILL "$init" "$controller"
told_error stopped "$n" "libvirtd, the controller and init were killed"
check "the file is there still" [ -e "/run/libvirt/lxc/$n.xml" ]
libvirt_start
told_error unknown "$n" "libvirtd is there again, and has looked"

# libvirt itself keeps what it has lost for a domain of that name.
n=$LAB_ID-again
wrong=
for i in {1..5}; do
	domain_up "$n"
	[ "$(ctl pid "$n" 2>&1)" = "$(domain_pid "$n")" ] || wrong="$wrong up:$i"
	domain_down "$n"
	! ctl pid "$n" >/dev/null 2>&1 || wrong="$wrong down:$i"
done
is "$wrong" "" "5 times the same name comes and goes, known while it lives"

domain_up "$n"
virsh_lxc suspend "$n"
broker_stop
broker_start
told libvirt-lxc "$n" "running before the broker was"
shows "$n" paused "suspended before the broker was"
virsh_lxc resume "$n"
domain_down "$n"
told_error unknown "$n" "removed"
libvirt_stop

broker_finish
done_testing
