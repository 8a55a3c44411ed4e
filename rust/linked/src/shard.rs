//! An object of the image process, renumbered: its functions and globals come behind those of the
//! images below, and so does its shard.

use std::collections::HashMap;

use object::Endianness;
use object::elf;
use object::read::elf::{FileHeader, SectionHeader, Sym};

use crate::base::{called_symbol, offset_in_symbol};
use crate::error::{Refused, refuse};
use crate::tables::{Column, Layout};

type Header = elf::FileHeader64<Endianness>;
const LITTLE: Endianness = Endianness::Little;

/// The size of `Elf64_Sym`, and of `Elf64_Shdr`.
const SYMBOL: usize = size_of::<elf::Sym64<Endianness>>();
const SECTION: usize = size_of::<elf::SectionHeader64<Endianness>>();

/// A relocatable object of Julia.
pub struct Shard<'a> {
    bytes: &'a [u8],
    symbols: HashMap<&'a [u8], Defined>,
    /// The functions of the base that it refers to, by offset, and their entries in the table of symbols.
    used: Vec<(u64, usize)>,
    string_section: usize,
}

/// A symbol that an object defines.
#[derive(Clone, Copy)]
struct Defined {
    /// Its entry in the table.
    entry: usize,
    /// Its content, if it has any.
    content: Option<(usize, usize)>,
}

impl<'a> Shard<'a> {
    /// Reads the object `bytes`.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Refused> {
        let bad = |e: object::Error| {
            Refused::new(format!(
                "an object of the image process cannot be read ({e})"
            ))
        };
        let header = Header::parse(bytes).map_err(bad)?;
        if header.endian().map_err(bad)? != LITTLE
            || header.e_type(LITTLE) != elf::ET_REL
            || header.e_machine(LITTLE) != elf::EM_X86_64
        {
            refuse!("an object of the image process is not for x86-64");
        }
        let sections = header.sections(LITTLE, bytes).map_err(bad)?;
        let table = sections
            .symbols(LITTLE, bytes, elf::SHT_SYMTAB)
            .map_err(bad)?;
        let Ok(at) = sections.section(table.section()) else {
            refuse!("an object of the image process has no symbols");
        };
        let first = usize::try_from(at.sh_offset(LITTLE)).unwrap_or(usize::MAX);
        let (mut symbols, mut used) = (HashMap::new(), Vec::new());
        for (index, symbol) in table.enumerate() {
            if symbol.st_name(LITTLE) == 0 {
                continue;
            }
            let name = symbol.name(LITTLE, table.strings()).map_err(bad)?;
            let entry = first.saturating_add(index.0 * SYMBOL);
            if symbol.is_undefined(LITTLE) {
                used.extend(offset_in_symbol(name).map(|offset| (offset, entry)));
                continue;
            }
            let mut content = None;
            if let Some(section) = table.symbol_section(LITTLE, symbol, index).map_err(bad)? {
                let section = sections.section(section).map_err(bad)?;
                let (start, size) = (symbol.st_value(LITTLE), symbol.st_size(LITTLE));
                let fits = start
                    .checked_add(size)
                    .is_some_and(|end| end <= section.sh_size(LITTLE));
                let offset = section
                    .sh_offset(LITTLE)
                    .checked_add(start)
                    .filter(|_| fits);
                if section.sh_type(LITTLE) == elf::SHT_PROGBITS
                    && let Some(offset) = offset
                    && let (Ok(offset), Ok(size)) = (usize::try_from(offset), usize::try_from(size))
                    && offset
                        .checked_add(size)
                        .is_some_and(|end| end <= bytes.len())
                {
                    content = Some((offset, size));
                }
            }
            symbols.insert(name, Defined { entry, content });
        }
        Ok(Shard {
            bytes,
            symbols,
            used,
            string_section: table.string_section().0,
        })
    }

    fn symbol(&self, name: &str) -> Result<Defined, Refused> {
        let found = self.symbols.get(name.as_bytes()).copied();
        found.ok_or_else(|| Refused::new(format!("an object of the image process has no `{name}`")))
    }

    /// What the symbol `name` stands for.
    pub fn content(&self, name: &str) -> Result<&'a [u8], Refused> {
        match self.symbol(name)?.content {
            Some((start, size)) => Ok(&self.bytes[start..start + size]),
            None => refuse!("`{name}` of the image process has no content"),
        }
    }

    /// The 32-bit numbers that the symbol `name` stands for.
    pub fn numbers(&self, name: &str) -> Result<Vec<u32>, Refused> {
        let content = self.content(name)?;
        Ok(content
            .chunks_exact(4)
            .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect())
    }

    /// The offsets of the base's functions that it refers to.
    pub fn used(&self) -> impl Iterator<Item = u64> + '_ {
        self.used.iter().map(|(offset, _)| *offset)
    }

    /// The object with its shard, number `from`, made number `to`, and the numbers of its functions
    /// and globals made higher by `functions` and `globals`. `called`: refers to the base's functions by
    /// [`called_symbol`].
    pub fn renumbered(
        &self,
        layout: &Layout,
        from: u32,
        to: u32,
        functions: u32,
        globals: u32,
        called: bool,
    ) -> Result<Vec<u8>, Refused> {
        let mut bytes = self.bytes.to_vec();
        for (column, more) in [
            (Column::FunctionNumbers, functions),
            (Column::GlobalNumbers, globals),
        ] {
            let name = column.symbol(from);
            let Some((start, size)) = self.symbol(&name)?.content else {
                refuse!("`{name}` of the image process has no content");
            };
            for number in bytes[start..start + size].chunks_exact_mut(4) {
                let old = u32::from_le_bytes([number[0], number[1], number[2], number[3]]);
                let Some(new) = old.checked_add(more) else {
                    refuse!("there are too many functions or globals");
                };
                number.copy_from_slice(&new.to_le_bytes());
            }
        }
        let mut renamed = Vec::new();
        for column in layout.columns {
            renamed.push((self.symbol(&column.symbol(from))?.entry, column.symbol(to)));
        }
        if called {
            let used = self.used.iter();
            renamed.extend(used.map(|(offset, entry)| (*entry, called_symbol(*offset))));
        }
        self.rename(&mut bytes, renamed)?;
        Ok(bytes)
    }

    /// Gives the symbols of these entries other names. Names may be the tails of others, so the new ones
    /// are put behind a copy of the table of names, which is made the one that counts.
    fn rename(&self, bytes: &mut Vec<u8>, symbols: Vec<(usize, String)>) -> Result<(), Refused> {
        let too_long = || Refused::new("an object of the image process is too long");
        let bad = |e: object::Error| {
            Refused::new(format!(
                "an object of the image process cannot be read ({e})"
            ))
        };
        let header = Header::parse(self.bytes).map_err(bad)?;
        let table = header.e_shoff(LITTLE) as usize + SECTION * self.string_section;
        let sections = header.sections(LITTLE, self.bytes).map_err(bad)?;
        let section = sections
            .section(object::SectionIndex(self.string_section))
            .map_err(bad)?;
        let mut names = section.data(LITTLE, self.bytes).map_err(bad)?.to_vec();
        for (entry, name) in symbols {
            let offset = u32::try_from(names.len()).map_err(|_| too_long())?;
            names.extend(name.into_bytes());
            names.push(0);
            let place = bytes.get_mut(entry..entry + 4).ok_or_else(too_long)?;
            place.copy_from_slice(&offset.to_le_bytes());
        }
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        let offset = bytes.len() as u64;
        let size = names.len() as u64;
        bytes.extend(names);
        // `sh_offset` and `sh_size`
        let header = bytes.get_mut(table..table + SECTION).ok_or_else(too_long)?;
        header[24..32].copy_from_slice(&offset.to_le_bytes());
        header[32..40].copy_from_slice(&size.to_le_bytes());
        Ok(())
    }
}
