#!/usr/bin/env bash
# Builds the engine and what belongs to it for each system, and packs it for users without Rust: archives
# in the layout of Pkg's artifacts, and the Artifacts.toml that names them.
#
#   deps/release/build.sh URL [TARGET...]   URL: where the archives will lie, without their names
#
# They are put in release/. Commit release/Artifacts.toml as Artifacts.toml with the version that it is for.
set -euo pipefail
unset CDPATH
root=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"

[[ $# -gt 0 ]] || { sed -n '5s/^# *//p' "${BASH_SOURCE[0]}" >&2 && exit 2; }
readonly url=${1%/}
shift
# Each for the oldest system that Rust's standard library and Julia serve.
readonly targets=(x86_64-unknown-linux-gnu.2.17 aarch64-unknown-linux-gnu.2.17
    x86_64-unknown-linux-musl aarch64-unknown-linux-musl
    x86_64-apple-darwin aarch64-apple-darwin x86_64-pc-windows-gnu)
readonly out=$root/release
readonly cross=$root/.tools/cross
readonly name=PackageCompilerRS_engine
source deps/cross/cargo.sh

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Project.toml)

# The keys by which Pkg knows the system of a target.
platform() {
    local arch=${1%%-*}
    case $1 in
        *-linux-gnu*) printf 'arch = "%s"\nlibc = "glibc"\nos = "linux"\n' "$arch" ;;
        *-linux-musl) printf 'arch = "%s"\nlibc = "musl"\nos = "linux"\n' "$arch" ;;
        *-darwin) printf 'arch = "%s"\nos = "macos"\n' "$arch" ;;
        *-windows-*) printf 'arch = "%s"\nos = "windows"\n' "$arch" ;;
    esac
}

# The crates of a target: apps, libraries and the allocator are for Linux.
crates() {
    echo pcrs-ffi
    case $1 in
        *-linux-*) echo pcrs-driver pcrs-library pcrs-allocator ;;
    esac
    case $1 in
        x86_64-unknown-linux-gnu*) echo pcrs-interpose ;;
    esac
}

compile() {
    local crate args=()
    for crate in $(crates "$1"); do args+=("--package=$crate"); done
    if [[ $1 == *-darwin ]]; then
        # Rust leaves that to a tool of LLVM, which is not here; there is no debug information to strip.
        local -x CARGO_PROFILE_RELEASE_STRIP=none
        # Its name to what links it, which would be its path in the folder of this build.
        local -x RUSTFLAGS="-C link-arg=-Wl,-install_name,@rpath/libpackagecompilerrs.dylib"
    fi
    cross_cargo zigbuild "$1" --release --target-dir "$cross/target" "${args[@]}"
}

# Copies what was built for a target, whose name may end in a glibc version, into a folder.
collect() {
    local built=$cross/target/${1%.2.17}/release file
    mkdir -p "$2/lib"
    for file in "$built"/{lib,}packagecompilerrs*.{so,dylib,dll}; do
        [[ ! -f $file ]] || cp -- "$file" "$2/lib/"
    done
    [[ ! -f $built/packagecompilerrs_driver ]] || install -D -t "$2/bin" -- "$built/packagecompilerrs_driver"
    chmod -R u=rwX,go=rX "$2"
}

# The tree hash of a folder, as git has it.
tree_hash() {
    local scratch
    scratch=$(mktemp -d)
    git init -q --bare "$scratch"
    git --git-dir="$scratch" --work-tree="$1" -c core.autocrlf=false -c core.fileMode=true add --all --force .
    git --git-dir="$scratch" --work-tree="$1" write-tree
    rm -rf -- "$scratch"
}

pack() {
    local target=${1%.2.17} folder=$out/$1 archive
    archive=$name-v$version-$target.tar.gz
    rm -rf -- "$folder"
    collect "$1" "$folder"
    tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$folder" -c . | gzip -9n >"$out/$archive"
    {
        printf '[[%s]]\n' "$name"
        platform "$target"
        printf 'git-tree-sha1 = "%s"\n\n    [[%s.download]]\n' "$(tree_hash "$folder")" "$name"
        printf '    sha256 = "%s"\n' "$(sha256sum "$out/$archive" | cut -d' ' -f1)"
        printf '    url = "%s/%s"\n\n' "$url" "$archive"
    } >>"$out/Artifacts.toml.new"
    rm -rf -- "$folder"
}

main() {
    local target
    deps/cross/setup.sh
    mkdir -p "$out"
    rm -f -- "$out/Artifacts.toml" "$out/Artifacts.toml.new"
    for target in "${@:-"${targets[@]}"}"; do
        echo "== release: $target"
        compile "$target"
        pack "$target"
    done
    mv -- "$out/Artifacts.toml.new" "$out/Artifacts.toml"
    echo "== release: archives and Artifacts.toml are in $out"
}

main "$@"
