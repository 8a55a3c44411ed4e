//! Abbreviations: what the attributes of an entry look like, as far as it matters here.

use std::collections::HashMap;

use super::Section;
use super::reader::Reader;
use crate::error::{Refused, refuse};

/// How to get past an attribute, or several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// So many bytes that do not matter.
    Skip(usize),
    /// An address; whether it is the lowest of its entry.
    Address(bool),
    /// An offset in a section.
    Offset(Section),
    /// A text that ends with a zero.
    Text,
    /// A number in base 128.
    Leb,
    /// Its length, then bytes; whether these are an expression.
    Block(Length, bool),
}

/// How the length of a block is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    One,
    Two,
    Four,
    Leb,
}

impl Length {
    pub fn read(self, reader: &mut Reader) -> Result<usize, Refused> {
        let length = match self {
            Length::One => u64::from(reader.u8()?),
            Length::Two => u64::from(reader.u16()?),
            Length::Four => u64::from(reader.u32()?),
            Length::Leb => reader.uleb()?,
        };
        usize::try_from(length)
            .map_err(|_| Refused::new("its debug information has a block that is too long"))
    }
}

/// One table of abbreviations.
#[derive(Debug)]
pub struct Abbreviations {
    /// The version of DWARF that it was read for.
    pub version: u16,
    /// By number, which nearly always counts from 1.
    dense: Vec<Option<Vec<Step>>>,
    sparse: HashMap<u64, Vec<Step>>,
}

const LOW_PC: u64 = 0x11;
/// Attributes whose value can be an expression, or an offset in the section of locations.
const LOCATIONS: [u64; 9] = [0x02, 0x19, 0x2a, 0x38, 0x40, 0x46, 0x48, 0x4a, 0x4d];
/// An attribute whose blocks are never expressions: a constant.
const CONST_VALUE: u64 = 0x1c;

impl Abbreviations {
    /// Reads the table at `offset`.
    pub fn read(bytes: &[u8], offset: u64, version: u16) -> Result<Self, Refused> {
        let Ok(offset) = usize::try_from(offset) else {
            refuse!("its debug information goes beyond .debug_abbrev");
        };
        let mut table = Abbreviations {
            version,
            dense: Vec::new(),
            sparse: HashMap::new(),
        };
        let mut reader = Reader::new(bytes, offset, ".debug_abbrev");
        loop {
            let code = reader.uleb()?;
            if code == 0 {
                return Ok(table);
            }
            reader.skip_leb()?; // tag
            reader.u8()?; // whether it has children
            let mut steps = Vec::new();
            loop {
                let (attribute, form) = (reader.uleb()?, reader.uleb()?);
                if attribute == 0 && form == 0 {
                    break;
                }
                match (step(attribute, form, version)?, steps.last_mut()) {
                    (Step::Skip(0), _) => {}
                    (Step::Skip(more), Some(Step::Skip(count))) => *count += more,
                    (step, _) => steps.push(step),
                }
            }
            match usize::try_from(code) {
                Ok(code) if code < 0x1_0000 => {
                    if table.dense.len() <= code {
                        table.dense.resize(code + 1, None);
                    }
                    table.dense[code] = Some(steps);
                }
                _ => {
                    table.sparse.insert(code, steps);
                }
            }
        }
    }

    pub fn get(&self, code: u64) -> Option<&[Step]> {
        let dense = usize::try_from(code)
            .ok()
            .and_then(|code| self.dense.get(code));
        match dense {
            Some(steps) => steps.as_deref(),
            None => self.sparse.get(&code).map(Vec::as_slice),
        }
    }
}

fn step(attribute: u64, form: u64, version: u16) -> Result<Step, Refused> {
    // Before DWARF 4 expressions are blocks, as constants are.
    let expression = version < 4 && attribute != CONST_VALUE;
    Ok(match form {
        0x01 => Step::Address(attribute == LOW_PC),
        0x03 => Step::Block(Length::Two, expression),
        0x04 => Step::Block(Length::Four, expression),
        0x09 => Step::Block(Length::Leb, expression),
        0x0a => Step::Block(Length::One, expression),
        0x18 => Step::Block(Length::Leb, true),
        0x05 | 0x12 => Step::Skip(2),
        0x0b | 0x0c | 0x11 => Step::Skip(1),
        // Before DWARF 4 an offset in a section is written as a number of its size.
        0x06 if version < 4 && points(attribute) => Step::Offset(section(attribute)?),
        0x07 if version < 4 && points(attribute) => {
            refuse!("its debug information has offsets of 64 bits")
        }
        0x06 | 0x13 => Step::Skip(4),
        0x07 | 0x14 | 0x20 => Step::Skip(8),
        0x08 => Step::Text,
        0x0d | 0x0f | 0x15 => Step::Leb,
        0x0e => Step::Offset(Section::Str),
        0x10 if version == 2 => {
            refuse!("its debug information refers to other units in the way of DWARF 2")
        }
        0x10 => Step::Offset(Section::Info),
        0x17 => Step::Offset(section(attribute)?),
        0x19 => Step::Skip(0),
        _ => refuse!("its debug information has a form that is not known ({form:#x})"),
    })
}

/// Whether an attribute can be an offset in a section of its own kind.
fn points(attribute: u64) -> bool {
    matches!(attribute, 0x10 | 0x43 | 0x55 | 0x2132 | 0x2133 | 0x2119)
        || LOCATIONS.contains(&attribute)
}

fn section(attribute: u64) -> Result<Section, Refused> {
    Ok(match attribute {
        0x10 => Section::Line,
        0x55 => Section::Ranges,
        _ if LOCATIONS.contains(&attribute) => Section::Loc,
        _ => refuse!("its debug information has an attribute that is not known ({attribute:#x})"),
    })
}
