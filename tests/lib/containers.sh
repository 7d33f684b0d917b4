# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Real containers, and what their own engine says about them. Only inside tests/lab.sh: LAB_ID, LAB_DIR.
#
# Every container is a busybox without network. Its cgroups bear LAB_ID, by which the lab finds and removes them.

# shellcheck source=tests/lib/busybox.sh
. "${BASH_SOURCE[0]%/*}/busybox.sh"

[ -n "${LAB_ID:-}" ] || {
	echo "containers.sh: only inside tests/lab.sh" >&2
	exit 1
}

# One read-only tree for all.
make_rootfs() { # make_rootfs DIR
	local dir=$1 applet
	[ ! -e "$dir" ] || return 0
	mkdir -p "$dir"/{bin,sbin,etc,proc,sys,dev,tmp,root,run,var}
	cp "$(static_busybox)" "$dir/bin/busybox"
	for applet in sh sleep hostname cat true kill; do
		ln -s busybox "$dir/bin/$applet"
	done
	echo root:x:0:0:root:/root:/bin/sh >"$dir/etc/passwd"
	echo root:x:0: >"$dir/etc/group"
	: >"$dir/etc/hosts"
	: >"$dir/etc/resolv.conf"
}

# --- crun and runc -----------------------------------------------------------------------------------------------

oci_bundle() { # oci_bundle RUNTIME NAME HOSTNAME
	local dir=$LAB_DIR/oci/$1/$2
	make_rootfs "$LAB_DIR/rootfs"
	mkdir -p "$dir"
	cat >"$dir/config.json" <<END
{ "ociVersion": "1.0.2",
  "process": { "terminal": false, "user": { "uid": 0, "gid": 0 }, "args": ["/bin/sleep", "100000"], "env": ["PATH=/bin:/sbin"],
    "cwd": "/", "capabilities": { "bounding": ["CAP_KILL"], "effective": ["CAP_KILL"], "permitted": ["CAP_KILL"] } },
  "root": { "path": "$LAB_DIR/rootfs", "readonly": true },
  "hostname": "$3",
  "mounts": [ { "destination": "/proc", "type": "proc", "source": "proc" },
    { "destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"] } ],
  "linux": { "namespaces": [ { "type": "pid" }, { "type": "ipc" }, { "type": "uts" }, { "type": "mount" }, { "type": "network" } ],
    "cgroupsPath": "/$LAB_ID/$1-$2" } }
END
	echo "$dir"
}

oci_up() { # oci_up RUNTIME NAME [HOSTNAME]
	local dir
	dir=$(oci_bundle "$1" "$2" "${3:-$2-host}")
	"$1" run -d --bundle "$dir" --pid-file "$dir/pid" "$2" </dev/null >"$dir/log" 2>&1 || {
		cat "$dir/log"
		return 1
	}
}

oci_create() { # created, not started: oci_create RUNTIME NAME
	local dir
	dir=$(oci_bundle "$1" "$2" "$2-host")
	"$1" create --bundle "$dir" --pid-file "$dir/pid" "$2" </dev/null >"$dir/log" 2>&1
}

crun_up() { oci_up crun "$@"; }
runc_up() { oci_up runc "$@"; }
crun_down() { crun delete -f "$1"; }
runc_down() { runc delete -f "$1"; }

# --- podman ------------------------------------------------------------------------------------------------------

# The machines of automatic tests lack what podman wants by default: CAP_SYS_RESOURCE, systemd, a pids controller.
podman_conf() { # podman_conf RUNTIME: the path of its configuration
	local conf=$LAB_DIR/containers-$1.conf
	[ -e "$conf" ] || cat >"$conf" <<END
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
pids_limit = 0
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "$1"
END
	echo "$conf"
}

podman_with() { # podman_with RUNTIME ARG...
	local conf
	conf=$(podman_conf "$1")
	shift
	CONTAINERS_CONF=$conf podman "$@"
}

podman_up() { # podman_up RUNTIME NAME [HOSTNAME] [RUN-ARG...]
	local runtime=$1 name=$2 hostname=${3:-$2-host}
	shift $(($# < 3 ? $# : 3))
	if ! podman_with "$runtime" image exists localhost/busybox; then
		make_rootfs "$LAB_DIR/rootfs"
		tar -C "$LAB_DIR/rootfs" --numeric-owner -cf "$LAB_DIR/rootfs.tar" .
		podman_with "$runtime" import -q "$LAB_DIR/rootfs.tar" localhost/busybox >/dev/null
		rm "$LAB_DIR/rootfs.tar"
	fi
	podman_with "$runtime" run -d --name "$name" --network none --hostname "$hostname" --cgroup-parent "/$LAB_ID" "$@" \
		localhost/busybox /bin/sleep 100000
}

podman_down() { podman_with "$1" rm -f -t 0 "$2" >/dev/null; }
podman_rename() { podman_with "$1" rename "$2" "$3"; }
podman_restart() { podman_with "$1" restart -t 0 "$2" >/dev/null; }
podman_stop() { podman_with "$1" stop -t 0 "$2" >/dev/null; }

# --- podman of users ---------------------------------------------------------------------------------------------

# From now on /etc is the lab's own, with users that the machine does not have.
private_etc() {
	[ ! -e "$LAB_DIR/etc-own" ] || return 0
	mkdir "$LAB_DIR/etc-own"
	cp -a /etc/. "$LAB_DIR/etc-own/"
	mount --bind "$LAB_DIR/etc-own" /etc
	# Nobody of the machine's: who is there besides is a matter of the test.
	echo "# the lab's" | tee /etc/subuid >/etc/subgid
	chmod 644 /etc/subuid /etc/subgid
}

user_home() { echo "$LAB_DIR/home/$1"; }
user_uid() { awk -F: -v name="$1" '$1 == name { print $3 }' /etc/passwd; }

lab_user() { # lab_user NAME UID [FIRST-SUBORDINATE-UID]: with a home; without a runtime directory, which log_in makes
	private_etc
	echo "$1:x:$2:$2::$(user_home "$1"):/bin/sh" >>/etc/passwd
	echo "$1:x:$2:" >>/etc/group
	[ -z "${3:-}" ] || echo "$1:$3:65536" | tee -a /etc/subuid >>/etc/subgid
	mkdir -p "$LAB_DIR/home"
	install -d -m 700 -o "$2" -g "$2" "$(user_home "$1")"
}

log_in() { # log_in NAME: as logind does it, a file system of his own
	local uid
	uid=$(user_uid "$1")
	mkdir -p "/run/user/$uid"
	mount -t tmpfs -o "mode=700,uid=$uid,gid=$uid,nosuid,nodev" tmpfs "/run/user/$uid"
}

as_user() { # as_user NAME CMD...
	local uid runtime=()
	uid=$(user_uid "$1")
	[ ! -d "/run/user/$uid" ] || runtime=("XDG_RUNTIME_DIR=/run/user/$uid")
	(
		cd /
		exec setpriv --reuid="$uid" --regid="$uid" --clear-groups env -i "HOME=$(user_home "$1")" "USER=$1" \
			PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin "${runtime[@]}" "${@:2}"
	)
}

user_podman() { # user_podman NAME ARG...
	as_user "$1" env "CONTAINERS_CONF=$(podman_conf crun)" podman --log-level error "${@:2}"
}

user_podman_up() { # user_podman_up USER NAME [HOSTNAME] [RUN-ARG...]
	local user=$1 name=$2 hostname=${3:-$2-host}
	shift $(($# < 3 ? $# : 3))
	if ! user_podman "$user" image exists localhost/busybox; then
		make_rootfs "$LAB_DIR/rootfs"
		tar -C "$LAB_DIR/rootfs" --numeric-owner -c . | user_podman "$user" import -q - localhost/busybox >/dev/null
	fi
	user_podman "$user" run -d --name "$name" --network none --hostname "$hostname" "$@" localhost/busybox /bin/sleep 100000
}

# --- docker ------------------------------------------------------------------------------------------------------

DOCKERD_PID=
export DOCKER_HOST=unix:///run/docker.sock

# As podman: without what these machines lack, and without touching their network.
dockerd_start() { # dockerd_start [ARG...]
	dockerd --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false --bridge=none --storage-driver=overlay2 \
		--exec-opt native.cgroupdriver=cgroupfs --cgroup-parent "/$LAB_ID" --pidfile "$LAB_DIR/dockerd.pid" \
		--add-runtime "crun=$(command -v crun)" -H "$DOCKER_HOST" "$@" </dev/null >>"$LAB_DIR/dockerd.log" 2>&1 &
	DOCKERD_PID=$!
	wait_for 30 docker version || {
		echo "Bail out! dockerd does not serve"
		tail -20 "$LAB_DIR/dockerd.log"
		exit 1
	}
	docker image inspect busybox >/dev/null 2>&1 || {
		make_rootfs "$LAB_DIR/rootfs"
		tar -C "$LAB_DIR/rootfs" --numeric-owner -c . | docker import - busybox >/dev/null
	}
}

dockerd_end() { # dockerd_end SIGNAL
	kill "-$1" "$DOCKERD_PID"
	wait "$DOCKERD_PID" 2>/dev/null || :
}

docker_up() { # docker_up NAME [HOSTNAME] [RUN-ARG...]
	local name=$1 hostname=${2:-$1-host}
	shift $(($# < 2 ? $# : 2))
	docker run -d --name "$name" --network none --hostname "$hostname" "$@" busybox /bin/sleep 100000
}

docker_down() { docker rm -f "$1" >/dev/null; }

# --- containerd --------------------------------------------------------------------------------------------------

CONTAINERD_PID=

containerd_start() {
	printf 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n' >"$LAB_DIR/containerd.toml"
	containerd --config "$LAB_DIR/containerd.toml" </dev/null >>"$LAB_DIR/containerd.log" 2>&1 &
	CONTAINERD_PID=$!
	wait_for 30 ctr version || {
		echo "Bail out! containerd does not serve"
		tail -20 "$LAB_DIR/containerd.log"
		exit 1
	}
}

containerd_end() { # containerd_end SIGNAL
	kill "-$1" "$CONTAINERD_PID"
	wait "$CONTAINERD_PID" 2>/dev/null || :
}

# The specification of a container, changed by a program of jq: ctr_bundle NAMESPACE/ID HOSTNAME PROGRAM
ctr_bundle() {
	local dir
	dir=$(oci_bundle "containerd-${1%%/*}" "${1#*/}" "$2")
	jq "$3" "$dir/config.json" >"$dir/changed.json"
	echo "$dir/changed.json"
}

ctr_run() { # ctr_run NAMESPACE/ID [HOSTNAME] [PROGRAM] [RUN-ARG...]
	local bundle
	bundle=$(ctr_bundle "$1" "${2:-${1#*/}-host}" "${3:-.}")
	ctr -n "${1%%/*}" run -d --config "$bundle" "${@:4}" "${1#*/}" </dev/null
}

ctr_task() { # ctr_task NAMESPACE/ID COMMAND [ARG...]
	ctr -n "${1%%/*}" task "${@:2}" "${1#*/}" </dev/null
}

ctr_down() { # ctr_down NAMESPACE/ID
	ctr_task "$1" rm -f >/dev/null 2>&1 || :
	ctr -n "${1%%/*}" container rm "${1#*/}"
}

# What Kubernetes' CRI plugin notes of a container, and which namespaces it puts it into.
cri_notes() { # cri_notes TYPE NAMESPACE POD SANDBOX [CONTAINER]
	echo ".annotations = { \"io.kubernetes.cri.container-type\": \"$1\", \"io.kubernetes.cri.sandbox-namespace\": \"$2\",
		\"io.kubernetes.cri.sandbox-name\": \"$3\", \"io.kubernetes.cri.sandbox-id\": \"$4\"${5:+, \"io.kubernetes.cri.container-name\": \"$5\"} }"
}

cri_pod() { # cri_pod NAMESPACE POD CONTAINER SANDBOX-ID CONTAINER-ID
	local pid
	ctr_run "k8s.io/$4" "$2" "$(cri_notes sandbox "$1" "$2" "$4")"
	pid=$(engine_pid containerd "k8s.io/$4")
	ctr_run "k8s.io/$5" "" "$(cri_notes container "$1" "$2" "$4" "$3") | del(.hostname) |
		.linux.namespaces = [{ type: \"pid\" }, { type: \"mount\" }, { type: \"uts\", path: \"/proc/$pid/ns/uts\" }]"
}

# --- LXC ---------------------------------------------------------------------------------------------------------

# Its cgroups are lxc.payload.NAME and lxc.monitor.NAME in the machine's tree: NAME must contain LAB_ID.
lxc_make() { # lxc_make NAME [HOSTNAME]
	local dir=/var/lib/lxc/$1
	case $1 in *"$LAB_ID"*) ;; *)
		echo "lxc_make: $1 does not contain $LAB_ID" >&2
		return 1
		;;
	esac
	make_rootfs "$LAB_DIR/rootfs"
	mkdir -p "$dir"
	cp -a "$LAB_DIR/rootfs" "$dir/rootfs"
	cat >"$dir/config" <<END
lxc.rootfs.path = dir:$dir/rootfs
lxc.uts.name = ${2:-$1-host}
lxc.net.0.type = empty
lxc.apparmor.profile = unconfined
lxc.mount.auto = proc:mixed sys:ro
lxc.pty.max = 8
lxc.tty.max = 0
lxc.autodev = 0
lxc.cgroup.dir.monitor.pivot = $LAB_ID
lxc.init.cmd = /bin/sleep 100000
END
}

# What its init does from now on: lines of a shell script.
lxc_init_does() { # lxc_init_does NAME SCRIPT
	echo "$2" >"/var/lib/lxc/$1/rootfs/init"
	sed -i 's,^lxc.init.cmd = .*,lxc.init.cmd = /bin/sh /init,' "/var/lib/lxc/$1/config"
}

lxc_start() { # lxc_start NAME
	lxc-start -n "$1" -d -o "$LAB_DIR/lxc-$1.log" -l WARN </dev/null >/dev/null 2>&1 || {
		tail -20 "$LAB_DIR/lxc-$1.log"
		return 1
	}
}

lxc_up() {
	lxc_make "$@" && lxc_start "$1"
}

lxc_stop() { lxc-stop -n "$1" -k; }
# A stopped one; lxc-copy moves the root file system with rsync.
lxc_rename() { lxc-copy -R -n "$1" -N "$2"; }
lxc_restart() { lxc_stop "$1" && lxc_start "$1"; }
lxc_down() {
	lxc_stop "$1" 2>/dev/null || :
	rm -rf "/var/lib/lxc/$1"
}

# --- LXC of a user -------------------------------------------------------------------------------------------------

LXC_USER=rbtest LXC_UID=4321
LXC_HOME=$LAB_DIR/home

# A user with ids of its own for containers, known in this lab alone, and with cgroups of its own, as a login gives them.
lxc_user() {
	local file dir
	for file in passwd group subuid subgid; do
		cp "/etc/$file" "$LAB_DIR/$file"
		case $file in
		passwd) echo "$LXC_USER:x:$LXC_UID:$LXC_UID::$LXC_HOME:/bin/sh" ;;
		group) echo "$LXC_USER:x:$LXC_UID:" ;;
		*) echo "$LXC_USER:4000000:65536" ;;
		esac >>"$LAB_DIR/$file"
		mount --bind "$LAB_DIR/$file" "/etc/$file"
	done
	install -d -m 755 -o "$LXC_UID" -g "$LXC_UID" "$LXC_HOME" "$LXC_HOME"/{.local,.local/share,.local/share/lxc}
	install -d -m 700 -o "$LXC_UID" -g "$LXC_UID" "$LAB_DIR/user"
	while read -r _ dir file _; do
		case $file in cgroup | cgroup2) ;; *) continue ;; esac
		mkdir -p "$dir/$LAB_ID/user"
		for file in cpuset.cpus cpuset.mems; do
			[ ! -e "$dir/$LAB_ID/user/$file" ] || tee "$dir/$LAB_ID/$file" <"$dir/$file" >"$dir/$LAB_ID/user/$file"
		done
		chown -R "$LXC_UID:$LXC_UID" "$dir/$LAB_ID/user"
	done </proc/mounts
}

# In these cgroups, as that user: the command and its arguments.
as_lxc_user() {
	(
		while read -r _ dir type _; do
			case $type in cgroup | cgroup2) echo "$BASHPID" >"$dir/$LAB_ID/user/cgroup.procs" ;; esac
		done </proc/mounts
		cd /
		exec setpriv --reuid="$LXC_UID" --regid="$LXC_UID" --clear-groups env -i HOME="$LXC_HOME" USER="$LXC_USER" \
			XDG_RUNTIME_DIR="$LAB_DIR/user" PATH="$PATH" "$@"
	)
}

lxc_user_make() { # lxc_user_make NAME
	local dir=$LXC_HOME/.local/share/lxc/$1
	lxc_mapped_config "$1" "$dir"
	chown "$LXC_UID:$LXC_UID" "$dir" "$dir/config"
}

# Root's, or a user's, with a user namespace: NAME, and the directory that it is in.
lxc_mapped_config() {
	make_rootfs "$LAB_DIR/rootfs"
	mkdir -p "$2"
	cp -a "$LAB_DIR/rootfs" "$2/rootfs"
	chown -hR 4000000:4000000 "$2/rootfs"
	cat >"$2/config" <<END
lxc.rootfs.path = dir:$2/rootfs
lxc.uts.name = $1-host
lxc.net.0.type = empty
lxc.apparmor.profile = unconfined
lxc.idmap = u 0 4000000 65536
lxc.idmap = g 0 4000000 65536
lxc.mount.auto = proc:mixed
lxc.tty.max = 0
lxc.autodev = 0
lxc.init.cmd = /bin/sleep 100000
END
}

# --- What the engine and the kernel say --------------------------------------------------------------------------

engine_pid() { # engine_pid crun|runc|podman|podman@USER|docker|containerd|lxc|lxd|nspawn|libvirt-lxc NAME
	case $1 in
	docker) docker inspect -f '{{.State.Pid}}' "$2" ;;
	containerd) ctr -n "${2%%/*}" task ls | awk -v id="${2#*/}" '$1 == id { print $2 }' ;;
	crun | runc) "$1" state "$2" | sed -n 's/^ *"pid" *: *\([0-9]*\),*$/\1/p' ;;
	podman@*) user_podman "${1#podman@}" inspect -f '{{.State.Pid}}' "$2" ;;
	podman) podman_with crun inspect -f '{{.State.Pid}}' "$2" ;;
	lxc) lxc-info -n "$2" -pH ;;
	lxd) lxd_pid "$2" ;;
	nspawn) machine_pid "$2" ;;
	libvirt-lxc) domain_pid "$2" ;;
	esac
}

# The container's own cgroup: its init's, of the hierarchies freezer, memory, devices, then name=systemd, then v2, the first that is
# not "/"; without what the init, or who started it, made below the one that the engine knows.
kernel_cgroup() { # kernel_cgroup PID
	local want path
	for want in freezer memory devices name=systemd ''; do
		path=$(awk -F: -v want="$want" '{
			n = split($2, names, ",")
			found = want == "" && $2 == ""
			for (i = 1; i <= n; i++) if (names[i] == want) found = 1
			if (found) { sub("^[^:]*:[^:]*:", ""); print }
		}' "/proc/$1/cgroup")
		if [ -n "$path" ] && [ "$path" != / ]; then
			sed -E 's,(/libpod-[0-9a-f]+\.scope|/lxc\.payload\.[^/]+)/.*,\1,' <<<"$path"
			return 0
		fi
	done
	echo /
}

kernel_hostname() { # kernel_hostname PID
	nsenter -u -t "$1" hostname
}

# The signal is on its way when kill returns: until the process is gone, or a zombie, it does run.
kill_init() { # kill_init PID
	kill -KILL "$1"
	wait_for 5 not grep -q '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$1/status"
}

set_hostname() { # set_hostname PID NAME: as the container's root may do at any time
	nsenter -u -t "$1" hostname "$2"
}
