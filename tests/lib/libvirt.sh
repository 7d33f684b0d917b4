# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# libvirtd with the LXC driver alone, which needs neither systemd nor a network, and its domains. After containers.sh.
#
# The cgroups of domains, /machine/lxc-PID-NAME.libvirt-lxc, are in the machine's tree: NAME must contain LAB_ID.

LIBVIRT_PID=

# It wants cgroup controllers, in whichever version.
libvirt_can() {
	[ -e /sys/fs/cgroup/memory/cgroup.procs ] || grep -q -w memory /sys/fs/cgroup/cgroup.controllers
}

virsh_lxc() {
	virsh -q -c lxc:///system "$@"
}

libvirt_start() {
	local dir=$LAB_DIR/libvirt driver
	if [ ! -e "$dir" ]; then
		# It writes there, too, and this machine shall not see it.
		mkdir -p /etc/libvirt /var/log
		mount -t tmpfs -o mode=755 tmpfs /etc/libvirt
		mount -t tmpfs -o mode=755 tmpfs /var/log
		mkdir -p "$dir/drivers"
		for driver in /usr/lib/*/libvirt/connection-driver /usr/lib64/libvirt/connection-driver /usr/lib/libvirt/connection-driver; do
			[ ! -e "$driver/libvirt_driver_lxc.so" ] || ln -sf "$driver/libvirt_driver_lxc.so" "$dir/drivers/"
		done
		printf '%s\n' 'unix_sock_group = "root"' 'auth_unix_rw = "none"' 'auth_unix_ro = "none"' >"$dir/conf"
	fi
	LIBVIRT_DRIVER_DIR=$dir/drivers libvirtd -f "$dir/conf" -p "$dir/pid" </dev/null >>"$dir/log" 2>&1 &
	LIBVIRT_PID=$!
	wait_for 15 virsh_lxc version || {
		cat "$dir/log"
		return 1
	}
}

libvirt_kill() {
	kill -KILL "$LIBVIRT_PID"
	wait "$LIBVIRT_PID" || :
}

libvirt_stop() {
	kill "$LIBVIRT_PID"
	wait "$LIBVIRT_PID" || :
	# Those of domains that were killed are left, and keep their parent.
	find /sys/fs/cgroup/*/machine -depth -type d -name "*$LAB_ID*" -exec rmdir {} + 2>/dev/null || :
	rmdir /sys/fs/cgroup/*/machine 2>/dev/null || :
}

domain_up() { # domain_up NAME
	local file=$LAB_DIR/libvirt/$1.xml
	case $1 in *"$LAB_ID"*) ;; *)
		echo "domain_up: $1 does not contain $LAB_ID" >&2
		return 1
		;;
	esac
	make_rootfs "$LAB_DIR/rootfs"
	cat >"$file" <<END
<domain type='lxc'><name>$1</name><memory unit='KiB'>65536</memory><vcpu>1</vcpu>
  <os><type arch='$(uname -m)'>exe</type><init>/bin/sleep</init><initarg>100000</initarg></os>
  <features><privnet/></features>
  <devices>
    <filesystem type='mount' accessmode='passthrough'><source dir='$LAB_DIR/rootfs'/><target dir='/'/></filesystem>
    <console type='pty'/>
  </devices>
</domain>
END
	# More than once: another lab that ends takes the parent of all domains' cgroups away when it finds it empty.
	virsh_lxc create "$file" >/dev/null || virsh_lxc create "$file" >/dev/null || virsh_lxc create "$file" >/dev/null
	# virsh may be back before libvirt has been told of init, and has written it down.
	wait_for 10 grep -q "<init pid='[1-9]" "/run/libvirt/lxc/$1.xml"
}

domain_down() {
	virsh_lxc destroy "$1" >/dev/null
}

# What libvirt says: the number of a domain is the pid of its controller, whose one child is init.
domain_controller() {
	virsh_lxc domid "$1" 2>/dev/null | grep -x '[0-9][0-9]*'
}

domain_pid() {
	local pid
	pid=$(domain_controller "$1") || return 1
	tr -d ' ' <"/proc/$pid/task/$pid/children"
}
