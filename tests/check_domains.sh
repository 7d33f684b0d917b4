#!/bin/bash
# SPDX-License-Identifier: MIT
# What each confined binary imports, against its allow-list tests/domains/NAME.allow: one symbol a line, without versions,
# sorted. Whatever is not listed fails, and so does whatever keeps this from looking. B is the build directory.
set -u -o pipefail
export LC_ALL=C

here=$(cd "$(dirname "$0")" && pwd) || exit 1
build=${B:-build}
failed=0

complain() {
	printf 'check-domains: %s\n' "$*" >&2
	failed=1
}

imports() { # imports BINARY: the symbols that the dynamic linker must find, sorted
	local table
	table=$(nm -D --undefined-only -- "$1") || return 1
	printf '%s\n' "$table" | awk 'NF > 0 { sub(/@.*/, "", $NF); print $NF }' | sort -u
}

check() { # check NAME
	local binary=$build/rootbroker-$1 list=$here/domains/$1.allow names extra
	[ -f "$binary" ] || { complain "$binary: missing: build it first"; return; }
	[ -s "$list" ] || { complain "$list: missing or empty"; return; }
	sort -c -u "$list" || { complain "$list: not sorted, or a line twice: LC_ALL=C sort -u it"; return; }
	if grep -qvx '[A-Za-z_][A-Za-z0-9_]*' "$list"; then
		complain "$list: a line is not a symbol: $(grep -vx -m 1 '[A-Za-z_][A-Za-z0-9_]*' "$list")"
		return
	fi
	names=$(imports "$binary") || { complain "$binary: nm failed"; return; }
	# A dynamic program imports something: nothing at all means that nm did not see it.
	[ -n "$names" ] || { complain "$binary: no imports found: static, or stripped of its dynamic symbols?"; return; }
	extra=$(comm -13 "$list" <(printf '%s\n' "$names")) || { complain "$binary: comparing failed"; return; }
	if [ -n "$extra" ]; then
		complain "$binary imports what $list does not allow: ${extra//$'\n'/ }"
		return
	fi
	printf 'check-domains: rootbroker-%s: %d imports, all allowed\n' "$1" "$(printf '%s\n' "$names" | wc -l)"
}

for name in frontend resolver joiner; do
	check "$name"
done
exit $failed
