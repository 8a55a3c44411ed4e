//! Links what an image process with the interposer has left: for tests of the two crates alone.
//!
//! `link_image SYS.SO ARCHIVE HANDOVER FOLDER IMAGE.SO JULIA_LIB`; `FOLDER/base` is kept.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::path::Path;
    use std::process::Command;
    use std::time::Instant;

    use pcrs_linked::{check, handover::Handover, merge, unlink_base};

    let args: Vec<String> = std::env::args().skip(1).collect();
    let [sys, archive, handover, folder, image, lib] = &args[..] else {
        return Err("link_image SYS.SO ARCHIVE HANDOVER FOLDER IMAGE.SO JULIA_LIB".into());
    };
    let folder = Path::new(folder);
    let base = folder.join("base");
    let start = Instant::now();
    if !base.join("base.json").exists() {
        std::fs::create_dir_all(&base)?;
        unlink_base(Path::new(sys), &base)?;
        println!("unlinked the base: {:?}", start.elapsed());
    }
    let handover = Handover::load(Path::new(handover))?;
    println!("{:?}", handover.counts);
    for refused in &handover.refused {
        println!("refused: {}: {}", refused.path.display(), refused.reason);
    }
    let work = folder.join("link");
    std::fs::create_dir_all(&work)?;
    let start = Instant::now();
    let input = merge(&base, &handover, Path::new(archive), &work)?;
    println!("merged: {:?}", start.elapsed());
    let start = Instant::now();
    let mut linker = Command::new("g++");
    linker.args(["-shared", "-fPIC", "-o", image]);
    linker.args(&input.options).args(&input.objects);
    linker.arg(format!("-L{lib}")).arg(format!("-L{lib}/julia"));
    linker.args(["-ljulia", "-ljulia-internal"]);
    if !linker.status()?.success() {
        return Err("the linker failed".into());
    }
    println!("linked: {:?}", start.elapsed());
    let start = Instant::now();
    check(Path::new(image), &handover)?;
    println!("checked: {:?}", start.elapsed());
    Ok(())
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
fn main() {}
