//! Results of earlier builds: asked before each dear step, filled after it. Whatever fails here
//! costs time, never the build.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use pcrs_cache::{Key, Kind, Lock, Stop, Store, Totals};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::depots;
use super::inputs::{self, Inputs};
use super::listed::Unlisted;
use super::parts;
use super::sizes::Region;
use super::stamp::Stamp;
use super::store;
use crate::build::event::Event;
use crate::build::remains::{self, Note};
use crate::build::voice::Voice;
use crate::error::Stage;
use crate::json_file;
use crate::plan::BuildPlan;
use crate::report::{BuildReport, LinkedCode};

/// The names of files in entries.
const IMAGE: &str = "image";
const TRACE: &str = "trace.jl";
const STATEMENTS: &str = "statements.jl";

/// What is kept of a layer beside its files.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct LayerNote {
    /// Whose its code is.
    pub regions: Vec<Region>,
    /// How much of it was linked in, and how much compiled.
    pub code: LinkedCode,
}

/// The cache as one build uses it.
#[derive(Debug)]
pub struct Cache<'a> {
    plan: &'a BuildPlan,
    /// Ends all reading.
    stop: Stop,
    /// Whether it looks for what Julia's caches tell of packages.
    learns: bool,
    /// As they were before the build; none if they cannot be read.
    inputs: Option<Inputs>,
    store: Option<Store>,
    max_bytes: u64,
    /// What the keys cannot cover, or why there are none.
    pub remarks: Vec<String>,
    changed: AtomicBool,
    /// What this build makes may not be whole.
    distrusted: AtomicBool,
    filled: AtomicBool,
    warned: AtomicBool,
    learned: AtomicBool,
}

impl<'a> Cache<'a> {
    /// Reads the inputs of `plan`. Without a cache folder in the plan, nothing is found or kept,
    /// but the image's key is known. Nothing is known when `stop` is set before the end. `learns` says
    /// whether the build looks for what its caches can tell of packages.
    pub fn open(plan: &'a BuildPlan, learns: bool, stop: &Stop) -> Self {
        let learns = learns && plan.cache.is_some() && plan.is_precompiled();
        let (inputs, remarks) = match inputs::read(plan, stop) {
            Ok(inputs) => {
                let unlisted = inputs.unlisted.iter().filter(|_| !learns);
                let unseen = unlisted.flat_map(|package| &package.gaps);
                let remarks = inputs.gaps.iter().chain(unseen).cloned().collect();
                (Some(inputs), remarks)
            }
            Err(error) => (
                None,
                vec![format!("nothing is taken from the cache: {error}")],
            ),
        };
        Self {
            plan,
            stop: stop.clone(),
            learns,
            inputs,
            store: plan.cache.as_ref().map(store::of),
            max_bytes: plan.cache.as_ref().map_or(0, |cache| cache.max_bytes),
            remarks,
            changed: AtomicBool::new(false),
            distrusted: AtomicBool::new(false),
            filled: AtomicBool::new(false),
            warned: AtomicBool::new(false),
            learned: AtomicBool::new(false),
        }
    }

    /// Whether others may fill it.
    pub fn is_shared(&self) -> bool {
        self.plan.cache.as_ref().is_some_and(|cache| cache.shared)
    }

    /// Notes the work folder `folder`, for [`clear`] to find should this build die.
    pub fn note(&self, folder: &Path) -> Option<Note> {
        self.store.as_ref()?.create().ok()?;
        Note::write(&self.plan.cache.as_ref()?.dir, folder)
    }

    /// Of the image, where all that goes into it is known.
    pub fn image_key(&self) -> Option<&Key> {
        self.inputs.as_ref().map(|inputs| &inputs.image)
    }

    /// The store and the keys in it.
    fn writable(&self) -> Option<(&Store, &Inputs)> {
        Some((self.store.as_ref()?, self.inputs.as_ref()?))
    }

    /// With `force=true` what is there is not looked at, only replaced.
    fn readable(&self) -> Option<(&Store, &Inputs)> {
        self.writable().filter(|_| !self.plan.force)
    }

    /// Reads the inputs again, as what was made since then is only of the ones before if they are
    /// still the same: files may be edited while a build runs.
    fn read_again(&self) -> Option<Inputs> {
        let before = self.inputs.as_ref()?;
        let now = inputs::read(self.plan, &self.stop).ok();
        if now.as_ref() != Some(before) {
            self.changed.store(true, Ordering::SeqCst);
        }
        now
    }

    /// Whether an input was seen to change since the build began.
    fn has_changed(&self) -> bool {
        self.changed.load(Ordering::SeqCst)
    }

    /// Keeps nothing from now on, as a child may have lost a part of what it wrote; says whether that
    /// is new.
    pub fn distrust_this_build(&self) -> bool {
        !self.distrusted.swap(true, Ordering::SeqCst)
    }

    /// Whether the image is what the inputs give: they have not changed, and nothing got lost.
    pub fn vouches_for_image(&self) -> bool {
        !self.has_changed() && !self.distrusted.load(Ordering::SeqCst)
    }

    /// Waits until no other build makes the same result. None if that cannot be told, or the build
    /// is cancelled.
    pub fn lock(&self, voice: &Voice<'_>, kind: Kind) -> Option<Lock> {
        let (store, inputs) = self.writable()?;
        let key = match kind {
            Kind::Base => &inputs.base,
            _ => &inputs.image,
        };
        let mut since = None;
        let wait = || {
            since.get_or_insert_with(|| {
                voice.log("waiting for another build of the same");
                voice.event(Event::StageStarted {
                    stage: Stage::Check,
                    what: "waiting for another build of the same".into(),
                    expected: None,
                });
                voice.seconds()
            });
            voice.cancelled()
        };
        let lock = store.lock(kind, key, wait).ok().flatten();
        if let Some(since) = since {
            voice.event(Event::StageFinished {
                stage: Stage::Check,
                seconds: voice.seconds() - since,
            });
        }
        lock
    }

    /// Copies the finished image to `target`, with the report of the build that made it, which may
    /// not have tried it as this one's plan wants.
    pub fn image(&self, target: &Path) -> Option<BuildReport> {
        let (store, inputs) = self.readable()?;
        let entry = store.get(Kind::Image, &inputs.image)?;
        let report: BuildReport = serde_json::from_value(entry.meta().clone()).ok()?;
        if !report.is_complete_for(self.plan) {
            return None;
        }
        whole(target, entry.copy_to(IMAGE, target)).then_some(report)
    }

    /// Keeps the image and its report, in place of what is there; `stamp` is from before the build.
    pub fn keep_image(&self, voice: &Voice<'_>, stamp: &Stamp, image: &Path, report: &BuildReport) {
        self.read_again();
        if self.stop.is_set() {
            return;
        }
        if self.has_changed() {
            let text = format!(
                "{} changed while the image was built; the next build will not take it for up to \
                 date",
                self.changed_part(stamp)
            );
            voice.warn(Stage::Publish, text);
            return;
        }
        self.replace_image(voice, image, report);
    }

    /// As [`Cache::keep_image`], for an image that came from the cache.
    pub fn replace_image(&self, voice: &Voice<'_>, image: &Path, report: &BuildReport) {
        let Some((_, inputs)) = self.writable() else {
            return;
        };
        let meta = serde_json::to_value(report).unwrap_or(Value::Null);
        self.keep(voice, Kind::Image, &inputs.image, &[(IMAGE, image)], &meta);
    }

    /// Copies the fresh base to `target`; whether there was one.
    pub fn base(&self, target: &Path) -> bool {
        let found = || {
            let (store, inputs) = self.readable()?;
            let entry = store.get(Kind::Base, &inputs.base)?;
            whole(target, entry.copy_to(IMAGE, target)).then_some(())
        };
        found().is_some()
    }

    pub fn keep_base(&self, voice: &Voice<'_>, image: &Path) {
        let Some((_, before)) = self.writable() else {
            return;
        };
        let now = self.read_again();
        if now.is_some_and(|now| now.base == before.base) {
            let files = [(IMAGE, image)];
            self.keep(voice, Kind::Base, &before.base, &files, &Value::Null);
        }
    }

    /// Copies the layer of packages that only a new Manifest changes to `image`, and its statements to
    /// `statements`; what was noted of it, if there was one.
    pub fn layer(&self, image: &Path, statements: &Path) -> Option<LayerNote> {
        let (store, inputs) = self.readable()?;
        let entry = store.get(Kind::Layer, &inputs.layer)?;
        let note = serde_json::from_value(entry.meta().clone()).ok()?;
        let copied = whole(statements, entry.copy_to(STATEMENTS, statements))
            && whole(image, entry.copy_to(IMAGE, image));
        copied.then_some(note)
    }

    pub fn keep_layer(&self, voice: &Voice<'_>, image: &Path, statements: &Path, note: &LayerNote) {
        let Some((_, before)) = self.writable() else {
            return;
        };
        let now = self.read_again();
        if now.is_some_and(|now| now.layer == before.layer) {
            let files = [(IMAGE, image), (STATEMENTS, statements)];
            let note = serde_json::to_value(note).unwrap_or_default();
            self.keep(voice, Kind::Layer, &before.layer, &files, &note);
        }
    }

    /// Why nothing is to be built on the layer: an earlier build of the same packages and workloads failed on it and
    /// worked without, for this reason.
    pub fn refused_layer(&self) -> Option<String> {
        let (store, inputs) = self.readable()?;
        let entry = store.get(Kind::Trace, &inputs.above)?;
        entry.meta().as_str().map(String::from)
    }

    /// Notes `why` the layer does not serve this build and those after it, or forgets it.
    pub fn refuse_layer(&self, voice: &Voice<'_>, why: Option<&str>) {
        let Some((store, inputs)) = self.writable() else {
            return;
        };
        match why {
            Some(why) => {
                let why = Value::String(why.into());
                self.keep(voice, Kind::Trace, &inputs.above, &[], &why);
            }
            None => {
                // Best effort: the next build that is forced forgets it.
                let _ = store.remove(Kind::Trace, &inputs.above);
            }
        }
    }

    /// Copies the trace of workload `index` to `target`, if there is one, and gives what was noted of it. One made on
    /// the layer with the statements in the file `layer` lacks these, and is for builds on a layer with the same only.
    pub fn trace(&self, index: usize, layer: Option<&Path>, target: &Path) -> Option<Value> {
        let (store, inputs) = self.readable()?;
        let key = inputs.traces.get(index)?;
        let on_base = store.get(Kind::Trace, key);
        let entry = on_base.or_else(|| {
            let key = inputs.on_layer(key, layer?).ok()?;
            store.get(Kind::Trace, &key)
        })?;
        // A workload that compiles nothing leaves no file.
        let empty = entry.files().next().is_none();
        (empty || whole(target, entry.copy_to(TRACE, target))).then(|| entry.meta().clone())
    }

    /// Keeps the trace files of workloads, by the places of these, each with what is noted of it; one that compiles
    /// nothing has no file. `layer` is as for [`Self::trace`].
    pub fn keep_traces(
        &self,
        voice: &Voice<'_>,
        layer: Option<&Path>,
        traces: &[(usize, &Path, Value)],
    ) {
        let Some((_, before)) = self.writable() else {
            return;
        };
        let Some(now) = self.read_again() else {
            return;
        };
        for (index, trace, noted) in traces {
            if let Some(key) = before.traces.get(*index)
                && now.traces.get(*index) == Some(key)
            {
                let file = (TRACE, *trace);
                let files = match trace.try_exists() {
                    Ok(true) => &[file][..],
                    Ok(false) => &[],
                    // It may be there: no trace of nothing.
                    Err(_) => continue,
                };
                let key = match layer.map(|layer| before.on_layer(key, layer)) {
                    None => *key,
                    Some(Ok(key)) => key,
                    Some(Err(_)) => continue,
                };
                self.keep(voice, Kind::Trace, &key, files, noted);
            }
        }
    }

    /// Whether the packages were precompiled by an earlier build, and the depots still have the caches that there were
    /// then.
    pub fn precompiled(&self) -> bool {
        let entry = self
            .readable()
            .and_then(|(store, inputs)| store.get(Kind::Trace, &inputs.packages));
        entry.is_some_and(|entry| {
            let then = entry.meta().as_array().cloned().unwrap_or_default();
            let now = depots::caches(self.plan);
            let mut then = then.iter().map(|cache| cache.as_str().unwrap_or_default());
            then.all(|cache| now.contains(cache))
        })
    }

    pub fn keep_precompiled(&self, voice: &Voice<'_>) {
        if let Some((_, inputs)) = self.writable() {
            self.keep_packages(voice, &inputs.packages);
        }
    }

    /// Keeps which caches the packages have, for [`Self::precompiled`].
    fn keep_packages(&self, voice: &Voice<'_>, key: &Key) {
        let caches: Value = depots::caches(self.plan).into_iter().collect();
        self.keep(voice, Kind::Trace, key, &[], &caches);
    }

    /// The packages of which Julia's caches can tell more than is known.
    pub fn unlisted(&self) -> &[Unlisted] {
        let inputs = self.inputs.as_ref().filter(|_| self.learns);
        inputs.map_or(&[], |inputs| &inputs.unlisted)
    }

    /// The packages whose caches are asked when they are made: one of which the files are known may have come to read
    /// others, though its text is the same.
    pub fn to_list(&self) -> impl Iterator<Item = &Unlisted> {
        let inputs = self.inputs.as_ref().filter(|_| self.learns);
        inputs
            .into_iter()
            .flat_map(|inputs| inputs.unlisted.iter().chain(&inputs.listed))
    }

    /// What is not noticed unless these caches tell, a sentence each.
    pub fn gaps_to_close(&self) -> impl Iterator<Item = &String> {
        self.unlisted().iter().flat_map(|package| &package.gaps)
    }

    /// Keeps the files that Julia read for packages; whether there is now more to look at than when the
    /// inputs were read.
    pub fn learn(&self, voice: &Voice<'_>, found: Vec<(&Unlisted, Vec<PathBuf>)>) -> bool {
        let mut learned = false;
        for (package, files) in found {
            learned |= package.keep(self.plan, files);
        }
        if learned {
            self.learned.store(true, Ordering::SeqCst);
            if let Ok(now) = inputs::read(self.plan, &self.stop) {
                self.keep_packages(voice, &now.packages);
            }
        }
        learned
    }

    /// Whether the inputs are to be read once more, as more is known of them.
    pub fn has_learned(&self) -> bool {
        self.learned.load(Ordering::SeqCst)
    }

    /// Puts an entry in place of the one that is there.
    fn keep(
        &self,
        voice: &Voice<'_>,
        kind: Kind,
        key: &Key,
        files: &[(&str, &Path)],
        meta: &Value,
    ) {
        let Some(store) = &self.store else { return };
        if self.distrusted.load(Ordering::SeqCst) {
            return;
        }
        let sizes = files
            .iter()
            .map(|(_, file)| fs::metadata(file).map_or(0, |file| file.len()));
        if sizes.sum::<u64>() > self.max_bytes {
            // It would be the first to go.
            return;
        }
        let put = store
            .remove(kind, key)
            .and_then(|_| store.put(kind, key, files, meta));
        match put {
            Ok(_) => self.filled.store(true, Ordering::SeqCst),
            Err(error) => {
                let text = format!("the cache was not filled: {error}");
                if self.warned.swap(true, Ordering::SeqCst) {
                    voice.log(&text);
                } else {
                    voice.warn(Stage::Publish, text);
                }
            }
        }
    }

    /// What changed since the build began, as far as that can be told.
    fn changed_part(&self, stamp: &Stamp) -> String {
        let now = parts::read(self.plan, &self.plan.sysimage_path, &self.stop);
        let mut before = stamp.parts.iter();
        before.find(|part| !now.contains(part)).map_or_else(
            || "something that goes into it".into(),
            |part| format!("`{}`", part.name),
        )
    }

    /// Removes what is more than the cache may hold, if this build added to it.
    pub fn trim(&self, voice: &Voice<'_>) {
        if let Some(store) = &self.store
            && self.filled.load(Ordering::SeqCst)
            && let Err(error) = store.trim(self.max_bytes)
        {
            voice.log(&format!("the cache could not be trimmed: {error}"));
        }
    }
}

/// Whether the file was copied; half of one would be taken for a result of this build.
fn whole(target: &Path, copied: pcrs_cache::Result<u64>) -> bool {
    if copied.is_err() {
        let _ = fs::remove_file(target);
    }
    copied.is_ok()
}

/// How much the cache in `dir` holds.
#[derive(Debug, serde::Serialize)]
pub struct CacheInfo {
    pub dir: PathBuf,
    pub kinds: Vec<KindInfo>,
}

#[derive(Debug, serde::Serialize)]
pub struct KindInfo {
    /// As of [`Kind::name`].
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

/// Removes every entry that no build uses, and the work folders of builds that died; gives the
/// bytes removed. Where the folder is `shared`, those who may write to it are trusted.
///
/// # Errors
/// When the folder cannot be listed.
pub fn clear(dir: &Path, shared: bool) -> Result<u64, String> {
    let store = Store::new(dir).shared(shared);
    let removed = store.clear(None).map_err(|e| e.to_string())?;
    json_file::sweep(dir);
    // Who else can write there could name any folder.
    let of_the_dead = match store.doubt() {
        None => remains::clear(dir),
        Some(_) => 0,
    };
    Ok(removed.removed.bytes + of_the_dead)
}
