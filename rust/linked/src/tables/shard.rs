//! One shard: the functions and globals that one thread of the compiler has made.

use super::{Column, Layout, TAG};
use crate::error::{Refused, refuse};
use crate::read::Image;
use crate::relocations::Pointers;

/// A shard, as `parse_sysimg` of `src/processor.cpp` reads it.
#[derive(Debug)]
pub struct Shard {
    /// The address of each column's array.
    pub columns: Vec<u64>,
    /// The addresses of the functions, for the first CPU target.
    pub functions: Vec<u64>,
    /// Their numbers in the image.
    pub function_numbers: Vec<u32>,
    /// The addresses of the globals.
    pub globals: Vec<u64>,
    /// Their numbers in the image.
    pub global_numbers: Vec<u32>,
    /// The addresses of the functions for other CPU targets.
    pub clones: Vec<u64>,
    /// Which function each of these is a version of, by place in this shard.
    clones_of: Vec<u32>,
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
        let clone_numbers = need(Column::CloneNumbers)?;
        let clones_of = clones_of(image, clone_numbers, function_count, targets)?;

        let clone_slots = need(Column::CloneSlots)?;
        let slots = u64::from(image.u32(clone_slots)?);
        // Offsets of slots are relative to the globals on 1.10, to themselves on 1.12.
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
        // The first target: each function that has slots is listed. Julia looks for them in order.
        let first = image.u32(clone_numbers)? & !TAG;
        let listed = some(image, clone_numbers.wrapping_add(4), u64::from(first))?;
        if !listed.is_sorted()
            || listed
                .iter()
                .any(|function| in_slots.binary_search(function).is_err())
        {
            refuse!("its first CPU target has functions without slots");
        }

        Ok(Shard {
            functions: kind.read(image, pointers, functions_at, function_count)?,
            function_numbers: some(image, need(Column::FunctionNumbers)?, function_count)?,
            globals: offsets(
                global_base,
                &some(image, global_offsets.wrapping_add(4), globals)?,
            ),
            global_numbers: some(image, need(Column::GlobalNumbers)?, globals)?,
            clones: kind.read(image, pointers, clones_at, clones_of.len() as u64)?,
            clones_of,
            function_slots: offsets(slot_base, &slot_offsets),
            in_slots,
            columns,
        })
    }
}

impl Shard {
    /// All versions of each function, the one for the first CPU target first.
    pub fn versions(&self) -> Vec<Vec<u64>> {
        let mut versions: Vec<Vec<u64>> = self.functions.iter().map(|addr| vec![*addr]).collect();
        for (function, addr) in self.clones_of.iter().zip(&self.clones) {
            if let Some(versions) = versions.get_mut(*function as usize)
                && !versions.contains(addr)
            {
                versions.push(*addr);
            }
        }
        versions
    }
}

/// `count` numbers at an address, which may be any if there are none.
fn some(image: &Image, addr: u64, count: u64) -> Result<Vec<u32>, Refused> {
    if count == 0 {
        Ok(Vec::new())
    } else {
        image.u32s(addr, count)
    }
}

/// Which function each of the functions for other CPU targets is a version of, by place in the
/// shard.
fn clones_of(
    image: &Image,
    mut addr: u64,
    functions: u64,
    targets: u32,
) -> Result<Vec<u32>, Refused> {
    let mut clones = Vec::new();
    for target in 0..targets {
        let word = image.u32(addr)?;
        let length = u64::from(word & !TAG);
        if word & TAG != 0 {
            // all functions; those with slots are listed
            if target > 0 {
                clones.extend(0..u32::try_from(functions).unwrap_or(u32::MAX));
            }
            addr = addr.wrapping_add(4 + 4 * length);
        } else if target == 0 {
            refuse!("its first CPU target is not whole");
        } else {
            // the target that it builds on, then those that are different
            let listed = some(image, addr.wrapping_add(8), length)?;
            clones.extend(listed.iter().map(|function| function & !TAG));
            addr = addr.wrapping_add(8 + 4 * length);
        }
    }
    if clones
        .iter()
        .any(|function| u64::from(*function) >= functions)
    {
        refuse!("its CPU targets have functions that it does not have");
    }
    Ok(clones)
}
