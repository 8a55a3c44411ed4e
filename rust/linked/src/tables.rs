//! The tables by which Julia finds an image's functions and globals.

mod layout;
mod shard;
pub mod targets;

use crate::error::{Refused, refuse};
use crate::read::Image;
use crate::relocations::Pointers;

pub use layout::{Column, LAYOUTS, Layout};
pub use shard::{Listed, Shard, Versions, all_versions};

/// The version of the header that is known.
pub const HEADER_VERSION: u32 = 1;
/// The bit of lengths and numbers that says something else than they do.
pub const TAG: u32 = 1 << 31;

/// More functions or globals than any image has.
const MANY: u32 = 1 << 24;

/// The tables of an image.
#[derive(Debug)]
pub struct Tables {
    pub layout: &'static Layout,
    pub functions: u32,
    pub globals: u32,
    /// How many CPU targets there is code for.
    pub targets: u32,
    /// What Julia has written of them.
    pub target_ids: Vec<u8>,
    pub shards: Vec<Shard>,
    /// The addresses of `jl_pgcstack_func_slot`, `jl_pgcstack_key_slot` and `jl_tls_offset`.
    pub slots: [u64; 3],
    /// The address of the copy of `jl_small_typeof`.
    pub small_typeof: u64,
}

impl Tables {
    /// Reads the tables of `image`, whose `jl_image_pointers` is at `root`. Which version of Julia
    /// has made it is told by the tables themselves: only one layout fits.
    pub fn read(image: &Image, pointers: &Pointers, root: u64) -> Result<Self, Refused> {
        let mut fitting = LAYOUTS
            .iter()
            .map(|layout| (layout, Self::read_as(image, pointers, root, layout)));
        let (Some((first, one)), Some((second, other))) = (fitting.next(), fitting.next()) else {
            refuse!("no layout of tables is known");
        };
        match (one, other) {
            (Ok(tables), Err(_)) | (Err(_), Ok(tables)) => Ok(tables),
            (Ok(_), Ok(_)) => refuse!("its tables can be read in two ways"),
            (Err(a), Err(b)) => {
                refuse!(
                    "its tables are none of Julia {} ({a}) or {} ({b})",
                    first.julia,
                    second.julia
                )
            }
        }
    }

    /// Reads them as a version of Julia does that has this layout.
    pub fn read_as(
        image: &Image,
        pointers: &Pointers,
        root: u64,
        layout: &'static Layout,
    ) -> Result<Self, Refused> {
        let part = |i: u64, what: &str| pointers.need(root.wrapping_add(8 * i), what);
        let header = image.u32s(part(0, "the header")?, 4)?;
        let [version, shards, functions, globals] = header[..] else {
            refuse!("its header is cut off");
        };
        if version != HEADER_VERSION {
            refuse!("its header is of version {version}");
        }
        let rows = part(1, "the shards")?;
        let ptls = part(2, "the slots")?;
        let mut slots = [0; 3];
        for (i, slot) in slots.iter_mut().enumerate() {
            *slot = pointers.need(ptls.wrapping_add(8 * i as u64), "a slot")?;
        }
        let target_ids = targets::read(image, part(4, "the targets")?)?;
        let targets = targets::count(&target_ids)?;
        if shards == 0 || shards > 0x10000 {
            refuse!("it has {shards} shards");
        }
        if functions.max(globals) > MANY {
            refuse!("it has {functions} functions and {globals} globals");
        }
        let read = |i: u32| {
            let row = rows.wrapping_add(u64::from(i) * layout.row());
            Shard::read(image, pointers, layout, row, targets)
                .map_err(|refused| refused.about(format_args!("shard {i}")))
        };
        let tables = Tables {
            layout,
            functions,
            globals,
            targets,
            target_ids,
            shards: (0..shards).map(read).collect::<Result<_, _>>()?,
            slots,
            small_typeof: part(3, "jl_small_typeof")?,
        };
        tables.function_addresses()?;
        tables.global_addresses()?;
        Ok(tables)
    }

    /// The address of each function's default version, by its number.
    pub fn function_addresses(&self) -> Result<Vec<u64>, Refused> {
        let all = self
            .shards
            .iter()
            .map(|shard| (&shard.function_numbers[..], shard.functions()));
        numbered(self.functions, all, "function")
    }

    /// The address of each global, by its number.
    pub fn global_addresses(&self) -> Result<Vec<u64>, Refused> {
        let all = self
            .shards
            .iter()
            .map(|shard| (&shard.global_numbers[..], &shard.globals[..]));
        numbered(self.globals, all, "global")
    }
}

/// Puts addresses in the order of their numbers, each of which has to be there once.
fn numbered<'a>(
    count: u32,
    all: impl Iterator<Item = (&'a [u32], &'a [u64])>,
    what: &str,
) -> Result<Vec<u64>, Refused> {
    let mut addresses = vec![None; count as usize];
    for (numbers, values) in all {
        for (number, value) in numbers.iter().zip(values) {
            match addresses.get_mut(*number as usize) {
                Some(place @ None) => *place = Some(*value),
                Some(_) => refuse!("{what} {number} is there twice"),
                None => refuse!("{what} {number} is beyond the {count} of its header"),
            }
        }
    }
    let mut found = Vec::with_capacity(addresses.len());
    for (number, address) in addresses.into_iter().enumerate() {
        match address {
            Some(address) => found.push(address),
            None => refuse!("{what} {number} is missing"),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_to_be_there_once() {
        let table = |count, numbers: &[u32]| {
            let addresses: Vec<u64> = numbers.iter().map(|n| 100 + u64::from(*n)).collect();
            numbered(count, [(numbers, &addresses[..])].into_iter(), "function")
                .map_err(|e| e.to_string())
        };
        assert_eq!(table(3, &[2, 0, 1]), Ok(vec![100, 101, 102]));
        assert_eq!(table(3, &[2, 0]), Err("function 1 is missing".into()));
        assert_eq!(
            table(3, &[2, 0, 2]),
            Err("function 2 is there twice".into())
        );
        assert_eq!(
            table(2, &[2, 0]),
            Err("function 2 is beyond the 2 of its header".into())
        );
    }
}
