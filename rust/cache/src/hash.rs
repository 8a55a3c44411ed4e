//! Hashing what files hold.
//!
//! Files are read, not mapped: a mapped file that another process shortens kills this one by
//! SIGBUS, and reading is no slower (bench/cache).

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use crate::error::{Error, Result};
use crate::key::Key;
use crate::stop::Stop;

/// What is read at once; larger buffers leave the processor's second-level cache.
const BUFFER: usize = 128 * 1024;

/// Hashes what a file holds, in constant memory.
///
/// # Errors
/// When `path` is no regular file, links followed, or cannot be read.
///
/// ```
/// let file = tempfile::NamedTempFile::new()?;
/// let empty = pcrs_cache::hash_file(file.path())?;
/// std::fs::write(file.path(), "x")?;
/// assert_ne!(pcrs_cache::hash_file(file.path())?, empty);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn hash_file(path: &Path) -> Result<Key> {
    hash_file_until(path, &Stop::default())
}

/// As [`hash_file`], until `stop` is set, which is looked at between reads.
///
/// # Errors
/// As [`hash_file`]; and when `stop` is set before the end.
pub fn hash_file_until(path: &Path, stop: &Stop) -> Result<Key> {
    let hash = || {
        require_file(path)?;
        FileHasher::new(stop).hash(&mut File::open(path)?)
    };
    hash()
        .map(|(key, _)| key)
        .map_err(Error::at("reading", path))
}

/// Reads a whole file.
///
/// # Errors
/// As [`hash_file`]: a pipe is not waited for.
///
/// ```
/// let file = tempfile::NamedTempFile::new()?;
/// std::fs::write(file.path(), "x")?;
/// assert_eq!(pcrs_cache::read_file(file.path())?, b"x");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read_file(path: &Path) -> Result<Vec<u8>> {
    require_file(path)
        .and_then(|()| fs::read(path))
        .map_err(Error::at("reading", path))
}

/// To be asked before opening, which would wait for the writer of a pipe.
pub(crate) fn require_file(path: &Path) -> io::Result<()> {
    if fs::metadata(path)?.is_file() {
        Ok(())
    } else {
        let message = "not a regular file";
        Err(io::Error::new(io::ErrorKind::InvalidInput, message))
    }
}

/// Hashes one file after another with one buffer.
pub(crate) struct FileHasher {
    buffer: Box<[u8]>,
    stop: Stop,
}

impl Default for FileHasher {
    fn default() -> Self {
        Self::new(&Stop::default())
    }
}

impl FileHasher {
    /// Hashes until `stop` is set.
    pub fn new(stop: &Stop) -> Self {
        Self {
            buffer: vec![0; BUFFER].into(),
            stop: stop.clone(),
        }
    }

    /// Reads to the end; gives the hash and the number of bytes.
    pub fn hash(&mut self, reader: &mut impl Read) -> io::Result<(Key, u64)> {
        let mut hasher = blake3::Hasher::new();
        loop {
            self.stop.check()?;
            match reader.read(&mut self.buffer) {
                Ok(0) => return Ok((hasher.finalize().into(), hasher.count())),
                Ok(n) => hasher.update(&self.buffer[..n]),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_plain_blake3_whatever_the_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        for size in [0, 1, BUFFER - 1, BUFFER, BUFFER + 1, 3 * BUFFER] {
            let bytes: Vec<u8> = (0..size).map(|i| i as u8).collect();
            fs::write(&path, &bytes).unwrap();
            assert_eq!(
                hash_file(&path).unwrap().as_bytes(),
                blake3::hash(&bytes).as_bytes()
            );
        }
    }

    #[test]
    fn folders_and_pipes_are_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        assert!(hash_file(folder.path()).is_err());
        #[cfg(unix)]
        {
            let pipe = folder.path().join("pipe");
            let made = std::process::Command::new("mkfifo").arg(&pipe).status();
            assert!(made.unwrap().success());
            assert!(hash_file(&pipe).is_err());
        }
    }
}
