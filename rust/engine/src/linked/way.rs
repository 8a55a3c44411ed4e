//! Whether what is compiled already can be linked in, as far as the plan tells.

use crate::identity::cpu_flags;
use crate::julia::start::can_be_preloaded;
use crate::julia::version::Feature;
use crate::plan::{Base, BuildPlan};

/// How an image is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// Native code that exists is linked in.
    Linked,
    /// Everything is compiled, because the user wants it so.
    Full,
    /// Everything is compiled, for want of something that nobody can change for this build: this
    /// system or this Julia.
    NotHere(String),
    /// Everything is compiled, because of an option.
    NotSo(String),
}

/// Options of `sysimage_build_args` that leave the code of methods as it is.
const HARMLESS: [&str; 4] = [
    "--strip-metadata",
    "--heap-size-hint",
    "--gcthreads",
    "--quiet",
];

impl Way {
    /// The way for `plan`.
    pub fn of(plan: &BuildPlan) -> Self {
        if !plan.linked {
            return Self::Full;
        }
        let version = plan.julia.version;
        if !cfg!(all(target_os = "linux", target_arch = "x86_64")) || plan.julia.arch != "x86_64" {
            return Self::NotHere("native code is linked in on x86-64 Linux only".into());
        }
        if !version.has(Feature::PkgImages) {
            return Self::NotHere(format!("Julia {version} keeps no native code of packages"));
        }
        if !version.can_be_linked() {
            return Self::NotHere(format!(
                "how Julia {version} keeps native code is not known yet"
            ));
        }
        let Some(interposer) = &plan.interposer else {
            return Self::NotHere("the library that does it is not built".into());
        };
        if !can_be_preloaded(interposer) {
            return Self::NotHere(format!(
                "`{}` cannot be preloaded, for the colon in its path",
                interposer.display()
            ));
        }
        if plan.cpu_target == "sysimage" {
            return Self::NotSo(
                "linked code is for CPUs that are named, and `cpu_target=\"sysimage\"` may be any"
                    .into(),
            );
        }
        if let Some(why) = lacks_targets(plan) {
            return Self::NotSo(why);
        }
        if plan.compress {
            return Self::NotSo("a compressed image has another layout".into());
        }
        let name = |arg: &str| arg.split('=').next().unwrap_or_default().to_string();
        let mut args = plan.build_args.iter();
        if let Some(arg) = args.find(|arg| !HARMLESS.contains(&name(arg).as_str())) {
            return Self::NotSo(format!(
                "`{arg}` in `sysimage_build_args` may change the code, which is on the disk without \
                 it"
            ));
        }
        Self::Linked
    }

    pub fn is_linked(&self) -> bool {
        *self == Self::Linked
    }

    /// Why everything is compiled, if that was not the user's wish.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::NotHere(why) | Self::NotSo(why) => Some(why),
            Self::Linked | Self::Full => None,
        }
    }
}

/// Why the code of the base is not for the CPUs of a `cpu_target` of several, if it is not. A base that
/// this build makes is.
fn lacks_targets(plan: &BuildPlan) -> Option<String> {
    let Base::Existing { path } = &plan.base else {
        return None;
    };
    let name =
        |target: &str| cpu_flags::name(target.split(',').next().unwrap_or_default()).to_string();
    let wanted: Vec<String> = plan.cpu_target.split(';').map(name).collect();
    // Of one alone Julia chooses the nearest.
    if wanted.len() == 1 {
        return None;
    }
    let names = cpu_flags::names(path);
    match &names {
        Some(names) if names.starts_with(&wanted) => None,
        _ => Some(format!(
            "`{}` has code for {}, and `cpu_target=\"{}\"` is for several others",
            path.display(),
            names.map_or("CPUs that are not known".into(), |names| names.join(", ")),
            plan.cpu_target
        )),
    }
}
