//! Hashing a folder of sources.
//!
//! Modification times are not looked at: a copied, unpacked or checked-out tree with the same
//! contents has the same key. A table of times that saves reading would gain less than a tenth of
//! a second at 10,000 files (bench/cache), and be one more thing that can be wrong.

use std::fs::{self, File};
use std::io;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use walkdir::{DirEntry, WalkDir};

use crate::error::{Error, Result};
use crate::hash::FileHasher;
use crate::key::Key;
use crate::key_builder::KeyBuilder;
use crate::stop::Stop;

/// Files that a thread takes at once.
const BATCH: usize = 16;

/// What of a tree does not count.
///
/// By name, everywhere in the tree: `.git`, `.DS_Store`, and what editors leave beside a file
/// (`*~`, `.#*`, `#*#`, `.*.swp`). By path: what [`Ignore::path`] adds.
///
/// ```
/// use pcrs_cache::{Ignore, hash_tree};
/// let package = tempfile::tempdir()?;
/// std::fs::write(package.path().join("Project.toml"), "name = \"A\"\n")?;
/// let image = package.path().join("sys.so");
/// let ignore = Ignore::default().path(&image);
/// let before = hash_tree(package.path(), &ignore)?.key;
/// std::fs::write(&image, "...")?;
/// assert_eq!(hash_tree(package.path(), &ignore)?.key, before);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Ignore {
    paths: Vec<PathBuf>,
    names: Option<fn(&[u8]) -> bool>,
}

impl Ignore {
    /// Also leaves out the file or folder at the absolute path `path`, as an image that is built
    /// into its own project. A path outside the tree changes nothing.
    #[must_use]
    pub fn path(mut self, path: impl Into<PathBuf>) -> Self {
        self.paths.push(path.into());
        self
    }

    /// Also leaves out files and folders whose name `is_left_out` knows, everywhere in the tree.
    #[must_use]
    pub fn names(mut self, is_left_out: fn(&[u8]) -> bool) -> Self {
        self.names = Some(is_left_out);
        self
    }

    fn name(&self, name: &[u8]) -> bool {
        self.names.is_some_and(|is_left_out| is_left_out(name))
            || matches!(name, b".git" | b".DS_Store")
            || name.ends_with(b"~")
            || name.starts_with(b".#")
            || (name.len() > 1 && name.starts_with(b"#") && name.ends_with(b"#"))
            || (name.starts_with(b".") && name.ends_with(b".swp"))
    }

    /// The paths as the walk of `root` meets them, whatever links lead to them.
    fn within(&self, root: &Path) -> Vec<PathBuf> {
        let Ok(real_root) = root.canonicalize() else {
            return Vec::new();
        };
        let place = |path: &PathBuf| {
            // The last component may not exist, or be a link that is itself left out.
            let real = path.parent()?.canonicalize().ok()?.join(path.file_name()?);
            Some(root.join(real.strip_prefix(&real_root).ok()?))
        };
        self.paths.iter().filter_map(place).collect()
    }
}

/// A hashed tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// Of every path in the tree and what is there.
    pub key: Key,
    /// How many files were read.
    pub files: usize,
    /// Links to folders outside the tree, sorted: the key knows where they lead, but not what is
    /// there.
    pub unfollowed: Vec<PathBuf>,
}

/// Hashes the sources in the folder `dir`: relative paths, what files hold and whether they are
/// executable, where links lead, and what a link to a file holds.
///
/// Neither times nor the place of `dir` count. Pipes and sockets count by name only.
///
/// # Errors
/// When a folder or file cannot be read, with its path.
///
/// ```
/// use pcrs_cache::{Ignore, hash_tree};
/// let package = tempfile::tempdir()?;
/// let source = package.path().join("A.jl");
/// std::fs::write(&source, "module A end")?;
/// let before = hash_tree(package.path(), &Ignore::default())?;
/// assert_eq!(before.files, 1);
/// std::fs::write(&source, "module B end")?;
/// assert_ne!(hash_tree(package.path(), &Ignore::default())?.key, before.key);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn hash_tree(dir: &Path, ignore: &Ignore) -> Result<Tree> {
    hash_tree_until(dir, ignore, &Stop::default())
}

/// As [`hash_tree`], until `stop` is set, which is looked at between entries and while files are
/// read.
///
/// # Errors
/// As [`hash_tree`]; and when `stop` is set before the end.
pub fn hash_tree_until(dir: &Path, ignore: &Ignore, stop: &Stop) -> Result<Tree> {
    let items = list(dir, usize::MAX, ignore, stop)?;
    let contents = in_parallel(&items, stop, |hasher, item| {
        item.content(hasher)
            .map_err(Error::at("reading", &item.path))
    });
    let real = dir.canonicalize().map_err(Error::at("reading", dir))?;
    let mut builder = KeyBuilder::new("tree/v1");
    let mut files = 0;
    let mut unfollowed = Vec::new();
    for (item, content) in items.iter().zip(contents) {
        let name = item.name.as_slice();
        match content? {
            Content::Folder => builder.part(b'd', name, b""),
            Content::File { key, executable } => {
                files += 1;
                builder.part(if executable { b'x' } else { b'f' }, name, key.as_bytes())
            }
            Content::Link { target, leads_to } => {
                builder.part(b'l', name, target.as_os_str().as_encoded_bytes());
                match leads_to {
                    LeadsTo::File(key) => {
                        files += 1;
                        builder.part(b'f', name, key.as_bytes());
                    }
                    LeadsTo::Folder(folder) if !folder.starts_with(&real) => {
                        unfollowed.push(item.path.clone());
                    }
                    LeadsTo::Folder(_) | LeadsTo::Nothing => {}
                }
                &mut builder
            }
            Content::Other => builder.part(b'o', name, b""),
        };
    }
    Ok(Tree {
        key: builder.finish(),
        files,
        unfollowed,
    })
}

/// Hashes the names in the folder `dir`, but for those in `ignore`: nothing of what is there.
///
/// # Errors
/// When the folder cannot be read; and when `stop` is set before the end.
///
/// ```
/// use pcrs_cache::{Ignore, Stop, hash_names};
/// let folder = tempfile::tempdir()?;
/// let names = || hash_names(folder.path(), &Ignore::default(), &Stop::default());
/// std::fs::write(folder.path().join("a.csv"), "1")?;
/// let before = names()?;
/// std::fs::write(folder.path().join("a.csv"), "2")?;
/// assert_eq!(names()?, before);
/// std::fs::write(folder.path().join("b.csv"), "1")?;
/// assert_ne!(names()?, before);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn hash_names(dir: &Path, ignore: &Ignore, stop: &Stop) -> Result<Key> {
    let mut builder = KeyBuilder::new("names/v1");
    for item in list(dir, 1, ignore, stop)? {
        builder.field("name", &item.name);
    }
    Ok(builder.finish())
}

struct Item {
    /// Relative, with `/` on every system.
    name: Vec<u8>,
    path: PathBuf,
    kind: fs::FileType,
}

enum Content {
    Folder,
    File { key: Key, executable: bool },
    Link { target: PathBuf, leads_to: LeadsTo },
    Other,
}

enum LeadsTo {
    File(Key),
    /// Its canonical path.
    Folder(PathBuf),
    Nothing,
}

impl Item {
    fn content(&self, hasher: &mut FileHasher) -> io::Result<Content> {
        if self.kind.is_dir() {
            Ok(Content::Folder)
        } else if self.kind.is_file() {
            let mut file = File::open(&self.path)?;
            let executable = is_executable(&file)?;
            let (key, _) = hasher.hash(&mut file)?;
            Ok(Content::File { key, executable })
        } else if self.kind.is_symlink() {
            let target = fs::read_link(&self.path)?;
            let leads_to = match fs::metadata(&self.path) {
                Ok(there) if there.is_file() => {
                    LeadsTo::File(hasher.hash(&mut File::open(&self.path)?)?.0)
                }
                Ok(there) if there.is_dir() => LeadsTo::Folder(self.path.canonicalize()?),
                _ => LeadsTo::Nothing,
            };
            Ok(Content::Link { target, leads_to })
        } else {
            Ok(Content::Other)
        }
    }
}

#[cfg(unix)]
fn is_executable(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    Ok(file.metadata()?.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(_: &File) -> io::Result<bool> {
    Ok(false)
}

/// Everything that counts in the tree, down to `depth`, sorted by name.
fn list(dir: &Path, depth: usize, ignore: &Ignore, stop: &Stop) -> Result<Vec<Item>> {
    let ignored = ignore.within(dir);
    let counts = |entry: &DirEntry| {
        entry.depth() == 0
            || !(ignore.name(entry.file_name().as_encoded_bytes())
                || ignored.iter().any(|path| path == entry.path()))
    };
    let mut items = Vec::new();
    let walk = WalkDir::new(dir).max_depth(depth);
    for entry in walk.into_iter().filter_entry(counts) {
        stop.check().map_err(Error::at("reading", dir))?;
        let entry = entry.map_err(|error| {
            let path = error.path().unwrap_or(dir).to_path_buf();
            let source = error.into_io_error();
            // Without following links, walking finds no loops, the one error that is not I/O.
            Error::new(
                "reading",
                &path,
                source.unwrap_or_else(|| io::ErrorKind::Other.into()),
            )
        })?;
        if entry.depth() == 0 {
            if !entry.path().is_dir() {
                return Err(Error::new(
                    "reading",
                    dir,
                    io::ErrorKind::NotADirectory.into(),
                ));
            }
            continue;
        }
        let kind = entry.file_type();
        let path = entry.into_path();
        let name = name_in(dir, &path);
        items.push(Item { name, path, kind });
    }
    items.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(items)
}

fn name_in(dir: &Path, path: &Path) -> Vec<u8> {
    let relative = path.strip_prefix(dir).unwrap_or(path).as_os_str();
    let mut name = relative.as_encoded_bytes().to_vec();
    if cfg!(windows) {
        for byte in &mut name {
            if *byte == b'\\' {
                *byte = b'/';
            }
        }
    }
    name
}

/// `work` on every item, on as many threads as this process may use; results in order.
fn in_parallel<T: Sync, R: Send>(
    items: &[T],
    stop: &Stop,
    work: impl Fn(&mut FileHasher, &T) -> R + Sync,
) -> Vec<R> {
    let threads = thread::available_parallelism()
        .map_or(1, NonZero::get)
        .min(items.len().div_ceil(BATCH));
    let next = AtomicUsize::new(0);
    let run = || {
        let mut hasher = FileHasher::new(stop);
        let mut done = Vec::new();
        loop {
            let start = next.fetch_add(BATCH, Ordering::Relaxed);
            let Some(rest) = items.get(start..).filter(|rest| !rest.is_empty()) else {
                return done;
            };
            let batch = &rest[..rest.len().min(BATCH)];
            let results = batch.iter().map(|item| work(&mut hasher, item));
            done.push((start, results.collect::<Vec<_>>()));
        }
    };
    let mut batches = thread::scope(|scope| {
        // A thread that the system refuses is one less.
        let helpers: Vec<_> = (1..threads)
            .filter_map(|_| thread::Builder::new().spawn_scoped(scope, run).ok())
            .collect();
        let mut batches = run();
        for helper in helpers {
            match helper.join() {
                Ok(more) => batches.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        batches
    });
    batches.sort_unstable_by_key(|(start, _)| *start);
    batches
        .into_iter()
        .flat_map(|(_, results)| results)
        .collect()
}
