#!/bin/bash
# SPDX-License-Identifier: MIT
# 10, 1,000 and 10,000 containers: memory, time to the first answer, lookups without and with 100 changes a second, each answer
# compared with the oracle, and how soon a change is seen. Status 1 if an answer was wrong.
# shellcheck source=tests/lib/integration.sh
. "${BASH_SOURCE[0]%/*}/../lib/integration.sh"
# shellcheck source=tests/lib/farm.sh
. "$ROOT/tests/lib/farm.sh"
# shellcheck source=tests/lib/figures.sh
. "$ROOT/tests/lib/figures.sh"

if [ -n "${QUICK:-}" ]; then seconds=10; else seconds=60; fi
kinds=(keeper monitor frontend resolver joiner)
wrong=0
export LOG_LEVEL=info

row() { # row FIRST CELL...
	printf '%-28s' "$1"
	shift
	printf ' %12s' "$@"
	echo
}

judged() { # judged TEXT: the answers of the farm's last line
	echo "$1: $(farm_value right) right ($(farm_value changing) of them during the change), $(farm_value wrong) wrong," \
		"$(farm_value late) late (at most $(farm_value late_ms) ms)," \
		"$(farm_value retry) to be asked again, $(farm_value unknown) not to be judged"
	wrong=$((wrong + $(farm_value wrong) + $(farm_value unknown)))
}

first_answer() { # the broker is started; prints after how many milliseconds it knows everything
	local begin
	begin=$(date +%s%N)
	farm_tell first "$begin"
	broker_start
	farm_hear
}

memory() { # memory CONTAINERS
	local kind pss cells=()
	for kind in "${kinds[@]}"; do
		pss=$(pss_kib "$(process_of "$kind")")
		figure pss KiB "$pss" process="$kind" containers="$1"
		cells+=("$pss")
		[ "$kind" != frontend ] || frontend_kib[$1]=$pss
	done
	row "$1" "${cells[@]}" "$first_ms"
}

lookups() { # lookups TEXT: of the farm's last line
	local kind q cells
	for q in p50 p99; do
		cells=()
		for kind in hostname pid cgroup record missing listing; do
			cells+=("$(farm_value "${kind}_$q")")
			figure "lookup_$q" us "$(farm_value "${kind}_$q")" what="$kind" when="$1"
		done
		row "$1, $q" "${cells[@]}"
	done
}

# --- Size --------------------------------------------------------------------------------------------------------

declare -A frontend_kib
farm_start 10200
echo "PSS in KiB of each process, and milliseconds from start to first answer"
row containers "${kinds[@]}" first_ms
for size in "10 6 1 3" "1000 700 100 200" "10000 8000 1000 1000 200"; do
	read -r containers counts <<<"$size"
	farm grow "$counts"
	first_answer
	first_ms=$(farm_value ms)
	figure first_answer ms "$first_ms" containers="$containers"
	memory "$containers"
	farm check
	wrong=$((wrong + $(farm_value wrong)))
	[ "$containers" = 10000 ] || broker_stop
done
bytes=$(((frontend_kib[10000] - frontend_kib[10]) * 1024 / 9990))
figure frontend_bytes B $bytes per=container
echo "the frontend takes $bytes bytes a container"

# --- Lookups and changes -----------------------------------------------------------------------------------------

declare -A before
cpu_begin() {
	local kind
	for kind in "${kinds[@]}"; do
		before[$kind]=$(cpu_ns "$(process_of "$kind")")
	done
}

cpu_row() { # cpu_row TEXT SECONDS: parts of one CPU, in a hundred
	local kind cells=() percent
	for kind in "${kinds[@]}"; do
		percent=$(awk -v a="${before[$kind]}" -v b="$(cpu_ns "$(process_of "$kind")")" -v s="$2" \
			'BEGIN { printf "%.1f", (b - a) / s / 1e7 }')
		figure cpu % "$percent" process="$kind" when="$1"
		cells+=("$percent")
	done
	row "$1, CPU %" "${cells[@]}"
}

echo
echo "10,000 containers: microseconds until an answer is there, 4 clients"
row "" hostname pid cgroup record missing listing
for rate in 0 100; do
	if [ $rate = 0 ]; then when=quiet during=10; else when="$rate changes/s" during=$seconds; fi
	cpu_begin
	farm ask $during 4 1000 $rate
	lookups "$when"
	last[rate]=$FARM_LINE
	used[rate]=$(cpu_row "$when" "$(farm_value seconds)")
done
echo
row "" "${kinds[@]}"
echo "${used[0]}"
echo "${used[100]}"
echo
FARM_LINE=${last[0]}
judged "quiet"
FARM_LINE=${last[100]}
judged "$(farm_value changes) changes in $(farm_value seconds) s"
for key in right wrong late late_ms changing retry unknown changes; do
	figure "oracle_$key" "" "$(farm_value $key)" when="100 changes/s"
done
farm check
judged "everything once, afterwards"

echo
echo "microseconds from the last write of a change to its answer, when asked for at once"
row "" p50 p99
visible() { # visible TEXT COMMAND...
	farm "${@:2}"
	row "$1" "$(farm_value visible_p50)" "$(farm_value visible_p99)"
	for q in p50 p99; do
		figure visible_$q us "$(farm_value visible_$q)" change="$1"
	done
	wrong=$((wrong + $(farm_value wrong)))
}
visible "start, crun and runc" visible 300
visible "rename, podman of 1,000" rename 100
kill -0 "$BROKER_PID" && broker_stop
farm_stop || wrong=$((wrong + 1))

# --- podman's one list ------------------------------------------------------------------------------------------

echo
echo "podman's list: the resolver's CPU for each reading in microseconds; time to an answer; its CPU in % while 100 changes a second are asked by nobody"
row "names" cpu p50 p99 "CPU %" "changes/s"
for names in 100 1000 10000; do
	farm_start 10100
	farm grow 10 0 50 0 $((names - 50))
	broker_start
	farm rename 10
	resolver=$(process_of resolver)
	begin=$(cpu_ns "$resolver")
	farm rename 50
	reading=$((($(cpu_ns "$resolver") - begin) / 50000))
	p50=$(farm_value visible_p50) p99=$(farm_value visible_p99)
	wrong=$((wrong + $(farm_value wrong)))
	begin=$(cpu_ns "$resolver")
	farm ask 5 0 0 100
	seconds=$(farm_value seconds)
	busy=$(awk -v ns="$(($(cpu_ns "$resolver") - begin))" -v s="$seconds" 'BEGIN { printf "%.1f", ns / s / 1e7 }')
	rate=$(awk -v n="$(farm_value changes)" -v s="$seconds" 'BEGIN { printf "%.0f", n / s }')
	row $names $reading "$p50" "$p99" "$busy" "$rate"
	figure list_cpu us $reading names=$names
	figure visible_p50 us "$p50" change=rename names=$names
	figure visible_p99 us "$p99" change=rename names=$names
	figure list_busy % "$busy" names=$names
	farm check
	wrong=$((wrong + $(farm_value wrong)))
	broker_stop
	farm_stop || wrong=$((wrong + 1))
done

figures_write "$B/bench/containers.json"
echo
echo "figures: $B/bench/containers.json"
[ $wrong = 0 ] || {
	echo "$wrong answers were WRONG:"
	cat "$LAB_DIR"/farm.err
	exit 1
}
