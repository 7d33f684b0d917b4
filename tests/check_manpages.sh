#!/bin/bash
# SPDX-License-Identifier: MIT
# check_manpages.sh [HEADER [DIRECTORY]]: do the pages of section 3 say what include/rootbroker.h says? Every function has a page, with
# its prototype and exactly its errors; rootctl(1) knows every command and option of the command's own help.
#
# In the header, a function's errors are the -EXXX of its comment; "as rootX()", "as of rootX()" and "See rootX()" add those of
# another, "an error as above" those of the lookups' common list.
set -euo pipefail
cd "$(dirname "$0")/.."
HEADER=${1:-include/rootbroker.h}
MAN=${2:-man}
failed=0
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

wrong() {
	echo "check_manpages.sh: $*" >&2
	failed=1
}

# "function|prototype", one a line, blanks made single
prototypes() {
	awk '
	/^\/\*/ { comment = 1 }
	comment { if (/\*\//) comment = 0; next }
	/^[a-z].*root[A-Z][A-Za-z_]*\(/ { text = "" ; inside = 1 }
	inside { text = text " " $0 }
	inside && /;/ {
		inside = 0
		gsub(/[ \t]+/, " ", text); sub(/^ /, "", text); sub(/ ?;.*/, "", text)
		name = text; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name)
		print name "|" text
	}' "$HEADER" | sort -t '|' -k 1,1
}

# "function|ERROR", one a line
header_errors() {
	awk '
	function errors_of(text, list, i, n, words) {
		n = split(text, words, /[^-A-Z0-9a-z_()]+/)
		list = ""
		for (i = 1; i <= n; i++)
			if (words[i] ~ /^-E[A-Z]+$/) list = list " " substr(words[i], 2)
		return list
	}
	function resolve(name, depth) {
		if (depth > 4 || !(name in own)) return ""
		return own[name] (parent[name] ? resolve(parent[name], depth + 1) : "")
	}
	/^\/\*/ { text = ""; inside = 1 }
	inside { text = text " " $0 }
	inside && /\*\// {
		inside = 0
		gsub(/[ \t]+/, " ", text)
		if (text ~ /Each of the lookups below by name fails with/) {
			common = errors_of(text)
			n = split(text, items, / -E/)
			for (i = 2; i <= n; i++) {
				error = "E" items[i]; sub(/ .*/, "", error)
				while (match(items[i], /not root[A-Za-z]+\(\)/)) {
					spared[substr(items[i], RSTART + 4, RLENGTH - 6), error] = 1
					items[i] = substr(items[i], RSTART + RLENGTH)
				}
			}
		} else if (match(text, /\/\*\* root[A-Za-z_]+\(\)/) || match(text, /\/\*\* \* root[A-Za-z_]+\(\)/)) {
			name = substr(text, RSTART, RLENGTH); gsub(/[^A-Za-z_]/, "", name)
			names[++count] = name
			own[name] = errors_of(text)
			if (text ~ /an error as above/) own[name] = own[name] common
			if (match(text, /(See|as|as of) root[A-Za-z_]+\(\)[.,]/)) {
				other = substr(text, RSTART, RLENGTH); sub(/\(.*/, "", other); sub(/.* /, "", other)
				parent[name] = other
			}
		}
	}
	END {
		for (i = 1; i <= count; i++) {
			n = split(resolve(names[i], 0), words, " ")
			for (j = 1; j <= n; j++)
				if (!((names[i], words[j]) in spared)) print names[i] "|" words[j]
		}
	}' "$HEADER" | sort -u
}

# The pages' own: "function|prototype" from .Ft, .Fo and .Fa
page_prototypes() {
	awk '
	/^\.Ft / { type = $0; sub(/^\.Ft /, "", type); gsub(/"/, "", type) }
	/^\.Fo / { name = $2; args = "" }
	/^\.Fa "/ && name { arg = $0; sub(/^\.Fa "/, "", arg); sub(/".*/, "", arg); args = args (args ? ", " : "") arg }
	/^\.Fc/ { print name "|" type (type ~ /\*$/ ? "" : " ") name "(" args ")"; name = "" }' "$1"
}

page_errors() {
	awk '/^\.Sh / { errors = /^\.Sh ERRORS/ } errors && /^\.It Bq Er / { print $4 }' "$1" | sort -u
}

page_names() {
	awk '/^\.Sh / { names = /^\.Sh NAME/ } names && /^\.Nm / { print $2 }' "$1"
}

prototypes >"$dir/prototypes"
header_errors >"$dir/errors"
[ "$(wc -l <"$dir/prototypes")" -ge 22 ] || wrong "only $(wc -l <"$dir/prototypes") prototypes found in $HEADER: see $0"
[ "$(wc -l <"$dir/errors")" -ge 90 ] || wrong "only $(wc -l <"$dir/errors") errors found in $HEADER: see $0"

: >"$dir/seen"
for page in "$MAN"/root*.3; do
	: >"$dir/want"
	for name in $(page_names "$page"); do
		echo "$name" >>"$dir/seen"
		grep "^$name|" "$dir/prototypes" | sed 's/^[^|]*|//' >"$dir/one" || wrong "$page: $name is not in $HEADER"
		page_prototypes "$page" | grep "^$name|" | sed 's/^[^|]*|//' >"$dir/two" || wrong "$page: $name has no prototype"
		diff -u --label "$HEADER" "$dir/one" --label "$page" "$dir/two" >&2 || wrong "$page: the prototype of $name differs"
		grep "^$name|" "$dir/errors" | sed 's/^[^|]*|//' >>"$dir/want" || :
	done
	sort -u -o "$dir/want" "$dir/want"
	page_errors "$page" >"$dir/got"
	diff -u --label "$HEADER" "$dir/want" --label "$page" "$dir/got" >&2 || wrong "$page: the errors differ"
done
sort "$dir/seen" >"$dir/got"
cut -d '|' -f 1 "$dir/prototypes" | sort >"$dir/want"
diff -u --label "$HEADER" "$dir/want" --label "$MAN/root*.3" "$dir/got" >&2 || wrong "not each function is on one page"
while read -r name; do
	grep -q "^\\.Xr $name 3" "$MAN/librootbroker.3" || wrong "$MAN/librootbroker.3: $name is missing"
done <"$dir/want"

# The command: its table of options and commands against the page's.
grep -o -E '"[a-z-]+", (no|required)_argument' client/rootctl_main.c | cut -d '"' -f 2 | sort >"$dir/want"
grep -E '^\.It (Fl|Cm) ' "$MAN/rootctl.1" | grep -o -E 'Fl -[a-z-]+' | cut -d - -f 2- | sort -u >"$dir/got"
[ "$(wc -l <"$dir/want")" -ge 11 ] || wrong "the options of rootctl are not found: see $0"
diff -u --label client/rootctl_main.c "$dir/want" --label "$MAN/rootctl.1" "$dir/got" >&2 || wrong "the options of rootctl differ"
sed -n -E 's/^	\{ ?"([a-z]+)", "\1[ "].*/\1/p' client/rootctl_main.c | sort >"$dir/want"
sed -n -E 's/^\.It Cm ([a-z]+).*/\1/p' "$MAN/rootctl.1" | sort >"$dir/got"
[ "$(wc -l <"$dir/want")" -ge 9 ] || wrong "the commands of rootctl are not found: see $0"
diff -u --label client/rootctl_main.c "$dir/want" --label "$MAN/rootctl.1" "$dir/got" >&2 || wrong "the commands of rootctl differ"

[ $failed = 0 ] || exit 1
echo "pages of section 3: $(wc -l <"$dir/prototypes") prototypes, $(wc -l <"$dir/errors") errors"
