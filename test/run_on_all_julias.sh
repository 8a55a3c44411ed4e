#!/usr/bin/env bash
# Runs test/runtests.jl on each Julia of this machine: $JULIA, the one on PATH or the project's
# own, and those that juliaup keeps. Says what it skips. Without arguments all tests run, for each Julia
# in two runs, so that the last Julia's do not end alone.
#
# Two runs at once, as the compiler keeps one core busy for most of a build; RUNS_AT_ONCE=1 for one
# after the other. Each line begins with the version that it comes from.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1

first=$(deps/setup_julia.sh --print-path) || exit 1
# The newest first: they have most to test, and what takes longest should not begin last.
julias=()
for julia in "${HOME:-/nonexistent}"/.julia/juliaup/*/bin/julia; do
    [ -x "$julia" ] && julias=("$julia" ${julias[@]+"${julias[@]}"})
done
[ ${#julias[@]} -gt 0 ] || echo "skipped: no Julia of juliaup's in ~/.julia/juliaup; only $first is tested"
julias+=("$first")

# A depot of its own, with an empty registry: without one, Pkg downloads General.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# What runs in the background does not hear Ctrl-C by itself.
trap 'for job in $(jobs -p); do kill -TERM -- "-$job"; done 2>/dev/null; wait; exit 130' INT TERM
new_depot() {
    mkdir -p "$1/registries/Empty"
    printf 'name = "Empty"\nuuid = "22222222-2222-2222-2222-222222222222"\nrepo = ""\n\n[packages]\n' \
        >"$1/registries/Empty/Registry.toml"
}

# Tests on one Julia; their log, depot and exit code are in a folder.
run() {
    local julia=$1 folder=$2
    shift 2
    local version
    version=$("$julia" --version)
    version=${version#julia version }
    mkdir "$folder"
    echo "$version ($julia)" >"$folder/julia"
    new_depot "$folder/depot"
    echo "== julia version $version ($julia)"
    # The separator at the end keeps Julia's own depots, with the caches of its stdlibs.
    JULIA_DEPOT_PATH="$folder/depot:" JULIA_PKG_SERVER="" \
        "$julia" --startup-file=no --project="$root" test/runtests.jl "$@" 2>&1 </dev/null |
        tee "$folder/log" | while IFS= read -r line; do printf '%s | %s\n' "$version" "$line"; done
    echo "${PIPESTATUS[0]}" >"$folder/code"
}

at_once=${RUNS_AT_ONCE:-2}
runs=0
start() {
    while [ "$(jobs -rp | wc -l)" -ge "$at_once" ]; do sleep 1; done
    set -m # a process group of its own, which can be ended
    run "$1" "$work/$runs" "${@:2}" &
    set +m
    runs=$((runs + 1))
}
for julia in "${julias[@]}"; do
    if [ $# -gt 0 ]; then
        start "$julia" "$@"
    else
        start "$julia" long
        start "$julia" short
    fi
done
wait

# Once more at the end: a log may be cut, and the last run's success would hide an earlier failure.
failed=0
for ((i = 0; i < runs; i++)); do
    [ "$(cat "$work/$i/code" 2>/dev/null)" = 0 ] && continue
    failed=1
    echo "== failed: julia version $(cat "$work/$i/julia")"
    sed -n '/^Test Summary:/,$p' "$work/$i/log" | grep . || tail -n 50 "$work/$i/log"
done
exit $failed
