//! What turns an object file into a shared library: `JULIA_CC`, or the system's compiler and the lld
//! that Julia brings.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::link_args::{Input, System};
use crate::error::{BuildError, Stage};
use crate::plan::BuildPlan;
use crate::process::invocation::Invocation;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Linker {
    /// A C or C++ compiler, with arguments of the user's.
    Driver {
        program: PathBuf,
        args: Vec<String>,
        from: DriverSource,
    },
    /// Julia's own lld (Julia >= 1.9).
    Lld(PathBuf),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DriverSource {
    JuliaCc,
    System,
}

/// Tried in this order. C++ first, as PackageCompiler does: objects of init code may need the C++
/// runtime. `CC` and `CXX` have no say: what compiles the user's own programs, such as MPI's wrappers,
/// need not link a plain library.
const DRIVERS: [&str; 6] = ["c++", "g++", "clang++", "cc", "gcc", "clang"];

/// What may link an image, in the order in which it is tried: the compiler that the user chose, alone; else a
/// compiler and Julia's lld, as far as they are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linkers {
    first: Linker,
    second: Option<Linker>,
}

impl Linkers {
    /// Finds them for `plan`.
    ///
    /// # Errors
    /// When `JULIA_CC` names nothing that can be run, or there is no compiler and no lld.
    pub fn find(plan: &BuildPlan) -> Result<Self, BuildError> {
        if let Some(words) = &plan.compiler {
            let first = from_julia_cc(plan, words)?;
            return Ok(Self {
                first,
                second: None,
            });
        }
        let driver = system_driver(plan).map(|program| Linker::Driver {
            program,
            args: Vec::new(),
            from: DriverSource::System,
        });
        let lld = plan.julia.lld.clone().map(Linker::Lld);
        Self::of_system(System::HERE, driver, lld).ok_or_else(|| {
            BuildError::input(format!(
                "no linker was found: looked for {} on PATH, and Julia {} brings no lld",
                DRIVERS.join(", "),
                plan.julia.version
            ))
            .hint(
                "install a C compiler (Debian: `apt install gcc`), or set JULIA_CC to the path of one",
            )
        })
    }

    /// Elsewhere than on Linux a compiler on `PATH` may well be none that links for Julia: a Mac without the developer
    /// tools has a `c++` that only asks for them, and on Windows there are compilers for other C libraries.
    fn of_system(system: System, driver: Option<Linker>, lld: Option<Linker>) -> Option<Self> {
        let in_turn = match system {
            System::Elf => [driver, lld],
            System::Mac | System::Windows => [lld, driver],
        };
        let mut found = in_turn.into_iter().flatten();
        Some(Self {
            first: found.next()?,
            second: found.next(),
        })
    }

    pub fn first(&self) -> &Linker {
        &self.first
    }

    pub fn in_turn(&self) -> impl Iterator<Item = &Linker> {
        std::iter::once(&self.first).chain(&self.second)
    }

    /// For the parts of a linked image, the fastest first: Julia's own lld takes half the time of GNU ld.
    pub fn for_parts(&self) -> Vec<&Linker> {
        let mut linkers: Vec<_> = self.in_turn().collect();
        linkers.sort_by_key(|linker| !matches!(linker, Linker::Lld(_)));
        linkers
    }
}

impl Linker {
    /// Which one it is, for the report.
    pub fn describe(&self) -> String {
        match self {
            Linker::Driver {
                program,
                args,
                from,
            } => {
                let from = match from {
                    DriverSource::JuliaCc => "JULIA_CC",
                    DriverSource::System => "found on this system",
                };
                let words: Vec<_> = std::iter::once(program.display().to_string())
                    .chain(args.iter().cloned())
                    .collect();
                format!("{} ({from})", words.join(" "))
            }
            Linker::Lld(path) => format!("{} (brought by Julia)", path.display()),
        }
    }

    /// The command that links `input` into `image`, which will be called `name`.
    pub fn invocation(
        &self,
        plan: &BuildPlan,
        stage: Stage,
        input: &Input<'_>,
        image: &Path,
        name: &str,
    ) -> Invocation {
        let julia = &plan.julia;
        let mut link = match self {
            Linker::Driver { program, args, .. } => {
                let mut link = Invocation::new(stage, format!("linking `{name}`"), program);
                link.args(args);
                System::HERE.driver_args(&mut link, julia, input, name);
                link
            }
            Linker::Lld(path) => {
                let mut link = Invocation::new(stage, format!("linking `{name}`"), path);
                System::HERE.lld_args(&mut link, julia, input, name);
                let dirs = julia.library_dirs.iter().map(PathBuf::as_path);
                let inherited = plan
                    .surroundings
                    .var(System::HERE.library_path())
                    .unwrap_or_default();
                let inherited = std::env::split_paths(inherited).collect::<Vec<_>>();
                let all = dirs.chain(inherited.iter().map(PathBuf::as_path));
                // A folder with the separator in its name cannot be handed on; lld's own RUNPATH
                // then has to do.
                if let Ok(path) = std::env::join_paths(all) {
                    link.set(System::HERE.library_path(), path);
                }
                link
            }
        };
        if let Some(library) = &plan.library {
            self.add_library(&mut link, library, image);
        }
        link.arg("-o").arg(image);
        link
    }

    /// What makes the image a library for other programs: the code of its own functions, and where the
    /// libraries are that others in the bundle need. An old RPATH also holds for these, a RUNPATH does not.
    fn add_library(&self, link: &mut Invocation, library: &Path, image: &Path) {
        if matches!(self, Linker::Driver { .. }) {
            link.arg("-Xlinker");
        }
        link.arg("--disable-new-dtags");
        link.arg(entries(image)).arg(library);
    }
}

/// The object file with a library's own functions, beside the `image` in the work folder.
pub fn entries(image: &Path) -> PathBuf {
    image.with_file_name("entries.o")
}

fn from_julia_cc(plan: &BuildPlan, words: &[String]) -> Result<Linker, BuildError> {
    let Some((first, args)) = words.split_first() else {
        return Err(BuildError::input("JULIA_CC is set and empty")
            .hint("unset it, or give the path of a C compiler"));
    };
    let program = plan.surroundings.program(first).ok_or_else(|| {
        BuildError::input(format!("JULIA_CC names `{first}`, which cannot be run"))
            .hint("unset it, or give the path of a C compiler, with its arguments if it needs any")
    })?;
    Ok(Linker::Driver {
        program,
        args: args.to_vec(),
        from: DriverSource::JuliaCc,
    })
}

fn system_driver(plan: &BuildPlan) -> Option<PathBuf> {
    DRIVERS
        .iter()
        .find_map(|name| plan.surroundings.program(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_tried_first_depends_on_the_system() {
        let driver = Linker::Driver {
            program: "/usr/bin/c++".into(),
            args: Vec::new(),
            from: DriverSource::System,
        };
        let lld = Linker::Lld("/j/lld".into());
        let of = |system, driver: Option<&Linker>, lld: Option<&Linker>| {
            Linkers::of_system(system, driver.cloned(), lld.cloned())
        };
        let both = |system| of(system, Some(&driver), Some(&lld)).unwrap();
        let elf = both(System::Elf);
        assert_eq!(elf.in_turn().collect::<Vec<_>>(), [&driver, &lld]);
        assert_eq!(elf.for_parts(), [&lld, &driver]);
        for system in [System::Mac, System::Windows] {
            let linkers = both(system);
            assert_eq!(linkers.in_turn().collect::<Vec<_>>(), [&lld, &driver]);
        }
        let only = of(System::Mac, Some(&driver), None).unwrap();
        assert_eq!((only.first(), only.in_turn().count()), (&driver, 1));
        assert_eq!(of(System::Elf, None, None), None);
    }
}
