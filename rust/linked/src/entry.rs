//! Functions of a library that start and end Julia: a few bytes of machine code each, which go on to
//! functions of another library and tell them where they are.

use std::path::Path;

use object::elf;

use crate::error::Refused;
use crate::write::{CODE, Object, Scope, Target};

/// `lea rdx, [rip - 7]`: the third argument is the address of the code itself. Then `jmp`.
const CODE_BYTES: [u8; 8] = [0x48, 0x8d, 0x15, 0xf9, 0xff, 0xff, 0xff, 0xe9];

/// Writes an object file for x86-64 with a function for each pair: its own name, and that of the function
/// that it calls with its arguments, of which there are at most two, and its own address as the third.
///
/// # Errors
/// When the file cannot be written.
///
/// ```
/// let folder = tempfile::tempdir()?;
/// pcrs_linked::write_entries(&folder.path().join("entry.o"), &[("start", "start_of_another")])?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write_entries(path: &Path, entries: &[(&str, &str)]) -> Result<(), Refused> {
    let mut object = Object::default();
    let text = object.section(".text", CODE, 16, &[]);
    for (name, target) in entries {
        let mut start = object.append(text, 16, &CODE_BYTES);
        object.append(text, 1, &[0; 4]);
        let size = CODE_BYTES.len() as u64 + 4;
        object.define(
            name.as_bytes().to_vec(),
            start,
            size,
            elf::STT_FUNC,
            Scope::Exported,
        );
        let target = object.symbol(target.as_bytes().to_vec(), false);
        start.offset += CODE_BYTES.len() as u64;
        // The distance is counted from the next instruction.
        object.relocate(start, elf::R_X86_64_PLT32, Target::Symbol(target), -4);
    }
    object.save(path)
}

#[cfg(test)]
mod tests {
    use object::{Object as _, ObjectSection as _, ObjectSymbol as _, RelocationTarget};

    use super::*;

    #[test]
    fn each_function_jumps_to_its_target() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("entries.o");
        write_entries(&path, &[("one", "of_one"), ("two", "of_two")]).unwrap();
        let data = std::fs::read(&path).unwrap();
        let file = object::File::parse(&data[..]).unwrap();
        let name = |index| {
            file.symbol_by_index(index)
                .unwrap()
                .name()
                .unwrap()
                .to_string()
        };
        let text = file.section_by_name(".text").unwrap();
        let jumps: Vec<_> = text
            .relocations()
            .map(|(at, relocation)| match relocation.target() {
                RelocationTarget::Symbol(index) => (at, name(index)),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(
            jumps,
            [(8, "of_one".to_string()), (24, "of_two".to_string())]
        );
        let place = |name: &str| {
            let symbol = file.symbols().find(|s| s.name() == Ok(name)).unwrap();
            assert!(symbol.is_global() && symbol.is_definition(), "{name}");
            symbol.address()
        };
        assert_eq!((place("one"), place("two")), (0, 16));
    }
}
