//! Links what the image process made into the shared library that Julia starts from.

use std::path::{Path, PathBuf};

use pcrs_linked::handover::Handover;

use super::check::Checked;
use crate::build::context::Context;
use crate::error::{BuildError, Stage};
use crate::identity::sizes::{Origins, Region};
use crate::julia::link_args::{Input, System};
use crate::julia::linker::{Linker, entries};
use crate::linked::{Setback, job, step};
use crate::plan::{BuildPlan, file_name};
use crate::process::child::{self, Verdict};
use crate::process::invocation::Invocation;
use crate::report::{How, LinkedCode, RefusedCache, SpanKind};

/// The image in the work folder, under its final name.
pub fn linked(folder: &Path, plan: &BuildPlan) -> PathBuf {
    folder.join("linked").join(plan.image_name())
}

/// [`linked`], with its folder made.
///
/// # Errors
/// When the folder cannot be made.
pub fn place(ctx: &Context<'_>) -> Result<PathBuf, BuildError> {
    let image = linked(ctx.workspace.path(), ctx.plan);
    if let Some(folder) = image.parent() {
        std::fs::create_dir_all(folder)
            .map_err(|e| BuildError::io(Stage::Link, "creating the folder", folder, &e))?;
        if let Some(library) = &ctx.plan.library {
            add_library(&image, folder, library)?;
        }
    }
    Ok(image)
}

/// Functions of a library for other programs, and those that they go on to.
const ENTRIES: [(&str, &str); 2] = [
    ("init_julia", "pcrs_library_init"),
    ("shutdown_julia", "pcrs_library_shutdown"),
];

/// Writes what such an image is linked with, and puts the library where the image looks for it when it
/// is tried.
fn add_library(image: &Path, folder: &Path, library: &Path) -> Result<(), BuildError> {
    let object = entries(image);
    pcrs_linked::write_entries(&object, &ENTRIES).map_err(|why| {
        BuildError::failed(
            Stage::Link,
            format!("`{}` cannot be written", object.display()),
        )
        .because(why.to_string())
    })?;
    let private = folder.join("julia");
    std::fs::create_dir_all(&private)
        .and_then(|()| std::fs::copy(library, private.join(file_name(library))).map(drop))
        .map_err(|e| BuildError::io(Stage::Link, "copying to", &private, &e))
}

pub fn invocation(
    plan: &BuildPlan,
    linker: &Linker,
    input: &Input<'_>,
    image: &Path,
) -> Invocation {
    let name = plan.image_name();
    linker.invocation(plan, Stage::Link, input, image, &name)
}

/// Links an archive that holds all of the image's code.
///
/// # Errors
/// As [`link_whole`].
pub fn link_image<'c>(
    ctx: &Context<'_>,
    checked: &'c Checked,
    object: &Path,
) -> Result<(PathBuf, &'c Linker), BuildError> {
    let image = place(ctx)?;
    let input = Input::Archive(object);
    let linker = link_whole(ctx, checked, |linker| {
        invocation(ctx.plan, linker, &input, &image)
    })?;
    let size = std::fs::metadata(&image).map_or(0, |meta| meta.len());
    if let Some(error) = too_large(System::HERE, size) {
        return Err(error);
    }
    // The space is needed by what follows.
    let _ = std::fs::remove_file(object);
    Ok((image, linker))
}

/// Windows loads no library of 2 GiB or more, and says of one that it is no valid application (PackageCompiler.jl
/// issue 1114).
fn too_large(system: System, size: u64) -> Option<BuildError> {
    const LIMIT: u64 = 1 << 31;
    let large = system == System::Windows && size >= LIMIT;
    large.then(|| {
        BuildError::failed(
            Stage::Link,
            "the image is larger than Windows loads libraries",
        )
        .because(format!("it has {size} bytes, and {LIMIT} are too many"))
        .hint("leave packages out (`exclude`), or `sysimage_build_args=`--strip-metadata``")
    })
}

/// Links what is all of an image, by the commands that `command` gives, and gives what did.
///
/// # Errors
/// When no linker can, with the words of the first.
pub fn link_whole<'c>(
    ctx: &Context<'_>,
    checked: &'c Checked,
    command: impl Fn(&Linker) -> Invocation,
) -> Result<&'c Linker, BuildError> {
    by_first_that_can(ctx, checked.linkers.in_turn(), command).map_err(|failed| match failed {
        LinkFailure::Final(error) => error,
        LinkFailure::Refused(mut error) => {
            error.hint.get_or_insert_with(|| {
                "set JULIA_CC to a compiler that links libraries for this Julia".into()
            });
            error
        }
    })
}

/// Why nothing was linked.
enum LinkFailure {
    /// Another attempt would end as this one.
    Final(BuildError),
    /// No linker could.
    Refused(BuildError),
}

fn by_first_that_can<'l>(
    ctx: &Context<'_>,
    linkers: impl IntoIterator<Item = &'l Linker>,
    command: impl Fn(&Linker) -> Invocation,
) -> Result<&'l Linker, LinkFailure> {
    let mut first = None;
    for linker in linkers {
        let command = command(linker);
        let ended = match child::run(ctx, &command, &mut || Verdict::GoOn) {
            Ok(ended) if ended.success() => return Ok(linker),
            Err(error) if ctx.cancelled() => return Err(LinkFailure::Final(error)),
            ended => ended,
        };
        let lacked_space = ended.as_ref().is_ok_and(|ended| ended.lacked_space);
        let error = ended.map_or_else(|error| error, |ended| child::failure(ctx, &command, &ended));
        if lacked_space {
            return Err(LinkFailure::Final(error));
        }
        ctx.log(&format!("{} cannot link it: {error}", linker.describe()));
        first.get_or_insert(error);
    }
    Err(LinkFailure::Refused(first.unwrap_or_else(|| {
        BuildError::failed(Stage::Link, "there is no linker")
    })))
}

/// A linked image.
#[derive(Debug)]
pub struct Parts {
    pub image: PathBuf,
    pub how: How,
    /// What linked it.
    pub linker: String,
    /// Whose the code is that was linked in.
    pub origins: Origins,
}

/// Links an archive of new code with the unlinked base in the folder `foundation`, of which a layer has the regions
/// `layer`, and the packages' code that the image process named, and reads the result as Julia will.
///
/// # Errors
/// What makes the full way the better one: all but a full disk, and that the build is cancelled.
pub fn link_with(
    ctx: &Context<'_>,
    checked: &Checked,
    foundation: &Path,
    layer: &[Region],
    object: &Path,
) -> Result<Parts, Setback> {
    let folder = ctx.workspace.path();
    let image = place(ctx)?;
    let setback = |why: String| Setback::for_reason(ctx.plan, Stage::Link, why);
    let handover = Handover::load(&job::handover(folder))
        .map_err(|why| setback(format!("the image process left no account: {why}")))?;
    let parts = folder.join("link");
    std::fs::create_dir_all(&parts)
        .map_err(|e| BuildError::io(Stage::Link, "creating the folder", &parts, &e))?;
    let joining = ctx.running(SpanKind::Engine, Stage::Link, "joining the objects");
    let input = step("the new code does not fit to the base", || {
        pcrs_linked::merge(foundation, &handover, object, &parts)
    })
    .map_err(setback)?;
    drop(joining);
    let (plan, name) = (ctx.plan, ctx.plan.image_name());
    let linker = by_first_that_can(ctx, checked.linkers.for_parts(), |linker| {
        linker.invocation(plan, Stage::Link, &Input::Linked(&input), &image, &name)
    });
    let linker = linker.map_err(|failed| match failed {
        // In full it would take more space.
        LinkFailure::Final(error) => Setback::Failed(error),
        LinkFailure::Refused(error) => Setback::Slower(format!("the link failed: {error}")),
    })?;
    let reading = ctx.running(SpanKind::Engine, Stage::Link, "reading the linked image");
    step("the linked image is not as it should be", || {
        pcrs_linked::check(&image, &handover)
    })
    .map_err(setback)?;
    drop(reading);
    // The space is needed by what follows.
    for file in [object, &job::heap(folder)] {
        let _ = std::fs::remove_file(file);
    }
    for folder in [&parts, foundation] {
        let _ = std::fs::remove_dir_all(folder);
    }
    Ok(Parts {
        image,
        how: how(&handover),
        linker: linker.describe(),
        origins: origins(&handover, layer),
    })
}

fn origins(handover: &Handover, layer: &[Region]) -> Origins {
    let packages = handover.packages.iter();
    Origins {
        packages: packages
            .map(|image| (image.id.clone(), package_of(&image.path)))
            .collect(),
        layer: layer.to_vec(),
    }
}

/// The package whose cache is at `path`: `v1.10/Name/HASH.so`, or `v1.10/Name.so` of one without a UUID
/// (`compilecache_path` in Julia's base/loading.jl).
fn package_of(path: &Path) -> String {
    let folder = path.parent().map(file_name).unwrap_or_default();
    let number = folder.strip_prefix('v').unwrap_or_default();
    if !number.starts_with(|c: char| c.is_ascii_digit()) {
        return folder;
    }
    let stem = path.file_stem().unwrap_or_default();
    stem.to_string_lossy().into_owned()
}

fn how(handover: &Handover) -> How {
    let counts = &handover.counts;
    let refused = handover.refused.iter().map(|image| RefusedCache {
        path: image.path.clone(),
        reason: image.reason.clone(),
    });
    How {
        linked: Some(LinkedCode {
            from_base: counts.base_functions,
            from_packages: counts.package_functions,
            compiled: counts.emitted,
            left_out: counts.left_out,
            refused: refused.collect(),
        }),
        not_linked: None,
        layer: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_windows_does_not_load_is_not_made() {
        assert!(too_large(System::Windows, 1 << 31).is_some());
        assert!(too_large(System::Windows, (1 << 31) - 1).is_none());
        assert!(too_large(System::Elf, 1 << 40).is_none());
    }

    #[test]
    fn a_cache_is_of_the_package_that_its_path_names() {
        let package = |path: &str| package_of(Path::new(path));
        assert_eq!(
            package("/d/compiled/v1.10/DataFrames/AR9oZ_x1.so"),
            "DataFrames"
        );
        assert_eq!(package("/d/compiled/v1.12/vectors/AR9oZ_x1.so"), "vectors");
        assert_eq!(package("/d/compiled/v1.12/My_Local.so"), "My_Local");
    }
}
