#!/usr/bin/env bash
# Runs a Julia script of this project: with $JULIA, the julia on PATH, or one that is set up inside
# the project folder.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
julia=$(deps/setup_julia.sh --print-path)
exec "$julia" --startup-file=no --project="$root" "$@"
