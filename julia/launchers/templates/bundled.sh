#!/bin/sh
# Starts Julia on the sysimage beside this script, with the project and the artifacts that are there too.
# Everything is found from where the script lies, so that its folder may be moved. Arguments are Julia's.
# Julia is the one that PCRS_JULIA names, or else the first on PATH.

image=@SYSIMAGE@
version=@VERSION@
commit=@COMMIT@

@JULIA_ON_PATH@
@CPU@
fail() {
    printf '%s: %s\n  cause: %s\n  next:  %s\n' "${0##*/}" "$1" "$2" "$3" >&2
    exit 1
}

# Whether `julia` is the build that made the image. Where its sources are on disk, they name the commit, and
# no process is started.
same_build() {
    real=$(readlink -f -- "$julia") || real=$julia
    commit_file=${real%/*}/../share/julia/base/version_git.jl
    if [ -z "$commit" ] || ! [ -r "$commit_file" ]; then
        [ "$("$julia" --version 2>/dev/null)" = "julia version $version" ]
        return
    fi
    while IFS= read -r line; do
        case $line in
        *"$commit"*) return 0 ;;
        esac
    done <"$commit_file"
    return 1
}

here=$(readlink -f -- "$0") || fail "this script does not find its folder" \
    "\`readlink -f $0\` failed" 'start it by its path'
here=${here%/*}
case $here in
*:*) fail "the sysimage cannot be started from \`$here\`" \
    'a colon separates the paths in JULIA_DEPOT_PATH' 'rename the folder' ;;
esac

wanted="it needs Julia $version"
next="set PCRS_JULIA to the path of a Julia $version, or put that one on PATH"
if [ -n "${PCRS_JULIA-}" ]; then
    julia=$(command -v -- "$PCRS_JULIA") ||
        fail "$wanted" "PCRS_JULIA is \`$PCRS_JULIA\`, which is no executable" "$next"
elif ! julia=$(julia_on_path); then
    fail "$wanted" 'there is no `julia` on PATH' "$next"
fi
if ! same_build; then
    found=$("$julia" --version 2>/dev/null) || found='no Julia that starts'
    [ "$found" = "julia version $version" ] && found="another build of Julia $version than made the sysimage"
    fail "$wanted" "\`$julia\` is $found" "$next"
fi

real=$here/$image
stamp=$(start_of_stamp)
lacks=$(lacking)
[ -z "$lacks" ] || fail "the sysimage is for CPUs with more than this one has" "it lacks $lacks" \
    'build and bundle one for this CPU: see `cpu_target` of `create_sysimage`'

# What is in the variable stays, and so does the user's own depot, where Julia writes: an empty entry at the
# start stands for the default depots.
JULIA_DEPOT_PATH=${JULIA_DEPOT_PATH-}:$here/depot
export JULIA_DEPOT_PATH
exec "$julia" --sysimage="$here/$image" --project="$here/project" "$@"
