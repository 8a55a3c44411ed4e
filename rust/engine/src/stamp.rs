//! What an image was built from, in a file beside it: `X.so` has the stamp `X.so.json`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use pcrs_cache::{Key, hash_file};
use serde::{Deserialize, Serialize};

use crate::plan::{BuildPlan, file_name};
use crate::report::BuildReport;

/// The layout of a stamp; one of another layout says nothing.
const SCHEMA: u32 = 1;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Stamp {
    schema: u32,
    /// Of everything that went in, see [`crate::inputs`].
    pub content_key: Option<String>,
    /// BLAKE3 of the image.
    pub image_hash: String,
    pub julia_version: String,
    pub cpu_target: String,
    /// The project's folder.
    pub project: PathBuf,
    /// The build's options, as in the plan.
    pub plan: BuildPlan,
    pub report: BuildReport,
}

/// Where the stamp of `image` is.
pub fn path(image: &Path) -> PathBuf {
    beside(image, "json")
}

/// `X.so` and `log` give `X.so.log`.
pub fn beside(image: &Path, ending: &str) -> PathBuf {
    image.with_file_name(format!("{}.{ending}", file_name(image)))
}

/// The image that the file at `path` would be the stamp of.
pub fn image_of(path: &Path) -> Option<PathBuf> {
    let name = file_name(path);
    let image = name.strip_suffix(".json")?;
    let library = [".so", ".dylib", ".dll"].iter().any(|e| image.ends_with(e));
    library.then(|| path.with_file_name(image))
}

impl Stamp {
    /// The stamp for `image`, which is complete and in no one's hands yet.
    ///
    /// # Errors
    /// When the image cannot be read.
    pub fn new(
        plan: &BuildPlan,
        key: Option<&Key>,
        image: &Path,
        report: &BuildReport,
    ) -> Result<Self, pcrs_cache::Error> {
        Ok(Self {
            schema: SCHEMA,
            content_key: key.map(ToString::to_string),
            image_hash: hash_file(image)?.to_string(),
            julia_version: plan.julia.version.to_string(),
            cpu_target: plan.cpu_target.clone(),
            project: plan.project.dir.clone(),
            plan: plan.clone(),
            report: report.clone(),
        })
    }

    /// Writes the stamp of `image`, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, image: &Path) -> io::Result<()> {
        let target = path(image);
        let folder = target.parent().unwrap_or(Path::new("."));
        let file = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer(&file, self)?;
        // Readable by all, as the image is; a temporary file is its owner's alone.
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            file.as_file()
                .set_permissions(fs::Permissions::from_mode(0o644))?;
        }
        file.persist(target)?;
        Ok(())
    }

    /// The stamp of `image`, if there is one that can be read.
    pub fn read(image: &Path) -> Option<Self> {
        let text = fs::read(path(image)).ok()?;
        let stamp: Self = serde_json::from_slice(&text).ok()?;
        (stamp.schema == SCHEMA).then_some(stamp)
    }

    /// Whether `image` is what this stamp was written for, and was built from `key`.
    pub fn covers(&self, image: &Path, key: &Key) -> bool {
        self.content_key.as_deref() == Some(key.to_string().as_str())
            && hash_file(image).is_ok_and(|hash| hash.to_string() == self.image_hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_and_images_find_each_other() {
        let image = Path::new("/a/X.so");
        assert_eq!(path(image), Path::new("/a/X.so.json"));
        assert_eq!(image_of(&path(image)).as_deref(), Some(image));
        assert_eq!(image_of(Path::new("/a/settings.json")), None);
    }
}
