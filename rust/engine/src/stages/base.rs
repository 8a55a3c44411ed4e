//! A fresh base image (`incremental=false`): the compiler is compiled by Julia's bootstrap, then
//! Base by that compiler. Stdlibs are left out of it; the image stage loads those that are wanted.

use std::fs;
use std::path::{Path, PathBuf};

use pcrs_cache::Kind;

use super::check::Checked;
use super::link::link_whole;
use super::{fresh_journal, spec};
use crate::build::context::Context;
use crate::error::{BuildError, Stage};
use crate::julia::link_args::Input;
use crate::julia::linker::Linker;
use crate::julia::start::{Caches, generator, julia};
use crate::julia::version::Feature;
use crate::plan::{Base, BuildPlan, PkgId};
use crate::process::child;
use crate::process::invocation::Invocation;
use crate::records::{self, Records};
use crate::staging;

/// The image that the children run on.
#[derive(Debug)]
pub struct BaseImage {
    pub path: PathBuf,
    /// Packages of the default image, which a fresh one lacks.
    pub stdlibs: Vec<PkgId>,
    /// The caches from which the children load packages.
    pub caches: Caches,
    /// Its native code is linked into the image.
    pub linked: bool,
}

impl BaseImage {
    /// This base, for an image of `plan` made in that way.
    pub fn on_way(mut self, plan: &BuildPlan, linked: bool) -> Self {
        self.linked = linked;
        self.caches = Caches::of(plan, linked);
        self
    }

    pub fn existing(path: &Path) -> Self {
        Self {
            path: path.to_path_buf(),
            stdlibs: Vec::new(),
            caches: Caches::Portable,
            linked: false,
        }
    }

    pub fn fresh(folder: &Path, plan: &BuildPlan) -> Self {
        Self {
            path: image(folder, "base", plan),
            stdlibs: Vec::new(),
            caches: Caches::Portable,
            linked: false,
        }
    }
}

/// The two steps: what is compiled, on what, into which name.
const COMPILER: &str = "compiler";
const BASE: &str = "base";
/// The child that lists the stdlibs.
const STDLIBS: &str = "stdlibs";

fn image(folder: &Path, name: &str, plan: &BuildPlan) -> PathBuf {
    folder.join(format!("{name}.{}", plan.julia.dlext))
}

fn object(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}-o.a"))
}

/// Builds the fresh base.
///
/// # Errors
/// When Julia's sources are not as expected, or a child fails.
pub fn build(ctx: &Context<'_>, checked: &Checked) -> Result<BaseImage, BuildError> {
    let folder = ctx.workspace.path();
    let mut base = BaseImage::fresh(folder, ctx.plan);
    // Two builds of the same base take turns, and the second finds what the first made.
    let lock = ctx.cache.lock(ctx, Kind::Base);
    if !ctx.cache.base(&base.path) {
        write_sysimg_without_stdlibs(ctx.plan, folder)?;
        let link = |name: &str| {
            link_whole(ctx, checked, |linker| {
                link_command(ctx.plan, linker, folder, name)
            })
        };
        child::run_ok(ctx, &compile_compiler(ctx.plan, folder))?;
        link(COMPILER)?;
        child::run_ok(ctx, &compile_base(ctx.plan, folder))?;
        link(BASE)?;
        ctx.cache.keep_base(ctx, &base.path);
    }
    drop(lock);
    if lists_stdlibs(ctx.plan) {
        base.stdlibs = default_stdlibs(ctx)?;
    }
    Ok(base)
}

/// Every command of the stage, in order.
pub fn commands(plan: &BuildPlan, checked: &Checked, folder: &Path) -> Vec<Invocation> {
    let link = |name: &str| link_command(plan, checked.linkers.first(), folder, name);
    let mut all = vec![
        compile_compiler(plan, folder),
        link(COMPILER),
        compile_base(plan, folder),
        link(BASE),
    ];
    if lists_stdlibs(plan) {
        all.push(list_stdlibs(plan, folder));
    }
    all
}

fn link_command(plan: &BuildPlan, linker: &Linker, folder: &Path, name: &str) -> Invocation {
    linker.invocation(
        plan,
        Stage::Base,
        &Input::Archive(&object(folder, name)),
        &image(folder, name, plan),
        &format!("{name}.{}", plan.julia.dlext),
    )
}

fn compile_compiler(plan: &BuildPlan, folder: &Path) -> Invocation {
    let mut child = generator(
        plan,
        Stage::Base,
        "compiling the compiler",
        None,
        Caches::Portable,
    );
    common(&mut child, plan);
    child.option("output-o", object(folder, COMPILER));
    if plan.julia.version.has(Feature::BaseCompiler) {
        // As Julia's sysimage.mk: what this compiles is compiled once more with Base.
        child.args(["-O1", "Base_compiler.jl"]);
    } else {
        child.arg("compiler/compiler.jl");
    }
    build_roots(&mut child, plan);
    child
}

fn compile_base(plan: &BuildPlan, folder: &Path) -> Invocation {
    let on = image(folder, COMPILER, plan);
    let mut child = generator(
        plan,
        Stage::Base,
        "compiling Base",
        Some(&on),
        Caches::Portable,
    );
    common(&mut child, plan);
    child.arg("--threads=1");
    child.option("output-o", object(folder, BASE));
    child.arg(sysimg_copy(folder));
    build_roots(&mut child, plan);
    child
}

fn common(child: &mut Invocation, plan: &BuildPlan) {
    child.option("cpu-target", &plan.cpu_target);
    child.args(plan.base_args());
    child.cwd = Some(plan.julia.base_source.clone());
}

/// Julia >= 1.12 is told where its sources and its data are, relative to each other.
fn build_roots(child: &mut Invocation, plan: &BuildPlan) {
    if plan.julia.version.has(Feature::BaseCompiler) {
        let data = relative(&plan.julia.data_root, &plan.julia.base_source);
        child.args(["--buildroot", "", "--dataroot", &format!("{data}/")]);
    }
}

fn relative(path: &Path, from: &Path) -> String {
    let real = |p: &Path| p.canonicalize().unwrap_or_else(|_| p.to_path_buf());
    let (path, from) = (real(path), real(from));
    let shared = path
        .components()
        .zip(from.components())
        .take_while(|(a, b)| a == b)
        .count();
    let ups = from.components().skip(shared).map(|_| "..".to_string());
    let downs = path
        .components()
        .skip(shared)
        .map(|c| c.as_os_str().to_string_lossy().into_owned());
    ups.chain(downs).collect::<Vec<_>>().join("/")
}

fn sysimg_copy(folder: &Path) -> PathBuf {
    folder.join("sysimg.jl")
}

/// Copies Julia's `sysimg.jl` with its list of stdlibs emptied, and an end of ours.
fn write_sysimg_without_stdlibs(plan: &BuildPlan, folder: &Path) -> Result<(), BuildError> {
    let source = plan.julia.base_source.join("sysimg.jl");
    let text = fs::read_to_string(&source)
        .map_err(|e| BuildError::io(Stage::Base, "reading", &source, &e))?;
    let emptied = without_stdlibs(&text).ok_or_else(|| {
        BuildError::failed(
            Stage::Base,
            format!("`{}` holds no list of stdlibs", source.display()),
        )
        .because(format!(
            "Julia {} builds its image in a way that is not known yet",
            plan.julia.version
        ))
        .hint("build with `incremental=true`, and report this Julia version")
    })?;
    let copy = sysimg_copy(folder);
    fs::write(&copy, emptied).map_err(|e| BuildError::io(Stage::Base, "writing", &copy, &e))
}

fn without_stdlibs(text: &str) -> Option<String> {
    const LIST: &str = "stdlibs = [";
    let mut rest = text;
    let mut out = String::with_capacity(text.len());
    while let Some(at) = rest.find(LIST) {
        let (head, tail) = rest.split_at(at + LIST.len());
        let end = tail.find(']')?;
        out.push_str(head);
        rest = &tail[end..];
    }
    if out.is_empty() {
        return None;
    }
    out.push_str(rest);
    out.push_str(include_str!("../staging/sysimg_end.jl"));
    Some(out)
}

fn lists_stdlibs(plan: &BuildPlan) -> bool {
    matches!(
        plan.base,
        Base::Fresh {
            filter_stdlibs: false
        }
    )
}

fn list_stdlibs(plan: &BuildPlan, folder: &Path) -> Invocation {
    let what = "listing the stdlibs of the default image";
    let mut child = julia(plan, Stage::Base, what, None, Caches::Portable);
    child.arg(staging::path(folder, "stdlibs.jl"));
    child.arg(spec(folder, STDLIBS));
    child
}

/// The packages of the default image, read from that image itself.
fn default_stdlibs(ctx: &Context<'_>) -> Result<Vec<PkgId>, BuildError> {
    let folder = ctx.workspace.path();
    let told = fresh_journal(folder, STDLIBS, Stage::Base)?;
    let path = spec(folder, STDLIBS);
    Records::default()
        .push_path("journal", &told)
        .write(&path)
        .map_err(|e| BuildError::io(Stage::Base, "writing", &path, &e))?;
    child::run_ok(ctx, &list_stdlibs(ctx.plan, folder))?;
    let bytes = fs::read(&told).map_err(|e| BuildError::io(Stage::Base, "reading", &told, &e))?;
    let ids = records::parse(&bytes)
        .into_iter()
        .filter_map(|(_, value)| {
            let (uuid, name) = value.split_once(' ')?;
            Some(PkgId {
                name: name.into(),
                uuid: uuid.into(),
            })
        })
        .collect();
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_stdlibs_is_emptied_and_nothing_else() {
        let text = "a\nstdlibs = [\n # x\n :A,\n]\nb";
        let emptied = without_stdlibs(text).unwrap();
        assert!(emptied.starts_with("a\nstdlibs = []\nb"));
        assert!(without_stdlibs("no list").is_none());
    }

    #[test]
    fn relative_paths_climb_and_descend() {
        let rel = relative(
            Path::new("/nowhere/share"),
            Path::new("/nowhere/share/julia/base"),
        );
        assert_eq!(rel, "../..");
    }
}
