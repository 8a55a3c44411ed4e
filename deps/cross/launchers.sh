#!/usr/bin/env bash
# Runs launchers for Windows in Wine's cmd, with a small program in the place of Julia. setup.sh and
# `emulators.sh wine` come first.
set -euo pipefail
unset CDPATH
root=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
place=$(mktemp -d)
trap 'rm -rf -- "$place"' EXIT
ZIG_GLOBAL_CACHE_DIR="$root/.tools/cross/cache/zig" .tools/cross/zig/ziglang/zig \
    cc -target x86_64-windows-gnu -s -fno-sanitize=all -o "$place/julia.exe" deps/cross/julia.c
deps/with_julia.sh deps/cross/launchers.jl "$place" deps/cross/wine.sh
