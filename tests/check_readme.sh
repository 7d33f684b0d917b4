#!/bin/bash
# SPDX-License-Identifier: MIT
# check_readme.sh: does what README.md shows exist? Its C example compiles without a warning, its make targets are targets, its files
# and pages are there, and its configuration examples use keys that rootbroker.conf(5) has.
set -euo pipefail
cd "$(dirname "$0")/.."
CC=${CC:-cc}
failed=0

wrong() {
	echo "README.md: $*" >&2
	failed=1
}

block() { # block LANGUAGE: the text of its fenced blocks
	awk -v begin="\`\`\`$1" '$0 == begin { inside = 1; next } $0 == "```" { inside = 0 } inside' README.md
}

count=0
need() { # need COMPLAINT COMMAND...: COMMAND succeeds
	local what=$1
	shift
	count=$((count + 1))
	"$@" || wrong "$what"
}

example() {
	local out
	out=$(block c | "$CC" -std=c11 -Wall -Wextra -Wpedantic -Werror -I include -fsyntax-only -x c - 2>&1) || {
		wrong "the C example does not compile:"
		echo "$out" >&2
	}
	[ "$(block c | wc -l)" -ge 8 ] || wrong "there is no C example"
}

is_target() {
	grep -q -E "^$1:|^\\.PHONY:.* $1( |\$)" GNUmakefile
}

is_key() {
	grep -q "^\\.It Ic $1 " man/rootbroker.conf.5
}

example
while read -r target; do
	need "make $target: no such target" is_target "$target"
done < <(grep -oE '^    (sudo )?make( [a-z-]+)?' README.md | awk '{ print $NF == "make" ? "all" : $NF }')
while read -r path; do
	need "$path: not in the tree" test -e "$path"
done < <(
	grep -oE '\]\([A-Za-z][^)#]*\)' README.md | tr -d ']()'
	sed -n '/^## The tree/,/^## Pages/s/^    \([^ ]*\) .*/\1/p' README.md
)
while read -r page; do
	need "$page: no such page" test -e "man/$page"
done < <(grep -oE '(rootctl|librootbroker|rootbroker[a-z.-]*)\([1-8]\)' README.md | sed -E 's/\(([1-8])\)/.\1/' | sort -u)
while read -r key; do
	need "$key: not a key of rootbroker.conf(5)" is_key "$key"
done < <(block ini | sed -n 's/^\([a-z_]*\) *=.*/\1/p' | sort -u)
[ $count -ge 25 ] || wrong "only $count things found to look at: see $0"
[ $failed = 0 ] || exit 1
echo "README.md: the example compiles, $count targets, files, pages and keys exist"
