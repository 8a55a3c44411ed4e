//! Results of earlier builds: asked before each dear step, filled after it. Whatever fails here
//! costs time, never the build.

use std::path::{Path, PathBuf};

use pcrs_cache::{Key, Kind, Lock, Store, Totals};
use serde_json::Value;

use crate::build::Context;
use crate::error::Stage;
use crate::inputs::{self, Inputs};
use crate::plan::BuildPlan;
use crate::report::BuildReport;

/// The names of files in entries.
const IMAGE: &str = "image";
const TRACE: &str = "trace.jl";

/// The cache as one build uses it.
#[derive(Debug, Default)]
pub struct Cache {
    open: Option<Open>,
    /// Why there is none, or what it cannot cover.
    pub remarks: Vec<String>,
}

#[derive(Debug)]
struct Open {
    store: Store,
    inputs: Inputs,
    max_bytes: u64,
    /// What is there is not looked at (`force=true`), only replaced.
    write_only: bool,
}

impl Cache {
    /// Reads the inputs of `plan`. Without a cache folder in the plan, nothing is found or kept,
    /// but the image's key is known.
    pub fn open(plan: &BuildPlan) -> (Self, Option<Inputs>) {
        match inputs::read(plan) {
            Ok(inputs) => {
                let open = plan.cache.as_ref().map(|cache| Open {
                    store: Store::new(&cache.dir),
                    inputs: inputs.clone(),
                    max_bytes: cache.max_bytes,
                    write_only: plan.force,
                });
                let remarks = inputs.gaps.clone();
                (Self { open, remarks }, Some(inputs))
            }
            Err(error) => {
                let remarks = vec![format!("nothing is taken from the cache: {error}")];
                let open = None;
                (Self { open, remarks }, None)
            }
        }
    }

    fn readable(&self) -> Option<&Open> {
        self.open.as_ref().filter(|open| !open.write_only)
    }

    /// Waits until no other build makes the same result.
    pub fn lock(&self, ctx: &Context<'_>, kind: Kind) -> Option<Lock> {
        let open = self.open.as_ref()?;
        let mut told = false;
        let wait = || {
            if !told {
                told = true;
                ctx.log("waiting for another build of the same");
            }
            ctx.cancelled()
        };
        open.store.lock(kind, open.key(kind), wait).ok().flatten()
    }

    /// Copies the finished image to `target`, with the report of the build that made it.
    pub fn image(&self, target: &Path) -> Option<BuildReport> {
        let open = self.readable()?;
        let entry = open.store.get(Kind::Image, &open.inputs.image)?;
        let report = serde_json::from_value(entry.meta().clone()).ok()?;
        entry.copy_to(IMAGE, target).ok()?;
        Some(report)
    }

    pub fn keep_image(&self, ctx: &Context<'_>, image: &Path, report: &BuildReport) {
        let Some(open) = &self.open else { return };
        let meta = serde_json::to_value(report).unwrap_or(Value::Null);
        self.keep(ctx, Kind::Image, &open.inputs.image, IMAGE, image, &meta);
        if let Err(error) = open.store.trim(open.max_bytes) {
            ctx.log(&format!("the cache could not be trimmed: {error}"));
        }
    }

    /// Copies the fresh base to `target`; whether there was one.
    pub fn base(&self, target: &Path) -> bool {
        let found = || {
            let open = self.readable()?;
            let entry = open.store.get(Kind::Base, &open.inputs.base)?;
            entry.copy_to(IMAGE, target).ok()
        };
        found().is_some()
    }

    pub fn keep_base(&self, ctx: &Context<'_>, image: &Path) {
        let Some(open) = &self.open else { return };
        let key = &open.inputs.base;
        self.keep(ctx, Kind::Base, key, IMAGE, image, &Value::Null);
    }

    /// Copies the trace of workload `index` to `target`; whether there was one.
    pub fn trace(&self, index: usize, target: &Path) -> bool {
        let found = || {
            let open = self.readable()?;
            let entry = open
                .store
                .get(Kind::Trace, open.inputs.traces.get(index)?)?;
            entry.copy_to(TRACE, target).ok()
        };
        found().is_some()
    }

    pub fn keep_trace(&self, ctx: &Context<'_>, index: usize, trace: &Path) {
        let Some(open) = &self.open else { return };
        if let Some(key) = open.inputs.traces.get(index) {
            self.keep(ctx, Kind::Trace, key, TRACE, trace, &Value::Null);
        }
    }

    /// Whether the packages were precompiled by an earlier build. Their caches may have been removed
    /// since; the image process then makes them itself.
    pub fn precompiled(&self) -> bool {
        self.readable()
            .is_some_and(|open| open.store.get(Kind::Trace, &open.inputs.packages).is_some())
    }

    pub fn keep_precompiled(&self, ctx: &Context<'_>) {
        let Some(open) = &self.open else { return };
        let put = open
            .store
            .put(Kind::Trace, &open.inputs.packages, &[], &Value::Null);
        warn(ctx, put.err());
    }

    fn keep(
        &self,
        ctx: &Context<'_>,
        kind: Kind,
        key: &Key,
        name: &str,
        file: &Path,
        meta: &Value,
    ) {
        let Some(open) = &self.open else { return };
        if open.write_only {
            warn(ctx, open.store.remove(kind, key).err());
        }
        let put = open.store.put(kind, key, &[(name, file)], meta);
        warn(ctx, put.err());
    }
}

impl Open {
    fn key(&self, kind: Kind) -> &Key {
        match kind {
            Kind::Base => &self.inputs.base,
            _ => &self.inputs.image,
        }
    }
}

fn warn(ctx: &Context<'_>, error: Option<pcrs_cache::Error>) {
    if let Some(error) = error {
        ctx.warn(Stage::Publish, format!("the cache was not filled: {error}"));
    }
}

/// How much the cache in `dir` holds.
#[derive(Debug, serde::Serialize)]
pub struct CacheInfo {
    pub dir: PathBuf,
    pub kinds: Vec<KindInfo>,
}

#[derive(Debug, serde::Serialize)]
pub struct KindInfo {
    /// `image`, `trace` or `base`.
    pub kind: &'static str,
    pub entries: usize,
    pub bytes: u64,
}

/// # Errors
/// When the folder cannot be listed.
pub fn info(dir: &Path) -> Result<CacheInfo, String> {
    let entries = Store::new(dir).info().map_err(|e| e.to_string())?;
    let totals = Totals::by_kind(&entries);
    let kinds = Kind::ALL.map(|kind| {
        let total = totals.get(&kind).copied().unwrap_or_default();
        KindInfo {
            kind: kind.name(),
            entries: total.entries,
            bytes: total.bytes,
        }
    });
    Ok(CacheInfo {
        dir: dir.to_path_buf(),
        kinds: kinds.into(),
    })
}

/// Removes every entry that no build uses, and gives the bytes removed.
///
/// # Errors
/// When the folder cannot be listed.
pub fn clear(dir: &Path) -> Result<u64, String> {
    let removed = Store::new(dir).clear(None).map_err(|e| e.to_string())?;
    Ok(removed.removed.bytes)
}
