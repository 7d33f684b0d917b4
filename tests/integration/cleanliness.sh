#!/bin/bash
# SPDX-License-Identifier: MIT
# The tests themselves leave nothing on the machine: not when they end, not when they are killed, not two at a time. Runs
# outside of a lab, and starts some.
set -euo pipefail
ROOT=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
export B=${B:-$ROOT/build}
# shellcheck source=tests/lib/tap.sh
. "$ROOT/tests/lib/tap.sh"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# A broker, a container of each engine, a program, and no end to any of them.
cat >"$scratch/busy.sh" <<END
. "$ROOT/tests/lib/integration.sh"
program sleep exec=/bin/sleep argument=1000
broker_start
crun_up web
lxc_up "\$LAB_ID-web"
podman_up runc web >/dev/null
nobody_starts "\$BIN/rootctl" --socket "\$BROKER_SOCKET" run sleep </dev/null
wait_for 10 pgrep -f '^/bin/sleep 1000'
echo "\$LAB_ID \$(readlink /proc/self/ns/pid)" >"$scratch/ready.\$1"
while [ "\$2" = forever ]; do sleep 1; done
END
sed -i '1i cd /' "$scratch/busy.sh"

busy() { # busy NAME once|forever
	exec "$ROOT/tests/lab.sh" bash "$scratch/busy.sh" "$1" "$2"
}

left() { # left ID PIDNS: what of the lab is still there
	local ns
	for ns in /proc/[0-9]*/ns/pid; do
		# A zombie has ended; that this machine's PID 1 reaps late is none of our doing.
		if [ "$(readlink "$ns" 2>/dev/null)" = "$2" ] && ! grep -q '^State:.Z' "${ns%/ns/pid}/status"; then echo "$ns"; fi
	done
	find /sys/fs/cgroup -name "*$1*" 2>/dev/null
	grep -e "$1" /proc/mounts || :
}

snapshot() {
	find /run/crun /run/runc /run/lxc /run/libpod /run/containers /run/lab /run/rootbroker* /var/lib/containers /var/lib/lxc \
		/dev/shm /sys/fs/cgroup -maxdepth 1 2>/dev/null | sort
	cat /proc/mounts
}

before=$(snapshot)
check "a lab ends with a broker, containers and a program running in it" bash -c "$(declare -f busy); ROOT=$ROOT scratch=$scratch busy a once"
read -r id ns <"$scratch/ready.a"
is "$(left "$id" "$ns")" "" "nothing of it is left"

(busy b forever) >"$scratch/log.b" 2>&1 &
b=$!
(busy c forever) >"$scratch/log.c" 2>&1 &
c=$!
both() { [ -s "$scratch/ready.b" ] && [ -s "$scratch/ready.c" ]; }
check "two labs at the same time" wait_for 60 both
if ! both; then
	diag "$(tail -30 "$scratch/log.b" "$scratch/log.c")"
	kill $b $c 2>/dev/null
	done_testing
	exit
fi
read -r id_b ns_b <"$scratch/ready.b"
read -r id_c ns_c <"$scratch/ready.c"
kill -TERM $b
wait $b && rc=0 || rc=$?
is "$rc" 143 "one is told to end"
is "$(left "$id_b" "$ns_b")" "" "nothing of it is left"
isnt "$(left "$id_c" "$ns_c")" "" "the other one lives"
kill -KILL $c
wait $c 2>/dev/null || :
gone() { [[ $(left "$1" "$2") != *'/proc/'* ]]; }
check "the other one is killed: its processes are gone with it" wait_for 10 gone "$id_c" "$ns_c"
check "and the next lab removes its cgroups" "$ROOT/tests/lab.sh" true
is "$(left "$id_c" "$ns_c")" "" "nothing of it is left"
is "$(snapshot)" "$before" "the machine's directories and mounts are what they were"
done_testing
