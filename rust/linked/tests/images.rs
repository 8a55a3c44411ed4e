//! Small images made with the C compiler: taken apart, linked again, opened and called.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use object::read::elf::FileHeader;
use object::{Object, ObjectSymbol};
use pcrs_linked::handover::{Counts, Handover, UsedBase, UsedPackage};
use pcrs_linked::{Base, Package, base_symbol, check, merge, package_symbol, unlink_base};

/// Each takes three program headers or more.
const COUNT: usize = 40;

struct Bench {
    folder: tempfile::TempDir,
    layout: u32,
}

/// The option of the C compiler for a linker: "ld", "lld", or "bare lld", which can do without one.
fn flavor(linker: &str) -> &'static str {
    if linker == "ld" {
        "-fuse-ld=bfd"
    } else {
        "-fuse-ld=lld"
    }
}

/// Whether a linker can be used; prints if not.
fn is_there(linker: &str) -> bool {
    let found = Command::new("cc")
        .arg(flavor(linker))
        .arg("-Wl,--version")
        .output();
    let found = found.is_ok_and(|output| output.status.success());
    if !found {
        println!("skipped: no cc with {linker} on this machine");
    }
    found
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{told}",
        output.status
    );
    assert!(!told.contains("warning"), "{command:?}\n{told}");
    String::from_utf8(output.stdout).unwrap()
}

impl Bench {
    fn new(layout: u32) -> Self {
        let bench = Bench {
            folder: tempfile::tempdir().unwrap(),
            layout,
        };
        run(bench
            .cc("julia.c")
            .args(["-shared", "-fPIC", "-o"])
            .arg(bench.path("libjulia.so")));
        run(bench
            .cc("run.c")
            .arg("-o")
            .arg(bench.path("run"))
            .arg(bench.path("libjulia.so"))
            .arg("-ldl"));
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn cc(&self, source: &str) -> Command {
        let mut cc = Command::new("cc");
        cc.arg(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("tests/c")
                .join(source),
        );
        cc.args(["-O1", "-g", "-gdwarf-4", "-gno-variable-location-views"])
            .arg(format!("-DLAYOUT={}", self.layout));
        cc
    }

    fn image(&self, source: &str, name: &str, more: &[&str]) -> PathBuf {
        let image = self.path(name);
        let mut cc = self.cc(source);
        run(cc
            .args(["-shared", "-fPIC"])
            .args(more)
            .arg("-o")
            .arg(&image)
            .arg(self.path("libjulia.so")));
        image
    }

    /// An image taken apart, in a new folder of this name.
    fn unlinked(&self, image: &Path, name: &str) -> (PathBuf, Base) {
        let folder = self.path(name);
        std::fs::create_dir(&folder).unwrap();
        let base = unlink_base(image, &folder).unwrap();
        (folder, base)
    }

    /// An archive as the image process writes it, whose function calls `called`.
    fn archive(&self, called: &str) -> PathBuf {
        self.archive_with(&[&format!("-DCALLED={called}"), "-DTARGETS=1"])
    }

    fn archive_with(&self, more: &[&str]) -> PathBuf {
        let folder = self.path("members");
        std::fs::create_dir_all(&folder).unwrap();
        for (source, name) in [
            ("new.c", "text#0.o"),
            ("metadata.c", "metadata.o"),
            ("sysimg.c", "sysimg.o"),
        ] {
            run(self
                .cc(source)
                .args(["-c", "-fPIC", "-o"])
                .arg(folder.join(name))
                .args(more));
        }
        let archive = self.path("new.a");
        let _ = std::fs::remove_file(&archive);
        run(Command::new("ar")
            .arg("rcs")
            .arg(&archive)
            .args(["text#0.o", "metadata.o", "sysimg.o"].map(|name| folder.join(name))));
        archive
    }

    /// Links what `merge` gives, to the image `name`.
    fn link(
        &self,
        linker: &str,
        base: &Path,
        handover: &Handover,
        archive: &Path,
        name: &str,
    ) -> PathBuf {
        let out = self.path(&format!("out-{name}"));
        std::fs::create_dir_all(&out).unwrap();
        let input = merge(base, handover, archive, &out).unwrap();
        let image = self.path(name);
        let libjulia = self.path("libjulia.so");
        if linker == "bare lld" {
            run(Command::new("ld.lld")
                .arg("-shared")
                .args(&input.bare_options)
                .args(&input.objects)
                .arg(libjulia)
                .arg("-o")
                .arg(&image));
        } else {
            run(Command::new("cc")
                .args([flavor(linker), "-shared"])
                .args(&input.options)
                .args(&input.objects)
                .arg(libjulia)
                .arg("-o")
                .arg(&image));
        }
        check(&image, handover).unwrap();
        image
    }

    /// Looks the function `symbol` up in the debug information, which has to name its file.
    fn name(&self, image: &Path, symbol: &str, file: &str) {
        let addr = addresses(image)[symbol];
        let found = run(Command::new("addr2line")
            .arg("-e")
            .arg(image)
            .arg(format!("{addr:#x}")));
        assert!(
            found.contains(&format!("/{file}:")),
            "{symbol} at {addr:#x}: {found}"
        );
    }

    fn call(&self, image: &Path, arguments: &[&str]) -> String {
        run(Command::new(self.path("run")).arg(image).args(arguments))
    }

    /// The same on a CPU for the target of this number.
    fn call_as(&self, target: u32, image: &Path, arguments: &[&str]) -> String {
        let mut program = Command::new(self.path("run"));
        program.env("TARGET", target.to_string());
        run(program.arg(image).args(arguments))
    }
}

/// The addresses of an image's functions and data.
fn addresses(image: &Path) -> HashMap<String, u64> {
    let bytes = std::fs::read(image).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    file.symbols()
        .filter(|symbol| symbol.is_definition())
        .map(|symbol| (symbol.name().unwrap().to_string(), symbol.address()))
        .collect()
}

fn handover(path: &Path, targets: u32, selected: Vec<u64>) -> Handover {
    Handover {
        base: UsedBase {
            path: path.into(),
            functions: selected.len() as u32,
            globals: 2,
            shards: 1,
            targets,
            selected,
        },
        packages: Vec::new(),
        refused: Vec::new(),
        heap: None,
        new_globals: 1,
        counts: Counts::default(),
    }
}

fn package(bench: &Bench, source: &Path, id: &str, slot: String) -> UsedPackage {
    let at = addresses(source);
    let package = Package::read(source, id).unwrap();
    let object = package
        .write(&[(at["other_slot"], slot)], &bench.path(&format!("{id}.o")))
        .unwrap();
    UsedPackage {
        id: id.into(),
        path: source.into(),
        object,
        functions: vec![at["package_one"], at["package_two"]],
        globals: vec![at["package_global"]],
    }
}

/// Base, two packages and a new shard, and on that another layer: of each linker's images, by each
/// linker.
fn layers(layout: u32, first: &str, second: &str) {
    if !is_there(first) || !is_there(second) {
        return;
    }
    let bench = Bench::new(layout);
    let flavor = flavor(first);
    let image = bench.image("base.c", "base.so", &[flavor, "-DTARGETS=1"]);
    let at = addresses(&image);
    let (folder, base) = bench.unlinked(&image, "base");
    assert!(
        base.julia.contains(&format!("1.{layout}")),
        "{}",
        base.julia
    );
    assert_eq!((base.functions, base.globals, base.targets), (3, 2, 1));
    let selected = vec![at["base_one"], at["base_two"], at["base_three"]];

    // The second package calls the first, the first the base.
    let one = bench.image("package.c", "one.so", &[flavor, "-DNUMBER=10"]);
    let two = bench.image("package.c", "two.so", &[flavor, "-DNUMBER=20"]);
    let ids = ["jlp0000000000000001", "jlp0000000000000002"];
    let mut told = handover(&image, 1, selected.clone());
    let first_function = addresses(&one)["package_one"];
    told.packages = vec![
        package(&bench, &one, ids[0], base_symbol(at["base_one"])),
        package(&bench, &two, ids[1], package_symbol(ids[0], first_function)),
    ];
    let archive = bench.archive(&base_symbol(at["base_one"]));
    let linked = bench.link(second, &folder, &told, &archive, "linked.so");
    // globals: 100 200 | 300 | 400 | 500
    let expected = "shards 3 functions 8 globals 5 heap NEWH
0(1) = 1008
1(1) = 302
2(1) = 1008
3(1) = 1318
5(1) = 1738
4(1) = 65078
6(1) = 65078
7(1) = 2516
100 200 300 400 500 exported 1011
";
    let calls = ["0:1", "1:1", "2:1", "3:1", "5:1", "4:1", "6:1", "7:1"];
    assert_eq!(bench.call(&linked, &calls), expected);
    bench.name(&linked, "base_two", "base.c");
    bench.name(
        &linked,
        &package_symbol(ids[1], first_function),
        "package.c",
    );
    bench.name(&linked, "new_one", "new.c");
    let program = bench.path("program");
    run(bench
        .cc("program.c")
        .arg("-o")
        .arg(&program)
        .arg(&linked)
        .arg(bench.path("libjulia.so"))
        .arg("-Wl,-z,lazy"));
    assert_eq!(run(&mut Command::new(&program)), "1011\n");
    let early = bench.call(&linked, &["early", "4", "4:1"]);
    assert!(early.contains("early -1\n4(1) = 65078"), "{early}");

    // The linked image is the base of the next layer, with a third package.
    let (folder, base) = bench.unlinked(&linked, "second");
    assert_eq!((base.functions, base.globals), (8, 5));
    let before = addresses(&linked);
    let mut selected = selected;
    selected.extend([
        before[&package_symbol(ids[0], first_function)],
        before[&package_symbol(ids[0], addresses(&one)["package_two"])],
    ]);
    let two_at = addresses(&two);
    selected.extend(
        ["package_one", "package_two"].map(|name| before[&package_symbol(ids[1], two_at[name])]),
    );
    selected.push(before["new_one"]);
    let third = "jlp0000000000000003";
    let mut told = handover(&linked, 1, selected.clone());
    (told.base.globals, told.base.shards) = (5, 3);
    let three = bench.image("package.c", "three.so", &[flavor, "-DNUMBER=30"]);
    told.packages = vec![package(&bench, &three, third, base_symbol(selected[5]))];
    let archive = bench.archive(&base_symbol(selected[7]));
    let again = bench.link(second, &folder, &told, &archive, "again.so");
    // globals: ... | 600 | 700
    let expected = "shards 5 functions 11 globals 7 heap NEWH
0(1) = 1008
5(1) = 1738
4(1) = 65078
6(1) = 65078
7(1) = 2516
8(1) = 2368
9(1) = 65078
10(1) = 5732
100 200 300 400 500 600 700 exported 1011
";
    let calls = ["0:1", "5:1", "4:1", "6:1", "7:1", "8:1", "9:1", "10:1"];
    assert_eq!(bench.call(&again, &calls), expected);
}

#[test]
fn layers_with_ld() {
    for layout in [10, 12] {
        layers(layout, "ld", "ld");
    }
}

#[test]
fn layers_with_lld() {
    for layout in [10, 12] {
        layers(layout, "lld", "lld");
        layers(layout, "lld", "bare lld");
    }
}

#[test]
fn layers_with_both() {
    for layout in [10, 12] {
        layers(layout, "ld", "lld");
        layers(layout, "lld", "ld");
    }
}

/// More package images than there is room for program headers of before the base's code.
#[test]
fn many_packages() {
    for (first, second) in [("ld", "ld"), ("lld", "lld"), ("lld", "bare lld")] {
        if !is_there(first) || !is_there(second) {
            continue;
        }
        let bench = Bench::new(10);
        let flavor = flavor(first);
        let image = bench.image("base.c", "base.so", &[flavor, "-DTARGETS=1"]);
        let at = addresses(&image);
        let (folder, _) = bench.unlinked(&image, "base");
        let selected = vec![at["base_one"], at["base_two"], at["base_three"]];
        let mut told = handover(&image, 1, selected);
        let source = bench.image("package.c", "package.so", &[flavor, "-DNUMBER=10"]);
        let slot = base_symbol(at["base_one"]);
        told.packages = (0..COUNT)
            .map(|i| package(&bench, &source, &format!("jlp{i:016}"), slot.clone()))
            .collect();
        let archive = bench.archive(&slot);
        let linked = bench.link(second, &folder, &told, &archive, "linked.so");

        let bytes = std::fs::read(&linked).unwrap();
        let header = object::elf::FileHeader64::<object::Endianness>::parse(&*bytes).unwrap();
        let endian = header.endian().unwrap();
        let segments = header.program_headers(endian, &*bytes).unwrap();
        let headers = header.e_phoff(endian) + 56 * segments.len() as u64;
        assert!(headers > at["base_one"], "all of {} fit", segments.len());
        // Each package's first function: of the base's first, its own global, and its own number.
        let answer = bench.call(&linked, &["1:1", "81:1", "83:1"]);
        for expected in ["1(1) = 301", "81(1) = 5218", "83(1) = 6316"] {
            assert!(answer.contains(&format!("\n{expected}\n")), "{answer}");
        }
        bench.name(&linked, "base_two", "base.c");
        bench.name(&linked, "new_one", "new.c");

        // It is the base of the next.
        let (_, base) = bench.unlinked(&linked, "second");
        assert_eq!(base.functions as usize, 2 * COUNT + 4);
    }
}

/// New code for the CPU targets of a base calls the versions that are for the CPU, also when another layer is
/// linked on that.
#[test]
fn code_for_several_targets_calls_the_version_for_the_cpu() {
    for (layout, linker) in [(10, "ld"), (12, "ld"), (10, "bare lld"), (12, "lld")] {
        if !is_there(linker) {
            continue;
        }
        let bench = Bench::new(layout);
        let image = bench.image("base.c", "base.so", &["-DTARGETS=2"]);
        let at = addresses(&image);
        let (folder, _) = bench.unlinked(&image, "base");
        let selected = vec![at["base_one"], at["base_two"], at["base_three"]];
        let told = handover(&image, 2, selected.clone());
        // One has a version of its own for the second target, the other has not.
        let calling = |targets: u32, one: &str, two: &str| {
            bench.archive_with(&[
                &format!("-DTARGETS={targets}"),
                &format!("-DCALLED={one}"),
                &format!("-DCALLED_TOO={two}"),
            ])
        };
        let (one, two) = (base_symbol(at["base_one"]), base_symbol(at["base_two"]));
        let archive = calling(2, &one, &two);
        let linked = bench.link(linker, &folder, &told, &archive, "linked.so");
        // base_one(1) = 1008 and gives the second 1 to add: 302
        let expected = "0(1) = 1008\n1(1) = 302\n2(1) = 1008\n3(1) = 2618\n";
        let calls = ["0:1", "1:1", "2:1", "3:1"];
        let output = bench.call_as(0, &linked, &calls);
        assert!(output.contains(expected), "{output}");
        let expected = "0(1) = 501008\n1(1) = 302\n2(1) = 501008\n3(1) = 1503626\n";
        let output = bench.call_as(1, &linked, &calls);
        assert!(output.contains(expected), "{output}");

        let (folder, base) = bench.unlinked(&linked, "second");
        assert_eq!((base.functions, base.targets), (4, 2));
        let before = addresses(&linked);
        let mut selected = selected;
        selected.push(before["new_one"]);
        let mut told = handover(&linked, 2, selected);
        (told.base.globals, told.base.shards) = (3, 2);
        let archive = calling(2, &base_symbol(before["new_one"]), &one);
        let again = bench.link(linker, &folder, &told, &archive, "again.so");
        for (target, expected) in [(0, "4(1) = 6644\n"), (1, "4(1) = 5012286\n")] {
            let output = bench.call_as(target, &again, &["0:1", "4:1"]);
            assert!(output.contains(expected), "{output}");
        }

        // Another base is noticed.
        let mut wrong = told.clone();
        wrong.base.path = image.clone();
        let refused = check(&again, &wrong).unwrap_err().to_string();
        assert!(refused.contains("not where they were"), "{refused}");
        // Of more targets than the base has there is no code.
        let single = bench.image("base.c", "single.so", &["-DTARGETS=1"]);
        let (folder, _) = bench.unlinked(&single, "single");
        let at = addresses(&single);
        let selected = vec![at["base_one"], at["base_two"], at["base_three"]];
        let archive = calling(
            2,
            &base_symbol(at["base_one"]),
            &base_symbol(at["base_two"]),
        );
        let refused = merge(&folder, &handover(&single, 1, selected), &archive, &folder);
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("just these 2 CPU targets"), "{refused}");
    }
}

/// A base that has code for two CPUs is reduced to what was selected; a stripped one has no names.
#[test]
fn chosen_functions_of_a_stripped_base() {
    for layout in [10, 12] {
        if !is_there("ld") {
            return;
        }
        let bench = Bench::new(layout);
        let image = bench.image("base.c", "base.so", &["-DTARGETS=2"]);
        let at = addresses(&image);
        run(Command::new("strip").arg(&image));
        let base = unlink_base(&image, bench.folder.path()).unwrap();
        assert_eq!(base.targets, 2);
        let told = handover(
            &image,
            2,
            vec![at["base_one_cloned"], at["base_two"], at["base_three"]],
        );
        let archive = bench.archive(&base_symbol(at["base_one"]));
        let linked = bench.link("ld", bench.folder.path(), &told, &archive, "linked.so");
        let output = bench.call(&linked, &["0:1", "2:1", "3:1"]);
        assert!(
            output.contains("0(1) = 501008\n2(1) = 501008\n3(1) = 2316\n"),
            "{output}"
        );
        // so is a package image
        let source = bench.image("package.c", "package.so", &["-DTARGETS=2", "-DNUMBER=10"]);
        let slot = base_symbol(at["base_one"]);
        let mut with_package = told.clone();
        with_package.packages = vec![package(&bench, &source, "jlp0000000000000001", slot)];
        with_package.packages[0].functions[0] = addresses(&source)["package_one_cloned"];
        let linked = bench.link(
            "ld",
            bench.folder.path(),
            &with_package,
            &archive,
            "more.so",
        );
        let output = bench.call(&linked, &["4:1"]);
        assert!(output.contains("4(1) = 701318\n"), "{output}");
        with_package.packages[0].functions.swap(0, 1);
        let refused = merge(
            bench.folder.path(),
            &with_package,
            &archive,
            bench.folder.path(),
        );
        assert!(refused.unwrap_err().to_string().contains("that are none"));
        // a function that is none is noticed
        let mut wrong = told.clone();
        wrong.base.selected[1] += 1;
        let refused = merge(bench.folder.path(), &wrong, &archive, bench.folder.path())
            .unwrap_err()
            .to_string();
        assert!(refused.contains("no version of"), "{refused}");
        let refused = check(&linked, &wrong).unwrap_err().to_string();
        assert!(refused.contains("not where they were"), "{refused}");
    }
}

#[test]
fn what_is_not_known_is_refused() {
    if !is_there("ld") {
        return;
    }
    let bench = Bench::new(10);
    let refused = |more: &[&str]| {
        let image = bench.image("package.c", "package.so", &[&["-DNUMBER=1"], more].concat());
        Package::read(&image, "jlp0000000000000001")
            .unwrap_err()
            .to_string()
    };
    let source = bench.path("more.c");
    let with = |text: &str| {
        std::fs::write(&source, text).unwrap();
        refused(&[source.to_str().unwrap()])
    };
    let told = with("__thread int x = 1; int f(void) { return x; }");
    assert!(told.contains("thread-local"), "{told}");
    let told = with("int x; __attribute__((constructor)) static void f(void) { x = 1; }");
    assert!(told.contains("runs when it is opened"), "{told}");
    let told = with(
        "static int g(void) { return 1; } static void *r(void) { return g; } __attribute__((ifunc(\"r\"), visibility(\"hidden\"))) int f(void); int (*p)(void) = f;",
    );
    assert!(told.contains("type that is not known (37)"), "{told}");
    let told = with("extern char jl_system_image_data[]; void *p = jl_system_image_data + 8;");
    assert!(told.contains("goes into the heap"), "{told}");
    assert!(
        refused(&["-gdwarf-5"]).contains("DWARF 5") || refused(&["-gdwarf-5"]).contains(".debug_")
    );
    assert!(refused(&["-gz"]).contains("compressed"));
    let told = unlink_base(&bench.path("libjulia.so"), bench.folder.path())
        .unwrap_err()
        .to_string();
    assert!(told.contains("not an image of Julia"), "{told}");
    let told = unlink_base(&source, bench.folder.path())
        .unwrap_err()
        .to_string();
    assert!(told.contains("not an ELF file"), "{told}");
}

/// Whatever a file holds, it is taken or refused: nothing panics, and nothing takes all memory.
#[test]
fn damaged_images_are_refused_in_order() {
    if !is_there("ld") {
        return;
    }
    let (mut taken, mut refused) = (0, 0);
    for layout in [10, 12] {
        let bench = Bench::new(layout);
        let image = bench.image("package.c", "package.so", &["-DNUMBER=10", "-DTARGETS=2"]);
        let whole = std::fs::read(&image).unwrap();
        let mut random = 88_172_645_463_325_252u64;
        let mut next = |limit: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random % limit as u64) as usize
        };
        for round in 0..400 {
            let mut bytes = whole.clone();
            if round % 10 == 0 {
                bytes.truncate(next(whole.len()));
            }
            for _ in 0..=next(3) {
                // headers and tables of sections are where it matters most
                let at = match next(3) {
                    0 => next(0x400),
                    1 => whole.len() - 1 - next(0xa00),
                    _ => next(whole.len()),
                };
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = [0, 1, 0x7f, 0x80, 0xff, next(256) as u8][next(6)];
                }
            }
            std::fs::write(&image, &bytes).unwrap();
            match Package::read(&image, "jlp0000000000000001") {
                Ok(_) => taken += 1,
                Err(_) => refused += 1,
            }
            let _ = unlink_base(&image, bench.folder.path());
        }
    }
    println!("{taken} taken, {refused} refused");
    assert!(taken > 50 && refused > 50);
}
