#!/usr/bin/env bash
# Sets up in .tools/cross what builds for other systems: Debian's Rust with the source of its standard
# library, Zig as C compiler and linker, and cargo-zigbuild, which fits the two together. Installs
# nothing, needs no root, changes nothing outside of that folder.
set -euo pipefail
unset CDPATH

# Debian's Rust has no standard library for other systems, but brings its source (rust-web-src).
readonly packages=(rustc-web cargo-web libstd-rust-web-dev rust-web-src)
# The C compiler knows every system and every glibc since 2.17.
readonly wheels=(ziglang==0.17.1 cargo-zigbuild==0.24.1)
readonly stamp_text="rust of bookworm-security, ${wheels[*]}"

tools=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)/.tools
readonly tools
readonly target=$tools/cross
readonly stage=$tools/cross.partial

fail() {
    printf 'Cannot set up what builds for other systems: %s\n' "$1" >&2
    exit 1
}

is_done() {
    [[ -f $target/.stamp && $(<"$target/.stamp") == "$stamp_text" ]]
}

# Those packages, and the libraries that they need in turn and are versioned by name.
all_packages() {
    local driver llvm
    driver=$(apt-cache depends libstd-rust-web-dev | awk '$1 == "Depends:" && /libstd-rust/ { print $2; exit }')
    llvm=$(apt-cache depends "$driver" | awk '$1 == "Depends:" && /libllvm/ { print $2; exit }')
    printf '%s\n' "${packages[@]}" "$driver" "$llvm"
}

main() {
    is_done && return
    local tool deb names library
    for tool in apt-get apt-cache dpkg python3 unzip; do
        command -v "$tool" >/dev/null || fail "this machine has no $tool."
    done
    rm -rf -- "$stage"
    trap 'rm -rf -- "$stage"' EXIT
    mkdir -p -- "$stage"/{debs,wheels,rust,zig}
    names=$(all_packages) && [[ -n $names ]] ||
        fail "apt knows no ${packages[*]}: they are in Debian's security suite for bookworm; run \`apt-get update\`."
    echo "Setting up Rust and Zig for other systems in $target (250 MB to download)..."
    (cd -- "$stage/debs" && xargs apt-get -qq download <<<"$names") || fail "apt-get could not download ${names//$'\n'/ }."
    python3 -m pip -q download --no-deps -d "$stage/wheels" "${wheels[@]}" || fail "pip could not download ${wheels[*]}."
    for deb in "$stage"/debs/*.deb; do dpkg -x "$deb" "$stage/rust"; done
    for deb in "$stage"/wheels/*.whl; do unzip -q "$deb" -d "$stage/zig"; done
    mkdir "$stage/bin" "$stage/windows"
    mv -- "$stage"/zig/cargo_zigbuild-*.data/scripts/cargo-zigbuild "$stage/bin/"
    chmod +x "$stage/bin/cargo-zigbuild" "$stage/zig/ziglang/zig"
    for library in ssp ssp_nonshared; do "$stage/zig/ziglang/zig" ar rcs "$stage/windows/lib$library.a"; done
    rm -rf -- "$stage"/{debs,wheels}
    printf '%s\n' "$stamp_text" >"$stage/.stamp"
    rm -rf -- "$target"
    mv -- "$stage" "$target"
}

main
