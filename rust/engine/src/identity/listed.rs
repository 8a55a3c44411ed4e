//! Files of packages that are tracked by path whose names only running the package tells
//! (`include(joinpath(DATA, name))`): Julia lists them in the package's precompile cache. A build keeps
//! that list under what is known without it, so that the next one looks at the files before any child
//! runs.

use std::path::{Path, PathBuf};

use pcrs_cache::{Error, Ignore, Key, KeyBuilder, Kind, Stop, hash_file_until, hash_names};

use super::made;
use super::source;
use super::stamp::{Listed, Stamp};
use super::store;
use crate::plan::BuildPlan;

/// A package with includes that its text does not tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlisted {
    /// Its folder.
    pub folder: PathBuf,
    /// The files at which Julia begins to load it, and its extensions.
    pub mains: Vec<PathBuf>,
    /// What is not noticed as long as its files are not known, a sentence each.
    pub gaps: Vec<String>,
    /// The files that an earlier build found, which may have come to read others.
    known: Option<Vec<PathBuf>>,
    /// Of what is known of it.
    key: Key,
}

impl Unlisted {
    /// The package in `folder` with the files `mains`, of which `source` is what its text tells; `variables` are those
    /// that the user named.
    pub fn new(
        plan: &BuildPlan,
        folder: &Path,
        mains: Vec<PathBuf>,
        source: &Key,
        variables: &Key,
    ) -> Self {
        let mut key = KeyBuilder::new("listed/v1");
        key.key("source", source);
        // What code may ask when it chooses its files.
        key.key("variables", variables);
        key.field("version", plan.julia.version.to_string());
        key.field("preferences", plan.preferences_that_count());
        Self {
            folder: folder.to_path_buf(),
            mains,
            gaps: Vec::new(),
            known: None,
            key: key.finish(),
        }
    }

    #[must_use]
    pub fn with_gaps(self, gaps: Vec<String>) -> Self {
        Self { gaps, ..self }
    }

    /// Of which `listed` is known.
    #[must_use]
    pub fn knowing(self, listed: &Listed) -> Self {
        let known = Some(listed.files.clone());
        Self { known, ..self }
    }

    /// What an earlier build found: the last of this cache, or the one that made `image`.
    pub fn find(&self, plan: &BuildPlan, image: &Path) -> Option<Listed> {
        let key = self.key.to_string();
        let of_image = || {
            let parts = Stamp::read(image)?.parts.into_iter();
            parts.filter_map(|part| part.listed).find(|l| l.key == key)
        };
        let in_cache = || {
            let entry = store::trusted(plan.cache.as_ref()?)?.get(Kind::Trace, &self.key)?;
            let listed: Listed = serde_json::from_value(entry.meta().clone()).ok()?;
            (listed.key == key).then_some(listed)
        };
        in_cache().or_else(of_image)
    }

    /// Keeps what was found, if it was not known; whether the next build will see it.
    pub fn keep(&self, plan: &BuildPlan, files: Vec<PathBuf>) -> bool {
        if self.known.as_ref() == Some(&files) {
            return false;
        }
        let listed = Listed {
            key: self.key.to_string(),
            files,
        };
        let keep = || {
            let store = store::trusted(plan.cache.as_ref()?)?;
            let meta = serde_json::to_value(&listed).ok()?;
            store.remove(Kind::Trace, &self.key).ok()?;
            store.put(Kind::Trace, &self.key, &[], &meta).ok()
        };
        keep().is_some()
    }
}

/// Of a file that Julia read, or of the names in a folder that it listed, but for those in `ignore` and what builds
/// leave there. One that is gone counts as that.
///
/// # Errors
/// When it is there and cannot be read, or `stop` is set before the end.
pub fn content(path: &Path, ignore: &Ignore, stop: &Stop) -> Result<Key, Error> {
    let mut key = KeyBuilder::new("listed file/v1");
    if path.is_dir() {
        let (made, _) = made::in_folder(path);
        let ignore = ignore.clone().names(source::is_litter);
        let ignore = made.into_iter().fold(ignore, Ignore::path);
        key.key("names", &hash_names(path, &ignore, stop)?);
    } else if path.try_exists().unwrap_or(true) {
        key.key("file", &hash_file_until(path, stop)?);
    }
    Ok(key.finish())
}
