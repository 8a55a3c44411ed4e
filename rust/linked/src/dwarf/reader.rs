//! Numbers of debug information, one after the other.

use crate::error::Refused;

/// Reads from a section, never beyond its end.
#[derive(Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    what: &'static str,
}

impl<'a> Reader<'a> {
    /// `what` the section is, for the reason when it is too short.
    pub fn new(bytes: &'a [u8], at: usize, what: &'static str) -> Self {
        Reader { bytes, at, what }
    }

    pub fn at(&self) -> usize {
        self.at
    }

    #[cold]
    fn short(&self) -> Refused {
        Refused::new(format!(
            "its debug information is cut off (in {})",
            self.what
        ))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Refused> {
        let bytes = self
            .bytes
            .get(self.at..)
            .and_then(|rest| rest.first_chunk::<N>());
        let bytes = *bytes.ok_or_else(|| self.short())?;
        self.at += N;
        Ok(bytes)
    }

    pub fn u8(&mut self) -> Result<u8, Refused> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub fn u16(&mut self) -> Result<u16, Refused> {
        self.array().map(u16::from_le_bytes)
    }

    pub fn u32(&mut self) -> Result<u32, Refused> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Result<u64, Refused> {
        self.array().map(u64::from_le_bytes)
    }

    /// A number in base 128, without a sign.
    pub fn uleb(&mut self) -> Result<u64, Refused> {
        let mut value = 0u64;
        for shift in (0..).step_by(7) {
            let byte = self.u8()?;
            if shift < 64 {
                value |= u64::from(byte & 0x7f) << shift;
            }
            if byte < 0x80 {
                break;
            }
        }
        Ok(value)
    }

    /// Skips a number in base 128, with or without a sign.
    pub fn skip_leb(&mut self) -> Result<(), Refused> {
        while self.u8()? >= 0x80 {}
        Ok(())
    }

    /// Skips a text and the zero behind it.
    pub fn text(&mut self) -> Result<(), Refused> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest
            .iter()
            .position(|byte| *byte == 0)
            .ok_or_else(|| self.short())?;
        self.at += length + 1;
        Ok(())
    }

    pub fn skip(&mut self, count: usize) -> Result<(), Refused> {
        match self.at.checked_add(count) {
            Some(at) if at <= self.bytes.len() => self.at = at,
            _ => return Err(self.short()),
        }
        Ok(())
    }
}
