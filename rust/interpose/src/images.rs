//! The images that Julia has restored in this process: the base, then package images.

use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::fptrs;
use crate::julia::Object;
use crate::layout::{Layout, ShardLayout, pointers};
use crate::loaded::Library;
use crate::memory::read;
use crate::objects::MethodInstance;
use crate::settle::Slot;
use crate::tables::Functions;
use crate::trouble::{Trouble, ensure};

/// Which file a path leads to: its device, and its number there. A file that is mapped keeps its number
/// when another one takes its place.
fn file_at(path: &Path) -> Result<(u64, u64), Trouble> {
    let meta = std::fs::metadata(path);
    let meta = meta.map_err(|e| Trouble::new(format!("{}: {e}", path.display())))?;
    Ok((meta.dev(), meta.ino()))
}

/// An image.
pub struct Image {
    pub path: PathBuf,
    /// Which file was there when it was loaded.
    file: (u64, u64),
    /// Where its file's address 0 is.
    pub address: usize,
    /// Its `jl_image_pointers`.
    tables: usize,
    pub shards: u32,
    pub functions: u32,
    pub globals: u32,
    pub targets: u32,
    /// Where its objects are.
    heap: Range<usize>,
    /// As this CPU uses them.
    pub addresses: Vec<usize>,
    pub owners: Vec<Option<MethodInstance>>,
    /// What the symbols of a package image begin with.
    pub id: String,
}

impl Image {
    /// What `jl_register_fptrs` is called with.
    pub fn registered(
        layout: &Layout,
        base: usize,
        table: usize,
        owners: usize,
        owned: usize,
    ) -> Result<Self, Trouble> {
        let library = Library::of(base)?;
        let tables = library.symbol(c"jl_image_pointers")?;
        let data = library.symbol(c"jl_system_image_data")?;
        let size: usize = read(library.symbol(c"jl_system_image_size")?);
        let header: usize = read(tables + pointers::HEADER);
        let head = |field: usize| read::<u32>(header + field);
        let addresses = fptrs::addresses(&layout.functions, table);
        let shown = library.path.display();
        ensure(
            "image-version",
            head(pointers::VERSION) == pointers::IMAGE_VERSION,
            || format!("{shown}: an image of version {}", head(pointers::VERSION)),
        )?;
        ensure(
            "image-counts",
            head(pointers::FUNCTION_COUNT) as usize == addresses.len() && owned <= addresses.len(),
            || {
                format!(
                    "{shown}: {} functions in the header, {} handed over, {owned} owned",
                    head(pointers::FUNCTION_COUNT),
                    addresses.len()
                )
            },
        )?;
        ensure("image-address", library.address == base, || {
            format!("{shown} is at {:#x}, not at {base:#x}", library.address)
        })?;
        Ok(Image {
            file: file_at(&library.path)?,
            address: library.address,
            tables,
            shards: head(pointers::SHARD_COUNT),
            functions: head(pointers::FUNCTION_COUNT),
            globals: head(pointers::GLOBAL_COUNT),
            targets: read(read::<usize>(tables + pointers::TARGETS)),
            heap: data..data + size,
            addresses,
            owners: fptrs::owners(owners, owned),
            id: String::new(),
            path: library.path,
        })
    }

    /// Whether its path leads to the file that was loaded, and not to one that Julia has made since: a package
    /// can be precompiled anew by another process.
    pub fn is_file_there(&self) -> bool {
        file_at(&self.path) == Ok(self.file)
    }

    pub fn has_object(&self, object: Object) -> bool {
        self.heap.contains(&object)
    }

    pub fn offset(&self, address: usize) -> u64 {
        address.wrapping_sub(self.address) as u64
    }

    /// Its functions' offsets.
    pub fn offsets(&self) -> Vec<u64> {
        self.addresses
            .iter()
            .map(|&address| self.offset(address))
            .collect()
    }

    /// Its globals: the number of each, and where it is.
    fn slots(&self, layout: &ShardLayout) -> Vec<(u32, usize)> {
        let shards: usize = read(self.tables + pointers::SHARDS);
        let mut slots = Vec::with_capacity(self.globals as usize);
        for shard in 0..self.shards as usize {
            let field = |offset: usize| read::<usize>(shards + shard * layout.size + offset);
            let (base, offsets, indices) = (
                field(layout.global_base),
                field(layout.global_offsets),
                field(layout.global_indices),
            );
            for i in 0..read::<u32>(offsets) as usize {
                let offset: i32 = read(offsets + 4 * (i + 1));
                slots.push((
                    read(indices + 4 * i),
                    base.wrapping_add_signed(offset as isize),
                ));
            }
        }
        slots
    }

    /// What its globals hold, by their numbers. A place that holds nothing has `None`.
    pub fn values(&self, layout: &Layout) -> Result<Vec<Option<Object>>, Trouble> {
        let mut values: Vec<Option<Object>> = vec![None; self.globals as usize];
        let mut seen = vec![false; values.len()];
        for (index, at) in self.slots(&layout.shard) {
            let index = index as usize;
            ensure(
                "global-number",
                index < values.len() && !seen[index],
                || {
                    format!(
                        "{}: global {index} has no place or two",
                        self.path.display()
                    )
                },
            )?;
            let value: usize = read(at);
            values[index] = (value != 0).then_some(value);
            seen[index] = true;
        }
        ensure("globals-complete", seen.iter().all(|&seen| seen), || {
            format!("{}: a global has no place", self.path.display())
        })?;
        Ok(values)
    }

    /// All that Julia fills in when it loads a package image: its globals, and its copy of the types
    /// that have small tags.
    pub fn filled(&self, layout: &Layout) -> Vec<Slot> {
        let globals = self.slots(&layout.shard).into_iter().map(|(_, at)| at);
        let small: usize = read(self.tables + pointers::SMALL_TYPEOF);
        let types = (0..pointers::SMALL_TYPES)
            .map(|i| small + 8 * i)
            .filter(|&at| read::<usize>(at) != 0);
        globals
            .chain(types)
            .map(|at| Slot {
                offset: self.offset(at),
                value: read(at),
            })
            .collect()
    }
}

/// The table of the functions of those images that no reason refuses.
pub fn functions_of(images: &[Image], reasons: &[Option<String>]) -> Functions {
    Functions::new(
        images
            .iter()
            .zip(reasons)
            .map(|(image, reason)| match reason {
                None => (&image.addresses[..], &image.owners[..]),
                Some(_) => (&[][..], &[][..]),
            }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_the_place_of_another_is_another() {
        let folder = std::env::temp_dir().join(format!("pcrs-images-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (path, new) = (folder.join("image.so"), folder.join("new.so"));
        std::fs::write(&path, "image").unwrap();
        let mapped = std::fs::File::open(&path).unwrap();
        let loaded = file_at(&path).unwrap();
        assert_eq!(file_at(&path), Ok(loaded));
        std::fs::write(&new, "image").unwrap();
        std::fs::rename(&new, &path).unwrap();
        assert_ne!(file_at(&path), Ok(loaded));
        drop(mapped);
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(file_at(&path).is_err());
    }
}
