# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Thousands of containers that are processes and state files: tests/bench/scale.c, told what to do line by line. After broker.sh.

FARM_PID=
FARM_LINE=

# In the hierarchy whose cgroups the broker tells before all others'.
farm_cgroups() {
	if [ -e /sys/fs/cgroup/freezer/cgroup.procs ]; then
		echo "/sys/fs/cgroup/freezer/$LAB_ID"
	else
		echo "/sys/fs/cgroup/$LAB_ID"
	fi
}

farm_start() { # farm_start SLOTS
	local dir
	compile scale "$ROOT"/tests/bench/{scale,ask,farm,truth}.c
	mkdir -p /run/crun /run/runc /var/lib/containers/storage/overlay-containers
	dir=$(farm_cgroups)
	rm -f "$LAB_DIR/farm.in" "$LAB_DIR/farm.out"
	mkfifo "$LAB_DIR/farm.in" "$LAB_DIR/farm.out"
	"$BIN/scale" "$BROKER_SOCKET" "$dir" "/$LAB_ID" "$NOBODY" "$1" \
		<"$LAB_DIR/farm.in" >"$LAB_DIR/farm.out" 2>"$LAB_DIR/farm.err" &
	FARM_PID=$!
	exec 8>"$LAB_DIR/farm.in" 9<"$LAB_DIR/farm.out"
}

# farm COMMAND...: what it answers is in FARM_LINE
farm_tell() {
	echo "$*" >&8
}

farm_hear() {
	if ! read -r FARM_LINE <&9; then
		echo "Bail out! the farm is gone"
		diag "$(cat "$LAB_DIR/farm.err")"
		exit 1
	fi
}

farm() {
	farm_tell "$@"
	farm_hear
}

farm_value() { # farm_value KEY: of its last answer
	sed -n "s/.*\\b$1=\\([^ ]*\\).*/\\1/p" <<<"$FARM_LINE"
}

farm_stop() { # its exit status: 1 if a wrong answer came, and farm.err says which
	local rc=0
	exec 8>&-
	wait "$FARM_PID" || rc=$?
	exec 9<&-
	return $rc
}
