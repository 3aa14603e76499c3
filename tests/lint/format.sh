#!/usr/bin/env bash
# format: fails when a C file is not formatted as .clang-format says.
set -eu
cd "$1"
git ls-files '*.c' '*.h' | grep -v '/vendor/' | xargs clang-format-14 --dry-run --Werror
