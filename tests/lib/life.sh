# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The lives of containers as a watcher is told of them, and their records, compared with what their engine says. After lookups.sh.

WATCH_LOG=$LAB_DIR/watch.json
WATCH_PID=

# rootctl watch in the background, as nobody; back when it has told the present state.
watch_start() {
	nobody_starts "$BIN/rootctl" --socket "$BROKER_SOCKET" --json watch >"$WATCH_LOG" 2>&1
	WATCH_PID=$!
	wait_for 10 grep -q '"synced"' "$WATCH_LOG" || {
		diag "rootctl watch: $(cat "$WATCH_LOG")"
		return 1
	}
}

watch_stop() {
	kill "$WATCH_PID"
	wait "$WATCH_PID" 2>/dev/null || :
}

# The life of a container in words, from when it was added on: its states, the names that it got, how it ended, and that it was removed.
watched() { # watched ENGINE ID
	jq -n -r --arg engine "$1" --arg id "$2" '
		[inputs | select(.engine? == $engine and .id? == $id and .event != "present")] as $events |
		reduce $events[] as $e ({ words: [] };
			(if $e.event == "exited" then
				.words += ["exited:" + (if $e.exit_signal then "signal-\($e.exit_signal)" else "\($e.exit_code)" end)]
			elif $e.event == "removed" then .words += ["removed"]
			else
				(if $e.state != .state then .words += [$e.state] else . end) |
				(if $e.event == "changed" and $e.name != .name then .words += ["named:\($e.name)"] else . end)
			end) |
			if $e.event == "removed" then .state = null | .name = null else .state = $e.state | .name = $e.name end) |
		.words | join(" ")' "$WATCH_LOG"
}

watched_like() {
	[[ $(watched "$1" "$2") =~ $3 ]]
}

# Waits for what is still on its way: the watcher is told at its own pace.
life_is() { # life_is ENGINE ID EXTENDED-REGEX TEXT: the whole life
	wait_for 5 watched_like "$1" "$2" "^$3\$" || :
	like "$(watched "$1" "$2")" "^$3\$" "$4"
}

# --- Records -----------------------------------------------------------------------------------------------------

# Pods' containers are containerd's, and have names of their own.
our_engine() { # our_engine ENGINE
	case $1 in kubernetes) echo containerd ;; *) echo "${1%@*}" ;; esac
}

our_name() { # our_name ENGINE NAME
	case $1 in kubernetes) echo "shop/$2/app" ;; *) echo "$2" ;; esac
}

lookup() { # lookup ENGINE NAME
	case $1 in kubernetes) echo "containerd:shop/$2/app" ;; *) echo "$1:$2" ;; esac
}

# What an engine's own tool calls a container, where it wants more than the name.
tool_name() { # tool_name ENGINE NAME
	case $1 in
	containerd) echo "default/$2" ;;
	kubernetes) echo "k8s.io/$2-app" ;;
	*) echo "$2" ;;
	esac
}

engine_id() { # engine_id ENGINE NAME
	case $1 in
	podman@*) user_podman "${1#podman@}" inspect -f '{{.Id}}' "$2" ;;
	podman) podman_with crun inspect -f '{{.Id}}' "$2" ;;
	docker) docker inspect -f '{{.Id}}' "$2" ;;
	libvirt-lxc) virsh_lxc domuuid "$2" ;;
	kubernetes) echo "$2-app" ;;
	*) echo "$2" ;;
	esac
}

# In our words: an engine that says that a container is created, but has no process for it, has one that is stopped.
engine_state() { # engine_state ENGINE NAME
	case $1 in
	crun | runc) "$1" state "$2" | jq -r .status ;;
	podman@*) user_podman "${1#podman@}" inspect -f '{{.State.Status}}' "$2" ;;
	podman) podman_with crun inspect -f '{{.State.Status}}' "$2" ;;
	docker) docker inspect -f '{{.State.Status}}' "$2" ;;
	containerd) ctr task ls | awk -v id="$2" '$1 == id { print tolower($3) }' ;;
	kubernetes) ctr -n k8s.io task ls | awk -v id="$2-app" '$1 == id { print tolower($3) }' ;;
	lxd) lxc query "/1.0/instances/$2/state" | jq -r .status | tr '[:upper:]' '[:lower:]' ;;
	lxc) lxc-info -n "$2" -sH | tr '[:upper:]' '[:lower:]' ;;
	libvirt-lxc) virsh_lxc domstate "$2" ;;
	nspawn) nspawn_state "$2" ;;
	esac | sed 's/^exited$/stopped/; s/^shut off$/stopped/; s/^frozen$/paused/; s/^\(running\|paused\) .*/\1/'
}

# All that machined knows is that there is one; its cgroup knows more.
nspawn_state() {
	if grep -q '^frozen 1' /sys/fs/cgroup{,/unified}/"$LAB_ID.slice/$(nspawn_unit "$1")/cgroup.events" 2>/dev/null; then
		echo paused
	else
		echo running
	fi
}

record() { # record ENGINE ID FIELD
	ctl ps --all --json | jq -r --arg engine "$(our_engine "$1")" --arg id "$2" --arg field "$3" '
		[.. | objects | select(.engine? == $engine and .id? == $id)][0][$field]'
}

# Every field of a record that lives: what the engine calls it, its state, and what the kernel says of its init.
compared() { # compared ENGINE NAME TEXT
	local engine=$1 name=$2 text="$1: $3" tool id pid teller=$1
	[ "$engine" != kubernetes ] || teller=containerd
	tool=$(tool_name "$engine" "$name")
	told "$teller" "$tool" "$text" "$(lookup "$engine" "$name")"
	id=$(engine_id "$engine" "$name")
	pid=$(engine_pid "$teller" "$tool")
	is "$(record "$engine" "$id" name) $(record "$engine" "$id" state) $(record "$engine" "$id" pid)" \
		"$(our_name "$engine" "$name") $(engine_state "$engine" "$name") $pid" "$text: its record has the engine's name, state and pid"
	is "$(ctl which "$pid")" "$(lookup "$engine" "$name")" "$text: its process leads back to it"
}

# life ENGINE A B LIFE-OF-A LIFE-OF-B: two containers, from the first moment to the last. What the engine can do is in functions of the
# test: life_up and life_down, and those of life_pause, life_resume, life_stop, life_start, life_rename (one that runs) and
# life_move (one that is stopped, and is another for the engine then) that there are.
life() {
	local engine=$1 a=$2 b=$3 id_a id_b
	# With an engine's first container its directories may appear, and whoever watches has to look at everything again.
	life_up "$a-zero"
	compared "$engine" "$a-zero" "one before them"
	life_down "$a-zero"
	told_error unknown "$(lookup "$engine" "$a-zero")" "$engine: which is gone"
	life_up "$a"
	life_up "$b"
	id_a=$(engine_id "$engine" "$a")
	id_b=$(engine_id "$engine" "$b")
	compared "$engine" "$a" "the first of two"
	compared "$engine" "$b" "the second of two"
	if declare -F life_pause >/dev/null; then
		life_pause "$a"
		compared "$engine" "$a" "paused"
		compared "$engine" "$b" "beside a paused one"
		life_resume "$a"
		compared "$engine" "$a" "resumed"
	fi
	if declare -F life_stop >/dev/null; then
		life_stop "$a"
		told_error stopped "$(lookup "$engine" "$a")" "$engine: stopped"
		is "$(record "$engine" "$id_a" state) $(record "$engine" "$id_a" exit_signal)" "stopped 9" \
			"$engine: and its record says so, and how it ended"
		if declare -F life_move >/dev/null; then
			life_move "$a" "$a-moved"
			told_error unknown "$(lookup "$engine" "$a")" "$engine: moved while it was stopped"
			told_error stopped "$(lookup "$engine" "$a-moved")" "$engine: and there under its new name"
			life_move "$a-moved" "$a"
		fi
		life_start "$a"
		compared "$engine" "$a" "started again"
	fi
	if declare -F life_rename >/dev/null; then
		life_rename "$a" "$a-renamed"
		a=$a-renamed
		compared "$engine" "$a" "renamed"
	fi
	life_down "$a"
	told_error unknown "$(lookup "$engine" "$a")" "$engine: removed"
	compared "$engine" "$b" "the one that is left"
	life_down "$b"
	life_is "$(our_engine "$engine")" "$id_a" "$4" "$engine: the watcher saw each change of the first, in order"
	life_is "$(our_engine "$engine")" "$id_b" "$5" "$engine: and each of the second"
	unset -f life_up life_down life_pause life_resume life_stop life_start life_rename life_move 2>/dev/null || :
}
