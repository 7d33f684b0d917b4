#!/bin/bash
# SPDX-License-Identifier: MIT
# make demo: the broker, a real container, and an unprivileged user who asks. Nothing on the machine is touched: all of it
# happens in a lab (tests/lab.sh) and is gone afterwards. Each result is checked; a wrong one ends the demo with status 1.
set -euo pipefail

ROOT=$(cd "${BASH_SOURCE[0]%/*}/.." && pwd)
B=$(realpath "${B:-$ROOT/build}")
export ROOT B
if [ -z "${LAB_ID:-}" ]; then
	exec "$ROOT/tests/lab.sh" bash "$(realpath "$0")"
fi
# shellcheck source=tests/lib/tap.sh
. "$ROOT/tests/lib/tap.sh"
# shellcheck source=tests/lib/containers.sh
. "$ROOT/tests/lib/containers.sh"
# shellcheck source=tests/lib/broker.sh
. "$ROOT/tests/lib/broker.sh"

STEP=0
BOLD='' PLAIN=''
[ ! -t 1 ] || BOLD=$'\e[1m' PLAIN=$'\e[0m'

step() {
	STEP=$((STEP + 1))
	printf '\n%s%d. %s%s\n' "$BOLD" $STEP "$1" "$PLAIN"
}

wrong() {
	printf '\nThe demo failed: %s\n' "$1"
	printf -- '--- the log of the broker:\n'
	tail -n 50 "$BROKER_LOG" 2>/dev/null || :
	exit 1
}

# run WANT SHOWN CMD...: shows and runs a command; its output must be WANT (a pattern; "" is any).
run() {
	local want=$1 shown=$2 rc=0
	shift 2
	printf '   $ %s\n' "$shown"
	OUT=$("$@" 2>&1) || rc=$?
	[ -z "$OUT" ] || printf '%s\n' "$OUT" | sed 's/^/   /'
	# shellcheck disable=SC2053 # a pattern
	[ -z "$want" ] || [[ $OUT = $want ]] || wrong "'$shown' should have said '$want'"
	[ $rc = "${STATUS:-0}" ] || wrong "'$shown' should have ended with status ${STATUS:-0}, not $rc"
}

# As nobody, who is not root, in no group, and holds no capability.
ask() { # ask WANT ARG...
	local want=$1
	shift
	run "$want" "rootctl $*" ctl "$@"
}

begin=$SECONDS
echo "rootbroker: what only root may know, told to those who may ask; and nothing but the answer."

step "A real container, of crun, with a root file system of busybox"
run "" "crun run --detach --bundle web web" crun_up web web-1.example
pid=$(engine_pid crun web)
cgroup=$(kernel_cgroup "$pid")
run "*running*" "crun list" crun list
echo "   Its engine says PID $pid. The kernel says hostname $(kernel_hostname "$pid"), cgroup $cgroup."

step "The broker, on a socket of its own"
report=$(
	script disk-report <<'END'
#!/bin/sh
echo "I run as uid $(id -u), and my effective capabilities are $(sed -n 's/^CapEff:.//p' /proc/self/status)"
exit "$1"
END
)
broker_config
program report exec="$report" argument='{int:0-9}' user=root description="says who it is, exits with a number of 0 to 9"
sed -i '/^\[broker\]/a capability_ceiling = cap_sys_rawio' "$BROKER_CONF"
echo 'capabilities = cap_sys_rawio' >>"$BROKER_PROGRAMS/report.conf"
program maintenance exec=/bin/true allow=user:root description="for root alone"
echo "   \$ rootbrokerd --config rootbroker.conf --socket $BROKER_SOCKET"
broker_start
echo "   It is five processes, each with no more privilege than its part of the work:"
for kind in keeper monitor frontend resolver joiner; do
	p=$(process_of $kind)
	printf '   %-9s uid %-5s capabilities %s filter %s\n' $kind "$(awk '/^Uid:/ { print $3 }' "/proc/$p/status")" \
		"$(awk '/^CapEff:/ { print $2 }' "/proc/$p/status")" "$(awk '/^Seccomp:/ { print $2 }' "/proc/$p/status")"
done

step "An unprivileged user asks"
run "$NOBODY" "id -u" as_nobody id -u
STATUS=1 run "" "nsenter --uts --target $pid hostname      (without the broker)" as_nobody nsenter --uts --target "$pid" hostname
ask "*web*" ps
ask web-1.example hostname web
ask "$pid" pid web
ask "$cgroup" cgroup web

step "The same from a C program, compiled now"
cat >"$LAB_DIR/ask.c" <<'END'
#include <rootbroker.h>
#include <stdio.h>

int main(void)
{
	char hostname[ROOT_HOSTNAME_MAX + 1], cgroup[ROOT_CGROUP_MAX + 1], text[128];
	int fd = rootConnect();
	int r = fd < 0 ? fd : rootContainerHostName(fd, "web", 3, hostname, sizeof(hostname));

	if (r < 0 || (r = rootContainerCGroupName(fd, "web", 3, cgroup, sizeof(cgroup))) < 0) {
		fprintf(stderr, "%s\n", rootErrStr_r(r, text, sizeof(text)));
		return 1;
	}
	printf("%s %d %s\n", hostname, rootContainerProcessID(fd, "web", 3), cgroup);
	rootShutdown(fd);
	return 0;
}
END
sed 's/^/   | /' "$LAB_DIR/ask.c"
sanitize=()
if sanitizer_build; then
	sanitize=(-fsanitize=address -fsanitize=undefined)
fi
run "" "cc -o ask ask.c -lrootbroker" cc -Wall -Wextra -I "$ROOT/include" "${sanitize[@]}" -o "$LAB_DIR/ask" "$LAB_DIR/ask.c" \
	-L "$BIN" -Wl,-rpath,"$BIN" -lrootbroker
run "web-1.example $pid $cgroup" "./ask" as_nobody env ROOTBROKER_SOCKET="$BROKER_SOCKET" "$LAB_DIR/ask"

step "The container changes its hostname, and the very next answer is the new one"
run "" "hostname web-2.example      (in the container)" set_hostname "$pid" web-2.example
ask web-2.example hostname web

step "A privileged program of the catalogue, and its exit status"
ask "*report*" programs
STATUS=7 ask "*uid 0*" run report 7 </dev/null
echo "   It ended with status 7, and so did rootctl."

step "Requests that are refused"
STATUS=126 ask "" run report 70 </dev/null
STATUS=126 ask "" run maintenance </dev/null
STATUS=3 ask "" hostname no-such-container

step "A second engine, LXC, and everything that happens to the containers of both"
db=db-$LAB_ID
run "" "lxc-create --name $db ...; lxc-start --name $db" lxc_up "$db" db-1.example
ask "*crun*web*running*" ps
ask "*lxc*$db*running*" ps --engine lxc
ask db-1.example hostname "$db"
ask "lxc:$db" which "$(engine_pid lxc "$db")"
echo "   \$ rootctl watch 'web|db-.*' &"
nobody_starts "$BIN/rootctl" --socket "$BROKER_SOCKET" watch 'web|db-.*' >"$LAB_DIR/watch" 2>&1
watcher=$!
# It says nothing of the present state: it is there when the first change is told.
until [ -s "$LAB_DIR/watch" ]; do
	crun pause web
	crun resume web
	sleep 0.2
done
shown=$(wc -l <"$LAB_DIR/watch")
run "" "crun pause web; crun resume web" eval "crun pause web && crun resume web"
run "" "lxc-freeze --name $db; lxc-unfreeze --name $db" eval "lxc-freeze -n $db && lxc-unfreeze -n $db"
run "" "lxc-stop --kill --name $db" lxc_stop "$db"
run "" "crun kill web KILL" crun kill web KILL
watched() { grep -q "'web' exited with status" "$LAB_DIR/watch" && grep -q "'$db' changed state to .STOPPED" "$LAB_DIR/watch"; }
wait_for 10 watched || wrong "the watcher did not see both end"
tail -n +$((shown + 1)) "$LAB_DIR/watch" | sed 's/^/   /'
for line in "'web' changed state to [FROZEN]" "'web' exited with status [137]" "'$db' changed state to [FROZEN]" \
	"'$db' changed state to [STOPPING]" "'$db' exited with status [137]" "'$db' changed state to [STOPPED]"; do
	grep -qxF "$line" "$LAB_DIR/watch" || wrong "the watcher should have said: $line"
done
kill $watcher
wait $watcher 2>/dev/null || :
lxc_down "$db"

step "The container is gone, and so is the answer"
run "" "crun delete --force web" crun_down web
STATUS=3 ask "" pid web

rc=0
broker_stop || rc=$?
[ $rc = 0 ] || wrong "the broker ended with status $rc"
[ -z "$(broker_processes)" ] || wrong "processes of the broker are left"
printf '\nThe demo is over, after %d s. All results were right; the container, the broker and their files are gone.\n' $((SECONDS - begin))
