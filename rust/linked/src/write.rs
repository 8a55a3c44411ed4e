//! A relocatable ELF object, put together in memory from slices and written in one go.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use object::Endianness;
use object::elf;
use object::write::StreamingBuffer;
use object::write::elf::{FileHeader, Rel, SectionHeader, Sym, SymbolIndex, Writer};

use crate::error::Refused;

/// The object to be written.
#[derive(Debug, Default)]
pub struct Object<'a> {
    sections: Vec<Section<'a>>,
    symbols: Vec<Symbol<'a>>,
    by_name: HashMap<Cow<'a, [u8]>, SymbolId>,
}

/// A section of an [`Object`], by its place there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SectionId(usize);

/// A global symbol of an [`Object`], by its place there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SymbolId(usize);

#[derive(Debug)]
struct Section<'a> {
    name: String,
    kind: u32,
    flags: u64,
    align: u64,
    size: u64,
    content: Vec<Cow<'a, [u8]>>,
    relocations: Vec<Relocation>,
}

impl Section<'_> {
    fn is_in_file(&self) -> bool {
        self.kind != elf::SHT_NOBITS && self.size > 0
    }
}

#[derive(Debug, Clone, Copy)]
struct Relocation {
    offset: u64,
    kind: u32,
    target: Target,
    addend: i64,
}

/// A place in an object: a section, and an offset in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub section: SectionId,
    pub offset: u64,
}

/// What a relocation refers to.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    Place(Place),
    Symbol(SymbolId),
}

/// What a symbol is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Known in its object only.
    Local,
    /// Known to all objects of an image.
    Hidden,
    /// Known outside of the image too.
    Exported,
    /// The same, and another one may take its place.
    ExportedWeak,
}

#[derive(Debug)]
struct Symbol<'a> {
    name: Cow<'a, [u8]>,
    at: Option<Place>,
    size: u64,
    kind: u8,
    scope: Scope,
}

/// Whether code, constants, or data: flags of a section.
pub const CODE: u64 = (elf::SHF_ALLOC | elf::SHF_EXECINSTR) as u64;
pub const CONSTANTS: u64 = elf::SHF_ALLOC as u64;
pub const DATA: u64 = (elf::SHF_ALLOC | elf::SHF_WRITE) as u64;

impl<'a> Object<'a> {
    /// Adds a section that has content.
    pub fn section(
        &mut self,
        name: impl Into<String>,
        flags: u64,
        align: u64,
        content: impl Into<Cow<'a, [u8]>>,
    ) -> SectionId {
        let content = content.into();
        self.add(
            name.into(),
            elf::SHT_PROGBITS,
            flags,
            align,
            content.len() as u64,
            content,
        )
    }

    /// Adds a loaded section of notes: one that says `word` in the name of `owner`.
    pub fn note(&mut self, name: impl Into<String>, owner: &str, word: u32) -> SectionId {
        let length = owner.len() + 1;
        let mut content = Vec::new();
        for number in [length as u32, 4, 1] {
            content.extend(number.to_le_bytes());
        }
        content.extend(owner.as_bytes());
        content.resize(12 + length.next_multiple_of(4), 0);
        content.extend(word.to_le_bytes());
        let size = content.len() as u64;
        self.add(
            name.into(),
            elf::SHT_NOTE,
            CONSTANTS,
            4,
            size,
            content.into(),
        )
    }

    /// Adds a section of zeros that takes no room in the file.
    pub fn zeros(
        &mut self,
        name: impl Into<String>,
        flags: u64,
        align: u64,
        size: u64,
    ) -> SectionId {
        self.add(
            name.into(),
            elf::SHT_NOBITS,
            flags,
            align,
            size,
            Cow::Borrowed(&[]),
        )
    }

    fn add(
        &mut self,
        name: String,
        kind: u32,
        flags: u64,
        align: u64,
        size: u64,
        content: Cow<'a, [u8]>,
    ) -> SectionId {
        self.sections.push(Section {
            name,
            kind,
            flags,
            align,
            size,
            content: vec![content],
            relocations: Vec::new(),
        });
        SectionId(self.sections.len() - 1)
    }

    /// Adds to the end of a section, and tells where that begins.
    pub fn append(&mut self, section: SectionId, align: u64, content: &[u8]) -> Place {
        let section_ = &mut self.sections[section.0];
        let pad = section_.size.wrapping_neg() & (align - 1);
        if pad > 0 {
            section_.content.push(vec![0; pad as usize].into());
        }
        let offset = section_.size + pad;
        section_.content.push(content.to_vec().into());
        section_.size = offset + content.len() as u64;
        Place { section, offset }
    }

    /// Adds a relocation at `at`. What a section without content has to be filled with gets room
    /// in the file.
    pub fn relocate(&mut self, at: Place, kind: u32, target: Target, addend: i64) {
        let section = &mut self.sections[at.section.0];
        if section.kind == elf::SHT_NOBITS {
            section.kind = elf::SHT_PROGBITS;
            section.content = vec![vec![0; section.size as usize].into()];
        }
        section.relocations.push(Relocation {
            offset: at.offset,
            kind,
            target,
            addend,
        });
    }

    /// Makes the 8 bytes at `at` the address of `target`.
    pub fn point(&mut self, at: Place, target: Place) {
        self.relocate(at, elf::R_X86_64_64, Target::Place(target), 0);
    }

    /// Whether a section can be written to when the image runs.
    pub fn is_writable(&self, section: SectionId) -> bool {
        self.sections[section.0].flags & u64::from(elf::SHF_WRITE) != 0
    }

    /// Takes what fills the word at `at` out again.
    pub fn without_relocations_at(&mut self, at: Place) {
        self.sections[at.section.0]
            .relocations
            .retain(|relocation| relocation.offset != at.offset);
    }

    /// Whether a relocation fills the word at `at`.
    pub fn is_relocated(&self, at: Place) -> bool {
        self.sections[at.section.0]
            .relocations
            .iter()
            .any(|relocation| relocation.offset == at.offset)
    }

    /// A symbol of this object; of global ones, the first of a name counts.
    pub fn define(
        &mut self,
        name: impl Into<Cow<'a, [u8]>>,
        at: Place,
        size: u64,
        kind: u8,
        scope: Scope,
    ) {
        let name = name.into();
        if scope != Scope::Local {
            if self.by_name.contains_key(&name) {
                return;
            }
            self.by_name
                .insert(name.clone(), SymbolId(self.symbols.len()));
        }
        self.symbols.push(Symbol {
            name,
            at: Some(at),
            size,
            kind,
            scope,
        });
    }

    /// The global symbol of this name, which another object may have to define.
    pub fn symbol(&mut self, name: impl Into<Cow<'a, [u8]>>, weak: bool) -> SymbolId {
        let name = name.into();
        if let Some(id) = self.by_name.get(&name) {
            return *id;
        }
        let id = SymbolId(self.symbols.len());
        self.by_name.insert(name.clone(), id);
        let scope = if weak {
            Scope::ExportedWeak
        } else {
            Scope::Exported
        };
        self.symbols.push(Symbol {
            name,
            at: None,
            size: 0,
            kind: elf::STT_NOTYPE,
            scope,
        });
        id
    }

    /// Writes the object to the file `path`.
    pub fn save(&self, path: &Path) -> Result<(), Refused> {
        let told = |e: &dyn std::fmt::Display| {
            Refused::new(format!("`{}` cannot be written: {e}", path.display()))
        };
        let file = File::create(path).map_err(|e| told(&e))?;
        let mut buffer = StreamingBuffer::new(BufWriter::with_capacity(1 << 20, file));
        let tables: Vec<String> = self
            .sections
            .iter()
            .map(|s| format!(".rela{}", s.name))
            .collect();
        let mut writer = Writer::new(Endianness::Little, true, &mut buffer);
        self.write(&mut writer, &tables).map_err(|e| told(&e))?;
        buffer.result().map_err(|e| told(&e))?;
        buffer
            .into_inner()
            .into_inner()
            .map_err(|e| told(&e.error()))?;
        Ok(())
    }

    /// `tables`: for each section, the name of its relocations' section.
    fn write<'s>(
        &'s self,
        writer: &mut Writer<'s>,
        tables: &'s [String],
    ) -> Result<(), object::write::Error> {
        // `Writer` wants everything twice: first places are reserved, then it is written in the
        // same order.
        writer.reserve_file_header();
        writer.reserve_null_section_index();
        let mut sections = Vec::with_capacity(self.sections.len());
        for section in &self.sections {
            sections.push((
                writer.add_section_name(section.name.as_bytes()),
                writer.reserve_section_index(),
            ));
        }
        let relocated = || {
            self.sections
                .iter()
                .enumerate()
                .filter(|(_, s)| !s.relocations.is_empty())
        };
        let mut relas = Vec::new();
        for (i, _) in relocated() {
            relas.push(writer.add_section_name(tables[i].as_bytes()));
            writer.reserve_section_index();
        }
        writer.reserve_symtab_section_index();
        writer.reserve_strtab_section_index();
        writer.reserve_shstrtab_section_index();

        // Symbols: one for each section, so that places can be referred to; the local ones; the others.
        writer.reserve_null_symbol_index();
        for (_, index) in &sections {
            writer.reserve_symbol_index(Some(*index));
        }
        let (local, global): (Vec<_>, Vec<_>) =
            (0..self.symbols.len()).partition(|i| self.symbols[*i].scope == Scope::Local);
        let mut indices = vec![SymbolIndex(0); self.symbols.len()];
        let mut names = vec![None; self.symbols.len()];
        for i in local.iter().chain(&global) {
            let symbol = &self.symbols[*i];
            indices[*i] = writer.reserve_symbol_index(symbol.at.map(|at| sections[at.section.0].1));
            names[*i] = Some(writer.add_string(&symbol.name));
        }
        let first_global = 1 + sections.len() + local.len();

        let mut offsets = Vec::with_capacity(self.sections.len());
        for section in &self.sections {
            let (size, align) = if section.is_in_file() {
                (section.size, section.align)
            } else {
                (0, 1)
            };
            offsets.push(writer.reserve(size as usize, align as usize));
        }
        let tables_at: Vec<_> = relocated()
            .map(|(_, s)| writer.reserve_relocations(s.relocations.len(), true))
            .collect();
        writer.reserve_symtab();
        writer.reserve_strtab();
        writer.reserve_shstrtab();
        writer.reserve_section_headers();

        writer.write_file_header(&FileHeader {
            os_abi: elf::ELFOSABI_NONE,
            abi_version: 0,
            e_type: elf::ET_REL,
            e_machine: elf::EM_X86_64,
            e_entry: 0,
            e_flags: 0,
        })?;
        for section in self.sections.iter().filter(|s| s.is_in_file()) {
            writer.write_align(section.align as usize);
            for piece in &section.content {
                writer.write(piece);
            }
        }
        for (_, section) in relocated() {
            writer.write_align_relocation();
            for relocation in &section.relocations {
                let (symbol, addend) = match relocation.target {
                    Target::Place(place) => (
                        1 + place.section.0 as u32,
                        relocation.addend.wrapping_add_unsigned(place.offset),
                    ),
                    Target::Symbol(id) => (indices[id.0].0, relocation.addend),
                };
                writer.write_relocation(
                    true,
                    &Rel {
                        r_offset: relocation.offset,
                        r_sym: symbol,
                        r_type: relocation.kind,
                        r_addend: addend,
                    },
                );
            }
        }
        writer.write_null_symbol();
        for (_, index) in &sections {
            writer.write_symbol(&Sym {
                name: None,
                section: Some(*index),
                st_info: elf::STT_SECTION,
                st_other: 0,
                st_shndx: 0,
                st_value: 0,
                st_size: 0,
            });
        }
        for i in local.iter().chain(&global) {
            let symbol = &self.symbols[*i];
            let (bind, visibility) = match symbol.scope {
                Scope::Local => (elf::STB_LOCAL, elf::STV_DEFAULT),
                Scope::Hidden => (elf::STB_GLOBAL, elf::STV_HIDDEN),
                Scope::Exported => (elf::STB_GLOBAL, elf::STV_DEFAULT),
                Scope::ExportedWeak => (elf::STB_WEAK, elf::STV_DEFAULT),
            };
            writer.write_symbol(&Sym {
                name: names[*i],
                section: symbol.at.map(|at| sections[at.section.0].1),
                st_info: bind << 4 | symbol.kind,
                st_other: visibility,
                st_shndx: elf::SHN_UNDEF,
                st_value: symbol.at.map_or(0, |at| at.offset),
                st_size: symbol.size,
            });
        }
        writer.write_strtab();
        writer.write_shstrtab();

        writer.write_null_section_header();
        for ((section, (name, _)), offset) in self.sections.iter().zip(&sections).zip(&offsets) {
            writer.write_section_header(&SectionHeader {
                name: Some(*name),
                sh_type: section.kind,
                sh_flags: section.flags,
                sh_addr: 0,
                sh_offset: *offset as u64,
                sh_size: section.size,
                sh_link: 0,
                sh_info: 0,
                sh_addralign: section.align,
                sh_entsize: 0,
            });
        }
        let symtab = writer.symtab_index();
        for (((i, section), name), offset) in relocated().zip(&relas).zip(&tables_at) {
            writer.write_relocation_section_header(
                *name,
                sections[i].1,
                symtab,
                *offset,
                section.relocations.len(),
                true,
            );
        }
        writer.write_symtab_section_header(first_global as u32);
        writer.write_strtab_section_header();
        writer.write_shstrtab_section_header();
        Ok(())
    }
}
