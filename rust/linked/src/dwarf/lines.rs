//! Line tables: the addresses at which their rows begin.

use super::reader::Reader;
use super::{Fix, Section, Value};
use crate::error::{Refused, refuse};

const FIXED_ADVANCE_PC: u8 = 9;
const SET_ADDRESS: u8 = 2;

/// Walks all tables of the section.
pub fn walk(bytes: &[u8], found: &mut Vec<Fix>) -> Result<(), Refused> {
    let mut at = 0;
    while at < bytes.len() {
        let mut reader = Reader::new(bytes, at, ".debug_line");
        let length = reader.u32()?;
        if length >= 0xffff_fff0 {
            refuse!("its debug information has offsets of 64 bits");
        }
        let Some(end) = reader
            .at()
            .checked_add(length as usize)
            .filter(|end| *end <= bytes.len())
        else {
            refuse!("its debug information is cut off (in .debug_line)");
        };
        let version = reader.u16()?;
        if !(2..=4).contains(&version) {
            refuse!("its debug information has a line table of DWARF {version}");
        }
        let header = reader.u32()? as usize;
        let program = reader.at().saturating_add(header);
        // length of instructions, of bundles (since 4), default, base and range of lines
        reader.skip(if version >= 4 { 5 } else { 4 })?;
        let special = reader.u8()?;
        let mut operands = [0u8; 256];
        for count in operands.iter_mut().take(usize::from(special)).skip(1) {
            *count = reader.u8()?;
        }
        if program < reader.at() || program > end {
            refuse!("its debug information has a line table with a wrong length");
        }
        let mut reader = Reader::new(&bytes[..end], program, ".debug_line");
        while reader.at() < end {
            let operation = reader.u8()?;
            if operation == 0 {
                let size = usize::try_from(reader.uleb()?).unwrap_or(usize::MAX);
                let start = reader.at();
                if size > 0 && reader.u8()? == SET_ADDRESS {
                    if size != 9 {
                        refuse!("its debug information has addresses that are not of 64 bits");
                    }
                    let offset = reader.at() as u64;
                    let value = Value::Address(reader.u64()?);
                    found.push(Fix {
                        section: Section::Line,
                        offset,
                        value,
                    });
                }
                reader = Reader::new(&bytes[..end], start, ".debug_line");
                reader.skip(size)?;
            } else if operation >= special {
            } else if operation == FIXED_ADVANCE_PC {
                reader.skip(2)?;
            } else {
                for _ in 0..operands[usize::from(operation)] {
                    reader.skip_leb()?;
                }
            }
        }
        at = end;
    }
    Ok(())
}
