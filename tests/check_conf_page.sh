#!/bin/bash
# SPDX-License-Identifier: MIT
# check_conf_page.sh [PAGE]: is rootbroker.conf(5) what the monitor's tables and the shipped file say? Fails on any difference.
#
# Compared: keys, ranges, defaults and "Repeatable" of both kinds of files; engines, rights, stop signals; every number that a comment
# in the page ties to a constant. What is found nowhere counts as a difference: an extraction that went blind must not pass.
set -euo pipefail
cd "$(dirname "$0")/.."
PAGE=${1:-man/rootbroker.conf.5}
SHIPPED=server/config/rootbroker.conf
M=server/monitor
failed=0

# compare WHAT LEAST: the two files of rows, "want" from the sources and "got" from the page
compare() {
	local n
	n=$(wc -l <"$dir/want")
	if [ "$n" -lt "$2" ]; then
		echo "$PAGE: $1: only $n rows found in the sources, at least $2 expected: see $0" >&2
		failed=1
	elif ! diff -u --label sources "$dir/want" --label "$PAGE" "$dir/got" >&2; then
		echo "$PAGE: $1: differ from the sources" >&2
		failed=1
	else
		counts+=", $n $1"
	fi
}

# The number that a constant is defined as, in one of the files.
constant() { # constant NAME FILE...
	local name=$1
	shift
	sed -n "s/^#define[[:space:]]\\{1,\\}${name}[[:space:]]\\{1,\\}(\\{0,1\\}\\([0-9]\\{1,\\}\\)\\b.*/\\1/p" "$@" | sort -u
}

# The rows of a table of C, a line each, without braces, quotes, and blanks at the commas.
rows() { # rows TABLE FILE
	tr '\n\t' '  ' <"$2" | sed -n "s/.*[ *]$1\\[[A-Z_]*\\] *= *{\\(.*\\)/\\1/p" | sed 's/ };.*//' |
		grep -oE '\{[^{}]*\}' | sed -E -e 's/^\{ *//' -e 's/ *\}$//' -e 's/ *, */,/g' -e 's/"//g'
}

# --- The page ----------------------------------------------------------------------------------------------------

# "section|key|default|range|repeatable": the default only where it stands in .Li, the range as "LOW-HIGH".
page_keys() {
	awk '
		function flush() { if (key != "") print section "|" key "|" value "|" range "|" repeats; key = "" }
		/^\.Ss \[/ { flush(); section = $2; gsub(/[][]/, "", section); next }
		/^\.S[hs]/ { flush(); section = "" }
		section != "" && /^\.It Ic / { flush(); key = $3; value = range = ""; repeats = "no"; next }
		/^\.El/ { flush() }
		key == "" { next }
		match($0, /From [0-9]+ to [0-9]+/) {
			split(substr($0, RSTART, RLENGTH), word, " ")
			range = word[2] "-" word[4]
		}
		/Repeatable/ { repeats = "yes" }
		previous == "Default:" && /^\.Li / { value = $2 }
		{ previous = $0 }' "$PAGE" | sort
}

# The words of .It Li lines below a heading.
page_items() { # page_items HEADING MACRO
	awk -v heading="$1" -v macro="$2" '
		/^\.S[hs] / { inside = index($0, heading) > 0 }
		inside && $1 == ".It" && $2 == macro { print $3 }' "$PAGE"
}

# --- The main file -----------------------------------------------------------------------------------------------

# "field=value" of what config.c sets first.
field_defaults() {
	sed -nE -e 's/^\tc->([a-z_]+) = ([0-9]+);$/\1=\2/p' -e 's/^\tc->([a-z_]+) = LOG_LEVEL_([A-Z]+);$/\1=\L\2/p' \
		-e 's/^\tc->([a-z_]+) = strdup\(([^)]*)\);$/\1=\2/p' $M/config.c |
		sed -e 's/RUNSTATEDIR */\/run/' -e 's/SYSCONFDIR */\/etc/' -e 's/"//g'
}

user_defaults() {
	rows confined $M/config.c | awk -F, '{ print $1 "=" $3 "\n" $2 "=" $4 }'
}

range_of() { # range_of MIN MAX, as C writes them
	local max=${2//UINT32_MAX/4294967295}
	[ "$max" = 0 ] || echo "$1-$((max))"
}

main_keys() {
	local section name set index min max repeats value
	field_defaults >"$dir/fields"
	user_defaults >"$dir/users"
	while IFS=, read -r section name set index min max repeats; do
		value=
		case $set in
		set_capabilities) value=none ;;
		set_rootless) value=all ;;
		set_log_level) value=$(sed -n 's/^log_level=//p' "$dir/fields") ;;
		set_user | set_uid) value=$(sed -n "s/^$name=//p" "$dir/users") ;;
		*) value=$(sed -n "s/^$(expr "$index" : 'FIELD(\(.*\))' || :)=//p" "$dir/fields") ;;
		esac
		[ "$repeats" = true ] && repeats=yes || repeats=no
		echo "$section|$name|$value|$(range_of "$min" "$max")|$repeats"
	done < <(rows key_table $M/config_keys.c) | sort >"$dir/want"
	page_keys | grep -v '^program|' >"$dir/got"
	compare "keys of the main file" 15
}

engines() {
	rows config_engines $M/config_keys.c | tr , ' ' >"$dir/want"
	sed -n 's/^\.It \([a-z-]*\) Ta Pa \(.*\)/\1 \2/p' "$PAGE" >"$dir/got"
	compare engines 6
}

rights() {
	rows right_words $M/config_keys.c | cut -d, -f1 >"$dir/want"
	page_items '[role NAME]' Li >"$dir/got"
	compare rights 7
}

# Every key of the shipped file, commented out or not, is known, and says the default.
shipped() {
	[ -e $SHIPPED ] || {
		echo "$PAGE: there is no $SHIPPED to compare with" >&2
		failed=1
		return
	}
	awk '
		/^\[/ { section = $1; gsub(/[][]/, "", section); name = $2; gsub(/]/, "", name); next }
		match($0, /^#? *[a-z_]+ *=/) {
			key = substr($0, 1, RLENGTH - 1)
			gsub(/[# ]/, "", key)
			value = substr($0, RLENGTH + 1)
			gsub(/^ +| +$/, "", value)
			print section "|" key "|" value "|" name
		}' $SHIPPED >"$dir/shipped"
	page_keys >"$dir/page"
	while IFS='|' read -r section key value name; do
		case $section in
		engine)
			grep -q -F -x ".It $name Ta Pa $value" "$PAGE" || echo "[$section $name] $key = $value" ;;
		role)
			grep -q "^role|$key|" "$dir/page" || echo "[$section $name] $key" ;;
		*)
			grep -q -F "$section|$key|$value|" "$dir/page" || echo "[$section] $key = $value" ;;
		esac
	done <"$dir/shipped" >"$dir/unknown"
	sed -n 's/^\[role \(.*\)\]/\1/p' $SHIPPED | while read -r name; do
		grep -q "^\\.Li $name\\b" "$PAGE" || echo "[role $name]"
	done >>"$dir/unknown"
	if [ -s "$dir/unknown" ] || [ "$(wc -l <"$dir/shipped")" -lt 10 ]; then
		sed "s|^|$SHIPPED: not as in $PAGE: |" "$dir/unknown" >&2
		echo "$SHIPPED: $(wc -l <"$dir/shipped") keys compared" >&2
		failed=1
	else
		counts+=", $(wc -l <"$dir/shipped") keys of the shipped file"
	fi
}

# --- Programs ----------------------------------------------------------------------------------------------------

# A number as C writes it: itself, or what the constant of that name is.
number() {
	case $1 in
	[0-9]*) echo "$1" ;;
	*) constant "$1" $M/*.[ch] ;;
	esac
}

# What entry.c sets when a file says nothing.
program_default() {
	case $1 in
	umask | grace_ms) number "$(sed -n "s/^\te->$1 = \([0-9A-Z_]*\);\$/\1/p" $M/entry.c)" ;;
	stop_signal) sed -n 's/^\te->stop_signal = SIG\([A-Z0-9]*\);$/\1/p' $M/entry.c ;;
	no_new_privs) sed -n 's/^\te->no_new_privs = true;$/yes/p' $M/entry.c ;;
	directory) sed -n 's/.*set_text(p, &e->directory, "\(.*\)");$/\1/p' $M/entry.c ;;
	capabilities) echo none ;;
	instances) echo 0 ;;
	esac
}

program_range() {
	case $1 in
	umask) sed -n 's/.*strtoul(value, NULL, 8) > \(0[0-7]*\)).*/0-\1/p' $M/entry.c ;;
	grace_ms | instances) echo "0-$(number "$(sed -n "s/.*set_number(p, \"$1\", value, \([0-9A-Z_]*\),.*/\1/p" $M/entry.c)")" ;;
	esac
}

program_keys() {
	local name repeats
	while IFS=, read -r name _ repeats; do
		[ "$repeats" = true ] && repeats=yes || repeats=no
		echo "program|$name|$(program_default "$name")|$(program_range "$name")|$repeats"
	done < <(rows keys $M/entry.c) | sort >"$dir/want"
	page_keys | grep '^program|' >"$dir/got"
	compare "keys of programs" 15
}

signals() {
	rows signals $M/entry.c | cut -d, -f1 | sort >"$dir/want"
	sed -n '/^\.It Ic stop_signal/,/^Default:/s/^\.Li \([A-Z0-9]*\).*/\1/p' "$PAGE" | sort >"$dir/got"
	compare "stop signals" 5
}

placeholders() {
	{
		tr '\n\t' '  ' <$M/args.c | grep -oE '\{ *"[a-z]+:", *[0-9]+ *\}' | tr -dc 'a-z\n'
		sed -n 's/.*str_eq(s, STR("\([a-z]*\)")).*/\1/p' $M/args.c
	} | sort >"$dir/want"
	page_items Placeholders Li | tr -dc 'a-z\n' | sort >"$dir/got"
	compare placeholders 4
}

# --- Numbers -----------------------------------------------------------------------------------------------------

# A comment "CONSTANT of FILE" stands before the line with the number.
numbers() {
	local name file line
	: >"$dir/want"
	: >"$dir/got"
	while IFS='|' read -r name file line; do
		echo "$name $(expr "$line" : '[^0-9]*\([0-9]*\)' || :)" >>"$dir/got"
		echo "$name $(constant "$name" "$file")" >>"$dir/want"
	done < <(awk 'match($0, /^\.\\" [A-Z_]+ of [a-z_\/.]+$/) { split($0, word, " "); getline; print word[2] "|" word[4] "|" $0 }' "$PAGE")
	compare "numbers" 8
}

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
counts=
main_keys
engines
rights
shipped
program_keys
signals
placeholders
numbers
[ $failed = 0 ] || exit 1
echo "$PAGE agrees with $M and $SHIPPED: ${counts#, }"
