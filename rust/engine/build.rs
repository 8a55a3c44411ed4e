//! Hands the compile-time target triple to `julia/linker.rs`, for the `cc` crate.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let target = std::env::var("TARGET").unwrap_or_default();
    println!("cargo:rustc-env=PCRS_TARGET={target}");
}
