#!/usr/bin/env bash
# tidy: runs clang-tidy over every source file of the program. usage: tidy.sh ROOT BUILD
set -eu
cd "$1"
git ls-files 'node/*.c' 'store/*.c' 'transport/*.c' 'client-api/*.c' |
	xargs -P "$(nproc)" -n 4 clang-tidy-14 -p "$2" --quiet 2>&1 |
	grep -v -E 'warnings? generated|^Suppressed|^Use -header-filter' || true
# The pipe's status is that of clang-tidy's worst run.
exit "${PIPESTATUS[1]}"
