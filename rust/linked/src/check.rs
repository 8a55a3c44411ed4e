//! The finished image, read as Julia reads it.

use std::collections::HashSet;
use std::path::Path;

use object::elf;

use crate::base;
use crate::error::{Refused, refuse};
use crate::handover::{Handover, UsedPackage};
use crate::read::{Image, Symbol};
use crate::relocations::Pointers;
use crate::tables::Tables;
use crate::unwind;

/// Reads the finished image's tables as Julia does, and compares them with the handover: every
/// number is there once; the base's functions, for each CPU target, and globals are where they were; those of a package
/// image are all as far from where they were; what is new is in code and in data; the slots of
/// package images for the state of a thread are filled; nothing of an image below is undefined.
///
/// # Errors
/// The first thing that is not as it has to be.
pub fn check(image: &Path, handover: &Handover) -> Result<(), Refused> {
    let file = Image::open(image)?;
    let symbols = file.dynamic_symbols()?;
    let pointers = Pointers::of(&file, &symbols)?;
    if file.loads.first().is_none_or(|load| load.addr != 0) {
        refuse!("its first segment is not at 0, where Julia looks for debug information");
    }
    base::heap(&file, &symbols)?;
    defined(&symbols)?;
    let tables = Tables::read(
        &file,
        &pointers,
        base::exported(&symbols, "jl_image_pointers")?.value,
    )?;
    slots(&file, &tables)?;
    unwind_index(&file)?;

    let functions = tables.function_addresses()?;
    let globals = tables.global_addresses()?;
    if let Some(addr) = functions.iter().find(|addr| !is(&file, **addr, elf::PF_X)) {
        refuse!("a function is at {addr:#x}, where there is no code");
    }
    let all_slots = tables.shards.iter().flat_map(|shard| &shard.function_slots);
    if let Some(addr) = globals
        .iter()
        .chain(all_slots)
        .find(|addr| !is(&file, **addr, elf::PF_W))
    {
        refuse!("a global is at {addr:#x}, where there is no data");
    }

    let used = &handover.base;
    let (mut f, mut g) = (used.functions as usize, used.globals as usize);
    let below = tables_of(&used.path)?;
    if tables.targets > 1 {
        same_versions(&tables, &below)?;
    } else if functions.get(..f) != Some(&used.selected[..]) {
        refuse!("the base's functions are not where they were");
    }
    if globals.get(..g) != Some(&below.global_addresses()?[..]) {
        refuse!("the base's globals are not where they were");
    }
    for package in &handover.packages {
        let told = || package.path.display();
        let (Some(functions), Some(globals)) = (
            functions.get(f..f + package.functions.len()),
            globals.get(g..g + package.globals.len()),
        ) else {
            refuse!("the functions or globals of `{}` are missing", told());
        };
        let moved = moved(package, functions, globals).map_err(|refused| refused.about(told()))?;
        if let Some(by) = moved {
            let state = package.object.slots[0].wrapping_add(by);
            match pointers.get(state) {
                Some(code) if is(&file, code, elf::PF_X) => {}
                _ => refuse!(
                    "the slot of `{}` for the state of a thread is not filled",
                    told()
                ),
            }
        }
        f += functions.len();
        g += globals.len();
    }
    let new = globals.len() - g;
    if new != handover.new_globals as usize {
        refuse!("it has {new} new globals, not {}", handover.new_globals);
    }
    if functions.len() < f {
        refuse!("it has fewer functions than the images below it");
    }
    Ok(())
}

/// How far a package image has been moved: all of its functions and globals by the same.
fn moved(
    package: &UsedPackage,
    functions: &[u64],
    globals: &[u64],
) -> Result<Option<u64>, Refused> {
    let before = package.functions.iter().chain(&package.globals);
    let mut distances = before
        .zip(functions.iter().chain(globals))
        .map(|(before, after)| after.wrapping_sub(*before));
    let Some(by) = distances.next() else {
        return Ok(None);
    };
    if let Some(other) = distances.find(|distance| *distance != by) {
        refuse!("one function or global was moved by {by:#x}, another by {other:#x}");
    }
    Ok(Some(by))
}

/// For each CPU target, Julia takes the same version of each function of the base as from the base alone,
/// fills the same slots with them, and all that are new.
fn same_versions(tables: &Tables, below: &Tables) -> Result<(), Refused> {
    if tables.shards.len() < below.shards.len() {
        refuse!("a shard of the base is missing");
    }
    for (i, (shard, was)) in tables.shards.iter().zip(&below.shards).enumerate() {
        let old: HashSet<u64> = was.function_slots.iter().copied().collect();
        for (t, (now, then)) in shard.targets.iter().zip(&was.targets).enumerate() {
            let (of, of_was) = (&shard.targets, &was.targets);
            let mut functions = 0..was.function_numbers.len() as u32;
            if shard.function_numbers != was.function_numbers
                || functions.any(|f| now.version(of, f) != then.version(of_was, f))
            {
                refuse!("shard {i} of the base has other functions for CPU target {t}");
            }
            let (filled, was_filled) = (now.filled(), then.filled());
            let needed = |function: &u32, slot: &u64| {
                !old.contains(slot) || was_filled.binary_search(function).is_ok()
            };
            if let Some((function, _)) = shard
                .slots()
                .find(|(f, slot)| needed(f, slot) && filled.binary_search(f).is_err())
            {
                refuse!(
                    "a slot for function {function} of shard {i} is not filled for CPU target {t}"
                );
            }
        }
    }
    Ok(())
}

/// The tables of the base.
fn tables_of(path: &Path) -> Result<Tables, Refused> {
    let read = || {
        let file = Image::open(path)?;
        let symbols = file.dynamic_symbols()?;
        let pointers = Pointers::of(&file, &symbols)?;
        let root = base::exported(&symbols, "jl_image_pointers")?.value;
        Tables::read(&file, &pointers, root)
    };
    read().map_err(|refused| refused.about(path.display()))
}

/// Whether an address is in a segment that has this flag.
fn is(file: &Image, addr: u64, flag: u32) -> bool {
    file.load(addr).is_some_and(|load| load.flags & flag != 0)
}

/// What Julia writes to when it opens the image has to be in data.
fn slots(file: &Image, tables: &Tables) -> Result<(), Refused> {
    for addr in tables.slots.iter().chain([&tables.small_typeof]) {
        if !is(file, *addr, elf::PF_W) {
            refuse!("a slot is at {addr:#x}, where there is no data");
        }
    }
    Ok(())
}

/// Nothing that is looked up elsewhere may be what only images have; and what Julia looks up in the
/// image has to be there.
fn defined(symbols: &[Symbol]) -> Result<(), Refused> {
    for name in crate::relocations::METADATA {
        base::exported(symbols, name)?;
    }
    let own = |name: &str| {
        let package = name.strip_prefix("jlp").and_then(|rest| rest.get(..16));
        name.starts_with("jlsb_")
            || package.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
            || base::SLOTS.contains(&name)
            || name == base::SMALL_TYPEOF
            || name == crate::trampoline::SYMBOL
            || name.starts_with("jl_fvar_")
            || name.starts_with("jl_gvar_")
            || name.starts_with("jl_clone_")
    };
    for symbol in symbols.iter().filter(|symbol| !symbol.is_defined()) {
        let name = String::from_utf8_lossy(symbol.name);
        if own(&name) {
            refuse!("`{name}` is undefined");
        }
    }
    Ok(())
}

/// Linkers leave out the index of the unwind table when there is something in it that they do not
/// understand; exceptions would then not be caught.
fn unwind_index(file: &Image) -> Result<(), Refused> {
    // version 1, the table relative to itself, its count, its entries relative to the index
    const KIND: [u8; 4] = [1, 0x1b, 0x03, 0x3b];
    let (Some(table), Some(index)) = (file.section(".eh_frame"), file.section(".eh_frame_hdr"))
    else {
        refuse!("its unwind table has no index");
    };
    if *file.at(index.addr, 4)? != KIND {
        refuse!("the index of its unwind table is of a kind that is not known");
    }
    let mut functions = unwind::read(file.content(table)?, table.addr)?.pointers;
    functions.sort_unstable_by_key(|(_, function)| *function);
    functions.dedup_by_key(|(_, function)| *function);
    let indexed = file.u32(index.addr.wrapping_add(8))?;
    if (indexed as usize) < functions.len() {
        refuse!(
            "the index of its unwind table has {indexed} entries for {}",
            functions.len()
        );
    }
    Ok(())
}
