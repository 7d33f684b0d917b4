# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What every integration test sources: it goes into a lab of its own, and has the libraries.
set -euo pipefail

ROOT=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
B=$(realpath "${B:-$ROOT/build}")
export ROOT B

if [ -z "${LAB_ID:-}" ]; then
	exec "$ROOT/tests/lab.sh" bash "$(realpath "$0")" "$@"
fi

# shellcheck source=tests/lib/tap.sh
. "$ROOT/tests/lib/tap.sh"
# shellcheck source=tests/lib/containers.sh
. "$ROOT/tests/lib/containers.sh"
# shellcheck source=tests/lib/broker.sh
. "$ROOT/tests/lib/broker.sh"
