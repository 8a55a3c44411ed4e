//! The dynamic linker's relocations of a finished image, made into those of an object.

use object::elf;

use crate::error::{Refused, refuse};
use crate::parts::Parts;
use crate::read::{Image, Symbol};
use crate::write::{Object, Target};

/// What a new image has of its own: what refers to these of the base is to get the new ones.
pub const METADATA: [&str; 4] = [
    "jl_image_pointers",
    "get_jl_RTLD_DEFAULT_handle_addr",
    "jl_system_image_data",
    "jl_system_image_size",
];

/// What the words of an image point to, once it is loaded at 0.
#[derive(Debug, Default)]
pub struct Pointers(Vec<(u64, u64)>);

impl Pointers {
    /// Reads them; those to other images are not among them.
    pub fn of(image: &Image, symbols: &[Symbol]) -> Result<Self, Refused> {
        let mut pointers = Vec::new();
        for relocation in image.relocations()? {
            let symbol = symbol_of(symbols, relocation.symbol)?;
            let target = match relocation.kind {
                elf::R_X86_64_RELATIVE => relocation.addend.cast_unsigned(),
                elf::R_X86_64_64 if symbol.is_defined() => {
                    symbol.value.wrapping_add_signed(relocation.addend)
                }
                elf::R_X86_64_GLOB_DAT | elf::R_X86_64_JUMP_SLOT if symbol.is_defined() => {
                    symbol.value
                }
                _ => continue,
            };
            pointers.push((relocation.place, target));
        }
        pointers.sort_unstable();
        Ok(Pointers(pointers))
    }

    /// What the word at `addr` points to.
    pub fn get(&self, addr: u64) -> Option<u64> {
        let i = self
            .0
            .binary_search_by_key(&addr, |pointer| pointer.0)
            .ok()?;
        Some(self.0[i].1)
    }

    /// The same, where there has to be a pointer; `what` it is, for the reason.
    pub fn need(&self, addr: u64, what: &str) -> Result<u64, Refused> {
        self.get(addr)
            .ok_or_else(|| Refused::new(format!("there is no pointer to {what} at {addr:#x}")))
    }

    /// All words in a range, and what they point to.
    pub fn within(&self, start: u64, end: u64) -> &[(u64, u64)] {
        let from = self.0.partition_point(|pointer| pointer.0 < start);
        let to = self.0.partition_point(|pointer| pointer.0 < end);
        &self.0[from..to.max(from)]
    }
}

fn symbol_of<'a, 's>(symbols: &'s [Symbol<'a>], index: u32) -> Result<&'s Symbol<'a>, Refused> {
    match symbols.get(index as usize) {
        Some(symbol) => Ok(symbol),
        None => refuse!("a relocation has a symbol that is not there ({index})"),
    }
}

/// Gives `object` the relocations of `image`. `anew`: whether its [`METADATA`] stands for that of
/// the new image.
pub fn convert<'a>(
    image: &'a Image,
    symbols: &[Symbol<'a>],
    parts: &Parts,
    anew: bool,
    object: &mut Object<'a>,
) -> Result<(), Refused> {
    for relocation in image.relocations()? {
        let symbol = symbol_of(symbols, relocation.symbol)?;
        let name = String::from_utf8_lossy(symbol.name);
        let addr = relocation.place;
        let Some(at) = parts.place(addr) else {
            if parts.is_dropped(addr) {
                continue;
            }
            refuse!("a relocation at {addr:#x} is in no part that is known");
        };
        if !object.is_writable(at.section) {
            refuse!("a relocation at {addr:#x} is in code or constants");
        }
        if addr % 8 != 0 {
            refuse!("a relocation at {addr:#x} is not aligned");
        }
        let addend = match relocation.kind {
            elf::R_X86_64_64 | elf::R_X86_64_RELATIVE => relocation.addend,
            elf::R_X86_64_GLOB_DAT | elf::R_X86_64_JUMP_SLOT => 0,
            kind => refuse!("a relocation at {addr:#x} is of a type that is not known ({kind})"),
        };
        let value = if relocation.kind == elf::R_X86_64_RELATIVE {
            if relocation.symbol != 0 {
                refuse!("a relative relocation at {addr:#x} has a symbol");
            }
            addend.cast_unsigned()
        } else if !symbol.is_defined() {
            if relocation.symbol == 0 {
                refuse!("a relocation at {addr:#x} has no symbol");
            }
            let id = object.symbol(symbol.name, symbol.bind == elf::STB_WEAK);
            object.relocate(at, elf::R_X86_64_64, Target::Symbol(id), addend);
            continue;
        } else if anew && METADATA.contains(&&*name) {
            let id = object.symbol(symbol.name, false);
            object.relocate(at, elf::R_X86_64_64, Target::Symbol(id), addend);
            continue;
        } else {
            if symbol.section >= elf::SHN_LORESERVE
                || matches!(symbol.kind, elf::STT_TLS | elf::STT_GNU_IFUNC)
            {
                refuse!(
                    "a relocation at {addr:#x} refers to `{name}`, a symbol of a kind that is not known"
                );
            }
            symbol.value.wrapping_add_signed(addend)
        };
        if anew && value == parts.heap.0 {
            let id = object.symbol("jl_system_image_data".as_bytes(), false);
            object.relocate(at, elf::R_X86_64_64, Target::Symbol(id), 0);
        } else if parts.is_heap(value) {
            refuse!("a pointer at {addr:#x} goes into the heap");
        } else if let Some(target) = parts.place_or_end(value) {
            object.point(at, target);
        } else {
            refuse!("a pointer at {addr:#x} goes to {value:#x}, which is not kept");
        }
    }
    Ok(())
}
