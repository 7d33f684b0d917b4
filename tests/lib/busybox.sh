# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# Where this system keeps a busybox that runs without any library: the whole user land of a test container.

static_busybox() {
	for bb in /usr/bin/busybox /bin/busybox /bin/busybox.static /usr/sbin/busybox /sbin/busybox; do
		[ -x "$bb" ] || continue
		! grep -q -a -e '/lib/ld-' -e '/lib64/ld-' "$bb" || continue
		echo "$bb"
		return 0
	done
	return 1
}
