//! What the base image holds, against what the project has now: an image that is built on another cannot
//! replace any of it.

use std::path::Path;

use pcrs_cache::{Stop, hash_file_until};

use crate::error::BuildError;
use crate::identity::beside;
use crate::identity::stamp::{self, Held, PartKind, Stamp};
use crate::plan::{Base, BuildPlan, Package};

/// What the base of `plan` is known to hold; nothing when `stop` is set before the end.
pub fn in_base(plan: &BuildPlan, stop: &Stop) -> Vec<Held> {
    let Base::Existing { path } = &plan.base else {
        return Vec::new();
    };
    // Reading a whole image is for those that say what they hold.
    if !beside::stamp_of(path).exists() {
        return Vec::new();
    }
    let hash = hash_file_until(path, stop).map(|hash| hash.to_string());
    stamp::in_base(plan, hash.ok().as_deref()).0
}

/// Finds packages of which the base, with those that are `held`, has another version than the project, or one
/// that it tracks in another way.
///
/// # Errors
/// One of kind [`ErrorKind::Input`](crate::ErrorKind::Input), which names them.
pub fn check(plan: &BuildPlan, held: &[Held]) -> Result<(), BuildError> {
    let other: Vec<String> = in_both(plan, held)
        .filter(|(planned, held)| is_other(planned, held))
        .map(|(planned, held)| difference(planned, held))
        .collect();
    if other.is_empty() {
        return Ok(());
    }
    Err(BuildError::input(format!(
        "the base image `{}` holds {}",
        shown_base(plan),
        other.join("; ")
    ))
    .because("what an image holds, one built on it cannot replace")
    .hint(
        "build the base image again from this project, give another one as `base_sysimage`, or have the \
         project use what it holds",
    ))
}

/// A sentence about packages tracked by path that may be others than when the base was built, if there are some.
pub fn edited(plan: &BuildPlan, stamp: &Stamp) -> Option<String> {
    let names: Vec<String> = in_both(plan, &stamp.packages)
        .filter(|(planned, held)| is_elsewhere(planned, held) || is_edited(held, stamp))
        .map(|(planned, _)| format!("`{}`", planned.name))
        .collect();
    (!names.is_empty()).then(|| {
        format!(
            "the base image `{}` holds {} as it was when that was built, and so does this image; for what is \
             another now, build the base again",
            shown_base(plan),
            names.join(", ")
        )
    })
}

fn is_elsewhere(planned: &Package, held: &Held) -> bool {
    let (Some(planned), Some(held)) = (&planned.path, &held.path) else {
        return false;
    };
    // Links may lead to the same.
    planned != held && planned.canonicalize().ok() != held.canonicalize().ok()
}

/// Whether the source of a package that is tracked by path is known to be another one now.
fn is_edited(held: &Held, stamp: &Stamp) -> bool {
    let (Some(path), Some(then)) = (&held.path, &held.source_hash) else {
        return false;
    };
    stamp.parts.iter().any(|part| {
        part.kind == PartKind::Source
            && Path::new(&part.name) == path
            && part.gaps.is_empty()
            && part.hash.as_ref().is_some_and(|now| now != then)
    })
}

/// The planned packages that the base holds for certain, as both have them.
fn in_both<'a>(
    plan: &'a BuildPlan,
    held: &'a [Held],
) -> impl Iterator<Item = (&'a Package, &'a Held)> {
    plan.packages.iter().filter_map(|planned| {
        let mut of_base = held.iter().filter(|held| held.from_base && held.load);
        let held = of_base.find(|held| held.uuid == planned.uuid)?;
        Some((planned, held))
    })
}

fn is_other(planned: &Package, held: &Held) -> bool {
    match (&planned.path, &held.path) {
        // Another folder may have the same.
        (Some(_), Some(_)) => false,
        (None, None) => planned.tree_hash != held.tree_hash,
        _ => true,
    }
}

fn difference(planned: &Package, held: &Held) -> String {
    let same_version = planned.version == held.version;
    let told = |path: Option<&Path>, version: Option<&str>, tree: Option<&str>| {
        let version = version.unwrap_or("without a version");
        match (path, tree) {
            (Some(path), _) => format!("{version} from `{}`", path.display()),
            (None, Some(tree)) if same_version => format!("{version} of the tree {tree}"),
            _ => version.to_string(),
        }
    };
    let (path, tree) = (held.path.as_deref(), held.tree_hash.as_deref());
    let there = told(path, held.version.as_deref(), tree);
    let (path, tree) = (planned.path.as_deref(), planned.tree_hash.as_deref());
    let wanted = told(path, planned.version.as_deref(), tree);
    format!("`{}` {there}, the Manifest says {wanted}", planned.name)
}

fn shown_base(plan: &BuildPlan) -> String {
    match &plan.base {
        Base::Existing { path } => path.display().to_string(),
        Base::Fresh { .. } => String::new(),
    }
}
