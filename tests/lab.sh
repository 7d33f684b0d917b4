#!/bin/bash
# SPDX-License-Identifier: MIT
# lab.sh CMD [ARG...]: run CMD where it can start real containers without touching this machine.
#
# CMD gets mount, network and PID namespaces of its own: nothing outlives it, its engines keep their state in memory
# (/run, PRIVATE_DIRS below, /dev/shm), abstract sockets are its own, and loopback is up. Only cgroups
# are shared with the machine: what is made below names that contain $LAB_ID is removed afterwards, and controllers
# that had to leave cgroup v2 for the while go back. Labs do not disturb each other.
#
# For CMD: LAB_ID, a name that no other lab has; LAB_DIR, an empty directory that only root can write.
# The exit status is CMD's.
set -euo pipefail
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

die() {
	echo "lab.sh: $*" >&2
	exit 125
}

# --- Control groups ----------------------------------------------------------------------------------------------

# The controllers of this kernel that no cgroup v1 hierarchy in sight has. Hybrid machines only: crun refuses to work there
# while any is left in v2.
unmounted_controllers() {
	[ -e /sys/fs/cgroup/unified/cgroup.controllers ] || return 0
	tr ' ' '\n' </sys/fs/cgroup/unified/cgroup.controllers
	local name
	while IFS=: read -r _ name _; do
		case $name in '' | name=*) continue ;; esac
		mountpoint -q "/sys/fs/cgroup/$name" || echo "$name"
	done </proc/self/cgroup
}

# /sys/fs/cgroup anew, of this mount namespace alone, with every controller in v1.
mount_hybrid() {
	local name old=$LAB_DIR/cgroup
	mkdir "$old"
	mount --rbind /sys/fs/cgroup "$old"
	mount -t tmpfs -o mode=755,nosuid,nodev,noexec tmpfs /sys/fs/cgroup
	for name in "$old"/*; do
		if [ -L "$name" ]; then
			cp -a "$name" /sys/fs/cgroup/
		elif [ -d "$name" ]; then
			mkdir "/sys/fs/cgroup/${name##*/}"
			mount --rbind "$name" "/sys/fs/cgroup/${name##*/}"
		fi
	done
	umount -R -l "$old"
	rmdir "$old"
	for name in $1; do
		mkdir -p "/sys/fs/cgroup/$name"
		mount_controller "$name" "/sys/fs/cgroup/$name"
	done
}

# A controller that is on its way between v1 and v2 refuses for a moment.
mount_controller() {
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		! mount -t cgroup -o "$1" cgroup "$2" 2>/dev/null || return 0
		sleep 0.3
	done
	mount -t cgroup -o "$1" cgroup "$2"
}

# Below directory $1: all that bears the name of this lab, or of one that was killed before it could clean up. Deepest first.
remove_cgroups() {
	local id pid
	for id in "$LAB_ID" $(find "$1" -type d -name '*rbtest*' 2>/dev/null | grep -o 'rbtest[0-9]*x[0-9]*' | sort -u); do
		pid=${id#rbtest}
		if [ "$id" = "$LAB_ID" ] || [ ! -e "/proc/${pid%x*}" ]; then
			find "$1" -depth -type d -path "*$id*" -exec rmdir {} + 2>/dev/null || :
		fi
	done
}

# In a mount namespace of its own, after the lab's last process is gone.
clean() {
	local dir name
	while read -r _ dir name _; do
		case $name in cgroup | cgroup2) remove_cgroups "$dir" ;; esac
	done </proc/mounts
	[ -n "$LAB_CONTROLLERS" ] || return 0
	mount -t tmpfs tmpfs /mnt
	for name in $LAB_CONTROLLERS; do
		mkdir "/mnt/$name"
		# v1 keeps a controller until its last mount and its last group, dying ones too, are gone.
		for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do
			! grep -qw "$name" /sys/fs/cgroup/unified/cgroup.controllers || break
			mount -t cgroup -o "$name" cgroup "/mnt/$name" 2>/dev/null || break
			remove_cgroups "/mnt/$name"
			dir=$(find "/mnt/$name" -mindepth 1 -type d -print -quit)
			umount "/mnt/$name"
			if [ -n "$dir" ] || [ "$(lab_count)" != 0 ]; then
				break # who else uses it gives it back
			fi
			sleep 0.2
		done
	done
}

# Labs on this machine, as far as /proc shows them.
lab_count() {
	local p n=0
	for p in /proc/[0-9]*/environ; do
		! grep -q -s -z '^LAB_INSIDE=1' "$p" || n=$((n + 1))
	done
	echo $n
}

# --- Inside ------------------------------------------------------------------------------------------------------

PRIVATE_DIRS="/var/lib/containers /var/lib/docker /var/lib/containerd /var/lib/lxc"

private_directories() {
	local dir missing=
	for dir in $PRIVATE_DIRS; do
		[ -d "$dir" ] || missing=$dir
	done
	mount -t tmpfs -o mode=755,nosuid,nodev tmpfs /run
	mkdir -p /run/lock "$LAB_DIR" && chmod 1777 /run/lock
	if [ -n "$missing" ]; then # no traces, not even an empty directory
		mkdir -p /run/.var/upper /run/.var/work
		mount -t overlay -o lowerdir=/var/lib,upperdir=/run/.var/upper,workdir=/run/.var/work overlay /var/lib
	fi
	for dir in $PRIVATE_DIRS; do
		mkdir -p "$dir"
		mount -t tmpfs -o mode=755 tmpfs "$dir"
	done
	mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs /dev/shm
	mkdir -m 1777 "$LAB_DIR/tmp"
	export TMPDIR=$LAB_DIR/tmp
}

inside() {
	private_directories
	[ -z "$LAB_CONTROLLERS" ] || mount_hybrid "$LAB_CONTROLLERS"
	if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
		# cgroup v2 gives no controllers to groups below one with processes of its own, and LXC builds below PID 1's.
		echo $$ >/sys/fs/cgroup/cgroup.procs || :
	fi
	if command -v ip >/dev/null; then ip link set lo up; else busybox ip link set lo up; fi
	unset XDG_RUNTIME_DIR
	# A child, not exec: PID 1 reaps what the engines leave to it.
	local rc=0
	"$@" || rc=$?
	exit $rc
}

if [ "${LAB_INSIDE:-}" = 1 ]; then
	inside "$@"
elif [ "${LAB_INSIDE:-}" = clean ]; then
	clean
	exit 0
fi

# --- Outside -----------------------------------------------------------------------------------------------------

[ $# -gt 0 ] || die "usage: lab.sh CMD [ARG...]"
[ "$(id -u)" = 0 ] || die "only root can make namespaces and containers: sudo $0 $*"

LAB_ID=rbtest$$x$RANDOM
LAB_DIR=/run/lab
LAB_CONTROLLERS=$(unmounted_controllers | sort -u | tr '\n' ' ')
LAB_CONTROLLERS=${LAB_CONTROLLERS% }
export LAB_ID LAB_DIR LAB_CONTROLLERS

# shellcheck disable=SC2317 # called by the trap
end_lab() {
	local init
	# The lab's PID 1, which takes everything with it, and is reaped by unshare; without one, unshare.
	init=$(cat "/proc/$pid/task/$pid/children" 2>/dev/null) || init=
	init=${init%% *}
	kill -KILL "${init:-$pid}" 2>/dev/null || :
	wait "$pid" 2>/dev/null || :
	LAB_INSIDE=clean unshare --mount --propagation private bash "$0" || echo "lab.sh: cleaning up failed" >&2
}

# unshare dies with this script, and everything in the lab with unshare, however this script ends.
LAB_INSIDE=1 setpriv --pdeathsig KILL unshare --mount --net --pid --fork --kill-child --mount-proc --propagation private \
	bash "$0" "$@" <&0 &
pid=$!
trap end_lab EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
rc=0
wait $pid || rc=$?
exit $rc
