//! Where the executable finds libraries: in its own bundle, before anywhere else.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        // An old RPATH and no RUNPATH: that is also used for what the libraries need in turn.
        println!("cargo:rustc-link-arg-bins=-Wl,--disable-new-dtags");
        println!("cargo:rustc-link-arg-bins=-Wl,-rpath,$ORIGIN/../lib:$ORIGIN/../lib/julia");
    }
}
