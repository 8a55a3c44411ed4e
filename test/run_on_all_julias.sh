#!/usr/bin/env bash
# Runs test/runtests.jl on each Julia of this machine: $JULIA, the one on PATH or the project's
# own, and those that juliaup keeps. Says what it skips. Without arguments all tests run.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
[ $# -gt 0 ] || set -- all

first=$(deps/setup_julia.sh --print-path) || exit 1
julias=("$first")
for julia in "${HOME:-/nonexistent}"/.julia/juliaup/*/bin/julia; do
    [ -x "$julia" ] && julias+=("$julia")
done
[ ${#julias[@]} -gt 1 ] || echo "skipped: no Julia of juliaup's in ~/.julia/juliaup; only $first is tested"

# A depot of its own, with an empty registry: without one, Pkg downloads General.
depot=$(mktemp -d)
logs=$(mktemp -d)
trap 'rm -rf "$depot" "$logs"' EXIT
mkdir -p "$depot/registries/Empty"
printf 'name = "Empty"\nuuid = "22222222-2222-2222-2222-222222222222"\nrepo = ""\n\n[packages]\n' \
    >"$depot/registries/Empty/Registry.toml"

failed=()
for julia in "${julias[@]}"; do
    version=$("$julia" --version)
    echo "== $version ($julia)"
    log="$logs/${#failed[@]}"
    # The separator at the end keeps Julia's own depots, with the caches of its stdlibs.
    JULIA_DEPOT_PATH="$depot:" JULIA_PKG_SERVER="" \
        "$julia" --startup-file=no --project="$root" test/runtests.jl "$@" 2>&1 | tee "$log"
    [ "${PIPESTATUS[0]}" -eq 0 ] || failed+=("$version")
done
# Once more at the end: a log may be cut, and the last Julia's success would hide an earlier failure.
for i in "${!failed[@]}"; do
    echo "== failed: ${failed[i]}"
    sed -n '/^Test Summary:/,$p' "$logs/$i" | grep . || tail -n 50 "$logs/$i"
done
exit "$((${#failed[@]} > 0))"
