# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What a benchmark measured: tables for people on standard output, and one JSON file.

FIGURES=()

# figure NAME UNIT VALUE [KEY=WORD...]: what was measured, and under which circumstances
figure() {
	local name=$1 unit=$2 value=$3 word text
	shift 3
	text="\"name\": \"$name\", \"unit\": \"$unit\", \"value\": $value"
	for word; do
		text="$text, \"${word%%=*}\": \"${word#*=}\""
	done
	FIGURES+=("{ $text }")
}

figures_write() { # figures_write FILE
	local i
	mkdir -p "${1%/*}"
	{
		echo "["
		for ((i = 0; i < ${#FIGURES[@]}; i++)); do
			echo "  ${FIGURES[i]}$([ $((i + 1)) = ${#FIGURES[@]} ] || echo ,)"
		done
		echo "]"
	} >"$1"
}

pss_kib() { # pss_kib PID
	awk '$1 == "Pss:" { print $2 }' "/proc/$1/smaps_rollup"
}

cpu_ns() { # cpu_ns PID: of its one thread
	cut -d ' ' -f 1 "/proc/$1/schedstat"
}
