# How cargo builds for other systems; for scripts to source once setup.sh is done.

# Runs one of cargo-zigbuild's commands for a target: `cross_cargo check x86_64-apple-darwin --workspace`.
# `$root` is the checkout, `$cross` the folder that setup.sh made. Rust's own flags may be added in RUSTFLAGS.
cross_cargo() {
    local command=$1 target=$2
    shift 2
    # The standard library is built too. Zig and cargo-zigbuild would keep their caches in the user's.
    env PATH="$cross/bin:$cross/rust/usr/bin:$PATH" LD_LIBRARY_PATH="$cross/rust/usr/lib/x86_64-linux-gnu" \
        RUSTC="$cross/rust/usr/bin/rustc" RUSTC_BOOTSTRAP=1 RUSTFLAGS="$(cross_flags "$target") ${RUSTFLAGS:-}" \
        CARGO_ZIGBUILD_ZIG_PATH="$cross/zig/ziglang/zig" CARGO_ZIGBUILD_CACHE_DIR="$cross/cache/zigbuild" \
        ZIG_GLOBAL_CACHE_DIR="$cross/cache/zig" MACOSX_DEPLOYMENT_TARGET=11.0 \
        "$cross/bin/cargo-zigbuild" "$command" --locked -Z build-std=std,panic_unwind --target "$target" "$@"
}

cross_flags() {
    case $1 in
        # A shared library for musl is linked as one.
        *-musl) echo "-C target-feature=-crt-static" ;;
        # Of macOS's frameworks Zig has none, and here is what is called of them.
        *-darwin) echo "-L framework=$root/deps/cross/macos" ;;
        # Empty ones, in place of mingw's own that Zig lacks and nothing here calls.
        *-windows-*) echo "-L native=$cross/windows" ;;
    esac
}
