//! The linker script: every part of the images below at its place, what is new behind them.

use std::fmt::Write;

use object::elf;

use crate::error::{Refused, refuse};
use crate::parts::{PAGE, Placed};

/// A small section in the first segment, which has to be at 0: there Julia takes an image to begin when it looks for
/// debug information, and lld puts program headers right before the first section. A section of notes, so that it is
/// dropped when the image is taken apart.
pub const FIRST: &str = ".note.julia";
/// More than its size.
const FIRST_SIZE: u64 = 64;
/// Parts with no more than this between them share a segment: what lies between is in the file, as zeros.
const NEAR: u64 = 0x1_0000;
/// Code refers to other code and to data over 2 GiB at most.
const REACH: u64 = 0x7f00_0000;
/// The program headers that are not for parts: the first segment, four for what is new, and
/// `PT_DYNAMIC`, `PT_GNU_EH_FRAME`, `PT_GNU_STACK`.
const OTHER_HEADERS: u64 = 8;

/// All kinds of debug information; those of the base that are not among them come before.
const DEBUG: [&str; 22] = [
    "info",
    "abbrev",
    "line",
    "str",
    "line_str",
    "ranges",
    "rnglists",
    "loc",
    "loclists",
    "addr",
    "str_offsets",
    "aranges",
    "names",
    "types",
    "frame",
    "macinfo",
    "macro",
    "pubnames",
    "pubtypes",
    "gnu_pubnames",
    "gnu_pubtypes",
    "cu_index",
];

/// A segment for parts.
struct Segment<'a> {
    flags: u32,
    parts: Vec<&'a Placed>,
}

/// The script. `parts`: all of them, in any order; `debug`: the base's sections of debug
/// information.
pub fn script(parts: &[Placed], debug: &[String]) -> Result<String, Refused> {
    let segments = segments(parts)?;
    let first = parts.iter().map(|part| part.start).min().unwrap_or(0);
    if first < FIRST_SIZE {
        refuse!("there is code or data where Julia takes an image to begin");
    }
    // As many as stand before the code of the base are in memory. More of them are in the file only, in no segment: the
    // loader takes a copy then (glibc, `_dl_map_object_from_fd`, which asks for `l_phdr`).
    let headers = 64 + 56 * (OTHER_HEADERS + segments.len() as u64);
    let (with_headers, address) = if headers + FIRST_SIZE <= first {
        (" FILEHDR PHDRS", "SIZEOF_HEADERS")
    } else if first >= PAGE || segments[0].flags == elf::PF_R {
        ("", "0")
    } else {
        refuse!("there is code or written data in the first page, and no room for program headers");
    };
    let end = segments
        .iter()
        .flat_map(|segment| &segment.parts)
        .map(|part| part.end)
        .max()
        .unwrap_or_default();
    let end = end.next_multiple_of(PAGE);
    if end > REACH {
        refuse!(
            "the images below take {} MiB of addresses, more than code can refer over",
            end >> 20
        );
    }

    let mut text = format!("PHDRS {{\n  headers PT_LOAD{with_headers} FLAGS(4);\n");
    for (i, segment) in segments.iter().enumerate() {
        let _ = writeln!(text, "  s{i} PT_LOAD FLAGS({});", segment.flags & 7);
    }
    text.push_str(
        "  dyn PT_LOAD FLAGS(4);
  text PT_LOAD FLAGS(5);
  ro PT_LOAD FLAGS(4);
  data PT_LOAD FLAGS(6);
  dynamic PT_DYNAMIC FLAGS(6);
  ehhdr PT_GNU_EH_FRAME FLAGS(4);
  stack PT_GNU_STACK FLAGS(6);
}
SECTIONS {
",
    );
    let _ = writeln!(
        text,
        "  . = {address};\n  {FIRST} : {{ KEEP(*({FIRST})) }} :headers"
    );
    for (i, segment) in segments.iter().enumerate() {
        for part in &segment.parts {
            let _ = writeln!(
                text,
                "  {0} {1:#x} : {{ *({0}) }} :s{i}",
                part.section, part.start
            );
        }
    }
    let _ = writeln!(text, "  . = {end:#x};");
    text.push_str(NEW);
    let known: Vec<String> = DEBUG.iter().map(|name| format!(".debug_{name}")).collect();
    let others = debug.iter().filter(|name| !known.contains(name));
    for name in others.chain(&known) {
        let _ = writeln!(text, "  {name} 0 : {{ *({name}) }} :NONE");
    }
    text.push_str(LAST);
    Ok(text)
}

/// What is new. `.rela.plt` stands before `.rela.dyn`: the pattern of the second would take in the
/// first, and an image that a program is linked against would die on its first call.
const NEW: &str = "  .note.gnu.build-id : { *(.note.gnu.build-id) } :dyn
  .hash : { *(.hash) } :dyn
  .gnu.hash : { *(.gnu.hash) } :dyn
  .dynsym : { *(.dynsym) } :dyn
  .dynstr : { *(.dynstr) } :dyn
  .gnu.version : { *(.gnu.version) } :dyn
  .gnu.version_d : { *(.gnu.version_d) } :dyn
  .gnu.version_r : { *(.gnu.version_r) } :dyn
  .rela.plt : { *(.rela.plt .rela.iplt) } :dyn
  .rela.dyn : { *(.rela.dyn) *(.rela.*) } :dyn
  .relr.dyn : { *(.relr.dyn) } :dyn
  . = ALIGN(0x1000);
  .plt : { *(.plt .iplt) } :text
  .plt.got : { *(.plt.got) } :text
  .plt.sec : { *(.plt.sec) } :text
  .text : { *(.text .text.*) } :text
  .ltext : { *(.ltext .ltext.*) } :text
  . = ALIGN(0x1000);
  .rodata : { *(.rodata .rodata.*) } :ro
  .lrodata : { *(.lrodata .lrodata.*) } :ro
  .eh_frame_hdr : { *(.eh_frame_hdr) } :ro :ehhdr
  .eh_frame : { KEEP(*(.eh_frame)) } :ro
  .sframe : { *(.sframe .sframe.*) } :ro
  .gcc_except_table : { *(.gcc_except_table .gcc_except_table.*) } :ro
  . = ALIGN(0x1000);
  .init_array : { KEEP(*(.init_array .init_array.*)) } :data
  .fini_array : { KEEP(*(.fini_array .fini_array.*)) } :data
  .data.rel.ro : { *(.dynrelro) *(.data.rel.ro .data.rel.ro.*) } :data
  .dynamic : { *(.dynamic) } :data :dynamic
  .got : { *(.got) *(.got.plt .igot .igot.plt) } :data
  .data : { *(.data .data.*) } :data
  .ldata : { *(.ldata.rel.ro .ldata.rel.ro.*) *(.ldata .ldata.*) } :data
  .bss : { *(.dynbss) *(.bss .bss.*) *(COMMON) } :data
  .lbss : { *(.dynlbss) *(.lbss .lbss.*) *(LARGE_COMMON) } :data
  .comment 0 : { *(.comment) } :NONE
";

const LAST: &str = "  .symtab 0 : { *(.symtab) } :NONE
  .symtab_shndx 0 : { *(.symtab_shndx) } :NONE
  .strtab 0 : { *(.strtab) } :NONE
  .shstrtab 0 : { *(.shstrtab) } :NONE
  /DISCARD/ : { *(.note.GNU-stack) *(.note.gnu.property) *(.llvm_addrsig) *(.llvm.*) }
}
";

/// Groups parts into segments, by address. Those of one kind that are near to each other share one.
fn segments(parts: &[Placed]) -> Result<Vec<Segment<'_>>, Refused> {
    let mut parts: Vec<&Placed> = parts.iter().collect();
    parts.sort_by_key(|part| part.start);
    let mut segments: Vec<Segment> = Vec::new();
    let mut end = 0;
    for part in parts {
        if part.start < end {
            refuse!("part {} overlaps another", part.section);
        }
        let flags = part.flags;
        match segments.last_mut() {
            Some(last) if last.flags == flags && part.start - end <= NEAR => last.parts.push(part),
            Some(last) if end > 0 && part.start / PAGE == (end - 1) / PAGE => {
                let before = last.parts.last().map_or("", |part| part.section.as_str());
                refuse!(
                    "parts {before} and {} share a page and are protected differently",
                    part.section
                );
            }
            _ => segments.push(Segment {
                flags,
                parts: vec![part],
            }),
        }
        end = part.end;
    }
    if segments
        .iter()
        .any(|segment| segment.flags & (elf::PF_W | elf::PF_X) == elf::PF_W | elf::PF_X)
    {
        refuse!("a part can be written and run");
    }
    Ok(segments)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(section: &str, start: u64, end: u64, flags: u32) -> Placed {
        Placed {
            section: section.into(),
            start,
            end,
            flags,
        }
    }

    #[test]
    fn near_parts_share_a_segment() {
        let parts = [
            part(".b", 0x3000, 0x3800, 6),
            part(".a", 0x1000, 0x2000, 5),
            part(".c", 0x3800, 0x4000, 6),
            part(".d", 0x90_0000, 0x90_0010, 6),
        ];
        let text = script(&parts, &[".debug_odd".into()]).unwrap();
        for line in [
            "s0 PT_LOAD FLAGS(5)",
            "s2 PT_LOAD FLAGS(6)",
            ".a 0x1000 : { *(.a) } :s0",
            ".b 0x3000 : { *(.b) } :s1",
            ".c 0x3800 : { *(.c) } :s1",
            ".d 0x900000 : { *(.d) } :s2",
            ". = 0x901000;",
            ".debug_odd 0 :",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(!text.contains("s3"));
        assert!(text.find(".rela.plt :") < text.find(".rela.dyn :"));
        assert!(text.find(".debug_odd") < text.find(".debug_info"));
    }

    #[test]
    fn where_headers_lack_room_they_are_in_no_segment() {
        // Images of data that is read, code, and data that is written; there is room for 62 headers.
        let images = |count: u64| -> Vec<Placed> {
            (1..=count)
                .flat_map(|image| {
                    let at = image * 0x10_0000;
                    [(0x0, 4), (0x1000, 5), (0x3000, 6)].map(|(offset, flags)| {
                        let start = at + offset;
                        part(&format!(".s{start:x}"), start, start + 0x1000, flags)
                    })
                })
                .chain([part(".base", 0x1000, 0x2000, 5)])
                .collect()
        };
        let text = script(&images(20), &[]).unwrap();
        assert!(text.contains("headers PT_LOAD FILEHDR PHDRS FLAGS(4)"));
        assert!(text.contains("  . = SIZEOF_HEADERS;\n  .note.julia :"));
        for count in [21, 1000] {
            let text = script(&images(count), &[]).unwrap();
            assert!(text.contains("headers PT_LOAD FLAGS(4)"));
            assert!(text.contains("  . = 0;\n  .note.julia :"));
            assert!(text.contains(&format!("s{} PT_LOAD FLAGS(6)", 3 * count)));
        }
    }

    #[test]
    fn what_cannot_be_laid_out_is_refused() {
        let refused = |parts: &[Placed]| script(parts, &[]).unwrap_err().to_string();
        assert!(
            refused(&[part(".a", 0x1000, 0x2000, 5), part(".b", 0x1800, 0x3000, 5)])
                .contains("overlaps")
        );
        assert!(
            refused(&[part(".a", 0x1000, 0x1800, 5), part(".b", 0x1800, 0x3000, 6)])
                .contains("share a page")
        );
        assert!(refused(&[part(".a", 0x20, 0x1800, 4)]).contains("begin"));
        assert!(refused(&[part(".a", 0x100, 0x1800, 6)]).contains("no room"));
        assert!(script(&[part(".a", 0x100, 0x1800, 4)], &[]).is_ok());
        assert!(refused(&[part(".a", 0x1000, 0x8000_0000, 5)]).contains("2048 MiB"));
    }
}
