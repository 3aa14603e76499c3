#!/usr/bin/env bash
# tidy: runs clang-tidy over every source file of the program. usage: tidy.sh ROOT BUILD
set -u -o pipefail
cd "$1" || exit 1
out=$(find node store transport client-api -name '*.c' -print0 |
	xargs -0 -P "$(nproc)" -n 4 clang-tidy-14 -p "$2" --quiet 2>&1)
status=$?
grep -v -E 'warnings? generated|^Suppressed|^Use -header-filter' <<<"$out"
exit $status
