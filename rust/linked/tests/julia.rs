//! The images of a real Julia: its sysimage and its package images, taken apart and linked again
//! with the heap that they had, which has to make the Julia that it was.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use object::{Object, ObjectSymbol};
use pcrs_linked::handover::{Counts, Handover, UsedBase, UsedPackage};
use pcrs_linked::{Package, check, merge, unlink_base};

/// The folder of a Julia of this version; prints if there is none.
fn julia(version: &str) -> Option<PathBuf> {
    let home = std::env::var_os("HOME")?;
    let folder = Path::new(&home)
        .join(".julia/juliaup")
        .join(format!("julia-{version}"));
    let found = folder.join("lib/julia/sys.so").is_file();
    if !found {
        println!("skipped: no Julia {version} in {}", folder.display());
    }
    found.then_some(folder)
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{told}",
        output.status
    );
    String::from_utf8(output.stdout).unwrap()
}

fn images(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            images(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "so") {
            found.push(path);
        }
    }
}

/// The words at an address of an image, as its file has them.
fn bytes_at(file: &object::File, address: u64, size: u64) -> Vec<u8> {
    use object::ObjectSegment;
    let found = file
        .segments()
        .find_map(|segment| segment.data_range(address, size).ok().flatten());
    found.unwrap().to_vec()
}

struct Layout {
    version: &'static str,
    number: u32,
    columns: u64,
}

/// Reads a base as the image process would, by other code than what is tested.
struct Read {
    functions: Vec<u64>,
    globals: u32,
    shards: u32,
    targets: Vec<u8>,
}

fn read(path: &Path, layout: &Layout) -> Read {
    let bytes = std::fs::read(path).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    let pointers: std::collections::HashMap<u64, u64> = file
        .dynamic_relocations()
        .unwrap()
        .map(|(at, relocation)| (at, relocation.addend().cast_unsigned()))
        .collect();
    let word = |at: u64| u32::from_le_bytes(bytes_at(&file, at, 4).try_into().unwrap());
    let root = file
        .dynamic_symbols()
        .find(|symbol| symbol.name() == Ok("jl_image_pointers"))
        .unwrap()
        .address();
    let [header, rows, targets] = [0, 1, 4].map(|i| pointers[&(root + 8 * i)]);
    assert_eq!(word(targets), 1, "more than one CPU target");
    let shards = word(header + 4);
    let mut functions = vec![0; word(header + 8) as usize];
    for i in 0..u64::from(shards) {
        let column = |k: u64| pointers[&(rows + 8 * (layout.columns * i + k))];
        for k in 0..u64::from(word(if layout.number == 10 {
            column(1)
        } else {
            column(0)
        })) {
            let address = if layout.number == 10 {
                column(0).wrapping_add_signed(i64::from(word(column(1) + 4 + 4 * k).cast_signed()))
            } else {
                pointers[&(column(1) + 8 * k)]
            };
            functions[word(column(2) + 4 * k) as usize] = address;
        }
    }
    // one target: flags, features that are there and that are not, name, other features
    let features = u64::from(word(targets + 8));
    let name_at = targets + 12 + 8 * features;
    let more_at = name_at + 4 + u64::from(word(name_at));
    let size = more_at + 4 + u64::from(word(more_at)) - targets;
    Read {
        functions,
        globals: word(header + 12),
        shards,
        targets: bytes_at(&file, targets, size),
    }
}

fn same_heap_again(layout: &Layout, linker: &str) {
    let Some(prefix) = julia(layout.version) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    let image = prefix.join("lib/julia/sys.so");
    let start = Instant::now();
    let base = unlink_base(&image, out).unwrap();
    println!("{}: base unlinked in {:?}", layout.version, start.elapsed());
    assert_eq!(base.julia, format!("1.{}", layout.number));

    let bytes = std::fs::read(&image).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    let heap = file
        .dynamic_symbols()
        .find(|symbol| symbol.name() == Ok("jl_system_image_data"))
        .unwrap();
    std::fs::write(
        out.join("heap"),
        bytes_at(&file, heap.address(), heap.size()),
    )
    .unwrap();
    let found = read(&image, layout);
    std::fs::write(out.join("targets"), &found.targets).unwrap();
    let text = |name: &str| format!("-D{}=\"{}\"", name.to_uppercase(), out.join(name).display());
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c/nothing.c");
    let members = [
        ("text#0.o", "-DSHARD=1".to_string()),
        ("metadata.o", text("targets")),
        ("sysimg.o", text("heap")),
    ];
    for (name, define) in &members {
        let mut cc = Command::new("cc");
        cc.arg("-c")
            .arg(&source)
            .arg(format!("-DLAYOUT={}", layout.number))
            .arg(define)
            .arg("-o")
            .arg(out.join(name));
        run(&mut cc);
    }
    let archive = out.join("new.a");
    run(Command::new("ar")
        .arg("rcs")
        .arg(&archive)
        .args(members.iter().map(|(name, _)| out.join(name))));

    // The package images come along, their functions and globals unused.
    let mut paths = Vec::new();
    images(&prefix.join("share/julia/compiled"), &mut paths);
    let mut packages = Vec::new();
    let start = Instant::now();
    for (i, path) in paths.iter().enumerate() {
        let id = format!("jlp{i:016x}");
        match Package::read(path, &id) {
            Ok(package) => {
                let object = package.write(&[], &out.join(format!("{id}.o"))).unwrap();
                let read = read(path, layout);
                packages.push(UsedPackage {
                    id,
                    path: path.clone(),
                    object,
                    functions: read.functions,
                    globals: Vec::new(),
                });
            }
            Err(refused) => panic!("{}: {refused}", path.display()),
        }
    }
    println!(
        "{}: {} package images read and written in {:?}",
        layout.version,
        packages.len(),
        start.elapsed()
    );

    let handover = Handover {
        base: UsedBase {
            path: image.clone(),
            functions: base.functions,
            globals: found.globals,
            shards: found.shards,
            targets: base.targets,
            selected: found.functions,
        },
        packages,
        refused: Vec::new(),
        new_globals: 0,
        counts: Counts::default(),
    };
    let start = Instant::now();
    let input = merge(out, &handover, &archive, out).unwrap();
    println!("{}: merged in {:?}", layout.version, start.elapsed());
    let linked = out.join("linked.so");
    let start = Instant::now();
    let mut cc = Command::new("cc");
    cc.arg(format!("-fuse-ld={linker}"))
        .arg("-shared")
        .args(&input.options)
        .args(&input.objects);
    for library in ["lib", "lib/julia"] {
        cc.arg("-L".to_string() + prefix.join(library).to_str().unwrap());
        cc.arg("-Wl,-rpath-link,".to_string() + prefix.join(library).to_str().unwrap());
    }
    run(cc
        .args(["-ljulia", "-ljulia-internal", "-lm", "-o"])
        .arg(&linked));
    println!(
        "{}: linked by {linker} in {:?}",
        layout.version,
        start.elapsed()
    );
    let start = Instant::now();
    check(&linked, &handover).unwrap();
    println!("{}: checked in {:?}", layout.version, start.elapsed());
    if let Some(kept) = std::env::var_os("KEEP_LINKED") {
        std::fs::copy(
            &linked,
            Path::new(&kept).join(format!("linked-{}-{linker}.so", layout.version)),
        )
        .unwrap();
    }

    let program = "using LinearAlgebra
        println(sum(abs2, rand(3, 3) * inv(rand(3, 3))) > 0, ' ', VERSION, ' ', length(string(big(2)^100)))
        GC.gc()
        try; parse(Int, \"x\"); catch; foreach(frame -> println(frame.func), stacktrace(catch_backtrace())[1:3]); end
        r = fetch(Threads.@spawn sum(1:100)); println(r)";
    let ask = |image: &Path| {
        let mut julia = Command::new(prefix.join("bin/julia"));
        run(julia
            .arg("-J")
            .arg(image)
            .args(["--startup-file=no", "-t2", "-e", program]))
    };
    assert_eq!(ask(&linked), ask(&image));
}

const V1_10: Layout = Layout {
    version: "1.10.6",
    number: 10,
    columns: 9,
};
const V1_12: Layout = Layout {
    version: "1.12.5",
    number: 12,
    columns: 8,
};

#[test]
fn julia_1_10_with_ld() {
    same_heap_again(&V1_10, "bfd");
}

#[test]
fn julia_1_10_with_lld() {
    same_heap_again(&V1_10, "lld");
}

#[test]
fn julia_1_12_with_ld() {
    same_heap_again(&V1_12, "bfd");
}

#[test]
fn julia_1_12_with_lld() {
    same_heap_again(&V1_12, "lld");
}
