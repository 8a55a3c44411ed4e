//! What a linker is told, by system. The system is a value, so that what each is told is a test on any.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use pcrs_linked::LinkInput;

use super::version::Feature;
use crate::plan::Julia;
use crate::process::invocation::Invocation;

/// What is linked into an image.
#[derive(Debug)]
pub enum Input<'a> {
    /// An archive of which every member is needed.
    Archive(&'a Path),
    /// New and finished code, and where it goes (ELF only).
    Linked(&'a LinkInput),
}

impl Input<'_> {
    /// The files, in front of and behind them `whole` where all of an archive is needed.
    fn add_to(&self, link: &mut Invocation, whole: [&str; 2]) {
        match self {
            Self::Archive(path) => link.arg(whole[0]).arg(path).arg(whole[1]),
            Self::Linked(parts) => link.args(&parts.objects),
        };
    }

    /// For macOS's linkers, which take no option behind them.
    fn files(&self) -> Vec<&Path> {
        match self {
            Self::Archive(path) => vec![path],
            Self::Linked(parts) => parts.objects.iter().map(PathBuf::as_path).collect(),
        }
    }
}

/// A system, as far as its linkers are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// Linux, and others with GNU's or LLVM's ld for ELF.
    Elf,
    Mac,
    Windows,
}

impl System {
    /// That which this is compiled for.
    pub const HERE: Self = if cfg!(windows) {
        Self::Windows
    } else if cfg!(target_os = "macos") {
        Self::Mac
    } else {
        Self::Elf
    };

    /// The variable by which lld finds Julia's libLLVM (`Base.Linking.adjust_ENV!`, Julia 1.10).
    pub fn library_path(self) -> &'static str {
        match self {
            Self::Elf => "LD_LIBRARY_PATH",
            Self::Mac => "DYLD_FALLBACK_LIBRARY_PATH",
            Self::Windows => "PATH",
        }
    }

    /// For a C or C++ compiler, as PackageCompiler tells it (`create_sysimg_from_object_file`,
    /// `rpath_sysimage`), but for what each branch says.
    pub fn driver_args(self, link: &mut Invocation, julia: &Julia, input: &Input<'_>, name: &str) {
        link.arg("-shared");
        if julia.arch == "i686" {
            // A compiler for 64 bits often makes both.
            link.arg("-m32");
        }
        match self {
            Self::Elf => {
                input.add_to(link, ["-Wl,--whole-archive", "-Wl,--no-whole-archive"]);
                link.args(&julia.libraries);
                // With -Xlinker and not -Wl, which would split a folder's name at its commas.
                for dir in &julia.library_dirs {
                    let mut arg = OsString::from("-rpath-link=");
                    arg.push(dir);
                    link.arg("-Xlinker").arg(arg);
                }
                link.arg("-Xlinker").arg(format!("-soname={name}"));
                link.arg("-Wl,-rpath,$ORIGIN:$ORIGIN/julia");
                if let Input::Linked(parts) = input {
                    link.args(&parts.options);
                }
            }
            Self::Mac => {
                // A Julia for Intel runs on Apple's processors, where the compiler is for those.
                link.args(["-arch", mac_arch(julia)]);
                link.arg("-Wl,-all_load").args(input.files());
                link.args(&julia.libraries);
                // Not changed afterwards by install_name_tool: the signature that ld gives a dylib for
                // Apple's processors, without which it does not load, would not hold any more.
                // With -Xlinker, as a name may have commas.
                link.args(["-Xlinker", "-install_name", "-Xlinker"]);
                link.arg(format!("@rpath/{name}"));
                link.arg("-Wl,-rpath,@executable_path,-rpath,@executable_path/julia");
            }
            Self::Windows => {
                input.add_to(link, ["-Wl,--whole-archive", "-Wl,--no-whole-archive"]);
                windows_libraries(link, julia);
                if julia.version.has(Feature::ExportAllSymbols) {
                    link.arg("-Wl,--export-all-symbols");
                }
            }
        }
    }

    /// For Julia's lld, as `Base.Linking.link_image_cmd` of Julia 1.10, with the image's name and rpath added.
    pub fn lld_args(self, link: &mut Invocation, julia: &Julia, input: &Input<'_>, name: &str) {
        match self {
            Self::Elf => {
                link.args(["-flavor", "gnu", "-shared"]);
                input.add_to(link, ["--whole-archive", "--no-whole-archive"]);
                link.args(&julia.libraries);
                link.arg(format!("-soname={name}"));
                link.args(["-rpath", "$ORIGIN:$ORIGIN/julia"]);
                if let Input::Linked(parts) = input {
                    link.args(&parts.bare_options);
                }
            }
            Self::Mac => {
                // lld signs what is for Apple's processors by itself (`-adhoc_codesign`, its default there).
                link.args(["-flavor", "darwin", "-arch", mac_arch(julia)]);
                link.args(["-undefined", "dynamic_lookup"]);
                // The oldest macOS that Julia runs on; the image calls nothing newer.
                link.args(["-platform_version", "macos", "11.0", "11.0"]);
                link.args(["-dylib", "-all_load"]).args(input.files());
                link.args(&julia.libraries);
                link.arg("-install_name").arg(format!("@rpath/{name}"));
            }
            Self::Windows => {
                let machine = if julia.arch == "x86_64" {
                    "i386pep"
                } else {
                    "i386pe"
                };
                link.args(["-flavor", "gnu", "-m", machine, "-Bdynamic"]);
                link.args(["--enable-auto-image-base", "--allow-multiple-definition"]);
                link.args(["--disable-auto-import", "--disable-runtime-pseudo-reloc"]);
                link.arg("-shared");
                input.add_to(link, ["--whole-archive", "--no-whole-archive"]);
                windows_libraries(link, julia);
                link.args(["-lssp", "-lgcc_s", "-lgcc", "-lmsvcrt"]);
                if julia.version.has(Feature::ExportAllSymbols) {
                    link.arg("--export-all-symbols");
                }
            }
        }
    }
}

/// What Apple's tools call the processor that this Julia is for.
fn mac_arch(julia: &Julia) -> &str {
    if julia.arch == "aarch64" {
        "arm64"
    } else {
        &julia.arch
    }
}

fn windows_libraries(link: &mut Invocation, julia: &Julia) {
    for dir in &julia.library_dirs {
        let mut arg = OsString::from("-L");
        arg.push(dir);
        link.arg(arg);
    }
    link.args(["-ljulia", "-ljulia-internal", "-lopenlibm"]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Stage;

    fn julia(version: &str, arch: &str) -> Julia {
        serde_json::from_value(serde_json::json!({
            "version": version, "exe": "/j/bin/julia", "stdlib": "/j/stdlib", "base_source": "/j/base",
            "data_root": "/j/share", "default_sysimage": "/j/lib/julia/sys", "libraries": ["/j/lib/libjulia"],
            "llvm": null, "library_dirs": ["/j/lib", "/j/a,b"], "dlext": "so", "arch": arch, "cpu": "any",
            "lld": null,
        }))
        .expect("a Julia as plans have it")
    }

    fn words(system: System, lld: bool, julia: &Julia) -> String {
        let mut link = Invocation::new(Stage::Link, "linking", "ld");
        let input = Input::Archive(Path::new("/w/image.a"));
        if lld {
            system.lld_args(&mut link, julia, &input, "My.so");
        } else {
            system.driver_args(&mut link, julia, &input, "My.so");
        }
        let words = link.args.iter().map(|word| word.to_string_lossy());
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_compiler_is_told_what_its_system_needs() {
        let julia = julia("1.10.6", "x86_64");
        assert_eq!(
            words(System::Elf, false, &julia),
            "-shared -Wl,--whole-archive /w/image.a -Wl,--no-whole-archive /j/lib/libjulia \
             -Xlinker -rpath-link=/j/lib -Xlinker -rpath-link=/j/a,b -Xlinker -soname=My.so \
             -Wl,-rpath,$ORIGIN:$ORIGIN/julia"
        );
        assert_eq!(
            words(System::Mac, false, &julia),
            "-shared -arch x86_64 -Wl,-all_load /w/image.a /j/lib/libjulia \
             -Xlinker -install_name -Xlinker @rpath/My.so -Wl,-rpath,@executable_path,-rpath,@executable_path/julia"
        );
        assert_eq!(
            words(System::Windows, false, &julia),
            "-shared -Wl,--whole-archive /w/image.a -Wl,--no-whole-archive -L/j/lib -L/j/a,b \
             -ljulia -ljulia-internal -lopenlibm"
        );
    }

    #[test]
    fn lld_is_told_what_its_system_needs() {
        let julia = julia("1.10.6", "x86_64");
        assert_eq!(
            words(System::Elf, true, &julia),
            "-flavor gnu -shared --whole-archive /w/image.a --no-whole-archive /j/lib/libjulia \
             -soname=My.so -rpath $ORIGIN:$ORIGIN/julia"
        );
        assert_eq!(
            words(System::Mac, true, &julia),
            "-flavor darwin -arch x86_64 -undefined dynamic_lookup -platform_version macos 11.0 11.0 \
             -dylib -all_load /w/image.a /j/lib/libjulia -install_name @rpath/My.so"
        );
        assert_eq!(
            words(System::Windows, true, &julia),
            "-flavor gnu -m i386pep -Bdynamic --enable-auto-image-base --allow-multiple-definition \
             --disable-auto-import --disable-runtime-pseudo-reloc -shared --whole-archive /w/image.a \
             --no-whole-archive -L/j/lib -L/j/a,b -ljulia -ljulia-internal -lopenlibm \
             -lssp -lgcc_s -lgcc -lmsvcrt"
        );
    }

    #[test]
    fn the_processor_is_that_of_julia() {
        let intel = julia("1.10.6", "x86_64");
        let apple = julia("1.10.6", "aarch64");
        for lld in [false, true] {
            assert!(words(System::Mac, lld, &intel).contains("-arch x86_64"));
            assert!(words(System::Mac, lld, &apple).contains("-arch arm64"));
        }
        let small = julia("1.10.6", "i686");
        assert!(words(System::Windows, true, &small).contains("-m i386pe -"));
        for system in [System::Elf, System::Windows] {
            assert!(words(system, false, &small).starts_with("-shared -m32 "));
            assert!(!words(system, false, &intel).contains("-m32"));
        }
    }

    /// LLVM 16, which came with Julia 1.11, hides what is not exported (`juliaconfig.jl` of PackageCompiler).
    #[test]
    fn windows_exports_all_since_julia_1_11() {
        for lld in [false, true] {
            let old = words(System::Windows, lld, &julia("1.10.6", "x86_64"));
            assert!(!old.contains("--export-all-symbols"), "{old}");
            let new = words(System::Windows, lld, &julia("1.11.0", "x86_64"));
            assert!(new.contains("--export-all-symbols"), "{new}");
            assert!(!words(System::Mac, lld, &julia("1.11.0", "x86_64")).contains("export"));
        }
    }
}
