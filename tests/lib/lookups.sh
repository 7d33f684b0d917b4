# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What an unprivileged user must be told of a container, compared with what the engine and the kernel say.

told() { # told ENGINE NAME TEXT [LOOKUP]: hostname, PID and cgroup, asked for as LOOKUP
	local engine=$1 name=$2 text=$3 lookup=${4:-$2} pid got
	# Asked first: comparing must not give the broker time.
	got=$(
		ctl hostname "$lookup" 2>&1
		ctl pid "$lookup" 2>&1
		ctl cgroup "$lookup" 2>&1
	) || :
	pid=$(engine_pid "$engine" "$name") || :
	if [ -z "$pid" ]; then
		fail "$text" "$engine does not know a pid of $name"
		return
	fi
	is "$got" "$(kernel_hostname "$pid")"$'\n'"$pid"$'\n'"$(kernel_cgroup "$pid")" "$text: hostname, pid and cgroup are right"
}

# told_error ERROR LOOKUP TEXT: each of the three questions is refused with the sentence of ERROR
told_error() {
	local error=$1 lookup=$2 text=$3 what sentence status
	case $error in
	unknown) status=3 sentence="no such container" ;;
	stopped) status=3 sentence="not running" ;;
	ambiguous) status=1 sentence="several containers" ;;
	invalid) status=2 sentence="not a container's name" ;;
	esac
	for what in hostname pid cgroup; do
		fails "$text: $what fails" $status ctl "$what" "$lookup"
		like "$OUT" "$sentence" "$text: $what says why"
	done
}

# ps_count PID: in how many lines of the table a PID stands
ps_count() {
	ctl ps --json | grep -c -w "\"pid\": *\"*$1\"*" || :
}

# state_of ENGINE NAME: what the table says
state_of() {
	ctl ps --all --json | jq -r --arg engine "$1" --arg name "$2" \
		'[.. | objects | select(.engine? == $engine and .name? == $name)][0].state'
}
