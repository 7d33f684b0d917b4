#!/bin/sh
# SPDX-License-Identifier: MIT
# deps.sh [build|demo|check]: install what is missing, with apt, dnf or apk. Quick, and silent, when nothing is.
#
# POSIX sh: it is what installs bash where there is none. The table is the only list: what is needed for what,
# how its presence shows, and the package that brings it.
set -eu
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# needed for | sign of presence | apt | dnf | apk          ("-": this system has it in another package or not at all)
table() {
	cat <<'END'
build cmd:bash             bash                bash                 bash
build cmd:gcc              gcc                 gcc                  gcc
build inc:stdio.h          libc6-dev           glibc-devel          musl-dev
build inc:linux/landlock.h linux-libc-dev      kernel-headers       linux-headers
build cmd:make             make                make                 make
build cmd:pkg-config       pkg-config          pkgconf-pkg-config   pkgconf
build inc:sys/capability.h libcap-dev          libcap-devel         libcap-dev
build inc:seccomp.h        libseccomp-dev      libseccomp-devel     libseccomp-dev
build inc:jansson.h        libjansson-dev      jansson-devel        jansson-dev
build inc:ini.h            libinih-dev         inih-devel           inih-dev
build inc:libsmartcols/libsmartcols.h libsmartcols-dev libsmartcols-devel util-linux-dev
demo  cmd:unshare          util-linux          util-linux           util-linux
demo  cmd:nsenter          util-linux          util-linux           util-linux-misc
demo  cmd:setpriv          util-linux          util-linux           setpriv
demo  busybox              busybox-static      busybox              busybox-static
demo  cmd:crun             crun                crun                 crun
check inc:cmocka.h         libcmocka-dev       libcmocka-devel      cmocka-dev
check cmd:runc             runc                runc                 runc
check cmd:conmon           conmon              conmon               conmon
check cmd:podman           podman              podman               podman
check netavark             netavark            netavark             netavark
check cmd:newuidmap        uidmap              shadow-utils         shadow-uidmap
check cmd:containerd       containerd          containerd           containerd
check cmd:ctr              containerd          containerd           containerd-ctr
check cmd:dockerd          docker.io           moby-engine          docker-engine
check docker               docker-cli          docker-cli           docker-cli
demo  cmd:lxc-start        lxc                 lxc                  lxc
demo  cmd:lxc-info         lxc                 lxc                  lxc
check cmd:rsync            rsync               rsync                rsync
check cmd:lxd              lxd                 -                    lxd
check cmd:lxc              lxd-client          -                    lxd-client
check cmd:systemd-nspawn   systemd-container   systemd-container    -
check cmd:dbus-daemon      dbus                dbus-daemon          dbus
check cmd:libvirtd         libvirt-daemon      libvirt-daemon       libvirt-daemon
check libvirt_lxc          libvirt-daemon-driver-lxc libvirt-daemon-driver-lxc libvirt-lxc
check cmd:virsh            libvirt-clients     libvirt-client       libvirt-client
check cmd:mandoc           mandoc              mandoc               mandoc
check cmd:clang-format     clang-format        clang-tools-extra    clang-extra-tools
check cmd:shellcheck       shellcheck          ShellCheck           shellcheck
check cmd:valgrind         valgrind            valgrind             valgrind
check cmd:pgrep            procps              procps-ng            procps
check cmd:jq               jq                  jq                   jq
check cmd:g++              g++                 gcc-c++              g++
check lib:asan             -                   libasan              -
check lib:ubsan            -                   libubsan             -
END
}

# shellcheck source=tests/lib/busybox.sh
. "$(dirname "$0")/busybox.sh"

# present SIGN
present() {
	case $1 in
	cmd:*) command -v "${1#cmd:}" >/dev/null ;;
	inc:*) command -v gcc >/dev/null && printf '#include <%s>\n' "${1#inc:}" | gcc -E -x c - >/dev/null 2>&1 ;;
	lib:*) command -v gcc >/dev/null && [ "$(gcc -print-file-name="lib${1#lib:}.so")" != "lib${1#lib:}.so" ] ;;
	busybox) static_busybox >/dev/null ;;
	libvirt_lxc)
		for f in /usr/lib/libvirt /usr/libexec /usr/lib; do
			[ ! -x "$f/libvirt_lxc" ] || return 0
		done
		return 1
		;;
	netavark) # podman 5 refuses to work without it, even where no container has a network
		for f in /usr/lib/podman /usr/libexec/podman; do
			[ ! -x "$f/netavark" ] || return 0
		done
		case $(podman --version 2>/dev/null) in *" version "[1-4].*) ;; *) return 1 ;; esac
		;;
	docker) # newer systems have the command in a package of its own, which older ones do not know
		! command -v dockerd >/dev/null || command -v docker >/dev/null
		;;
	esac
}

# missing COLUMN: the packages of what is missing, or with column 2 the signs themselves
missing() {
	table | while read -r for sign apt dnf apk; do
		case $subset:$for in build:demo | build:check | demo:check) continue ;; esac
		case $1 in 2) p=$sign ;; 4) p=$dnf ;; 5) p=$apk ;; *) p=$apt ;; esac
		[ "$p" = - ] || present "$sign" || echo "$p"
	done | sort -u | tr '\n' ' '
}

install_apt() {
	export DEBIAN_FRONTEND=noninteractive
	# Packages must not start their daemons on this machine.
	if [ ! -e /usr/sbin/policy-rc.d ]; then
		trap 'rm -f /usr/sbin/policy-rc.d' EXIT
		trap 'exit 1' HUP INT TERM
		printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
		chmod 755 /usr/sbin/policy-rc.d
	fi
	apt-get -q -o DPkg::Lock::Timeout=600 update &&
		apt-get -q -y -o DPkg::Lock::Timeout=600 --no-install-recommends install "$@"
}

install_packages() {
	case $column in
	3) install_apt "$@" ;;
	4) dnf -q -y --setopt=install_weak_deps=False install "$@" ;;
	5) apk add -q "$@" ;;
	esac
}

subset=${1:-check}
case $subset in
build | demo | check) ;;
*)
	echo "usage: deps.sh [build|demo|check]" >&2
	exit 2
	;;
esac

if command -v apt-get >/dev/null; then
	column=3
elif command -v dnf >/dev/null; then
	column=4
elif command -v apk >/dev/null; then
	column=5
else
	column=0
fi

# Twice: whether netavark or docker-cli is needed shows only once podman and docker are there; and a mirror may fail once.
for attempt in 1 2 3; do
	packages=$(missing $column)
	[ -n "$packages" ] || exit 0
	if [ $column = 0 ]; then
		echo "deps.sh: no apt, dnf or apk here. Install what brings $(missing 2)and start again." >&2
		echo "deps.sh: on Debian these are the packages $packages" >&2
		exit 1
	fi
	if [ "$(id -u)" != 0 ]; then
		echo "deps.sh: missing: $packages" >&2
		echo "deps.sh: only root can install them: sudo make deps" >&2
		exit 1
	fi
	[ $attempt != 3 ] || break
	echo "deps.sh: installing $packages"
	# shellcheck disable=SC2086 # one word a package
	install_packages $packages </dev/null || echo "deps.sh: that failed, attempt $attempt" >&2
done
echo "deps.sh: still missing: $(missing 2)(packages $packages)" >&2
exit 1
