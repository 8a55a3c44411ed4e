//! The only machine code that is written here: how package images come to the thread's state, and how code
//! for several CPU targets comes to the base's functions ([`calls`](crate::calls)).
//!
//! Julia fills the thread-local slots of the image that it opens, and only these. Code of a package
//! image asks its own, which hold [`SYMBOL`] at first: code that asks the image's function, and when
//! Julia is there to answer, copies the image's three slots into those of all package images. No
//! constructor does this, because Julia may fill its slots after the image is opened.

use object::elf;

use crate::base::SLOTS;
use crate::write::{CODE, CONSTANTS, Object, Place, Target};

/// The symbol of the code that a package image's `jl_pgcstack_func_slot` holds at first.
pub const SYMBOL: &str = "jl_linked_pgcstack";

/// What a word of 32 bits in the code has to be: the distance to something.
enum To {
    /// One of [`SLOTS`].
    Slot(usize),
    /// The list of the packages' slots.
    List,
    /// Its end.
    ListEnd,
}

/// The code, in pieces that are followed by a distance or by nothing.
const CODE_PIECES: [(&[u8], Option<To>); 8] = [
    (
        &[
            0x48, 0x83, 0xec, 0x08, //       sub   rsp, 8
            0x48, 0x8b, 0x05, //             mov   rax, [func_slot]
        ],
        Some(To::Slot(0)),
    ),
    (
        &[
            0x48, 0x85, 0xc0, //             test  rax, rax
            0x74, 0x47, //                   je    out
            0xff, 0xd0, //                   call  rax
            0x48, 0x85, 0xc0, //             test  rax, rax
            0x74, 0x40, //                   je    out
            0x48, 0x8b, 0x0d, //             mov   rcx, [func_slot]
        ],
        Some(To::Slot(0)),
    ),
    (&[0x48, 0x8b, 0x15], Some(To::Slot(1))), // mov   rdx, [key_slot]
    (&[0x48, 0x8b, 0x35], Some(To::Slot(2))), // mov   rsi, [tls_offset]
    (&[0x4c, 0x8d, 0x05], Some(To::List)),    //    lea   r8, [list]
    (&[0x4c, 0x8d, 0x0d], Some(To::ListEnd)), // lea   r9, [list_end]
    (
        &[
            // again: each slot can be used without the others, and other threads may read them meanwhile
            0x4d, 0x8b, 0x50, 0x08, //       mov   r10, [r8 + 8]
            0x49, 0x89, 0x12, //             mov   [r10], rdx
            0x4d, 0x8b, 0x50, 0x10, //       mov   r10, [r8 + 16]
            0x49, 0x89, 0x32, //             mov   [r10], rsi
            0x4d, 0x8b, 0x10, //             mov   r10, [r8]
            0x49, 0x89, 0x0a, //             mov   [r10], rcx
            0x49, 0x83, 0xc0, 0x18, //       add   r8, 24
            0x4d, 0x39, 0xc8, //             cmp   r8, r9
            0x72, 0xe3, //                   jb    again
        ],
        None,
    ),
    (
        &[
            // out:
            0x48, 0x83, 0xc4, 0x08, //       add   rsp, 8
            0xc3, //                         ret
        ],
        None,
    ),
];

/// How long the first instruction is, which moves the stack, and the last, before which it is moved back.
const AFTER_SUB: u8 = 4;
const LAST: u64 = 1;

/// Adds the code to the section `text` and defines [`SYMBOL`]. `list`: where the addresses of the
/// packages' slots are, three for each of `count` packages.
pub fn add(
    object: &mut Object<'_>,
    text: crate::write::SectionId,
    list: Place,
    count: u64,
) -> Code {
    let mut bytes = Vec::new();
    let mut distances = Vec::new();
    for (piece, to) in &CODE_PIECES {
        bytes.extend_from_slice(piece);
        if let Some(to) = to {
            distances.push((bytes.len() as u64, to));
            bytes.extend_from_slice(&[0; 4]);
        }
    }
    let start = object.append(text, 16, &bytes);
    for (offset, to) in distances {
        let at = Place {
            section: text,
            offset: start.offset + offset,
        };
        let target = match to {
            To::Slot(i) => Target::Symbol(object.symbol(SLOTS[*i].as_bytes(), false)),
            To::List => Target::Place(list),
            To::ListEnd => Target::Place(Place {
                section: list.section,
                offset: list.offset + 24 * count,
            }),
        };
        // The distance is counted from the next instruction.
        object.relocate(at, elf::R_X86_64_PC32, target, -4);
    }
    let size = bytes.len() as u64;
    object.define(
        SYMBOL.as_bytes(),
        start,
        size,
        elf::STT_FUNC,
        crate::write::Scope::Hidden,
    );
    Code {
        start,
        size,
        has_frame: true,
    }
}

/// Adds `get_jl_RTLD_DEFAULT_handle_addr`, by which Julia makes sure that an image uses the libjulia
/// that opens it.
pub fn add_handle_getter(object: &mut Object<'_>, text: crate::write::SectionId) -> Code {
    let bytes = [
        0x48, 0x8b, 0x05, 0, 0, 0,
        0,    // mov   rax, [the GOT's entry for jl_RTLD_DEFAULT_handle]
        0xc3, //                         ret
    ];
    let start = object.append(text, 16, &bytes);
    let handle = object.symbol("jl_RTLD_DEFAULT_handle".as_bytes(), false);
    let at = Place {
        section: text,
        offset: start.offset + 3,
    };
    object.relocate(at, elf::R_X86_64_GOTPCREL, Target::Symbol(handle), -4);
    let size = bytes.len() as u64;
    object.define(
        "get_jl_RTLD_DEFAULT_handle_addr".as_bytes(),
        start,
        size,
        elf::STT_FUNC,
        crate::write::Scope::Exported,
    );
    Code {
        start,
        size,
        has_frame: false,
    }
}

/// How long a jump is, filled up.
const JUMP: u64 = 8;

/// Adds jumps by way of `slots`, and gives where they are.
pub fn add_jumps(
    object: &mut Object<'_>,
    text: crate::write::SectionId,
    slots: &[Place],
) -> (Vec<Place>, Code) {
    let jump = [
        0xff, 0x25, 0, 0, 0, 0, //           jmp   [slot]
        0xcc, 0xcc,
    ];
    let start = object.append(text, 16, &jump.repeat(slots.len()));
    let mut jumps = Vec::with_capacity(slots.len());
    for (i, slot) in (0..).zip(slots) {
        let at = |offset: u64| Place {
            section: text,
            offset: start.offset + JUMP * i + offset,
        };
        object.relocate(at(2), elf::R_X86_64_PC32, Target::Place(*slot), -4);
        jumps.push(at(0));
    }
    let code = Code {
        start,
        size: JUMP * slots.len() as u64,
        has_frame: false,
    };
    (jumps, code)
}

/// A function that needs an entry in the unwind table.
#[derive(Debug, Clone, Copy)]
pub struct Code {
    start: Place,
    size: u64,
    /// Whether it moves the stack by 8 bytes.
    has_frame: bool,
}

/// Adds the unwind table of these functions.
pub fn add_unwind(object: &mut Object<'_>, functions: &[Code]) {
    // version 1, "zR", code in steps of 1, data of -8, return address 16, pointers relative;
    // the frame begins at rsp + 8, the return address is below it
    let mut table = framed(&[
        0, 0, 0, 0, 1, b'z', b'R', 0, 1, 0x78, 16, 1, 0x1b, 0x0c, 7, 8, 0x90, 1,
    ]);
    let mut pointers = Vec::new();
    for code in functions {
        let back = u32::try_from(table.len() + 4).unwrap_or_default();
        let mut entry = back.to_le_bytes().to_vec();
        pointers.push((table.len() as u64 + 8, code.start));
        entry.extend([0; 4]);
        entry.extend(u32::try_from(code.size).unwrap_or_default().to_le_bytes());
        entry.push(0);
        if code.has_frame {
            let body = u8::try_from(code.size - LAST).unwrap_or_default() - AFTER_SUB;
            // after the first instruction the frame is at rsp + 16, before the last at rsp + 8
            entry.extend([0x40 | AFTER_SUB, 0x0e, 16, 0x02, body, 0x0e, 8]);
        }
        table.extend(framed(&entry));
    }
    let section = object.section(".eh_frame", CONSTANTS, 8, table);
    for (offset, target) in pointers {
        object.relocate(
            Place { section, offset },
            elf::R_X86_64_PC32,
            Target::Place(target),
            0,
        );
    }
}

/// An entry of the table, filled up to 8 bytes.
fn framed(entry: &[u8]) -> Vec<u8> {
    let size = (entry.len() + 4).next_multiple_of(8) - 4;
    let mut framed = u32::try_from(size)
        .unwrap_or_default()
        .to_le_bytes()
        .to_vec();
    framed.extend(entry);
    framed.resize(size + 4, 0);
    framed
}

/// The section for this code.
pub fn section(object: &mut Object<'_>) -> crate::write::SectionId {
    object.section(".text", CODE, 16, Vec::new())
}

#[cfg(test)]
mod tests {
    use object::{Object as _, ObjectSection as _};

    use super::*;

    /// Where the jumps of the code go is counted by hand above.
    #[test]
    fn jumps_meet_their_targets() {
        let mut bytes = Vec::new();
        let mut starts = Vec::new();
        for (piece, to) in &CODE_PIECES {
            starts.push(bytes.len());
            bytes.extend_from_slice(piece);
            bytes.resize(bytes.len() + if to.is_some() { 4 } else { 0 }, 0);
        }
        let jump =
            |at: usize| (at + 2).wrapping_add_signed(isize::from(bytes[at + 1].cast_signed()));
        let (second, again, out) = (starts[1], starts[6], starts[7]);
        assert_eq!(jump(second + 3), out);
        assert_eq!(jump(second + 10), out);
        assert_eq!(jump(out - 2), again);
        assert_eq!(framed(&[1]), [4, 0, 0, 0, 1, 0, 0, 0]);
    }

    #[test]
    fn the_unwind_table_has_each_function() {
        let mut object = Object::default();
        let text = section(&mut object);
        let list = object.section(".data", crate::write::DATA, 8, vec![0; 48]);
        let [one, two] = [0, 8].map(|offset| Place {
            section: list,
            offset,
        });
        let codes = [
            add_handle_getter(&mut object, text),
            add_jumps(&mut object, text, &[one, two]).1,
            add(&mut object, text, one, 2),
        ];
        add_unwind(&mut object, &codes);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("code.o");
        object.save(&path).unwrap();

        let bytes = std::fs::read(&path).unwrap();
        let file = object::File::parse(&bytes[..]).unwrap();
        let table = file.section_by_name(".eh_frame").unwrap();
        let bytes = table.data().unwrap();
        let found = crate::unwind::read(bytes, 0).unwrap();
        let places: Vec<u64> = found.pointers.iter().map(|(place, _)| *place).collect();
        let (at, starts): (Vec<u64>, Vec<i64>) = table
            .relocations()
            .map(|(at, relocation)| (at, relocation.addend()))
            .unzip();
        assert_eq!(places, at);
        let start = |code: &Code| code.start.offset.cast_signed();
        assert_eq!(starts, codes.each_ref().map(start));
        for (place, code) in places.iter().zip(&codes) {
            let entry = &bytes[*place as usize + 4..];
            let size = u32::from_le_bytes(*entry.first_chunk().unwrap());
            assert_eq!(u64::from(size), code.size);
            // no more data; what happens to the stack, if anything does
            let body = code.size as u8 - AFTER_SUB - 1;
            let moves = [0, 0x44, 0x0e, 16, 0x02, body, 0x0e, 8];
            assert_eq!(entry[4..].starts_with(&moves), code.has_frame);
        }
    }
}
