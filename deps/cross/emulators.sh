#!/usr/bin/env bash
# Sets up in .tools/emulators what runs programs of other systems: Wine for Windows, and qemu with the C
# library for Linux on arm64. Installs nothing, needs no root, changes nothing outside of that folder.
#
#   deps/cross/emulators.sh wine|qemu
set -euo pipefail
unset CDPATH

[[ $# -eq 1 && $1 =~ ^(wine|qemu)$ ]] || { sed -n '5s/^# *//p' "${BASH_SOURCE[0]}" >&2 && exit 2; }
readonly what=$1
root=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
readonly root
readonly target=$root/.tools/emulators/$what
readonly stage=$target.partial

fail() {
    printf 'Cannot set up %s: %s\n' "$what" "$1" >&2
    exit 1
}

# Those of Debian that belong to it; of Wine's, with what this machine lacks of the libraries they need.
packages() {
    case $what in
        qemu) printf '%s\n' qemu-user-static libc6-arm64-cross libgcc-s1-arm64-cross ;;
        wine)
            printf '%s\n' wine64 libwine libz-mingw-w64
            apt-get -s install --no-install-recommends wine64 | awk '$1 == "Inst" { print $2 }'
            ;;
    esac
}

# Compiles C for Windows.
compile() {
    ZIG_GLOBAL_CACHE_DIR="$root/.tools/cross/cache/zig" "$root/.tools/cross/zig/ziglang/zig" \
        cc -target x86_64-windows-gnu -s -fno-sanitize=all "$@"
}

# Puts Wine together, which is made to be installed, and makes its folder of a Windows.
finish_wine() {
    local wine=$stage/usr/lib/x86_64-linux-gnu/wine zlib=$stage/usr/x86_64-w64-mingw32/lib/zlib1.dll
    # For programs of 32 bits.
    rm -rf -- "$wine/i386-windows" "$stage"/usr/i686-*
    # The one there is a script that looks in /usr.
    ln -sf wineserver64 "$stage/usr/lib/wine/wineserver"
    # As libwine does when it is installed: marks this library as one of Wine's.
    {
        head -c 64 "$zlib"
        printf 'Wine builtin DLL'
        head -c 16 /dev/zero
        tail -c +97 "$zlib"
    } >"$wine/x86_64-windows/zlib1.dll"
    mv -- "$stage" "$target"
    local run=$root/deps/cross/wine.sh
    # Rust's programs are for Windows 10 and newer.
    "$run" wineboot -i && "$run" reg add 'HKCU\Software\Wine' /v Version /d win10 /f || return 1
    # What this Wine lacks.
    local system=$target/prefix/drive_c/windows/system32
    compile -shared -nostdlib -o "$system/bcryptprimitives.dll" "$root/deps/cross/wine.c" -ladvapi32
    compile -o "$system/findstr.exe" "$root/deps/cross/findstr.c"
    "$run" --wait
}

main() {
    [[ ! -f $target/.stamp ]] || return 0
    local tool deb names
    for tool in apt-get dpkg; do
        command -v "$tool" >/dev/null || fail "this machine has no $tool."
    done
    rm -rf -- "$stage" "$target"
    trap 'rm -rf -- "$stage"' EXIT
    mkdir -p -- "$stage/debs"
    names=$(packages | sort -u) || fail "apt does not know its packages; run \`apt-get update\`."
    echo "Setting up $what in $target (100 MB to download)..."
    (cd -- "$stage/debs" && xargs apt-get -qq download <<<"$names") || fail "apt-get could not download ${names//$'\n'/ }."
    for deb in "$stage"/debs/*.deb; do dpkg -x "$deb" "$stage"; done
    rm -rf -- "$stage/debs" "$stage"/usr/share/{doc,man}
    case $what in
        qemu) mv -- "$stage" "$target" ;;
        wine) finish_wine >"$root/.tools/emulators/wine.log" 2>&1 || fail "see $root/.tools/emulators/wine.log." ;;
    esac
    touch -- "$target/.stamp"
}

main
