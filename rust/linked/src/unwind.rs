//! Unwind tables (`.eh_frame`): which words in them are addresses of code.

use crate::error::{Refused, refuse};

/// How pointers to code are written: relative to themselves, 32 bits with a sign.
const PC_RELATIVE_32: u8 = 0x1b;

/// The unwind table of an image, in which each entry's pointer to code is found.
#[derive(Debug, PartialEq, Eq)]
pub struct Unwind {
    /// How much of the section is entries; the rest is its end mark.
    pub size: u64,
    /// The offset of each pointer in the section, and the address that it stands for.
    pub pointers: Vec<(u64, u64)>,
}

/// Reads the section `bytes`, which is loaded at `addr`.
pub fn read(bytes: &[u8], addr: u64) -> Result<Unwind, Refused> {
    let mut pointers = Vec::new();
    let mut at = 0usize;
    while at < bytes.len() {
        let Some(length) = u32_at(bytes, at) else {
            refuse!("its unwind table is cut off");
        };
        if length == 0 {
            break;
        }
        if length == u32::MAX {
            refuse!("its unwind table has entries of 64 bits");
        }
        let start = at + 4;
        let Some(entry) = bytes.get(start..start + length as usize) else {
            refuse!("its unwind table is cut off");
        };
        match u32_at(entry, 0) {
            Some(0) => common(&entry[4..])?,
            Some(_) => {
                let Some(relative) = u32_at(entry, 4) else {
                    refuse!("its unwind table has an entry that is too short");
                };
                let place = start as u64 + 4;
                pointers.push((
                    place,
                    addr.wrapping_add(place)
                        .wrapping_add_signed(i64::from(relative.cast_signed())),
                ));
            }
            None => refuse!("its unwind table has an entry that is too short"),
        }
        at = start + length as usize;
    }
    if bytes[at..].iter().any(|byte| *byte != 0) {
        refuse!("its unwind table goes on behind its end");
    }
    Ok(Unwind {
        size: at as u64,
        pointers,
    })
}

/// Checks a common entry, from its version on: only then is it known what the others look like.
fn common(entry: &[u8]) -> Result<(), Refused> {
    // Later versions have more numbers before those that are skipped below.
    if let Some(version) = entry.first().filter(|version| !matches!(version, 1 | 3)) {
        refuse!("its unwind table has entries of version {version}");
    }
    let end = entry.iter().skip(1).position(|byte| *byte == 0);
    let Some((augmentation, mut rest)) = end.map(|end| (&entry[1..=end], &entry[end + 2..])) else {
        refuse!("its unwind table has an entry that is too short");
    };
    if !matches!(augmentation, b"zR" | b"zRS") {
        refuse!(
            "its unwind table has entries of the kind `{}`",
            String::from_utf8_lossy(augmentation)
        );
    }
    // alignment of code and data, return register, length of what follows
    for _ in 0..4 {
        let Some(end) = rest.iter().position(|byte| byte & 0x80 == 0) else {
            refuse!("its unwind table has an entry that is too short");
        };
        rest = &rest[end + 1..];
    }
    match rest.first() {
        Some(&PC_RELATIVE_32) => Ok(()),
        encoding => refuse!("its unwind table has pointers of the kind {encoding:02x?}"),
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(content: &[u8]) -> Vec<u8> {
        let mut entry = u32::try_from(content.len()).unwrap().to_le_bytes().to_vec();
        entry.extend(content);
        entry
    }

    fn common_entry(augmentation: &[u8], encoding: u8) -> Vec<u8> {
        let mut content = vec![0, 0, 0, 0, 1];
        content.extend(augmentation);
        content.extend([0, 1, 0x78, 16, 1, encoding, 0x0c, 7, 8, 0x90, 1, 0]);
        entry(&content)
    }

    #[test]
    fn pointers_are_found() {
        let mut table = common_entry(b"zR", PC_RELATIVE_32);
        let at = table.len() as u64;
        table.extend(entry(&[25, 0, 0, 0, 0xf0, 0xff, 0xff, 0xff, 9, 0, 0, 0, 0]));
        let size = table.len() as u64;
        table.extend([0, 0, 0, 0]);
        let unwind = read(&table, 0x1000).unwrap();
        assert_eq!(
            unwind,
            Unwind {
                size,
                pointers: vec![(at + 8, 0x1000 + at + 8 - 16)]
            }
        );
    }

    #[test]
    fn other_kinds_are_refused() {
        for (augmentation, encoding, reason) in [
            (&b"zPLR"[..], 0x1b, "zPLR"),
            (b"zR", 0x10, "10"),
            (b"", 0x1b, "``"),
        ] {
            let refused = read(&common_entry(augmentation, encoding), 0)
                .unwrap_err()
                .to_string();
            assert!(refused.contains(reason), "{refused}");
        }
        let mut later = common_entry(b"zR", PC_RELATIVE_32);
        later[8] = 4;
        let refused = read(&later, 0).unwrap_err().to_string();
        assert!(refused.contains("version 4"), "{refused}");
        let mut table = common_entry(b"zR", PC_RELATIVE_32);
        table.extend([0, 0, 0, 0, 1, 2]);
        assert!(
            read(&table, 0)
                .unwrap_err()
                .to_string()
                .contains("behind its end")
        );
        assert!(
            read(&[1, 2], 0)
                .unwrap_err()
                .to_string()
                .contains("cut off")
        );
    }
}
