#!/bin/bash
# SPDX-License-Identifier: MIT
# check_protocol_page.sh [PAGE]: is rootbroker-protocol(7) what proto/ says? Fails on any difference.
#
# The sources are read by the C preprocessor, so that comments, line breaks and named constants do not matter. What is found nowhere
# counts as a difference: an extraction that went blind must not pass.
set -euo pipefail
cd "$(dirname "$0")/.."
PAGE=${1:-man/rootbroker-protocol.7}
CC=${CC:-cc}
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

# The lines of the page between two comments.
between() { # between WHAT
	sed -n "/^\\.\\\\\" begin $1\$/,/^\\.\\\\\" end $1\$/p" "$PAGE"
}

# The cells of .It lines: markup, and comments at the end, taken off; one "|" between two cells.
cells() {
	sed -n -e '/^\.It Sy /d' -e 's/\\".*//' -e 's/^\.It //p' |
		sed -E -e 's/ +/  /g' -e 's/(^| )(Dv|Er|Sy|Va|Sx|Xr|No) / /g' -e 's/ Ta( |$)/|/g' -e 's/ +/ /g' -e 's/ ?\| ?/|/g' \
			-e 's/^ | $//g'
}

preprocess() {
	"$CC" -E -P -x c -D_GNU_SOURCE "$@" -
}

messages() {
	printf '#define MSG(name, number, sender, fds) ROW name|number|sender|fds\n#include "proto/messages.def"\n' | preprocess -I . |
		sed 's/ROW/\n&/g' | awk '/^ROW/ { sub(/^ROW +/, ""); gsub(/ /, ""); print tolower($0) }' >"$dir/want"
	between messages | cells | cut -d'|' -f1-4 | tr '[:upper:]' '[:lower:]' >"$dir/got"
	compare messages 20
}

# Each request has an answer of the server's, each message of the server's answers something, or comes unasked.
answers() {
	between messages | cells | awk -F'|' '
		{ sender[$1] = $3; answer[$1] = $5 }
		END {
			for (m in sender) {
				if (sender[m] == "client" && answer[m] != "none" && sender[answer[m]] != "server")
					print m ": answered by \"" answer[m] "\""
				if (sender[m] == "server" && answer[m] != "")
					print m ": answers are not answered"
				answers[answer[m]] = 1
			}
			for (m in sender)
				if (sender[m] == "server" && !(m in answers) && m != "ERROR" && m != "RESUMED")
					print m ": answers nothing"
		}' >"$dir/got"
	if [ -s "$dir/got" ]; then
		sed "s|^|$PAGE: |" "$dir/got" >&2
		failed=1
	fi
}

statuses() {
	# Without <errno.h> the names of the errno values stay names.
	printf '#define STATUS(name, number, error, text) ROW name|number|error|text\n#include "proto/statuses.def"\n' | preprocess -I . |
		sed 's/ROW/\n&/g' | awk '/^ROW/ { sub(/^ROW +/, ""); gsub(/ *[|] */, "|"); gsub(/"/, ""); sub(/ +$/, ""); print }' >"$dir/want"
	between statuses | cells >"$dir/got"
	compare statuses 10
}

# "function field type limit", a row for each wire_put_*() of a field, in order.
bodies() {
	local name
	preprocess <proto/codec.c -I proto | awk '
		match($0, /put_[a-z_]+\(struct wire_wr \*w, const struct [a-z_]+ \*m\)/) {
			name = substr($0, RSTART, RLENGTH)
			sub(/\(.*/, "", name)
		}
		/^}/ { name = "" }
		name != "" && match($0, /wire_put_[a-z0-9]+\(w, m->[^)]*\)/) {
			n = split(substr($0, RSTART, RLENGTH), part, /[(), ]+/)
			sub(/wire_put_/, "", part[1])
			sub(/m->/, "", part[3])
			print name "|" part[3] "|" part[1] "|" (n > 4 ? part[4] : "")
		}' | sort -s -t'|' -k1,1 >"$dir/want"
	while read -r name; do
		sed -n "/^\\.\\\\\" body: $name\$/,/^\\.El/p" "$PAGE" | cells | cut -d'|' -f1-3 | sed "s/^/$name|/"
	done < <(sed -n 's/^\.\\" body: //p' "$PAGE") | sort -s -t'|' -k1,1 >"$dir/got"
	compare "fields of bodies" 35
}

# Every message has its place under BODIES.
headings() {
	messages_of_page=$(between messages | cells | cut -d'|' -f1 | sort)
	sed -n '/^\.Sh BODIES/,/^\.Sh STATUSES/s/^\.Ss //p' "$PAGE" | tr -d ' ' | tr , '\n' | sort >"$dir/got"
	echo "$messages_of_page" >"$dir/want"
	compare "messages with bodies" 20
}

enums() { # tables headed by a comment: enum: NAME PREFIX
	local name prefix
	while read -r name prefix; do
		preprocess <include/rootbroker.h | tr '\n' ' ' | sed -n "s/.*enum $name *{\\([^}]*\\)}.*/\\1/p" | tr , '\n' |
			sed -n "s/^ *$prefix\\([A-Z_]*\\) *= *\\([0-9]*\\).*/\\2|\\1/p" | tr '[:upper:]' '[:lower:]' >"$dir/want"
		sed -n "/^\\.\\\\\" enum: $name /,/^\\.El/p" "$PAGE" | cells >"$dir/got"
		compare "values of $name" 3
	done < <(sed -n 's/^\.\\" enum: //p' "$PAGE")
}

limits() { # the comment behind a value names its constant
	local macro
	between limits | sed -n 's/^\.It .* Ta \([0-9]*\)\\" *\([A-Z_]*\)$/\2|\1/p' >"$dir/got"
	while IFS='|' read -r macro _; do
		printf '#include "proto/proto.h"\n#include "proto/wire.h"\n#include "include/rootbroker.h"\nROW %s\n' "$macro" |
			preprocess -I . | sed -n "s/^ROW /$macro|/p"
	done <"$dir/got" >"$dir/want"
	compare limits 5
}

# "meaning|bytes": all that the page shows must be among the vectors.
vectors() {
	# shellcheck disable=SC2016 # awk's own $0
	local normal='
		/^(#|\.)/ { next }
		/^([0-9a-f][0-9a-f] )*[0-9a-f][0-9a-f]$/ { bytes = bytes (bytes == "" ? "" : " ") $0; next }
		{ flush() }
		NF { meaning = $0 }
		END { flush() }
		function flush() { if (bytes != "") print meaning "\t" bytes; bytes = "" }'
	between vectors | awk "$normal" >"$dir/got"
	awk '/^#/ || !NF { next } !bytes { bytes = $0; next } { print $0 "\t" bytes; bytes = "" }' proto/vectors.txt >"$dir/all"
	grep -F -x -f "$dir/got" "$dir/all" | sort >"$dir/want" || :
	sort -o "$dir/got" "$dir/got"
	compare "test vectors" 8
}

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
counts=
messages
answers
statuses
bodies
headings
enums
limits
vectors
[ $failed = 0 ] || exit 1
echo "$PAGE agrees with proto/: ${counts#, }"
