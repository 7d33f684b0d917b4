# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# A broker of the test's own: configuration, start, stop, its processes, its clients. Only inside tests/lab.sh.
#
# The binaries are copied to LAB_DIR: an unprivileged user may not be able to reach the build tree, and the daemon
# refuses what others than root could change.

BIN=$LAB_DIR/bin
BROKER_DIR=$LAB_DIR/broker
BROKER_CONF=$LAB_DIR/etc/rootbroker.conf
BROKER_PROGRAMS=$LAB_DIR/etc/programs.d
BROKER_SOCKET=$BROKER_DIR/socket
BROKER_LOG=${BROKER_LOG:-$LAB_DIR/broker.log} # another place outlives the lab
BROKER_PID=
NOBODY=65534

copy_binaries() {
	mkdir -p "$BIN"
	cp -p "$B"/rootbrokerd "$B"/rootbroker-{monitor,frontend,resolver,joiner} "$B"/rootctl "$B"/librootbroker.* "$BIN/"
	chown -R 0:0 "$BIN"
	chmod -R go+rX,go-w "$BIN"
}

broker_config() {
	mkdir -p "$BROKER_PROGRAMS"
	cat >"$BROKER_CONF" <<END
[broker]
run_directory = $BROKER_DIR
programs = $BROKER_PROGRAMS
log_level = ${LOG_LEVEL:-debug}
[users]
frontend_uid = 64101
resolver_uid = 64102
joiner_uid = 64103
frontend = rootbroker-frontend
resolver = rootbroker-resolver
joiner = rootbroker-joiner
[engine podman]
directories = /var/lib/containers/storage
[engine docker]
directories = /var/lib/docker
[engine containerd]
directories = /run/containerd/runc
[engine crun]
directories = /run/crun /run/docker/runtime-runc/moby
[engine runc]
directories = /run/runc /run/docker/runtime-runc/moby
[engine lxc]
directories = /var/lib/lxc
[engine lxd]
directories = $LAB_DIR/lxd/containers
[engine nspawn]
directories = /run/systemd/machines
[engine libvirt-lxc]
directories = /run/libvirt/lxc
[role administrator]
users = root
may = all
[role agents]
users = $NOBODY 1000
may = all
[role names]
users = 1001
may = hostname
END
	chmod 644 "$BROKER_CONF"
}

# program NAME KEY=VALUE...: an entry of the catalogue, for nobody unless "allow" says otherwise
program() {
	local file=$BROKER_PROGRAMS/$1.conf line user='user = nobody' allow="allow = user:$NOBODY user:1000 role:administrator"
	shift
	mkdir -p "$BROKER_PROGRAMS"
	for line; do
		case $line in user=*) user= ;; allow=*) allow= ;; esac
	done
	{
		echo "[program]"
		[ -z "$user" ] || echo "$user"
		[ -z "$allow" ] || echo "$allow"
		for line; do
			echo "${line%%=*} = ${line#*=}"
		done
	} >"$file"
	chmod 644 "$file"
}

# script NAME: standard input becomes a program that root owns; prints its path
script() {
	mkdir -p "$LAB_DIR/programs"
	cat >"$LAB_DIR/programs/$1"
	chmod 755 "$LAB_DIR/programs/$1"
	echo "$LAB_DIR/programs/$1"
}

broker_start() {
	[ -x "$BIN/rootbrokerd" ] || copy_binaries
	[ -e "$BROKER_CONF" ] || broker_config
	: >>"$BROKER_LOG"
	"$BIN/rootbrokerd" --config "$BROKER_CONF" --socket "$BROKER_SOCKET" </dev/null >>"$BROKER_LOG" 2>&1 &
	BROKER_PID=$!
	if ! wait_for 15 broker_answers; then
		echo "Bail out! the broker does not serve"
		broker_log
		exit 1
	fi
}

broker_answers() {
	kill -0 "$BROKER_PID" && "$BIN/rootctl" --socket "$BROKER_SOCKET" ps
}

broker_log() {
	diag "--- the broker's log:"
	tail -n "${1:-100}" "$BROKER_LOG" | sed 's/^/# /'
}

broker_stop() { # its exit status; 124 if it does not end
	local rc=0
	kill -TERM "$BROKER_PID" 2>/dev/null || :
	if ! wait_for 10 not kill -0 "$BROKER_PID"; then
		kill -KILL "$BROKER_PID"
		rc=124
	fi
	wait "$BROKER_PID" || rc=$?
	BROKER_PID=
	return $rc
}

# The end of every test with a broker: it stops cleanly, and nothing of it stays.
broker_finish() {
	local rc=0
	broker_stop || rc=$?
	is $rc 0 "the broker ends with status 0 when told to"
	is "$(broker_processes)" "" "none of its processes is left"
	is "$(ls -A "$BROKER_DIR" 2>/dev/null)" "" "nothing is left in its run directory"
	is "$(grep -E -m3 'AddressSanitizer|LeakSanitizer|runtime error:|Assertion' "$BROKER_LOG")" "" \
		"no sanitizer and no assertion spoke"
	[ "$TAP_FAILED" = 0 ] || broker_log 200
}

not() {
	! "$@"
}

# --- Its processes -----------------------------------------------------------------------------------------------

# Pids of one binary of the broker (all of them without an argument), zombies left out.
broker_processes() {
	# One process, however many there are to look at.
	{ find /proc -mindepth 2 -maxdepth 2 -name exe -lname "$BIN/rootbroker${1:-}*" 2>/dev/null || :; } | cut -d / -f 3
}

process_of() { # process_of keeper|monitor|frontend|resolver|joiner
	case $1 in keeper) broker_processes d ;; *) broker_processes "-$1" ;; esac
}

open_descriptors() { # open_descriptors PID: how many
	find "/proc/$1/fd" -mindepth 1 | wc -l
}

# --- Its clients -------------------------------------------------------------------------------------------------

as_uid() { # as_uid UID CMD...
	local uid=$1
	shift
	setpriv --reuid="$uid" --regid="$uid" --clear-groups "$@"
}

as_nobody() {
	as_uid $NOBODY "$@"
}

# The same in the background; $! is the command itself, not a shell that waits for it.
nobody_starts() {
	setpriv --reuid=$NOBODY --regid=$NOBODY --clear-groups "$@" <&0 &
}

ctl() {
	as_nobody "$BIN/rootctl" --socket "$BROKER_SOCKET" "$@"
}

sanitizer_build() {
	[[ $(nm "$B/librootbroker.a" 2>/dev/null) = *" __asan_init"* ]]
}

# compile NAME SOURCE...: a test client, linked with the static library as it was built
compile() {
	local name=$1 flags=()
	shift
	if sanitizer_build; then
		flags=(-fsanitize=address -fsanitize=undefined)
	fi
	mkdir -p "$BIN"
	"${CC:-cc}" -std=gnu11 -D_GNU_SOURCE -O1 -g -Wall -Wextra -Werror "${flags[@]}" -I "$ROOT/include" -I "$ROOT/proto" \
		-o "$BIN/$name" "$@" "$B/librootbroker.a" -lpthread
}
