//! Tries the linked image before it takes the place of an older one.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use super::{journal, julia::julia, spec};
use crate::build::Context;
use crate::child::{self, Invocation};
use crate::error::{BuildError, Stage};
use crate::plan::{BuildPlan, Verify};
use crate::records::{self, Records};
use crate::report::StatementReport;
use crate::staging;

const NAME: &str = "verify";

pub fn needed(plan: &BuildPlan) -> bool {
    plan.verify != Verify::None
}

pub fn what(plan: &BuildPlan) -> String {
    match plan.verify {
        Verify::Trace => "starting the image and running the workloads on it".into(),
        _ => "starting the image".into(),
    }
}

pub fn invocation(plan: &BuildPlan, image: &Path, folder: &Path) -> Invocation {
    let mut child = julia(plan, Stage::Verify, "starting the image", Some(image));
    child.arg(staging::path(folder, "verify.jl"));
    child.arg(spec(folder, NAME));
    child
}

/// # Errors
/// When the image does not start, or lacks a package, or holds another version of it.
pub fn run(
    ctx: &Context<'_>,
    image: &Path,
    _statements: &mut StatementReport,
) -> Result<(), BuildError> {
    let plan = ctx.plan;
    let folder = ctx.workspace.path();
    let mut records = Records::default();
    records.push_path("journal", &journal(folder, NAME));
    for package in &plan.packages {
        records.push("package", format!("{} {}", package.uuid, package.name));
    }
    let path = spec(folder, NAME);
    records
        .write(&path)
        .map_err(|e| BuildError::io(Stage::Verify, "writing", &path, &e))?;
    child::run_ok(ctx, &invocation(plan, image, folder)).map_err(unchanged)?;
    let told = journal(folder, NAME);
    let bytes = fs::read(&told).map_err(|e| BuildError::io(Stage::Verify, "reading", &told, &e))?;
    compare(plan, &records::parse(&bytes)).map_err(unchanged)
}

fn unchanged(error: BuildError) -> BuildError {
    if error.hint.is_some() {
        return error;
    }
    error.hint("an older image at `sysimage_path` was left as it was")
}

fn compare(plan: &BuildPlan, told: &[(String, String)]) -> Result<(), BuildError> {
    let loaded: Vec<&str> = told
        .iter()
        .filter(|(key, _)| key == "loaded")
        .map(|(_, uuid)| uuid.as_str())
        .collect();
    let versions: HashMap<&str, &str> = told
        .iter()
        .filter(|(key, _)| key == "version")
        .filter_map(|(_, value)| value.split_once(' '))
        .collect();
    for package in plan.packages.iter().filter(|p| p.load) {
        let name = &package.name;
        if !loaded.contains(&package.uuid.as_str()) {
            return Err(BuildError::failed(
                Stage::Verify,
                format!("`{name}` is not in the image"),
            ));
        }
        let planned = package.version.as_deref();
        let held = versions.get(package.uuid.as_str()).copied();
        if let (Some(planned), Some(held)) = (planned, held)
            && planned != held
        {
            return Err(BuildError::failed(
                Stage::Verify,
                format!("the image holds `{name}` {held}, the Manifest says {planned}"),
            )
            .hint("the environment changed while the image was built; build again"));
        }
    }
    Ok(())
}
