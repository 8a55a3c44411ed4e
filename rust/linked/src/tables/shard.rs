//! One shard: the functions and globals that one thread of the compiler has made.

use serde::{Deserialize, Serialize};

use super::{Column, Layout, TAG};
use crate::error::{Refused, refuse};
use crate::read::Image;
use crate::relocations::Pointers;

/// What a shard has for one CPU target. Functions are named by their place in the shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Versions {
    /// A version of every function.
    All {
        addresses: Vec<u64>,
        /// The functions whose slots are filled, in order.
        filled: Vec<u32>,
    },
    /// Those of another target, but for some.
    Some {
        /// The number of that target, which has all.
        base: u32,
        /// In order.
        listed: Vec<Listed>,
    },
}

/// A function that a target lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    pub function: u32,
    /// Whether its slots are filled.
    pub fills: bool,
    pub address: u64,
}

impl Versions {
    /// The version that `targets`, of which this is one, have of a function.
    pub fn version(&self, targets: &[Versions], function: u32) -> Option<u64> {
        match self {
            Versions::All { addresses, .. } => addresses.get(function as usize).copied(),
            Versions::Some { base, listed } => {
                match listed.binary_search_by_key(&function, |listed| listed.function) {
                    Ok(i) => Some(listed[i].address),
                    Err(_) => match targets.get(*base as usize)? {
                        Versions::All { addresses, .. } => {
                            addresses.get(function as usize).copied()
                        }
                        Versions::Some { .. } => None,
                    },
                }
            }
        }
    }

    /// The functions whose slots are filled, in order.
    pub fn filled(&self) -> Vec<u32> {
        match self {
            Versions::All { filled, .. } => filled.clone(),
            Versions::Some { listed, .. } => {
                let fills = listed.iter().filter(|listed| listed.fills);
                fills.map(|listed| listed.function).collect()
            }
        }
    }

    /// The addresses that it has itself.
    pub fn own(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        let (all, listed): (&[u64], &[Listed]) = match self {
            Versions::All { addresses, .. } => (addresses, &[]),
            Versions::Some { listed, .. } => (&[], listed),
        };
        let all = (0..).zip(all.iter().copied());
        all.chain(
            listed
                .iter()
                .map(|listed| (listed.function, listed.address)),
        )
    }
}

/// A shard, as `parse_sysimg` of `src/processor.cpp` reads it.
#[derive(Debug)]
pub struct Shard {
    /// The address of each column's array.
    pub columns: Vec<u64>,
    /// The numbers of its functions in the image.
    pub function_numbers: Vec<u32>,
    /// The addresses of the globals.
    pub globals: Vec<u64>,
    /// Their numbers in the image.
    pub global_numbers: Vec<u32>,
    /// What there is for each CPU target; the first has all functions.
    pub targets: Vec<Versions>,
    /// Which functions have slots that hold their version for the CPU, by place in this shard.
    pub in_slots: Vec<u32>,
    /// The addresses of these slots.
    pub function_slots: Vec<u64>,
}

/// Where the functions of a shard are written.
enum Functions {
    /// As offsets from this address.
    Relative(u64),
    /// As pointers.
    Absolute,
}

impl Functions {
    fn read(
        &self,
        image: &Image,
        pointers: &Pointers,
        addr: u64,
        count: u64,
    ) -> Result<Vec<u64>, Refused> {
        if count == 0 {
            return Ok(Vec::new());
        }
        match self {
            Functions::Relative(base) => Ok(offsets(*base, &image.u32s(addr, count)?)),
            Functions::Absolute => {
                let end = count.checked_mul(8).and_then(|size| size.checked_add(addr));
                let found = pointers.within(addr, end.unwrap_or(addr));
                if found.len() as u64 != count {
                    refuse!("it has {} pointers to functions for {count}", found.len());
                }
                Ok(found.iter().map(|pointer| pointer.1).collect())
            }
        }
    }
}

fn offsets(base: u64, offsets: &[u32]) -> Vec<u64> {
    offsets
        .iter()
        .map(|offset| base.wrapping_add_signed(i64::from(offset.cast_signed())))
        .collect()
}

impl Shard {
    /// Reads the shard whose row of the table is at `row`.
    pub fn read(
        image: &Image,
        pointers: &Pointers,
        layout: &Layout,
        row: u64,
        targets: u32,
    ) -> Result<Self, Refused> {
        let mut columns = Vec::with_capacity(layout.columns.len());
        for (i, column) in layout.columns.iter().enumerate() {
            columns.push(pointers.need(row.wrapping_add(8 * i as u64), column.name())?);
        }
        let column = |column| layout.position(column).map(|i| columns[i]);
        let need = |which: Column| {
            column(which).ok_or_else(|| Refused::new(format!("there is no {}", which.name())))
        };

        let global_offsets = need(Column::GlobalOffsets)?;
        let globals = u64::from(image.u32(global_offsets)?);
        let global_base = column(Column::GlobalBase).unwrap_or(global_offsets);
        let (kind, functions_at, function_count) = match column(Column::FunctionBase) {
            Some(base) => {
                let at = need(Column::FunctionOffsets)?;
                (
                    Functions::Relative(base),
                    at.wrapping_add(4),
                    u64::from(image.u32(at)?),
                )
            }
            None => (
                Functions::Absolute,
                need(Column::FunctionPointers)?,
                image.u64(need(Column::FunctionCount)?)?,
            ),
        };
        if function_count.max(globals) >= u64::from(TAG) {
            refuse!("it has too many functions or globals");
        }
        let clones_at = match kind {
            Functions::Relative(_) => need(Column::CloneOffsets)?,
            Functions::Absolute => need(Column::ClonePointers)?,
        };
        let clone_slots = need(Column::CloneSlots)?;
        let slots = u64::from(image.u32(clone_slots)?);
        // Offsets of slots are relative to the globals on 1.10, to themselves later.
        let slot_base = column(Column::GlobalBase).unwrap_or(clone_slots);
        let pairs = some(image, clone_slots.wrapping_add(4), 2 * slots)?;
        let in_slots: Vec<u32> = pairs.iter().copied().step_by(2).collect();
        if !in_slots.is_sorted()
            || in_slots
                .iter()
                .any(|function| u64::from(*function) >= function_count)
        {
            refuse!("its slots are out of order");
        }
        let slot_offsets: Vec<u32> = pairs.iter().copied().skip(1).step_by(2).collect();
        let functions = kind.read(image, pointers, functions_at, function_count)?;
        let lists = lists(image, need(Column::CloneNumbers)?, targets)?;
        let count: u64 = lists[1..]
            .iter()
            .map(|list| list.count(function_count))
            .sum();
        let clones = kind.read(image, pointers, clones_at, count)?;
        let targets = versions(lists, functions, &clones)?;
        // Julia looks for the slots of those whose slots are filled in order.
        for versions in &targets {
            let filled = versions.filled();
            if !filled.is_sorted()
                || filled
                    .iter()
                    .any(|function| in_slots.binary_search(function).is_err())
            {
                refuse!("one of its CPU targets has functions without slots");
            }
        }

        Ok(Shard {
            function_numbers: some(image, need(Column::FunctionNumbers)?, function_count)?,
            globals: offsets(
                global_base,
                &some(image, global_offsets.wrapping_add(4), globals)?,
            ),
            global_numbers: some(image, need(Column::GlobalNumbers)?, globals)?,
            targets,
            function_slots: offsets(slot_base, &slot_offsets),
            in_slots,
            columns,
        })
    }
}

impl Shard {
    /// The addresses of the functions, for the first CPU target.
    pub fn functions(&self) -> &[u64] {
        match self.targets.first() {
            Some(Versions::All { addresses, .. }) => addresses,
            _ => &[],
        }
    }

    /// The functions that have slots, by place in this shard, and the addresses of these.
    pub fn slots(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        let slots = self.function_slots.iter().copied();
        self.in_slots.iter().copied().zip(slots)
    }

    /// All versions of each function, the one for the first CPU target first.
    pub fn versions(&self) -> Vec<Vec<u64>> {
        all_versions(&self.targets)
    }
}

/// All versions that `targets` have of each function.
pub fn all_versions(targets: &[Versions]) -> Vec<Vec<u64>> {
    let mut all: Vec<Vec<u64>> = Vec::new();
    for (function, address) in targets.iter().flat_map(Versions::own) {
        let function = function as usize;
        if all.len() <= function {
            all.resize(function + 1, Vec::new());
        }
        if !all[function].contains(&address) {
            all[function].push(address);
        }
    }
    all
}

/// `count` numbers at an address, which may be any if there are none.
fn some(image: &Image, addr: u64, count: u64) -> Result<Vec<u32>, Refused> {
    if count == 0 {
        Ok(Vec::new())
    } else {
        image.u32s(addr, count)
    }
}

/// The functions that a CPU target lists.
enum List {
    /// It has all; those whose slots are filled.
    All(Vec<u32>),
    /// The target that it builds on, and those that are different, tagged where their slots are filled.
    Some(u32, Vec<u32>),
}

impl List {
    /// How many versions it has.
    fn count(&self, functions: u64) -> u64 {
        match self {
            List::All(_) => functions,
            List::Some(_, listed) => listed.len() as u64,
        }
    }
}

/// The list of each target.
fn lists(image: &Image, mut addr: u64, targets: u32) -> Result<Vec<List>, Refused> {
    let mut lists = Vec::new();
    for _ in 0..targets {
        let word = image.u32(addr)?;
        let length = u64::from(word & !TAG);
        if word & TAG != 0 {
            lists.push(List::All(some(image, addr.wrapping_add(4), length)?));
            addr = addr.wrapping_add(4 + 4 * length);
        } else {
            let base = image.u32(addr.wrapping_add(4))?;
            lists.push(List::Some(base, some(image, addr.wrapping_add(8), length)?));
            addr = addr.wrapping_add(8 + 4 * length);
        }
    }
    Ok(lists)
}

/// What each target has: the first one `functions`, the others `clones`.
fn versions(
    lists: Vec<List>,
    functions: Vec<u64>,
    clones: &[u64],
) -> Result<Vec<Versions>, Refused> {
    let count = functions.len();
    let (mut first, mut rest) = (Some(functions), clones);
    let mut targets: Vec<Versions> = Vec::new();
    for list in lists {
        let versions = match list {
            List::All(filled) => Versions::All {
                addresses: match first.take() {
                    Some(functions) => functions,
                    None => take(&mut rest, count)?.to_vec(),
                },
                filled,
            },
            List::Some(base, listed) => {
                // This is the first target otherwise.
                if !matches!(targets.get(base as usize), Some(Versions::All { .. })) {
                    refuse!("one of its CPU targets builds on one that is not whole");
                }
                let addresses = take(&mut rest, listed.len())?;
                let listed: Vec<Listed> = listed
                    .into_iter()
                    .zip(addresses)
                    .map(|(function, &address)| Listed {
                        function: function & !TAG,
                        fills: function & TAG != 0,
                        address,
                    })
                    .collect();
                if !listed.is_sorted_by(|a, b| a.function < b.function) {
                    refuse!("the functions of one of its CPU targets are out of order");
                }
                Versions::Some { base, listed }
            }
        };
        if versions
            .own()
            .any(|(function, _)| function as usize >= count)
        {
            refuse!("its CPU targets have functions that it does not have");
        }
        targets.push(versions);
    }
    Ok(targets)
}

/// The next `count` of `rest`.
fn take<'a>(rest: &mut &'a [u64], count: usize) -> Result<&'a [u64], Refused> {
    let Some((taken, left)) = rest.split_at_checked(count) else {
        refuse!("its CPU targets have fewer functions than they list");
    };
    *rest = left;
    Ok(taken)
}
