#!/bin/sh
# @MARKER@
#
# Starts Julia on a sysimage. When the image is gone, or it and Julia no longer fit, says so and
# starts Julia without it.

julia=@JULIA@
version=@VERSION@
commit=@COMMIT@
commit_file=@COMMIT_FILE@
# What the image needs that has the hash for which this is known: an artifact's hash, name and package on each line.
artifacts=@ARTIFACTS@

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

@CPU@
# Takes the image at $1, of which `artifacts` are known if its hash is $2; fails where this CPU cannot run it.
take() {
    image=$1
    image_hash=$2
    # The stamp is beside the file that a link leads to.
    real=$image
    if [ -L "$image" ]; then real=$(readlink -f -- "$image") || real=$image; fi
    stamp=$(start_of_stamp)
    lacks=$(lacking)
    [ -f "$image" ] && [ -z "$lacks" ]
}

# The Julia that built the image.
built_by() {
    case $stamp in
    *'"julia_version":"'*'"'*)
        builder=${stamp#*'"julia_version":"'}
        printf '%s' "${builder%%'"'*}"
        ;;
    esac
}

# The first artifact that the image needs and no depot has. Nothing where this is not known: of an
# image built since, and with a depot that says itself where artifacts are.
gone_artifact() {
    [ -n "$artifacts" ] && [ -n "${HOME-}" ] && [ -n "${JULIA_DEPOT_PATH-:}" ] || return 0
    case $stamp in
    *'"image_hash":"'"$image_hash"'"'*) ;;
    *) return 0 ;;
    esac
    set -f
    IFS=:
    set --
    entries=${JULIA_DEPOT_PATH-}:
    for depot in $entries; do
        case $depot in
        # For the default depots, of which newer Julias take some only.
        '') set -- "$@" "$HOME/.julia" "${julia%/*}/../local/share/julia" "${julia%/*}/../share/julia" ;;
        '~'*) set -- "$@" "$HOME${depot#'~'}" ;;
        *) set -- "$@" "$depot" ;;
        esac
    done
    for depot in "$@"; do
        [ -e "$depot/artifacts/Overrides.toml" ] && return 0
    done
    IFS='
'
    for artifact in $artifacts; do
        found=
        for depot in "$@"; do
            if [ -d "$depot/artifacts/${artifact%% *}" ]; then
                found=yes
                break
            fi
        done
        if [ -z "$found" ]; then
            printf '%s' "${artifact#* }"
            return 0
        fi
    done
}

@JULIA_ON_PATH@
# What is wrong, and what to do next.
say() {
    notice=$(printf '%s: %s\n  next:  %s' '@NAME@' "$1" "$2")
    printf '%s\n' "$notice" >&2
}

@REFRESH@@TAKE@
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
    @READ_KNOWN@builder=$(built_by)
    gone=$(gone_artifact)
    if [ "${builder:-$version}" != "$version" ]; then
        say "the sysimage $image was built by Julia $builder; starting Julia $version without it" "$again"
    elif [ -n "$lacks" ]; then
        say "the sysimage $image is for CPUs with more than this one has (without $lacks); starting Julia without it" \
            'build one for this CPU too, with a list as `cpu_target`'
    @IF_STALE@elif [ -n "$gone" ]; then
        say "the artifact $gone, which the sysimage $image needs, is gone; starting Julia without it" \
            'run `Pkg.instantiate()` in the project'
    else
        exec "$julia" --sysimage="$image" "$@"
    fi
fi
@NOTICE@exec "$julia" "$@"
