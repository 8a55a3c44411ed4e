//! Which packages' folders an image names: paths of the machine that made it, which are wrong elsewhere.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{MAIN_SEPARATOR, Path, PathBuf};

use memchr::memmem::Finder;

use super::depots;
use crate::plan::BuildPlan;
use crate::report::NamedFolder;

/// Bytes that are looked through at a time.
const CHUNK: usize = 8 << 20;
/// The longest name of a package that is looked for, in bytes.
const LONGEST_NAME: usize = 256;

/// How often `image` names the folder of each package of `plan` that it names at all, most first.
///
/// # Errors
/// When the image cannot be read.
pub fn count(plan: &BuildPlan, image: &Path) -> io::Result<Vec<NamedFolder>> {
    let mut counts = Counts::new(plan, &depots::paths(plan));
    counts.read(File::open(image)?, CHUNK)?;
    Ok(counts.sorted())
}

/// What is looked for, and how often it was found by package.
struct Counts {
    /// The folder of a package that is tracked by path.
    exact: Vec<(Vec<u8>, String)>,
    /// Folders of depots that hold a folder for each package.
    holders: Vec<Vec<u8>>,
    found: BTreeMap<String, u64>,
}

impl Counts {
    fn new(plan: &BuildPlan, depots: &[PathBuf]) -> Self {
        let named = plan.packages.iter();
        let exact = named.filter_map(|package| {
            let path = package.path.as_ref()?;
            Some((bytes(path), package.name.clone()))
        });
        let holders = depots.iter().map(|depot| {
            let mut folder = bytes(&depot.join("packages"));
            folder.push(MAIN_SEPARATOR as u8);
            folder
        });
        let mut holders: Vec<_> = holders.collect();
        holders.sort();
        holders.dedup();
        Self {
            exact: exact.collect(),
            holders,
            found: BTreeMap::new(),
        }
    }

    /// Looks through all that `source` gives, `size` bytes at a time and more where a path is longer.
    fn read(&mut self, mut source: impl Read, size: usize) -> io::Result<()> {
        let patterns = self.exact.iter().map(|(pattern, _)| pattern);
        let longest = patterns.chain(&self.holders).map(Vec::len).max();
        // What begins in these last bytes may go on in the next chunk, and is counted there.
        let overlap = longest.unwrap_or(0) + LONGEST_NAME;
        let mut buffer = Vec::with_capacity(size + overlap);
        loop {
            let read = source.by_ref().take(size as u64).read_to_end(&mut buffer)?;
            let ends = read == 0;
            let until = if ends {
                buffer.len()
            } else {
                buffer.len().saturating_sub(overlap)
            };
            self.look(&buffer, until);
            if ends {
                return Ok(());
            }
            buffer.drain(..until);
        }
    }

    /// Counts what begins before `until`.
    fn look(&mut self, data: &[u8], until: usize) {
        let found = &mut self.found;
        let mut count = |name: &str| *found.entry(name.to_owned()).or_default() += 1;
        for (pattern, name) in &self.exact {
            for at in Finder::new(pattern).find_iter(data) {
                let next = data.get(at + pattern.len());
                // `Tool` is not in `Toolbox`.
                if at < until && !next.is_some_and(|&byte| is_of_a_name(byte)) {
                    count(name);
                }
            }
        }
        for pattern in &self.holders {
            for at in Finder::new(pattern).find_iter(data) {
                let rest = &data[at + pattern.len()..];
                let rest = &rest[..rest.len().min(LONGEST_NAME)];
                let end = rest.iter().position(|&byte| !is_of_a_name(byte));
                let name = &rest[..end.unwrap_or(rest.len())];
                if at < until
                    && let Ok(name) = std::str::from_utf8(name)
                    && !name.is_empty()
                {
                    count(name);
                }
            }
        }
    }

    fn sorted(self) -> Vec<NamedFolder> {
        let found = self.found.into_iter();
        let mut rows: Vec<_> = found
            .map(|(package, times)| NamedFolder { package, times })
            .collect();
        // Of equal ones in the order of their names, which the map has.
        rows.sort_by_key(|row| std::cmp::Reverse(row.times));
        rows
    }
}

fn bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_encoded_bytes().to_vec()
}

fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.') || !byte.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts() -> Counts {
        Counts {
            exact: vec![(b"/home/me/Tool".to_vec(), "Tool".into())],
            holders: vec![b"/depot/packages/".to_vec()],
            found: BTreeMap::new(),
        }
    }

    fn rows(data: &[u8], size: usize) -> Vec<(String, u64)> {
        let mut counts = counts();
        counts.read(data, size).unwrap();
        let rows = counts.sorted().into_iter();
        rows.map(|row| (row.package, row.times)).collect()
    }

    #[test]
    fn folders_are_counted_by_package() {
        let data = b"\0/depot/packages/CSV/aB3/src\0/home/me/Tool/src/Tool.jl\0/home/me/Toolbox\
            \0/depot/packages/CSV/aB3/src/x.jl\0/depot/packages/\0/home/me/Tool";
        let expected = [("CSV".to_string(), 2), ("Tool".to_string(), 2)];
        // However the data falls into chunks.
        for size in [1, 7, 16, 1000] {
            assert_eq!(rows(data, size), expected, "{size}");
        }
        assert!(rows(b"/other/packages/CSV/", 4).is_empty());
    }

    #[test]
    fn a_folder_on_the_border_of_chunks_is_counted_once() {
        let mut data = vec![0; 3000];
        for at in [0, 700, 1011, 2986] {
            data[at..at + 13].copy_from_slice(b"/home/me/Tool");
        }
        for size in [64, 300, 1024, 4096] {
            assert_eq!(rows(&data, size), [("Tool".to_string(), 4)], "{size}");
        }
    }
}
