#!/bin/bash
# SPDX-License-Identifier: MIT
# The public header as its users see it: complete in itself, in C and in C++, and exactly what the library exports.
# shellcheck source=tests/lib/tap.sh
. "${BASH_SOURCE[0]%/*}/../lib/tap.sh"

ROOT=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
B=$(realpath -m "${B:-$ROOT/build}")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

header=$ROOT/include/rootbroker.h
functions=$(sed -n -E 's/^[a-z]+ [*]?(root[A-Za-z_]+)\(.*/\1/p' "$header" | sort)

# Every function is called through the prototype, so that a wrong one does not compile.
{
	echo '#include <rootbroker.h>'
	echo 'static const void *volatile used;'
	echo 'int main() {'
	for f in $functions; do echo "	used = reinterpret_cast<const void *>(&$f);"; done
	echo '	root_container c = {}; root_program p = {}; uint64_t cursor = 0; char text[8]; int n, in, out, err;'
	echo '	return rootContainerGet(-1, "a", 1, &c, sizeof c) == rootContainerList(-1, 0, &cursor, &c, sizeof c, 1) &&'
	echo '		rootProgramList(-1, 0, &cursor, &p, sizeof p, 1) == rootErrDetail(-1, text, sizeof text) &&'
	echo '		rootProcessStart(-1, ROOT_IPC_NONE, "p", 1, nullptr, 0, &n, nullptr, nullptr) ==' \
		'rootProcessStartStderr(-1, ROOT_IPC_PIPES, "p", 1, nullptr, 0, &n, &in, &out, &err) ? 0 : 1; }'
} >"$dir/use.cc"
printf '#include <rootbroker.h>\nint main(void) { return rootSetTimeout(-1, 1) < 0 ? 0 : 1; }\n' >"$dir/use.c"

strict=(-Wall -Wextra -Wpedantic -Wshadow -Werror -I "$ROOT/include")
sanitize=()
if nm "$B/librootbroker.so.0" 2>/dev/null | grep -q __asan_init; then sanitize=(-fsanitize=address -fsanitize=undefined); fi

try() { # try TEXT CMD...
	local text=$1
	shift
	if "$@" >"$dir/out" 2>&1; then pass "$text"; else fail "$text" "$(cat "$dir/out")"; fi
}

is "$([ "$(wc -w <<<"$functions")" -ge 22 ] && echo many)" many "the header's functions are found"
for std in c++11 c++17; do
	try "the header in $std" g++ -std=$std "${strict[@]}" "${sanitize[@]}" -o "$dir/use-$std" "$dir/use.cc" -L "$B" -lrootbroker
	try "and the program runs" env LD_LIBRARY_PATH="$B" "$dir/use-$std"
done
for std in c99 gnu11; do
	try "the header in $std" cc -std=$std "${strict[@]}" "${sanitize[@]}" -o "$dir/use-$std" "$dir/use.c" -L "$B" -lrootbroker
	try "and the program runs" env LD_LIBRARY_PATH="$B" "$dir/use-$std"
done
try "a static link" cc "${strict[@]}" "${sanitize[@]}" -o "$dir/use-static" "$dir/use.c" "$B/librootbroker.a" -pthread
try "and the program runs" "$dir/use-static"
is "$(nm -D --defined-only "$B/librootbroker.so.0" | awk '$2 == "T" { print $3 }' | sed 's/@.*//' | sort)" "$functions" \
	"what is declared is exported, and nothing else"
done_testing
