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
readonly here=x86_64-unknown-linux-gnu
skipped=()
failed=()

say() { echo "== cross: $*"; }

# Runs what follows the name; a failure is told of at the end.
try() {
    local name=$1
    shift
    say "$name"
    "$@" || failed+=("$name")
}

compile() { cross_cargo "$1" "$2" --target-dir "$cross/check" "${@:3}"; }

check() { try "check for $1" compile check "$1" --workspace --all-targets --keep-going; }

# Runs tests for a target, each in the runner. Examples in documentation are built for this system alone.
run_tests() {
    local name=CARGO_TARGET_${1^^}_RUNNER
    local -x "${name//-/_}=$2"
    compile test "$1" --no-fail-fast "${@:3}"
}

test_windows() {
    if ! deps/cross/emulators.sh wine; then
        skipped+=("tests for Windows: Wine could not be set up")
        check "$windows"
        return
    fi
    local name skip=()
    for name in "${not_in_wine[@]}"; do skip+=(--skip "$name"); done
    try "tests for Windows, in Wine" run_tests "$windows" "$root/deps/cross/wine.sh" --workspace "${kinds[@]}" \
        -- "${skip[@]}"
    skipped+=("for Windows: ${#not_in_wine[@]} tests that Wine cannot run")
    try "launchers for Windows, in Wine's cmd" deps/cross/launchers.sh
    skipped+=("for Windows: tests of what only Unix has (signals, modes, owners, links, /proc), as each of them says")
}

# What is compiled for a system whose tests run.
readonly kinds=(--lib --bins --tests --examples)

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
    this_process_is_known libraries_are_found_without
    # They compare with the Julia of this machine, which is none for arm64, and take minutes.
    julia_agrees julia_refuses
)

test_arm() {
    if ! deps/cross/emulators.sh qemu; then
        skipped+=("tests for Linux on arm64: qemu could not be set up")
        check "$arm"
        return
    fi
    # What qemu runs is slow enough without.
    local -x CARGO_PROFILE_DEV_OPT_LEVEL=1
    local name skip=()
    for name in "${not_in_qemu[@]}"; do skip+=(--skip "$name"); done
    try "tests for Linux on arm64, in qemu" run_tests "$arm" "$root/deps/cross/qemu.sh" \
        --workspace --exclude pcrs-engine "${kinds[@]}" -- "${skip[@]}"
    # qemu starts no program of arm64's: the fake of these tests is one for this machine.
    compile zigbuild "$here" --package pcrs-engine --bin pcrs-fake
    local -x PCRS_TEST_FAKE=$cross/check/$here/debug/pcrs-fake
    # Of whole builds two files, as a minute of them is many in qemu.
    try "tests of the engine for Linux on arm64, in qemu" run_tests "$arm" "$root/deps/cross/qemu.sh" \
        --package pcrs-engine --lib --test at_start --test atomic -- "${skip[@]}"
    skipped+=("for Linux on arm64: ${#not_in_qemu[@]} tests that qemu cannot run, and most of the engine's with builds")
}

main() {
    if [[ ${1-} == --if-there && ! -f $cross/.stamp ]]; then
        say "not run: $cross is not there (\`make cross\` makes it)"
        return
    fi
    deps/cross/setup.sh
    # Less to write, and nothing that a debugger would need.
    export RUSTFLAGS="-D warnings" CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=0
    local target
    for target in "${mac[@]}"; do check "$target"; done
    test_windows
    test_arm
    skipped+=("tests for macOS: nothing here runs its programs")
    printf '== cross: not run: %s\n' "${skipped[@]}"
    if [[ ${#failed[@]} -gt 0 ]]; then
        printf '== cross: FAILED: %s\n' "${failed[@]}" >&2
        return 1
    fi
    say "done"
}

main "$@"
