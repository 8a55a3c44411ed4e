//! The heap of an image as an object file of its own.
//!
//! Julia hands it to LLVM as a constant, which is copied twice before it is in a file: 300 MiB and
//! more that the image process needs for nothing else.

use std::path::Path;

use object::elf;

use crate::error::Refused;
use crate::write::{CONSTANTS, DATA, Object, Place, Scope};

/// The flag of sections that may lie further than 2 GiB away, which the `object` crate does not name.
const SHF_X86_64_LARGE: u64 = 0x1000_0000;

/// Writes what Julia's `jl_dump_native` makes of `heap`: the symbols `jl_system_image_data` and
/// `jl_system_image_size`.
///
/// # Errors
/// When `file` cannot be written.
pub fn write_heap(heap: &[u8], file: &Path) -> Result<(), Refused> {
    let large = SHF_X86_64_LARGE;
    let mut object = Object::default();
    let data = object.section(".ldata", DATA | large, 64, heap);
    let length = heap.len() as u64;
    let size = object.section(
        ".lrodata",
        CONSTANTS | large,
        8,
        length.to_le_bytes().to_vec(),
    );
    for (name, section, size) in [
        ("jl_system_image_data", data, length),
        ("jl_system_image_size", size, 8),
    ] {
        let at = Place { section, offset: 0 };
        object.define(name.as_bytes(), at, size, elf::STT_OBJECT, Scope::Exported);
    }
    object.section(".note.GNU-stack", 0, 1, &[][..]);
    object.save(file)
}
