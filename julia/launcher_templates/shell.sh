#!/bin/sh
# @MARKER@
#
# Starts Julia on a sysimage. When the image is gone, or the Julia that it was made for was replaced
# by another, says so and starts Julia without it.

julia=@JULIA@
image=@SYSIMAGE@
version=@VERSION@
commit=@COMMIT@
commit_file=@COMMIT_FILE@

# Whether `julia` is still the build that the image was made for. Julia's sources on disk name the
# commit, so no process is started; where they do not, Julia tells its version.
same_build() {
    if [ -z "$commit" ]; then
        [ "$("$julia" --version 2>/dev/null)" = "julia version $version" ]
        return
    fi
    [ -r "$commit_file" ] || return 1
    while IFS= read -r line; do
        case $line in
        *"$commit"*) return 0 ;;
        esac
    done <"$commit_file"
    return 1
}

# The first `julia` on PATH that is not this script, which may have that name.
julia_on_path() {
    set -f
    IFS=:
    for folder in $PATH; do
        found=${folder:-.}/julia
        if [ -f "$found" ] && [ -x "$found" ] && ! [ "$found" -ef "$0" ]; then
            printf '%s' "$found"
            return 0
        fi
    done
    return 1
}

say() {
    printf '%s: %s\n' "${0##*/}" "$1" >&2
}

set -- @OPTIONS@"$@"

if ! [ -x "$julia" ]; then
    gone=$julia
    if ! julia=$(julia_on_path); then
        say "Julia $version is gone ($gone), and there is no other on PATH"
        exit 127
    fi
    say "Julia $version is gone ($gone); starting $julia without the sysimage"
elif ! [ -f "$image" ]; then
    say "the sysimage $image is gone; starting Julia without it"
elif ! same_build; then
    say "$julia is no longer the Julia $version that the sysimage was made for; starting it without"
else
    exec "$julia" --sysimage="$image" "$@"
fi
exec "$julia" "$@"
