#!/bin/bash
# SPDX-License-Identifier: MIT
# Two containers of each engine on one host: every field of their records equals what the engine's own tool says, and whoever watches is
# told of each change, in order, from the first moment to the last.
# shellcheck source=tests/lib/integration.sh
. "${BASH_SOURCE[0]%/*}/../lib/integration.sh"
# shellcheck source=tests/lib/lookups.sh
. "$ROOT/tests/lib/lookups.sh"
# shellcheck source=tests/lib/machined.sh
. "$ROOT/tests/lib/machined.sh"
# shellcheck source=tests/lib/libvirt.sh
. "$ROOT/tests/lib/libvirt.sh"
# shellcheck source=tests/lib/lxd.sh
. "$ROOT/tests/lib/lxd.sh"
# shellcheck source=tests/lib/life.sh
. "$ROOT/tests/lib/life.sh"

# What may be seen or not: what lasts for so short a time that it may be over when the files are read.
CREATED='(created )?'
# Listed before it has a process.
LISTED='(stopped )?'
KILLED='stopped exited:signal-9'
# Some freeze a container to kill it, and may thaw it before it is dead.
ENDED="(paused (running )?)?$KILLED"

ROOTLESS_USERS=all
lab_user rblife 5005 300000
log_in rblife
# What lxc_mapped_config asks for.
echo root:4000000:65536 | tee -a /etc/subuid >>/etc/subgid
broker_start
watch_start

# --- crun and runc: they start a container once, and know no other name for it

for rt in crun runc; do
	life_up() { oci_up $rt "$1"; }
	life_pause() { $rt pause "$1"; }
	life_resume() { $rt resume "$1"; }
	life_down() { "${rt}_down" "$1"; }
	life $rt one two "${CREATED}running paused running $ENDED removed" "${CREATED}running $ENDED removed"
done

# --- podman

life_up() { podman_up crun "$1" >/dev/null; }
life_pause() { podman_with crun pause "$1" >/dev/null; }
life_resume() { podman_with crun unpause "$1" >/dev/null; }
life_stop() { podman_stop crun "$1"; }
life_start() { podman_with crun start "$1" >/dev/null; }
life_rename() { podman_rename crun "$1" "$2"; }
life_down() { podman_down crun "$1"; }
life podman one two "${LISTED}${CREATED}running paused running $KILLED ${CREATED}running named:one-renamed $ENDED removed" \
	"${LISTED}${CREATED}running $ENDED removed"

# A user's, in whose cgroup nothing can be frozen here.
life_up() { user_podman_up rblife "$1" >/dev/null; }
life_stop() { user_podman rblife stop -t 0 "$1" >/dev/null; }
life_start() { user_podman rblife start "$1" >/dev/null; }
life_rename() { user_podman rblife rename "$1" "$2"; }
life_down() { user_podman rblife rm -f -t 0 "$1" >/dev/null; }
life podman@rblife one two "${LISTED}${CREATED}running $KILLED ${CREATED}running named:one-renamed $ENDED removed" \
	"${LISTED}${CREATED}running $ENDED removed"

# --- docker

dockerd_start --debug=false
life_up() { docker_up "$1" >/dev/null; }
life_pause() { docker pause "$1" >/dev/null; }
life_resume() { docker unpause "$1" >/dev/null; }
life_stop() { docker stop -t 0 "$1" >/dev/null; }
life_start() { docker start "$1" >/dev/null; }
life_rename() { docker rename "$1" "$2"; }
life_down() { docker_down "$1"; }
life docker one two "${LISTED}${CREATED}running paused running $KILLED ${CREATED}running named:one-renamed $ENDED removed" \
	"${LISTED}${CREATED}running $ENDED removed"
dockerd_end TERM

# --- containerd

containerd_start
life_up() { ctr_run "default/$1"; }
life_pause() { ctr_task "default/$1" pause; }
life_resume() { ctr_task "default/$1" resume; }
life_down() { ctr_down "default/$1"; }
life containerd one two "${CREATED}running paused running $ENDED removed" \
	"${CREATED}running $ENDED removed"

# What Kubernetes makes of it: a pod, whose first process holds its namespaces, and a container in it.
life_up() { cri_pod shop "$1" app "$1-pod" "$1-app"; }
life_pause() { ctr_task "k8s.io/$1-app" pause; }
life_resume() { ctr_task "k8s.io/$1-app" resume; }
life_down() { ctr_down "k8s.io/$1-app" && ctr_down "k8s.io/$1-pod"; }
life kubernetes one two "${CREATED}running paused running $ENDED removed" \
	"${CREATED}running $ENDED removed"
containerd_end TERM

# --- LXC and what is built on it: each state on the way to another is told

FROZEN='freezing paused thawed running'
# What LXC says of an end comes through its fifo, what the kernel says from the kernel, and a directory may be gone before either.
END='(stopping )?(exited:signal-9 stopped|stopped exited:signal-9)'

life_up() { lxc_up "$1"; }
life_pause() { lxc-freeze -n "$1"; }
life_resume() { lxc-unfreeze -n "$1"; }
life_stop() { lxc_stop "$1"; }
life_start() { lxc_start "$1"; }
life_move() { lxc_rename "$1" "$2"; }
life_down() { lxc_down "$1"; }
life lxc "$LAB_ID-one" "$LAB_ID-two" "stopped starting running $FROZEN $END removed stopped starting running $END removed" \
	"stopped starting running $END removed"

# With a user namespace.
life_up() { lxc_mapped_config "$1" "/var/lib/lxc/$1" && lxc_start "$1"; }
life_pause() { lxc-freeze -n "$1"; }
life_resume() { lxc-unfreeze -n "$1"; }
life_stop() { lxc_stop "$1"; }
life_start() { lxc_start "$1"; }
life_down() { lxc_down "$1"; }
life lxc "$LAB_ID-three" "$LAB_ID-four" "stopped starting running $FROZEN $END starting running $END removed" \
	"stopped starting running $END removed"

if command -v lxd >/dev/null; then
	lxd_start
	life_up() { lxd_up "$1"; }
	life_pause() { lxc pause "$1"; }
	life_resume() { lxc start "$1"; }
	life_stop() { lxc stop -f "$1"; }
	life_start() { lxc start "$1"; }
	life_move() { lxc rename "$1" "$2"; }
	life_down() { lxd_down "$1"; }
	life lxd "$LAB_ID-one" "$LAB_ID-two" "stopped starting running $FROZEN $END removed stopped starting running $END removed" \
		"stopped starting running $END removed"
	lxd_stop
else
	skip "containers of LXD" "this system has no LXD"
fi

# --- libvirt's LXC driver

if libvirt_can; then
	libvirt_start
	life_up() { domain_up "$1"; }
	life_pause() { virsh_lxc suspend "$1"; }
	life_resume() { virsh_lxc resume "$1"; }
	life_down() { domain_down "$1"; }
	life libvirt-lxc "$LAB_ID-one" "$LAB_ID-two" "${LISTED}running paused running $KILLED removed" "${LISTED}running $KILLED removed"
	libvirt_stop
else
	skip "containers of libvirt-lxc" "no cgroup controllers that libvirt can use"
fi

# --- systemd-nspawn: of its hierarchies only those of systemd show the container's cgroup

if command -v systemd-nspawn >/dev/null && machined_program >/dev/null; then
	kernel_cgroup() {
		grep -o "/$LAB_ID\\.slice/[^/]*" "/proc/$1/cgroup" | sort -u
	}

	machined_start
	life_up() { nspawn_up "$1"; }
	life_pause() { nspawn_freeze "$1" 1; }
	life_resume() { nspawn_freeze "$1" 0 && wait_for 5 not nspawn_is_frozen "$1"; }
	nspawn_is_frozen() { [ "$(nspawn_state "$1")" = paused ]; }
	life_down() { nspawn_down "$1"; }
	life nspawn one two "running paused running $KILLED removed" "running $KILLED removed"
	machined_stop
else
	skip "containers of systemd-nspawn" "this system has no systemd"
fi

watch_stop
broker_finish
done_testing
