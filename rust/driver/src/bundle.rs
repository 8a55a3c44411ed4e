//! Where the app is.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The folder with `bin`, `lib` and `share`.
#[derive(Debug)]
pub struct Bundle {
    executable: PathBuf,
    root: PathBuf,
}

impl Bundle {
    /// Finds the bundle of the running executable, which was called as `called`; links to it are
    /// followed.
    ///
    /// # Errors
    /// When nothing tells where the executable is.
    pub fn find(called: Option<&OsString>) -> Result<Self, String> {
        // The first asks the system, which cannot tell where there is no `/proc`.
        let found = env::current_exe()
            .ok()
            .or_else(|| called.and_then(|called| by_name(Path::new(called))))
            .and_then(|path| path.canonicalize().ok());
        let executable =
            found.ok_or("this program cannot tell where it is: call it by its path")?;
        let root = executable.parent().and_then(Path::parent);
        let root = root.ok_or_else(|| outside(&executable))?.to_path_buf();
        Ok(Self { executable, root })
    }

    /// The bundle of a library in its folder `lib`.
    ///
    /// # Errors
    /// When the library is not there.
    pub fn of_library(library: &Path) -> Result<Self, String> {
        let file = library
            .canonicalize()
            .map_err(|e| format!("`{}` cannot be found: {e}", library.display()))?;
        let root = file.parent().and_then(Path::parent);
        let root = root.ok_or_else(|| outside(&file))?.to_path_buf();
        Ok(Self {
            executable: file,
            root,
        })
    }

    /// The name of the executable, without `.exe`.
    pub fn name(&self) -> String {
        let name = if cfg!(windows) {
            self.executable.file_stem()
        } else {
            self.executable.file_name()
        };
        name.unwrap_or_default().to_string_lossy().into_owned()
    }

    pub fn bin(&self) -> PathBuf {
        self.root.join("bin")
    }

    /// The depot of the bundle, which is its project too.
    pub fn share(&self) -> PathBuf {
        self.root.join("share").join("julia")
    }

    /// What says which function is called.
    pub fn table(&self) -> PathBuf {
        self.share().join("app.json")
    }

    /// A file that the table names, with slashes.
    pub fn file(&self, name: &str) -> PathBuf {
        name.split('/')
            .fold(self.root.clone(), |path, part| path.join(part))
    }
}

fn outside(executable: &Path) -> String {
    format!(
        "`{}` is not in the folder of an app or a library",
        executable.display()
    )
}

/// What a shell would run.
fn by_name(called: &Path) -> Option<PathBuf> {
    if called.components().count() > 1 {
        return Some(called.to_path_buf());
    }
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders)
        .map(|folder| folder.join(called))
        .find(|path| path.is_file())
}
