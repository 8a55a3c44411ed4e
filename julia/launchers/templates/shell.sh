#!/bin/sh
# @MARKER@
#
# Starts Julia on a sysimage. When the image is gone, or it and Julia no longer fit, says so and
# starts Julia without it.

julia=@JULIA@
image=@SYSIMAGE@
version=@VERSION@
commit=@COMMIT@
commit_file=@COMMIT_FILE@

# Whether `julia` is still the build that this was written for. Julia's sources on disk name the
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

# The Julia that built the image which is there now, from the start of its stamp; nothing for an
# image without one. (`read` would take the stamp, one long line, byte by byte.)
built_by() {
    real=$image
    # The stamp is beside the file that a link leads to.
    if [ -L "$image" ]; then real=$(readlink -f -- "$image") || real=$image; fi
    stamp=$(dd if="$real.json" bs=512 count=1 2>/dev/null)
    case $stamp in
    *'"julia_version":"'*'"'*)
        stamp=${stamp#*'"julia_version":"'}
        printf '%s' "${stamp%%'"'*}"
        ;;
    esac
}

@JULIA_ON_PATH@
# What is wrong, and what to do next.
say() {
    notice=$(printf '%s: %s\n  next:  %s' '@NAME@' "$1" "$2")
    printf '%s\n' "$notice" >&2
}

set -- @OPTIONS@"$@"

again='make this launcher again, with `install_launcher` and `force=true`'
if ! [ -x "$julia" ]; then
    gone="Julia $version is gone ($julia)"
    again="build the sysimage with another, and $again"
    if ! julia=$(julia_on_path); then
        say "$gone, and there is no other on PATH" "$again"
        exit 127
    fi
    say "$gone; starting $julia without the sysimage" "$again"
elif ! [ -f "$image" ]; then
    say "the sysimage $image is gone; starting Julia without it" \
        'build it again with `create_sysimage`'
elif ! same_build; then
    say "$julia is no longer the Julia $version that the sysimage was made for; starting it without" \
        "build the sysimage again, and $again"
else
    builder=$(built_by)
    if [ "${builder:-$version}" = "$version" ]; then
        exec "$julia" --sysimage="$image" "$@"
    fi
    say "the sysimage $image was built by Julia $builder; starting Julia $version without it" "$again"
fi
@NOTICE@exec "$julia" "$@"
