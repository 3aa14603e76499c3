#!/usr/bin/env bash
# embed: installs libkith into a directory, and builds and runs an app against what was installed,
# by pkg-config, with the shared library and with the static one.
# usage: embed.sh BUILD_DIR APP.c
set -eu
build=$1 app=$2
top=$(mktemp -d)
trap 'rm -rf "$top"' EXIT

meson install -C "$build" --destdir "$top" --no-rebuild --quiet >/dev/null
pc=$(find "$top" -name kith.pc)
lib=$(dirname "$(dirname "$pc")")
export PKG_CONFIG_LIBDIR
PKG_CONFIG_LIBDIR=$(dirname "$pc"):$(pkg-config --variable pc_path pkg-config)
export PKG_CONFIG_SYSROOT_DIR=
prefix=$top$(pkg-config --variable=prefix kith)
flags=(--define-variable=prefix="$prefix")

# The debug build's library needs the sanitizers that it was made with.
sanitize=()
nm -D "$lib/libkith.so" | grep -q __asan_ && sanitize=(-fsanitize=address,undefined)

# shellcheck disable=SC2046
cc -Wall -Wextra -Werror "${sanitize[@]}" "$app" -o "$top/shared" \
	$(pkg-config "${flags[@]}" --cflags --libs kith) -pthread
LD_LIBRARY_PATH=$lib "$top/shared" "$top/a"

rm "$lib"/libkith.so*
# shellcheck disable=SC2046
cc -Wall -Wextra -Werror "${sanitize[@]}" "$app" -o "$top/static" \
	$(pkg-config "${flags[@]}" --static --cflags --libs kith) -pthread
"$top/static" "$top/b"

c++ --version >/dev/null 2>&1 || exit 0
echo '#include <kith.h>' >"$top/app.cc"
# shellcheck disable=SC2046
c++ -Wall -Wextra -Werror -c "$top/app.cc" -o "$top/app.o" $(pkg-config "${flags[@]}" --cflags kith)
