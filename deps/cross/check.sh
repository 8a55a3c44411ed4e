#!/usr/bin/env bash
# `make cross`: checks all Rust code, tests included, for the systems that are not this one, and runs the
# tests for Windows in Wine and those for Linux on arm64 in qemu. Says what did not run, and why.
#
#   deps/cross/check.sh [--if-there]   --if-there: nothing, with a word, where setup.sh has not run
set -euo pipefail
unset CDPATH
root=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
readonly cross=$root/.tools/cross
source deps/cross/cargo.sh

readonly mac=(x86_64-apple-darwin aarch64-apple-darwin)
readonly windows=x86_64-pc-windows-gnu
readonly arm=aarch64-unknown-linux-gnu

# What has tests that run, beside the files of them.
readonly kinds=(--lib --bins --examples)

# Tests that Wine 8 cannot run: it does not tell the command line of another process
# (NtQueryInformationProcess: ProcessCommandLineInformation is no class that it knows).
readonly not_in_wine=(julias_that_a_workload_starts a_kept_trace_tells_of_julias)

# Tests that qemu cannot run, of which part of the names suffices.
readonly not_in_qemu=(
    # They start this program again, which Linux does only where it is told of qemu (binfmt_misc).
    a_lock_ends_with_its_process builds_of_one_key_wait killed_while_putting two_processes_fill
    what_a_store_makes_is_its_users_alone a_child_ends_with_a_process what_a_process_has_loaded
    # They preload a library for this system.
    with_nfs_rules without_locks
    # They ask /proc for this process, which is qemu there, and for the libraries of a program that Zig linked.
    this_process_is_known libraries_are_found_without a_root_has_the_name
    # They compare with the Julia of this machine, which is none for arm64, and take minutes.
    julia_agrees julia_refuses
)

# Lines of what did not run and of what failed, and the output of what runs at the same time: in files, as that is in
# processes of its own.
results=$(mktemp -d)
readonly results
trap 'jobs -p | sed s/^/-/ | xargs -r kill -- 2>/dev/null || :; wait || :; rm -rf -- "$results"' EXIT

say() { echo "== cross: $*"; }

skip() { echo "$*" >>"$results/skipped"; }

fail() { echo "$*" >>"$results/failed"; }

# Runs what follows the name; a failure is told of at the end.
try() {
    local name=$1
    shift
    say "$name"
    "$@" || fail "$name"
}

# Runs its arguments, functions, at the same time, and prints what each wrote when it has ended.
at_once() {
    local name children=()
    for name in "$@"; do
        { "$name" >"$results/$name" 2>&1 || fail "$name did not come to its end"; cat "$results/$name"; } &
        children+=($!)
    done
    for name in "${children[@]}"; do wait "$name" || fail "process $name ended with $?"; done
}

# Into the `$folder` of who calls. What tests search and parse thousands of times is optimised: emulated it takes
# minutes else.
compile() {
    cross_cargo "$1" "$2" --target-dir "$folder" --config profile.dev.package.pcrs-cache.opt-level=1 \
        --config profile.dev.package.pcrs-statements.opt-level=1 --workspace "${@:3}"
}

check() { try "check for $1" compile check "$1" --all-targets --keep-going; }

# Runs tests for a target, each in the runner, but for those that an array names: `run_tests TARGET RUNNER ARRAY FILES`,
# with cargo's options for the test files. Examples in documentation are built for this system alone.
run_tests() {
    local name=CARGO_TARGET_${1^^}_RUNNER skipped=()
    local -x "${name//-/_}=$2"
    local -n without=$3
    for name in "${without[@]}"; do skipped+=(--skip "$name"); done
    compile test "$1" --no-fail-fast "${kinds[@]}" "${@:4}" -- "${skipped[@]}"
}

windows() {
    local folder=$cross/check/windows
    if ! deps/cross/emulators.sh wine; then
        skip "tests for Windows: Wine could not be set up"
        check "$windows"
        return
    fi
    try "tests for Windows, in Wine" run_tests "$windows" "$root/deps/cross/wine.sh" not_in_wine --tests
    skip "for Windows: ${#not_in_wine[@]} tests that Wine cannot run"
    try "launchers for Windows, in Wine's cmd" deps/cross/launchers.sh
    skip "for Windows: tests of what only Unix has (signals, modes, owners, links, /proc), as each of them says"
}

arm() {
    local folder=$cross/check/others
    if ! deps/cross/emulators.sh qemu; then
        skip "tests for Linux on arm64: qemu could not be set up"
        check "$arm"
        return
    fi
    # qemu starts no program of arm64's: the fake of the engine's tests is one for this machine, as `make test` makes it.
    try "build of the tests' fake" env -u RUSTFLAGS cargo build --target-dir "$root/target" --locked --profile checks \
        --package pcrs-engine --bin pcrs-fake
    local -x PCRS_TEST_FAKE=$root/target/checks/pcrs-fake
    local name files=(--test=at_start --test=atomic)
    # Of the engine's, which are whole builds, those two files: a minute of them is many in qemu.
    for name in rust/*/tests/*.rs; do
        [[ $name == rust/engine/* ]] || files+=("--test=$(basename -- "$name" .rs)")
    done
    try "tests for Linux on arm64, in qemu" run_tests "$arm" "$root/deps/cross/qemu.sh" not_in_qemu "${files[@]}"
    skip "for Linux on arm64: ${#not_in_qemu[@]} tests that qemu cannot run, and most of the engine's with builds"
}

macos() {
    local folder=$cross/check/others target
    for target in "${mac[@]}"; do check "$target"; done
    skip "tests for macOS: nothing here runs its programs"
}

# The processor is for Windows first: its tests leave some of it, as they wait for Wine to start programs.
macos_and_arm() {
    renice -n 10 -p "$BASHPID" >/dev/null
    macos
    arm
}

main() {
    if [[ ${1-} == --if-there && ! -f $cross/.stamp ]]; then
        say "not run: $cross is not there (\`make cross\` makes it)"
        return
    fi
    deps/cross/setup.sh
    # Less to write, and nothing that a debugger would need.
    export RUSTFLAGS="-D warnings" CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=0
    say "Windows beside macOS and arm64, each told of when it has ended (half an hour)"
    # With job control an interrupt ends them.
    set -m
    at_once macos_and_arm windows
    sed 's/^/== cross: not run: /' "$results/skipped"
    if [[ -f $results/failed ]]; then
        sed 's/^/== cross: FAILED: /' "$results/failed" >&2
        return 1
    fi
    say "done"
}

main "$@"
