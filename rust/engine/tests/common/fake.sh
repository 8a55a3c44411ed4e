#!/bin/sh
# Stands in for `julia`, and as `cc` for the compiler: reads what the engine hands over and writes
# what it expects, without any Julia.
#
# It is called through a symlink in a folder of the test. A file `on-STAGE` in that folder is
# sourced when the stage begins (`on-statement` at each statement, `on-generate` before the object
# file is written), and may crash, hang, print or start processes.
here=${0%/*}
# Marks what descends from this test, for the test to find.
export PCRS_TEST_FOLDER="$here"

stage=base after=-1000 workload=
[ "${0##*/}" = cc ] && stage=link
for arg; do
    case $arg in
    --output-o=*) object=${arg#*=} ;;
    --trace-compile=*) trace=${arg#*=} ;;
    --eval=*) stage=start ;;
    --*) ;;
    */staging/*.jl)
        stage=${arg##*/}
        stage=${stage%.jl}
        # What comes after the script: the spec, for tracing the project and a workload, for tests
        # the package's UUID and name, and the trace.
        after=0
        ;;
    *-o.a) linked=$arg ;;
    esac
    [ "$after" != 2 ] || workload=$arg
    [ "$stage $after" != "test_suite 3" ] || trace=$arg
    after=$((after + 1))
    last=$arg
done
started() {
    printf '%s %s\n' "$stage" "$*" >>"$here/started"
}
case $stage in
# The image process starts with the build, and works when it is its turn.
image) ;;
# The base is looked at, and nothing is done.
start) ;;
*) started "$@" ;;
esac

# What follows the name of the event are the arguments of the script.
hook() {
    event=$1
    shift
    [ ! -e "$here/on-$event" ] || . "$here/on-$event"
}
# The values of a key of the spec, or of another file of records, one a line.
values() {
    tr '\0' '\n' <"${2:-$last}" | while IFS= read -r key && IFS= read -r value; do
        [ "$key" != "$1" ] || printf '%s\n' "$value"
    done
}
note() {
    printf '%s\0%s\0' "$1" "$2" >>"$journal"
}
# Waits for a file; a test that has gone wrong must not hang.
await() {
    for _ in $(seq 6000); do
        [ ! -e "$1" ] || return 0
        sleep 0.02
    done
    echo "ERROR: $1 did not come"
    exit 3
}

case $stage in
trace | test_suite)
    hook "$stage"
    [ ! -e "$here/trace" ] || cp "$here/trace" "$trace"
    ;;
image)
    hook early
    journal=$(values journal)
    ready=$(values statements_ready)
    await "$(values packages_ready)"
    values package >"$journal.packages"
    while read -r uuid name; do
        note load "$name"
        hook load
    done <"$journal.packages"
    await "$ready"
    started "$@"
    hook image
    skipped=" $(values skip "$ready" | tr '\n' ' ')"
    number=0
    while IFS= read -r text; do
        number=$((number + 1))
        case $skipped in *" $number "*) continue ;; esac
        note statement "$number"
        hook statement
        note result "$number precompiled 0.001 "
    done <"$(values statements "$ready")"
    note phase generate
    hook generate
    cp "$here/content" "$object" || exit 1
    ;;
link)
    hook link "$@"
    cp "$linked" "$last" || exit 1
    ;;
stdlibs)
    journal=$(values journal)
    note package '00000000-0000-0000-0000-000000000007 Dates'
    ;;
verify)
    journal=$(values journal)
    [ ! -e "$here/start" ] || cp "$here/start" "$trace"
    hook verify
    values package >"$journal.packages"
    while read -r uuid name; do
        note loaded "$uuid"
    done <"$journal.packages"
    ;;
*)
    hook "$stage"
    [ -z "$object" ] || cp "$here/content" "$object" || exit 1
    ;;
esac
