#!/usr/bin/env bash
# Runs a program for Linux on arm64 in the qemu that emulators.sh set up: `qemu.sh PROGRAM ARG...`.
set -euo pipefail
unset CDPATH
qemu=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)/.tools/emulators/qemu
exec "$qemu/usr/bin/qemu-aarch64-static" -L "$qemu/usr/aarch64-linux-gnu" "$@"
