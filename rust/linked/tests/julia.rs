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
    globals: Vec<u64>,
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
    let mut globals = vec![0; word(header + 12) as usize];
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
        let g = if layout.number == 10 { 3 } else { 2 };
        for k in 0..u64::from(word(column(g + 1))) {
            let offset = i64::from(word(column(g + 1) + 4 + 4 * k).cast_signed());
            globals[word(column(g + 2) + 4 * k) as usize] = column(3).wrapping_add_signed(offset);
        }
    }
    // one target: flags, features that are there and that are not, name, other features
    let features = u64::from(word(targets + 8));
    let name_at = targets + 12 + 8 * features;
    let more_at = name_at + 4 + u64::from(word(name_at));
    let size = more_at + 4 + u64::from(word(more_at)) - targets;
    Read {
        functions,
        globals,
        shards,
        targets: bytes_at(&file, targets, size),
    }
}

/// One Julia and one linker.
struct Bench<'a> {
    prefix: PathBuf,
    folder: tempfile::TempDir,
    layout: &'a Layout,
    linker: &'a str,
}

impl Bench<'_> {
    /// Takes `image` apart and links it again, with the heap that it has and these package images,
    /// whose functions and globals come along unused.
    fn link(&self, image: &Path, packages: &[PathBuf], name: &str) -> PathBuf {
        let out = self.folder.path().join(name);
        std::fs::create_dir(&out).unwrap();
        let version = self.layout.version;
        let timed = Timed::start();
        let base = unlink_base(image, &out).unwrap();
        timed.told(format_args!("{version}, {name}: base unlinked"));
        let wanted = format!("1.{}", self.layout.number);
        assert!(base.julia.contains(&wanted), "{}", base.julia);
        let found = read(image, self.layout);
        let archive = self.archive(image, &found, &out);

        let timed = Timed::start();
        let mut used = Vec::new();
        for (i, path) in packages.iter().enumerate() {
            let id = format!("jlp{i:016x}");
            let package = Package::read(path, &id);
            let package = package.unwrap_or_else(|refused| panic!("{}: {refused}", path.display()));
            let object = package.write(&[], &out.join(format!("{id}.o"))).unwrap();
            used.push((id, path.clone(), object));
        }
        timed.told(format_args!(
            "{version}, {name}: {} package images read and written",
            used.len()
        ));
        let packages = used.into_iter().map(|(id, path, object)| {
            let read = read(&path, self.layout);
            UsedPackage {
                id,
                path,
                object,
                functions: read.functions,
                globals: read.globals,
            }
        });
        let handover = Handover {
            base: UsedBase {
                path: image.to_path_buf(),
                functions: base.functions,
                globals: found.globals.len() as u32,
                shards: found.shards,
                targets: base.targets,
                selected: found.functions,
            },
            packages: packages.collect(),
            refused: Vec::new(),
            heap: None,
            new_globals: 0,
            counts: Counts::default(),
        };
        let timed = Timed::start();
        let input = merge(&out, &handover, &archive, &out).unwrap();
        timed.told(format_args!("{version}, {name}: merged"));

        let linked = out.join("linked.so");
        let timed = Timed::start();
        let mut cc = Command::new("cc");
        cc.arg(format!("-fuse-ld={}", self.linker)).arg("-shared");
        cc.args(&input.options).args(&input.objects);
        for library in ["lib", "lib/julia"] {
            let library = self.prefix.join(library);
            cc.arg(format!("-L{0}", library.display()));
            cc.arg(format!("-Wl,-rpath-link,{}", library.display()));
        }
        run(cc.args(["-ljulia", "-ljulia-internal", "-o"]).arg(&linked));
        timed.told(format_args!("{version}, {name}: linked by {}", self.linker));
        let timed = Timed::start();
        check(&linked, &handover).unwrap();
        timed.told(format_args!("{version}, {name}: checked"));
        if let Some(kept) = std::env::var_os("KEEP_LINKED") {
            let name = format!("{version}-{}-{name}.so", self.linker);
            std::fs::copy(&linked, Path::new(&kept).join(name)).unwrap();
        }
        linked
    }

    /// What an image process would write that adds nothing: the heap of `image`, an empty shard.
    fn archive(&self, image: &Path, found: &Read, out: &Path) -> PathBuf {
        let bytes = std::fs::read(image).unwrap();
        let file = object::File::parse(&*bytes).unwrap();
        let mut symbols = file.dynamic_symbols();
        let heap = symbols
            .find(|symbol| symbol.name() == Ok("jl_system_image_data"))
            .unwrap();
        let heap = bytes_at(&file, heap.address(), heap.size());
        std::fs::write(out.join("heap"), heap).unwrap();
        std::fs::write(out.join("targets"), &found.targets).unwrap();
        let file =
            |name: &str| format!("-D{}=\"{}\"", name.to_uppercase(), out.join(name).display());
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c/nothing.c");
        let members = [
            ("text#0.o", "-DSHARD=1".to_string()),
            ("metadata.o", file("targets")),
            ("sysimg.o", file("heap")),
        ];
        for (name, define) in &members {
            let mut cc = Command::new("cc");
            cc.arg("-c")
                .arg(&source)
                .arg(format!("-DLAYOUT={}", self.layout.number));
            run(cc.arg(define).arg("-o").arg(out.join(name)));
        }
        let archive = out.join("new.a");
        let members = members.map(|(name, _)| out.join(name));
        run(Command::new("ar").arg("rcs").arg(&archive).args(members));
        archive
    }

    /// What Julia answers with this image.
    fn ask(&self, image: &Path) -> String {
        let program = r#"
            using LinearAlgebra
            println(sum(abs2, rand(3, 3) * inv(rand(3, 3))) > 0, ' ', VERSION, ' ', big(2)^100)
            GC.gc()
            try
                parse(Int, "x")
            catch
                foreach(println, first(stacktrace(catch_backtrace()), 4))
            end
            println(fetch(Threads.@spawn sum(1:100)))
            "#;
        let mut julia = Command::new(self.prefix.join("bin/julia"));
        run(julia
            .arg("-J")
            .arg(image)
            .args(["--startup-file=no", "-t2", "-e", program]))
    }
}

struct Timed(Instant);

impl Timed {
    fn start() -> Self {
        Timed(Instant::now())
    }

    fn told(self, what: std::fmt::Arguments) {
        println!("{what} in {:?}", self.0.elapsed());
    }
}

/// Whether the C compiler will find this linker; prints if not.
fn is_there(linker: &str) -> bool {
    let found = Command::new(format!("ld.{linker}"))
        .arg("--version")
        .output();
    if found.is_err() {
        println!("skipped: no ld.{linker} on PATH");
    }
    found.is_ok()
}

fn same_heap_again(layout: &Layout, linker: &str) {
    let Some(prefix) = julia(layout.version) else {
        return;
    };
    if !is_there(linker) {
        return;
    }
    let mut packages = Vec::new();
    images(&prefix.join("share/julia/compiled"), &mut packages);
    let stock = prefix.join("lib/julia/sys.so");
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench {
        prefix,
        folder,
        layout,
        linker,
    };
    let expected = bench.ask(&stock);
    assert!(expected.contains("5050"), "{expected}");

    let linked = bench.link(&stock, &packages, "linked");
    assert_eq!(bench.ask(&linked), expected);
    // the linked image is a base, too, whose package images are its own by now
    let again = bench.link(&linked, &packages[..packages.len().min(3)], "again");
    assert_eq!(bench.ask(&again), expected);
    // and so is one without names
    let stripped = bench.folder.path().join("sys.so");
    run(Command::new("strip")
        .arg("--strip-all")
        .arg(&linked)
        .arg("-o")
        .arg(&stripped));
    let from_stripped = bench.link(&stripped, &packages, "from-stripped");
    let ask = bench.ask(&from_stripped);
    assert!(ask.contains("5050"), "{ask}");
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
