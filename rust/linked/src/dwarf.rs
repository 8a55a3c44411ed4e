//! Debug information (DWARF 2 to 4): which words in it are addresses, or offsets in its sections.
//!
//! Only needed for images that are moved: the units are walked by their abbreviations, and nothing
//! but what has to change is looked at.

mod expression;
mod forms;
mod lines;
mod reader;

use std::collections::HashMap;

use crate::error::{Refused, refuse};
use forms::{Abbreviations, Step};
use reader::Reader;

/// A section of debug information.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Section {
    Info,
    Abbrev,
    Line,
    Str,
    Ranges,
    Loc,
}

impl Section {
    /// All of them.
    pub const ALL: [Section; 6] = [
        Section::Info,
        Section::Abbrev,
        Section::Line,
        Section::Str,
        Section::Ranges,
        Section::Loc,
    ];

    /// What it is called in a file.
    pub fn name(self) -> &'static str {
        match self {
            Section::Info => ".debug_info",
            Section::Abbrev => ".debug_abbrev",
            Section::Line => ".debug_line",
            Section::Str => ".debug_str",
            Section::Ranges => ".debug_ranges",
            Section::Loc => ".debug_loc",
        }
    }
}

/// The contents of the sections; those that an image does not have are empty.
#[derive(Debug, Default, Clone, Copy)]
pub struct Sections<'a> {
    pub info: &'a [u8],
    pub abbrev: &'a [u8],
    pub line: &'a [u8],
    pub str: &'a [u8],
    pub ranges: &'a [u8],
    pub loc: &'a [u8],
}

impl<'a> Sections<'a> {
    /// The content of a section.
    pub fn get(&self, section: Section) -> &'a [u8] {
        match section {
            Section::Info => self.info,
            Section::Abbrev => self.abbrev,
            Section::Line => self.line,
            Section::Str => self.str,
            Section::Ranges => self.ranges,
            Section::Loc => self.loc,
        }
    }

    /// Sets the content of a section that has none yet.
    pub fn set(&mut self, section: Section, content: &'a [u8]) -> Result<(), Refused> {
        let place = match section {
            Section::Info => &mut self.info,
            Section::Abbrev => &mut self.abbrev,
            Section::Line => &mut self.line,
            Section::Str => &mut self.str,
            Section::Ranges => &mut self.ranges,
            Section::Loc => &mut self.loc,
        };
        if !place.is_empty() {
            refuse!("it has several sections {}", section.name());
        }
        *place = content;
        Ok(())
    }
}

/// A word that has to change when an image is moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fix {
    /// Where it is.
    pub section: Section,
    pub offset: u64,
    /// What it is.
    pub value: Value,
}

/// What a word stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// 64 bits: an address.
    Address(u64),
    /// 32 bits: an offset in a section.
    Offset(Section, u64),
}

/// Finds all of them.
pub fn fixes(sections: &Sections) -> Result<Vec<Fix>, Refused> {
    let mut walk = Walk {
        sections: *sections,
        found: Vec::with_capacity(sections.info.len() / 8),
        lists: HashMap::new(),
        tables: HashMap::new(),
    };
    let mut at = 0;
    while at < sections.info.len() {
        at = walk.unit(at)?;
    }
    walk.lists()?;
    lines::walk(sections.line, &mut walk.found)?;
    Ok(walk.found)
}

/// The words that are no address of anything, where the linker has left out a function.
pub fn is_tombstone(address: u64) -> bool {
    matches!(address, 0 | 1 | u64::MAX) || address == u64::MAX - 1
}

struct Walk<'a> {
    sections: Sections<'a>,
    found: Vec<Fix>,
    /// The beginning of each list of ranges or locations, and the lowest address of the unit that
    /// it belongs to.
    lists: HashMap<(Section, u64), u64>,
    tables: HashMap<u64, std::rc::Rc<Abbreviations>>,
}

impl Walk<'_> {
    /// Walks the unit at `start`, and returns where the next begins.
    fn unit(&mut self, start: usize) -> Result<usize, Refused> {
        let mut reader = Reader::new(self.sections.info, start, "debug information");
        let length = reader.u32()?;
        if length >= 0xffff_fff0 {
            refuse!("its debug information has offsets of 64 bits");
        }
        let end = reader
            .at()
            .checked_add(length as usize)
            .filter(|end| *end <= self.sections.info.len());
        let Some(end) = end else {
            refuse!("its debug information is cut off");
        };
        let version = reader.u16()?;
        if !(2..=4).contains(&version) {
            refuse!("its debug information is DWARF {version}");
        }
        let abbreviations = u64::from(self.offset(&mut reader, Section::Abbrev)?);
        if reader.u8()? != 8 {
            refuse!("its debug information has addresses that are not of 64 bits");
        }
        let table = match self.tables.get(&abbreviations) {
            Some(table) => table.clone(),
            None => {
                let table = std::rc::Rc::new(Abbreviations::read(
                    self.sections.abbrev,
                    abbreviations,
                    version,
                )?);
                self.tables.insert(abbreviations, table.clone());
                table
            }
        };
        if table.version != version {
            refuse!("its debug information has one table for units of several versions");
        }
        let mut low = 0;
        let mut first = true;
        let mut lists = Vec::new();
        while reader.at() < end {
            let code = reader.uleb()?;
            if code == 0 {
                continue;
            }
            let Some(entry) = table.get(code) else {
                refuse!("its debug information has an abbreviation that is not there ({code})");
            };
            for step in entry {
                match *step {
                    Step::Skip(count) => reader.skip(count)?,
                    Step::Address(is_low) => {
                        let address = self.address(&mut reader)?;
                        if first && is_low {
                            low = address;
                        }
                    }
                    Step::Offset(section) => {
                        let value = self.offset(&mut reader, section)?;
                        if matches!(section, Section::Ranges | Section::Loc) {
                            lists.push((section, u64::from(value)));
                        }
                    }
                    Step::Text => reader.text()?,
                    Step::Leb => reader.skip_leb()?,
                    Step::Block(length, is_expression) => {
                        let size = length.read(&mut reader)?;
                        let from = reader.at();
                        reader.skip(size)?;
                        if is_expression {
                            expression::walk(
                                self.sections.info,
                                from,
                                reader.at(),
                                Section::Info,
                                &mut self.found,
                            )?;
                        }
                    }
                }
            }
            first = false;
        }
        if reader.at() != end {
            refuse!("its debug information has a unit that ends within an entry");
        }
        for list in lists {
            if self
                .lists
                .insert(list, low)
                .is_some_and(|before| before != low)
            {
                refuse!("its debug information has a list that belongs to two units");
            }
        }
        Ok(end)
    }

    fn address(&mut self, reader: &mut Reader) -> Result<u64, Refused> {
        let offset = reader.at() as u64;
        let address = reader.u64()?;
        self.found.push(Fix {
            section: Section::Info,
            offset,
            value: Value::Address(address),
        });
        Ok(address)
    }

    fn offset(&mut self, reader: &mut Reader, into: Section) -> Result<u32, Refused> {
        let offset = reader.at() as u64;
        let value = reader.u32()?;
        if value as usize > self.sections.get(into).len() {
            refuse!("its debug information goes beyond {}", into.name());
        }
        self.found.push(Fix {
            section: Section::Info,
            offset,
            value: Value::Offset(into, u64::from(value)),
        });
        Ok(value)
    }

    /// Walks the lists of ranges and of locations that units refer to.
    fn lists(&mut self) -> Result<(), Refused> {
        let mut lists: Vec<_> = self.lists.drain().collect();
        lists.sort_unstable_by_key(|((section, start), _)| (section.name(), *start));
        for ((section, start), low) in lists {
            let bytes = if section == Section::Ranges {
                self.sections.ranges
            } else {
                self.sections.loc
            };
            let mut reader = Reader::new(bytes, start as usize, section.name());
            // Pairs are relative to the unit's lowest address until the list says otherwise.
            let mut absolute = low == 0;
            loop {
                let at = reader.at() as u64;
                let (from, to) = (reader.u64()?, reader.u64()?);
                if from == 0 && to == 0 {
                    break;
                }
                if from == u64::MAX {
                    self.found.push(Fix {
                        section,
                        offset: at + 8,
                        value: Value::Address(to),
                    });
                    absolute = to == 0;
                    continue;
                }
                if absolute && !(is_tombstone(from) && is_tombstone(to)) {
                    self.found.push(Fix {
                        section,
                        offset: at,
                        value: Value::Address(from),
                    });
                    self.found.push(Fix {
                        section,
                        offset: at + 8,
                        value: Value::Address(to),
                    });
                }
                if section == Section::Loc {
                    let size = usize::from(reader.u16()?);
                    let start = reader.at();
                    reader.skip(size)?;
                    expression::walk(bytes, start, reader.at(), section, &mut self.found)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
