#!/usr/bin/env bash
# Sets up Julia 1.5.3 in .tools/julia-1.5.3 of this project, for machines that
# have no `julia`. Unpacks Debian's packages; installs nothing, needs no root.
#
#   deps/setup_julia.sh               set up, unless done already
#   deps/setup_julia.sh --print-path  print the path of a julia: $JULIA, else the
#                                     one on PATH, else ours, set up if need be
#
# PCRS_DEBIAN_MIRROR=URI names a Debian archive to use, not this machine's own.
# shellcheck disable=SC2016 # $ORIGIN and $(REPO_URI) are for others to fill in
set -euo pipefail
unset CDPATH
umask 022

readonly version=1.5.3
readonly suite=bullseye # the last Debian with a julia package
readonly keyring=/usr/share/keyrings/debian-archive-keyring.gpg
readonly stamp_text="julia $version, layout 1" # a new number means: set up again

tools=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)/.tools
readonly tools
readonly target=$tools/julia-$version
readonly stage=$tools/julia-$version.partial

# What julia depends on, less what every Debian has (C, C++ and gcc runtimes,
# zlib, lzma, tinfo) and less libcurl, which nothing in Julia 1.5 loads.
readonly packages=(
    julia julia-common libjulia1 libjulia-dev
    libllvm9 libz3-4 libedit2 libbsd0 libmd0 libffi7
    libunwind8 libutf8proc2 libpcre2-8-0
    libgmp10 libmpfr6 libopenlibm3 libdsfmt-19937-1 libgfortran5 libquadmath0
    libgit2-1.1 libhttp-parser2.9 libpcre3 libssh2-1 libgcrypt20 libgpg-error0
    libmbedtls12 libmbedx509-0 libmbedcrypto3
    libgssapi-krb5-2 libkrb5-3 libk5crypto3 libkrb5support0 libkeyutils1 libcom-err2
)

log() { printf '%s\n' "$*" >&2; }

fail() {
    log "Cannot set up Julia $version: $1"
    log "Install Julia 1.5 or newer, put \`julia\` on PATH, and run again."
    exit 1
}

is_done() {
    [[ -x $target/bin/julia && -f $target/.stamp && $(<"$target/.stamp") == "$stamp_text" ]]
}

check_machine() {
    local tool arch
    for tool in apt-get dpkg flock; do
        command -v "$tool" >/dev/null ||
            fail "it is taken from Debian's packages, and this machine has no $tool."
    done
    arch=$(dpkg --print-architecture)
    [[ $arch == amd64 ]] || fail "the set-up is for amd64, and this machine is $arch."
    [[ -r $keyring ]] ||
        fail "$keyring is missing (package debian-archive-keyring), so downloads could not be verified."
}

# Debian archives among this machine's apt sources; apt itself reads them, so
# one-line and deb822 files both count.
mirrors() {
    [[ -z ${PCRS_DEBIAN_MIRROR:-} ]] || { printf '%s\n' "$PCRS_DEBIAN_MIRROR" && return; }
    apt-get indextargets --format '$(COMPONENT) $(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
        awk '$1 == "main" && $3 !~ /^cdrom:/ && !seen[$3]++ &&
             $2 ~ /^(buster|bullseye|bookworm|trixie|forky|sid|((old)?old)?stable|testing|unstable)$/ { print $3 }'
}

# apt-get with state of its own, on one sources list; the machine's proxies
# and credentials still apply, its pins and hooks do not.
private_apt() {
    local apt=$stage/apt
    LC_ALL=C apt-get -q -c "$apt/apt.conf" \
        -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null \
        -o Dir::State="$apt" -o Dir::State::lists="$apt/lists" \
        -o Dir::State::status="$apt/status" -o Dir::Cache="$apt/cache" \
        "$@" >>"$stage/log" 2>&1
}

prepare_apt() {
    mkdir -p "$stage/apt/cache/archives/partial"
    : >"$stage/apt/status"
    # Sandbox: apt's own user may not be let into the project's folder.
    cat >"$stage/apt/apt.conf" <<'CONF'
#clear APT::Update;
#clear APT::Default-Release;
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
CONF
}

download_from() {
    rm -rf -- "$stage/apt/lists" "$stage/debs"
    mkdir -p "$stage/apt/lists/partial" "$stage/debs"
    printf 'deb [arch=amd64 target=Packages lang=none signed-by=%s] %s %s main\n' \
        "$keyring" "$1" "$suite" >"$stage/apt/sources.list"
    private_apt update && (cd -- "$stage/debs" && private_apt download "${packages[@]}" patchelf)
}

download() {
    local found uri uris
    found=$(mirrors) || fail "apt could not list this machine's package sources."
    [[ -n $found ]] ||
        fail "this machine's apt sources name no Debian archive; PCRS_DEBIAN_MIRROR=URI names one."
    mapfile -t uris <<<"$found"
    prepare_apt
    for uri in "${uris[@]}"; do
        log "  downloading from ${uri##*@}" # less a password it may hold
        download_from "$uri" && return
    done
    tail -n 12 -- "$stage/log" >&2
    fail "$suite could not be downloaded from: ${uris[*]##*@} (PCRS_DEBIAN_MIRROR=URI names another archive)."
}

unpack() {
    local deb tree=$stage/tree
    mkdir -p "$stage/unpacked" "$stage/patchelf" "$tree"
    for deb in "$stage"/debs/*.deb; do
        case ${deb##*/} in
            patchelf_*) dpkg -x "$deb" "$stage/patchelf" ;;
            *) dpkg -x "$deb" "$stage/unpacked" ;;
        esac
    done
    mv -- "$stage"/unpacked/usr/{bin,include,lib,share} "$tree/"
    cp -a -- "$stage/unpacked/lib/." "$tree/lib/" # bullseye keeps some in /lib
    rm -rf -- "$tree"/share/{man,lintian,bug,gdb}
}

# With RPATH for RUNPATH the libraries also find each other's dependencies here.
# LD_LIBRARY_PATH would do too, but it splits paths at ':' and ';' and would hand
# these old libraries to every git, gcc and cargo that Julia starts.
relocate() {
    local patchelf=$stage/patchelf/usr/bin/patchelf lib=$stage/tree/lib/x86_64-linux-gnu file path
    for file in "$stage/tree/bin/julia" "$lib"/*.so* "$lib"/julia/*.so*; do
        [[ -L $file || ${file##*/} == sys.so ]] && continue
        path=$("$patchelf" --print-rpath "$file")
        [[ -n $path && $file != */libLLVM* ]] || path='$ORIGIN'
        "$patchelf" --force-rpath --set-rpath "$path" "$file"
    done
}

# The exception is there because a wrong libunwind crashes just on that.
verify() {
    local said
    said=$(JULIA_PROJECT='' JULIA_LOAD_PATH=@stdlib \
        "$stage/tree/bin/julia" --startup-file=no --history-file=no -e '
        using Pkg, LibGit2, LinearAlgebra, SparseArrays, SuiteSparse
        @noinline f(x) = x > 1 ? error("thrown") : x
        @noinline g(x) = f(x) + 1
        try g(3) catch end
        [2.0 0; 0 2] \ [1, 1] == sparse([2.0 0; 0 2]) \ [1.0, 1] || error("linear algebra")
        LibGit2.version(); big"1.5"^2; match(r"a+", "aa")
        isfile(joinpath(Sys.BINDIR, Base.DATAROOTDIR, "julia", "base", "sysimg.jl")) || error("no sources")
        print(VERSION)') || fail "the unpacked julia does not run properly on this machine."
    [[ $said == "$version" ]] || fail "the unpacked julia calls itself '$said'."
}

set_up() {
    is_done && return
    check_machine
    mkdir -p -- "$tools" || fail "$tools cannot be made."
    exec 9>"$tools/.julia-$version.lock"
    flock -n 9 || { log "Waiting for another set-up of Julia..." && flock 9; }
    is_done && return
    log "Setting up Julia $version in $target (70 MB to download, 340 MB on disk, half a minute or so)..."
    rm -rf -- "$stage"
    trap 'rm -rf -- "$stage"' EXIT
    trap 'exit 130' HUP INT TERM
    mkdir -- "$stage"
    download
    log "  unpacking"
    unpack
    relocate
    log "  checking that it works"
    verify
    printf '%s\n' "$stamp_text" >"$stage/tree/.stamp"
    [[ ! -e $target ]] || mv -- "$target" "$stage/old"
    mv -- "$stage/tree" "$target"
    log "Julia $version is ready after $SECONDS s: $target/bin/julia"
}

print_path() {
    if [[ -n ${JULIA:-} ]]; then
        command -v -- "$JULIA" || fail "JULIA is set to '$JULIA', which is no program."
    elif ! command -v julia; then
        set_up
        printf '%s\n' "$target/bin/julia"
    fi
}

case ${1:-} in
    "") set_up ;;
    --print-path) print_path ;;
    *) log "usage: ${0##*/} [--print-path]" && exit 2 ;;
esac
