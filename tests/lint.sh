#!/bin/bash
# SPDX-License-Identifier: MIT
# lint.sh: C by clang-format, man pages by mandoc, shell scripts by shellcheck, and no blanks at the ends of lines. A tool that is
# missing is a failure. Versions of clang-format differ in taste: the tree is formatted by 14, and another one is not asked.
set -euo pipefail
cd "${BASH_SOURCE[0]%/*}/.."

format=clang-format
! command -v clang-format-14 >/dev/null || format=clang-format-14
for tool in $format mandoc shellcheck; do
	command -v "$tool" >/dev/null || {
		echo "lint.sh: $tool is missing: sudo make deps" >&2
		exit 1
	}
done

# Every file of the tree but what is built; without git, which a release does not have.
files() {
	find . -name .git -prune -o -name 'build*' -type d -prune -o -type f "$@" -print0 | sort -z
}

rc=0
note() {
	echo "lint.sh: $*" >&2
	rc=1
}

case $($format --version) in
*" version 14."*) files -name '*.[ch]' | xargs -0 -r $format --dry-run -Werror || note "run make format" ;;
*) echo "lint.sh: formatting is not checked: it takes clang-format 14, and this is $($format --version)" ;;
esac
files -path './man/*.[1-9]' | xargs -0 -r mandoc -T lint -W warning || note "see mandoc(1) about these pages"
for check in tests/check_{protocol,conf}_page.sh tests/check_{manpages,readme}.sh; do
	"$check" || note "the documents say something else than the sources"
done
files \( -name '*.sh' -o -path './.ci/run' \) | xargs -0 -r shellcheck -x || note "see shellcheck(1) about these scripts"
! files -name '*.sh' -o -path './.ci/run' | xargs -0 -r grep -L 'SPDX-License-Identifier: MIT' | grep . || note "no licence line in these"
! files | xargs -0 -r grep -I -n -E '[[:blank:]]+$' || note "blanks at the end of these lines"
exit $rc
