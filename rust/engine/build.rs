//! Hands the digests of the sources that decide what a build makes to `identity/sources.rs`.

#[path = "src/identity/digest.rs"]
mod digest;

use std::path::Path;

#[expect(clippy::disallowed_methods, reason = "no Julia runs in this process")]
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // As it is now: a build script that is compiled already serves a checkout that was moved, too.
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it");
    for (variable, paths) in digest::DIGESTS {
        let paths: Vec<_> = paths
            .iter()
            .map(|path| Path::new(&manifest).join(path))
            .collect();
        for path in &paths {
            println!("cargo:rerun-if-changed={}", path.display());
        }
        match digest::digest(&paths) {
            Ok(digest) => println!("cargo:rustc-env={variable}={digest}"),
            Err(error) => panic!("reading the engine's sources failed: {error}"),
        }
    }
}
