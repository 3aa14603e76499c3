#!/usr/bin/env bash
# format: fails when a C file is not formatted as .clang-format says. usage: format.sh ROOT
set -eu -o pipefail
cd "$1"
find node store transport client-api tests -name '*.[ch]' -not -path '*/vendor/*' \
	-not -path '*/node_modules/*' -print0 | xargs -0 clang-format-14 --dry-run --Werror
