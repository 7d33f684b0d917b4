#!/bin/bash
# SPDX-License-Identifier: MIT
# run.sh [NAME...]: the benchmarks tests/bench/NAME.sh, or all of them, each in a lab of its own. Each prints its tables, and writes
# its figures to B/bench/NAME.json. QUICK=1: shorter. The status is 1 if anything that a benchmark checks was wrong.
set -euo pipefail
ROOT=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
export B=${B:-$ROOT/build} QUICK=${QUICK:-}

[ $# -gt 0 ] || for script in "$ROOT"/tests/bench/*.sh; do
	script=${script##*/}
	[ "$script" = run.sh ] || set -- "$@" "${script%.sh}"
done
rc=0
for name; do
	bash "$ROOT/tests/bench/$name.sh" || {
		echo "run.sh: $name failed" >&2
		rc=1
	}
done
exit $rc
