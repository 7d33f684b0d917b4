# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# LXD, with all its files in the lab, and its containers. After containers.sh.
#
# Their cgroups are lxc.payload.NAME or lxc.payload.PROJECT_NAME in the machine's tree: NAME must contain LAB_ID.

LXD_PID=
export LXD_DIR=$LAB_DIR/lxd LXD_CONF=$LAB_DIR/lxd-client

lxd_image() { # lxd_image FILE
	local dir=$LAB_DIR/lxd-image
	make_rootfs "$LAB_DIR/rootfs"
	mkdir -p "$dir"
	cp -a "$LAB_DIR/rootfs" "$dir/rootfs"
	printf '#!/bin/sh\nexec /bin/sleep 100000\n' >"$dir/rootfs/sbin/init"
	chmod 755 "$dir/rootfs/sbin/init"
	printf 'architecture: %s\ncreation_date: 1700000000\n' "$(uname -m)" >"$dir/metadata.yaml"
	tar -C "$dir" --numeric-owner -czf "$1" metadata.yaml rootfs
	rm -r "$dir"
}

lxd_start() {
	local first=0
	if [ ! -e "$LXD_DIR" ]; then
		first=1
		mkdir -p "$LXD_DIR" "$LXD_CONF"
		# Whose uids and gids root may give to containers, as far as this lab sees.
		echo root:1000000:65536 >"$LAB_DIR/subids"
		for file in /etc/subuid /etc/subgid; do
			[ ! -e $file ] || mount --bind "$LAB_DIR/subids" $file
		done
	fi
	lxd --group root --logfile "$LAB_DIR/lxd.log" </dev/null >>"$LAB_DIR/lxd.out" 2>&1 &
	LXD_PID=$!
	lxd waitready --timeout=60 || {
		echo "Bail out! lxd does not serve"
		tail -20 "$LAB_DIR/lxd.out"
		exit 1
	}
	[ $first = 1 ] || return 0
	lxc storage create default dir >/dev/null 2>&1
	lxc profile device add default root disk path=/ pool=default >/dev/null
	lxd_image "$LAB_DIR/lxd.tar.gz"
	lxc image import "$LAB_DIR/lxd.tar.gz" --alias busybox >/dev/null
	rm "$LAB_DIR/lxd.tar.gz"
}

lxd_kill() {
	kill -KILL "$LXD_PID"
	wait "$LXD_PID" || :
}

lxd_stop() {
	lxd shutdown --timeout 20
	wait "$LXD_PID" || :
}

# As what is in another project is called by LXC: [PROJECT_]NAME.
lxd_command() { # lxd_command NAME CMD [ARG...]: with NAME after them
	local project=default
	case $1 in *_*) project=${1%_*} ;; esac
	lxc --project "$project" "${@:2}" "${1##*_}" </dev/null
}

lxd_up() { # lxd_up NAME [LAUNCH-ARG...]
	case $1 in *"$LAB_ID"*) ;; *)
		echo "lxd_up: $1 does not contain $LAB_ID" >&2
		return 1
		;;
	esac
	lxd_command "$1" launch -q "${@:2}" -c "raw.lxc=lxc.cgroup.dir.monitor.pivot = $LAB_ID" busybox >"$LAB_DIR/lxd-up.log" 2>&1 || {
		cat "$LAB_DIR/lxd-up.log"
		lxd_command "$1" info --show-log
		return 1
	}
}

lxd_down() { lxd_command "$1" delete -f; }

# What LXD says.
lxd_pid() {
	local project=default
	case $1 in *_*) project=${1%_*} ;; esac
	lxc query "/1.0/instances/${1##*_}/state?project=$project" | jq -e '.pid | select(. > 0)'
}
