# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# systemd-machined and systemd-nspawn without systemd as PID 1, on a system bus of the lab's own. After containers.sh.
#
# Without systemd nobody makes units; machined takes from a process's cgroup which one it is in, and does not ask further.

MACHINED_PID=
BUS_PID=
MACHINE1=(org.freedesktop.machine1 /org/freedesktop/machine1 org.freedesktop.machine1.Manager)

machined_program() {
	local dir
	for dir in /usr/lib/systemd /lib/systemd; do
		[ ! -x $dir/systemd-machined ] || {
			echo $dir/systemd-machined
			return 0
		}
	done
	return 1
}

machined_answers() {
	busctl --timeout=2 call "${MACHINE1[@]}" ListMachines
}

machined_start() {
	if [ -z "$BUS_PID" ]; then
		mkdir -p /run/dbus
		dbus-daemon --system --nofork --nopidfile </dev/null >"$LAB_DIR/bus.log" 2>&1 &
		BUS_PID=$!
		wait_for 10 [ -S /run/dbus/system_bus_socket ]
	fi
	SYSTEMD_LOG_TARGET=console "$(machined_program)" </dev/null >>"$LAB_DIR/machined.log" 2>&1 &
	MACHINED_PID=$!
	wait_for 10 machined_answers || {
		cat "$LAB_DIR/bus.log" "$LAB_DIR/machined.log"
		return 1
	}
}

machined_kill() {
	kill -KILL "$MACHINED_PID"
	wait "$MACHINED_PID" || :
}

machined_stop() {
	machined_kill
	kill "$BUS_PID"
	wait "$BUS_PID" || :
	BUS_PID=
	rm -f /run/dbus/system_bus_socket
}

# Where units are, in each hierarchy that has them.
unit_directories() { # unit_directories UNIT
	local root
	for root in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do
		[ ! -e $root/cgroup.procs ] || echo "$root/$LAB_ID.slice/$1"
	done
}

enter_unit() { # enter_unit UNIT PID
	local dir
	for dir in $(unit_directories "$1"); do
		mkdir -p "$dir"
		echo "$2" >"$dir/cgroup.procs"
	done
}

nspawn_unit() {
	echo "systemd-nspawn@$1.service"
}

# Its first process executes the program once the machine is registered.
nspawn_is_up() {
	local pid
	pid=$(machine_pid "$1") && [ "$(cat "/proc/$pid/comm")" = sleep ]
}

nspawn_up() { # nspawn_up NAME [HOSTNAME]
	local root=$LAB_DIR/nspawn/$1
	if [ ! -e "$root" ]; then
		make_rootfs "$LAB_DIR/rootfs"
		mkdir -p "$LAB_DIR/nspawn"
		cp -a "$LAB_DIR/rootfs" "$root"
		mkdir -p "$root/usr"
		echo ID=busybox >"$root/etc/os-release"
	fi
	(
		enter_unit "$(nspawn_unit "$1")" "$BASHPID"
		exec setsid systemd-nspawn -q --register=yes --keep-unit -M "$1" --hostname="${2:-$1-host}" -D "$root" \
			--resolv-conf=off --timezone=off --private-network /bin/sleep 100000
	) </dev/null >"$LAB_DIR/nspawn-$1.log" 2>&1 &
	echo $! >"$LAB_DIR/nspawn-$1.pid"
	wait_for 10 nspawn_is_up "$1" || {
		cat "$LAB_DIR/nspawn-$1.log" "$LAB_DIR/machined.log"
		return 1
	}
}

nspawn_down() { # its init is killed; who started it ends then, and takes the machine off the list
	local pid
	pid=$(machine_pid "$1") || return 0
	kill -KILL "$pid"
	wait "$(cat "$LAB_DIR/nspawn-$1.pid")" || :
	wait_for 10 not machine_pid "$1"
}

nspawn_freeze() { # nspawn_freeze NAME 0|1
	local dir
	for dir in $(unit_directories "$(nspawn_unit "$1")"); do
		[ ! -e "$dir/cgroup.freeze" ] || echo "$2" >"$dir/cgroup.freeze"
	done
}

# What machined says.
machine_pid() {
	local path
	path=$(busctl call "${MACHINE1[@]}" GetMachine s "$1" 2>/dev/null) || return 1
	path=${path#o \"}
	busctl get-property org.freedesktop.machine1 "${path%\"}" org.freedesktop.machine1.Machine Leader | sed 's/^u //'
}

# machine_register NAME SERVICE CLASS PID: as another service does it
machine_register() {
	busctl call "${MACHINE1[@]}" RegisterMachine sayssus "$1" 0 "$2" "$3" "$4" "" >/dev/null
}
