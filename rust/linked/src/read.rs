//! A finished ELF image, as its headers describe it.

use std::borrow::Cow;
use std::fs::File;
use std::path::Path;

use memmap2::Mmap;
use object::elf;
use object::read::elf::{FileHeader, ProgramHeader, Rela, SectionHeader, Sym};
use object::{Endianness, LittleEndian, ReadRef};

use crate::error::{Refused, refuse};

type Header = elf::FileHeader64<Endianness>;

/// A shared object for x86-64, mapped into memory.
#[derive(Debug)]
pub struct Image {
    map: Mmap,
    /// In the order of the file; the first is the empty one.
    pub sections: Vec<Section>,
    /// What is loaded, by address.
    pub loads: Vec<Load>,
}

/// A section of an image.
#[derive(Debug, Clone)]
pub struct Section {
    pub name: String,
    pub kind: u32,
    pub flags: u64,
    pub addr: u64,
    pub offset: u64,
    pub size: u64,
}

impl Section {
    pub fn is_loaded(&self) -> bool {
        self.flags & u64::from(elf::SHF_ALLOC) != 0
    }

    pub fn end(&self) -> u64 {
        self.addr.saturating_add(self.size)
    }
}

/// A segment that is loaded.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    pub addr: u64,
    pub size: u64,
    pub flags: u32,
    offset: u64,
    file_size: u64,
}

/// A symbol of an image or object.
#[derive(Debug, Clone, Copy)]
pub struct Symbol<'a> {
    pub name: &'a [u8],
    pub bind: u8,
    pub kind: u8,
    pub section: u16,
    pub value: u64,
    pub size: u64,
}

impl Symbol<'_> {
    pub fn is_defined(&self) -> bool {
        self.section != elf::SHN_UNDEF
    }
}

/// A relocation that the dynamic linker performs.
#[derive(Debug, Clone, Copy)]
pub struct DynamicRelocation {
    pub place: u64,
    pub kind: u32,
    /// Index among the dynamic symbols.
    pub symbol: u32,
    pub addend: i64,
}

/// Maps the file `path`.
pub fn map(path: &Path) -> Result<Mmap, Refused> {
    let told =
        |e: std::io::Error| Refused::new(format!("`{}` cannot be read: {e}", path.display()));
    let file = File::open(path).map_err(told)?;
    // SAFETY: the bytes are only read, and every number in them is checked before it is used. The
    // files are images that Julia itself has mapped and work files of this build: they are
    // replaced, not changed in place, and one that shrinks ends this process as it would Julia.
    unsafe { Mmap::map(&file) }.map_err(told)
}

impl Image {
    /// Reads the headers of `path`.
    pub fn open(path: &Path) -> Result<Self, Refused> {
        let map = map(path)?;
        let bad =
            |e: object::Error| Refused::new(format!("not an ELF file that can be read ({e})"));
        let header = Header::parse(&*map).map_err(bad)?;
        let endian = header.endian().map_err(bad)?;
        if endian != Endianness::Little || header.e_machine(endian) != elf::EM_X86_64 {
            refuse!("not an image for x86-64");
        }
        if header.e_type(endian) != elf::ET_DYN {
            refuse!("not a shared object");
        }
        let table = header.sections(endian, &*map).map_err(bad)?;
        if table.len() < 2 {
            refuse!("its section headers are stripped");
        }
        let mut sections = Vec::with_capacity(table.len());
        for section in table.iter() {
            let name = table.section_name(endian, section).map_err(bad)?;
            sections.push(Section {
                name: String::from_utf8_lossy(name).into_owned(),
                kind: section.sh_type(endian),
                flags: section.sh_flags(endian),
                addr: section.sh_addr(endian),
                offset: section.sh_offset(endian),
                size: section.sh_size(endian),
            });
        }
        let mut loads = Vec::new();
        for segment in header.program_headers(endian, &*map).map_err(bad)? {
            match segment.p_type(endian) {
                elf::PT_LOAD => loads.push(Load {
                    addr: segment.p_vaddr(endian),
                    size: segment.p_memsz(endian),
                    flags: segment.p_flags(endian),
                    offset: segment.p_offset(endian),
                    file_size: segment.p_filesz(endian),
                }),
                elf::PT_TLS => refuse!("it has thread-local storage of its own"),
                _ => {}
            }
        }
        let ordered =
            loads.is_sorted_by(|a, b| a.addr.checked_add(a.size).is_some_and(|end| end <= b.addr));
        let ended = loads
            .last()
            .is_none_or(|last| last.addr.checked_add(last.size).is_some());
        if !ordered || !ended {
            refuse!("its segments overlap");
        }
        Ok(Image {
            map,
            sections,
            loads,
        })
    }

    /// The first section of this name.
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// What the file holds of a section.
    pub fn content(&self, section: &Section) -> Result<&[u8], Refused> {
        if section.kind == elf::SHT_NOBITS {
            return Ok(&[]);
        }
        (&*self.map)
            .read_bytes_at(section.offset, section.size)
            .map_err(|()| Refused::new(format!("section {} reaches beyond the file", section.name)))
    }

    /// The segment that an address lies in.
    pub fn load(&self, addr: u64) -> Option<&Load> {
        let after = self.loads.partition_point(|load| load.addr <= addr);
        let load = self.loads.get(after.checked_sub(1)?)?;
        (addr - load.addr < load.size).then_some(load)
    }

    /// `size` bytes at an address, zeros where the file has none; before relocation.
    pub fn at(&self, addr: u64, size: u64) -> Result<Cow<'_, [u8]>, Refused> {
        let outside = || Refused::new(format!("{size} bytes at {addr:#x} are not in the image"));
        let load = self.load(addr).ok_or_else(outside)?;
        let into = addr - load.addr;
        if size > load.size - into {
            return Err(outside());
        }
        let filed = load.file_size.saturating_sub(into).min(size);
        let offset = load.offset.checked_add(into).ok_or_else(outside)?;
        let bytes = (&*self.map)
            .read_bytes_at(offset, filed)
            .map_err(|()| outside())?;
        if filed == size {
            return Ok(Cow::Borrowed(bytes));
        }
        let mut owned = bytes.to_vec();
        owned.resize(usize::try_from(size).map_err(|_| outside())?, 0);
        Ok(Cow::Owned(owned))
    }

    /// `count` numbers of 32 bits at an address.
    pub fn u32s(&self, addr: u64, count: u64) -> Result<Vec<u32>, Refused> {
        let size = count
            .checked_mul(4)
            .ok_or_else(|| Refused::new("a table is too long"))?;
        let bytes = self.at(addr, size)?;
        Ok(bytes
            .chunks_exact(4)
            .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect())
    }

    /// The number of 32 bits at an address.
    pub fn u32(&self, addr: u64) -> Result<u32, Refused> {
        Ok(self.u32s(addr, 1)?.first().copied().unwrap_or_default())
    }

    /// The number of 64 bits at an address.
    pub fn u64(&self, addr: u64) -> Result<u64, Refused> {
        let words = self.u32s(addr, 2)?;
        match words[..] {
            [low, high] => Ok(u64::from(low) | u64::from(high) << 32),
            _ => refuse!("8 bytes at {addr:#x} are not in the image"),
        }
    }

    /// The dynamic symbols, the empty first one included.
    pub fn dynamic_symbols(&self) -> Result<Vec<Symbol<'_>>, Refused> {
        self.symbols(elf::SHT_DYNSYM)
    }

    /// The full symbol table; empty where it was stripped.
    pub fn all_symbols(&self) -> Result<Vec<Symbol<'_>>, Refused> {
        self.symbols(elf::SHT_SYMTAB)
    }

    fn symbols(&self, kind: u32) -> Result<Vec<Symbol<'_>>, Refused> {
        let bad = |e: object::Error| Refused::new(format!("its symbols cannot be read ({e})"));
        let header = Header::parse(&*self.map).map_err(bad)?;
        let endian = Endianness::Little;
        let sections = header.sections(endian, &*self.map).map_err(bad)?;
        let table = sections.symbols(endian, &*self.map, kind).map_err(bad)?;
        let mut found = Vec::with_capacity(table.len());
        for symbol in table.iter() {
            found.push(Symbol {
                name: symbol.name(endian, table.strings()).map_err(bad)?,
                bind: symbol.st_bind(),
                kind: symbol.st_type(),
                section: symbol.st_shndx(endian),
                value: symbol.st_value(endian),
                size: symbol.st_size(endian),
            });
        }
        Ok(found)
    }

    /// The relocations of the dynamic linker, in the order of the file.
    pub fn relocations(&self) -> Result<Vec<DynamicRelocation>, Refused> {
        let mut found = Vec::new();
        for section in self.sections.iter().filter(|section| section.is_loaded()) {
            match section.kind {
                elf::SHT_RELA => {
                    let bytes = self.content(section)?;
                    let count = bytes.len() / size_of::<elf::Rela64<LittleEndian>>();
                    let (rows, _) =
                        object::pod::slice_from_bytes::<elf::Rela64<LittleEndian>>(bytes, count)
                            .map_err(|()| {
                                Refused::new(format!("section {} cannot be read", section.name))
                            })?;
                    found.extend(rows.iter().map(|row| DynamicRelocation {
                        place: row.r_offset(LittleEndian),
                        kind: row.r_type(LittleEndian, false),
                        symbol: row.r_sym(LittleEndian, false),
                        addend: row.r_addend(LittleEndian),
                    }));
                }
                elf::SHT_RELR => self.packed(section, &mut found)?,
                elf::SHT_REL => refuse!("section {} has relocations without addends", section.name),
                _ => {}
            }
        }
        Ok(found)
    }

    /// Relative relocations in the packed form: an even word is a place, an odd one has a bit for
    /// each of the 63 words behind. Addends are in the places.
    fn packed(&self, section: &Section, found: &mut Vec<DynamicRelocation>) -> Result<(), Refused> {
        let mut add = |place: u64| -> Result<(), Refused> {
            let addend = self.u64(place)?.cast_signed();
            found.push(DynamicRelocation {
                place,
                kind: elf::R_X86_64_RELATIVE,
                symbol: 0,
                addend,
            });
            Ok(())
        };
        let mut next = 0u64;
        for word in self.content(section)?.chunks_exact(8) {
            let word = word
                .iter()
                .rev()
                .fold(0u64, |all, byte| all << 8 | u64::from(*byte));
            if word & 1 == 0 {
                add(word)?;
                next = word.wrapping_add(8);
                continue;
            }
            for bit in (1..64).filter(|bit| word >> bit & 1 != 0) {
                add(next.wrapping_add((bit - 1) * 8))?;
            }
            next = next.wrapping_add(63 * 8);
        }
        Ok(())
    }
}
