#!/bin/bash
# SPDX-License-Identifier: MIT
# What each of the five processes holds, read from /proc: ids, capabilities, filter, descriptors. And that it stays so while
# they work, and after they were replaced.
# shellcheck source=tests/lib/integration.sh
. "${BASH_SOURCE[0]%/*}/../lib/integration.sh"

# cap NUMBER...: the mask of these capabilities, as /proc prints it
cap() {
	local n mask=0
	for n; do
		mask=$((mask | 1 << n))
	done
	printf '%016x' $mask
}
CAP_NONE=$(cap)
CAP_RESOLVER=$(cap 2)	 # CAP_DAC_READ_SEARCH
CAP_JOINER=$(cap 19 21) # CAP_SYS_PTRACE, CAP_SYS_ADMIN

field() { # field PID NAME: of /proc/PID/status, blanks squeezed
	sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status" | tr -s '[:space:]' ' ' | sed 's/ $//'
}

# What a descriptor is: the path, "socket", or an anonymous inode's kind.
descriptors() { # descriptors PID: "FD KIND" a line
	local fd kind
	for fd in /proc/"$1"/fd/*; do
		kind=$(readlink "$fd") || continue
		case $kind in socket:* | pipe:*) kind=${kind%%:*} ;; esac
		echo "${fd##*/} $kind"
	done
}

only_descriptors() { # only_descriptors KIND EXTENDED-REGEX: besides 0, 1, 2
	local pid
	pid=$(process_of "$1")
	is "$(descriptors "$pid" | grep -v -E "^[0-9]+ ($2)\$|^[012] ")" "" "$1: no descriptor that it does not need"
}

confined() { # confined KIND UID CAPS
	local kind=$1 uid=$2 caps=$3 pid
	pid=$(process_of "$kind")
	like "$pid" '^[0-9]+$' "$kind: there is one"
	is "$(field "$pid" Uid)" "$uid $uid $uid $uid" "$kind: real, effective, saved and file system uid are its own"
	like "$(field "$pid" Gid)" '^([0-9]+) \1 \1 \1$' "$kind: one gid"
	isnt "$(field "$pid" Gid | cut -d' ' -f1)" 0 "$kind: which is not root's"
	is "$(field "$pid" Groups)" "" "$kind: no supplementary group"
	is "$(field "$pid" CapPrm) $(field "$pid" CapEff)" "$caps $caps" "$kind: permitted and effective capabilities"
	is "$(field "$pid" CapInh) $(field "$pid" CapAmb)" "$CAP_NONE $CAP_NONE" "$kind: no inheritable, no ambient one"
	is "$(field "$pid" CapBnd)" "$caps" "$kind: bounding set"
	is "$(field "$pid" NoNewPrivs)" 1 "$kind: no new privileges"
	is "$(field "$pid" Seccomp)" 2 "$kind: a filter"
	is "$(field "$pid" Threads)" 1 "$kind: one thread"
	is "$(tr -d '\0' <"/proc/$pid/environ" | wc -c)" 0 "$kind: empty environment"
	is "$(stat -c %u "/proc/$pid/status")" 0 "$kind: not dumpable: what is in /proc/PID is root's"
	is "$(descriptors "$pid" | grep -E '^[01] ')" "0 /dev/null"$'\n'"1 /dev/null" "$kind: 0 and 1 are /dev/null"
	is "$(descriptors "$pid" | sed -n 's/^2 //p')" "$BROKER_LOG" "$kind: 2 is the log"
}

all_confined() {
	confined frontend 64101 "$CAP_NONE"
	only_descriptors frontend 'socket|anon_inode:\[(eventpoll|eventfd|signalfd|timerfd|pidfd)\]|pidfd:.*'
	confined resolver 64102 "$CAP_RESOLVER"
	only_descriptors resolver 'socket|anon_inode:(\[(eventpoll|eventfd|signalfd|timerfd|pidfd)\]|inotify)|pidfd:.*|/proc|/proc/[0-9]+/mountinfo|/sys/fs/cgroup.*|/run/(crun|runc|containerd|docker|systemd/machines|libvirt/lxc).*|/run/lxc/.*/monitor-fifo|/var/lib/(lxc|containers|docker).*|/run|/var/lib|/'
	confined joiner 64103 "$CAP_JOINER"
	only_descriptors joiner 'socket|uts:.*'
}

crun_up web
program hello exec=/bin/true
broker_start

keeper=$(process_of keeper)
is "$(field "$keeper" Uid)" "0 0 0 0" "keeper: root"
is "$(field "$keeper" Seccomp)" 0 "keeper: no filter, which its programs would inherit"
is "$(field "$keeper" NoNewPrivs)" 0 "keeper: may give programs privileges"
is "$(field "$keeper" Threads)" 1 "keeper: one thread"
is "$keeper" "$BROKER_PID" "keeper: it is the process that was started"
only_descriptors keeper "socket|$BROKER_SOCKET.lock|anon_inode:\[(eventpoll|signalfd|timerfd|pidfd)\]|pidfd:.*"

monitor=$(process_of monitor)
is "$(field "$monitor" Uid)" "0 0 0 0" "monitor: root"
is "$(field "$monitor" PPid)" "$keeper" "monitor: the keeper's child"
is "$(field "$monitor" CapAmb) $(field "$monitor" CapInh)" "$CAP_NONE $CAP_NONE" "monitor: no ambient, no inheritable capability"
is "$(field "$monitor" CapPrm)" "$(field "$monitor" CapBnd)" "monitor: may hold no more than its bounding set"
is "$(field "$monitor" Threads)" 1 "monitor: one thread"
bounding=$((16#$(field "$monitor" CapBnd)))
# CAP_NET_ADMIN, NET_RAW, SYS_MODULE, SYS_RAWIO, SYS_BOOT, SYS_TIME, MKNOD, AUDIT_CONTROL, MAC_ADMIN, BPF
is $((bounding & 16#$(cap 12 13 16 17 22 25 27 30 33 39))) 0 "monitor: bounding set without what neither it nor a program needs"
only_descriptors monitor 'socket|anon_inode:(\[(eventpoll|signalfd|timerfd|pidfd)\]|inotify)|pidfd:.*|/proc|/sys/fs/cgroup(/unified)?|pipe'

all_confined

check "a lookup" ctl hostname web
check "a program" ctl run hello
all_confined

for kind in frontend resolver joiner; do
	old=$(process_of $kind)
	kill -KILL "$old"
	check "$kind: another one comes" wait_for 10 eval "[ -n \"\$(process_of $kind)\" ] && [ \"\$(process_of $kind)\" != $old ]"
	wait_for 10 ctl hostname web || :
done
all_confined

is "$(stat -c '%U:%G' "$BROKER_DIR" "$BROKER_SOCKET" | sort -u)" root:root "the run directory and the socket are root's"
is "$(stat -c %a "$BROKER_DIR")" 755 "others cannot write the run directory"
is "$(stat -c %a "$BROKER_SOCKET")" 666 "everybody may connect"
fails "nobody can remove the socket" 1 as_nobody rm -f "$BROKER_SOCKET"
for kind in monitor frontend resolver joiner; do
	fails "nobody can signal the $kind" 1 as_nobody kill -TERM "$(process_of $kind)"
	fails "the frontend's user cannot signal the $kind" 1 as_uid 64199 kill -TERM "$(process_of $kind)"
done

broker_finish
done_testing
