//! Expressions that tell where a variable is: the addresses in them.

use super::reader::Reader;
use super::{Fix, Section, Value};
use crate::error::{Refused, refuse};

/// Walks the expression from `start` to `end` of the section `section`, which is `bytes`.
pub fn walk(
    bytes: &[u8],
    start: usize,
    end: usize,
    section: Section,
    found: &mut Vec<Fix>,
) -> Result<(), Refused> {
    operations(bytes, start, end, section, false, found)
}

/// `is_inner`: whether it is part of another.
fn operations(
    bytes: &[u8],
    start: usize,
    end: usize,
    section: Section,
    is_inner: bool,
    found: &mut Vec<Fix>,
) -> Result<(), Refused> {
    let mut reader = Reader::new(&bytes[..end], start, "an expression");
    while reader.at() < end {
        match reader.u8()? {
            // DW_OP_addr
            0x03 => {
                let offset = reader.at() as u64;
                let value = Value::Address(reader.u64()?);
                found.push(Fix {
                    section,
                    offset,
                    value,
                });
            }
            // no operand: deref, dup, drop, over, swap to xderef, arithmetic, comparisons, lit0 to
            // lit31, reg0 to reg31, nop, push_object_address, form_tls_address, call_frame_cfa,
            // stack_value
            0x06
            | 0x12..=0x14
            | 0x16..=0x22
            | 0x24..=0x27
            | 0x29..=0x2e
            | 0x30..=0x6f
            | 0x96
            | 0x97
            | 0x9b
            | 0x9c
            | 0x9f => {}
            // const1, pick, deref_size, xderef_size
            0x08 | 0x09 | 0x15 | 0x94 | 0x95 => reader.skip(1)?,
            // const2, bra, skip
            0x0a | 0x0b | 0x28 | 0x2f => reader.skip(2)?,
            // const4
            0x0c | 0x0d => reader.skip(4)?,
            // const8
            0x0e | 0x0f => reader.skip(8)?,
            // constu, consts, plus_uconst, breg0 to breg31, regx, fbreg, piece
            0x10 | 0x11 | 0x23 | 0x70..=0x8f | 0x90 | 0x91 | 0x93 => reader.skip_leb()?,
            // bregx, bit_piece
            0x92 | 0x9d => {
                reader.skip_leb()?;
                reader.skip_leb()?;
            }
            // implicit_value
            0x9e => {
                let size = usize::try_from(reader.uleb()?).unwrap_or(usize::MAX);
                reader.skip(size)?;
            }
            // GNU_entry_value: an expression
            0xf3 if !is_inner => {
                let size = usize::try_from(reader.uleb()?).unwrap_or(usize::MAX);
                let inner = reader.at();
                reader.skip(size)?;
                operations(bytes, inner, reader.at(), section, true, found)?;
            }
            operation => {
                refuse!("its debug information has an operation that is not known ({operation:#x})")
            }
        }
    }
    Ok(())
}
