//! What Julia writes of the CPU targets that an image has code for: how many, then of each its flags,
//! features and name (`deserialize_target_data` of `src/processor.cpp`).

use crate::error::{Refused, refuse};
use crate::read::Image;

/// That there are calls with vectors as arguments, which CPUs with larger vectors pass otherwise
/// (`JL_TARGET_VEC_CALL` of `src/processor.h`). All targets of an image have it, or none.
const VECTOR_CALLS: u8 = 1;

/// A CPU target that an image has code for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// What LLVM calls it.
    pub name: String,
    /// The features that its code uses, as Julia's bits.
    pub features: Vec<u32>,
}

/// The targets that `bytes` begin with.
///
/// # Errors
/// When they are cut off, or no image would have so many.
pub fn parse(bytes: &[u8]) -> Result<Vec<Target>, Refused> {
    flags(bytes)?
        .into_iter()
        .map(|at| {
            let words = word(bytes, at + 4)? as usize;
            let features: Result<_, Refused> =
                (0..words).map(|i| word(bytes, at + 8 + 4 * i)).collect();
            let name = at + 8 + 8 * words;
            let length = word(bytes, name)? as usize;
            let name = bytes.get(name + 4..).and_then(|rest| rest.get(..length));
            Ok(Target {
                name: String::from_utf8_lossy(name.unwrap_or_default()).into_owned(),
                features: features?,
            })
        })
        .collect::<Result<_, Refused>>()
}

/// The targets at an address, as they are written there.
pub fn read(image: &Image, start: u64) -> Result<Vec<u8>, Refused> {
    let (_, size) = walk(|at| image.u32(start.wrapping_add(at)))?;
    Ok(image.at(start, size)?.into_owned())
}

/// How many targets these are.
pub fn count(targets: &[u8]) -> Result<u32, Refused> {
    word(targets, 0)
}

/// `targets` with what has to be known of calls in `below`, too.
pub fn joined(targets: &[u8], below: &[u8]) -> Result<Vec<u8>, Refused> {
    let of_below = flags(below)?.into_iter();
    let vector_calls = of_below.fold(0, |all, at| all | below[at] & VECTOR_CALLS);
    let mut joined = targets.to_vec();
    for at in flags(targets)? {
        joined[at] |= vector_calls;
    }
    Ok(joined)
}

/// Whether `below` begins with these targets.
pub fn begins_with(below: &[u8], targets: &[u8]) -> Result<bool, Refused> {
    let plain = |targets: &[u8]| {
        let mut plain = targets.to_vec();
        flags(targets)?
            .into_iter()
            .for_each(|at| plain[at] &= !VECTOR_CALLS);
        Ok::<_, Refused>(plain.split_off(4))
    };
    Ok(plain(below)?.starts_with(&plain(targets)?))
}

/// Where the flags of each are.
fn flags(targets: &[u8]) -> Result<Vec<usize>, Refused> {
    let (places, size) = walk(|at| word(targets, at as usize))?;
    if size > targets.len() as u64 {
        refuse!("its CPU targets are cut off");
    }
    Ok(places.into_iter().map(|at| at as usize).collect())
}

/// Where the flags of each target are, and the size of all; `word` gives the number at a place.
fn walk(word: impl Fn(u64) -> Result<u32, Refused>) -> Result<(Vec<u64>, u64), Refused> {
    let count = word(0)?;
    if count == 0 || count > 1000 {
        refuse!("it has code for {count} CPU targets");
    }
    let (mut places, mut at) = (Vec::new(), 4);
    for _ in 0..count {
        places.push(at);
        // flags; the number of features, those that are on and off
        at += 8 + 8 * u64::from(word(at + 4)?);
        // its name, and features that Julia does not know
        for _ in 0..2 {
            at += 4 + u64::from(word(at)?);
        }
    }
    Ok((places, at))
}

fn word(bytes: &[u8], at: usize) -> Result<u32, Refused> {
    let word = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>());
    match word {
        Some(word) => Ok(u32::from_le_bytes(*word)),
        None => refuse!("its CPU targets are cut off"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(all: &[(u32, u32, &str)]) -> Vec<u8> {
        let mut bytes = (all.len() as u32).to_le_bytes().to_vec();
        for (flags, feature, name) in all {
            for word in [*flags, 1, *feature, 0, name.len() as u32] {
                bytes.extend(word.to_le_bytes());
            }
            bytes.extend(name.bytes());
            bytes.extend([0; 4]);
        }
        bytes
    }

    #[test]
    fn what_is_cut_off_says_nothing() {
        let whole = targets(&[(1, 7, "generic"), (9, 8, "haswell")]);
        let parsed = parse(&[&whole[..], b"more"].concat()).unwrap();
        let found: Vec<_> = parsed.iter().map(|t| (&*t.name, &*t.features)).collect();
        assert_eq!(found, [("generic", &[7][..]), ("haswell", &[8])]);
        for length in 0..whole.len() {
            assert!(parse(&whole[..length]).is_err());
        }
    }

    #[test]
    fn targets_may_differ_in_what_is_said_of_calls_alone() {
        let base = targets(&[(1, 7, "generic"), (9, 8, "haswell"), (1, 9, "v4")]);
        let first = targets(&[(0, 7, "generic"), (8, 8, "haswell")]);
        assert_eq!(begins_with(&base, &first), Ok(true));
        assert_eq!(begins_with(&first, &base), Ok(false));
        for other in [(8, 9, "haswell"), (4, 8, "haswell"), (8, 8, "skylake")] {
            let other = targets(&[(0, 7, "generic"), other]);
            assert_eq!(begins_with(&base, &other), Ok(false));
        }
        let joined = joined(&first, &base).unwrap();
        assert_eq!(joined, targets(&[(1, 7, "generic"), (9, 8, "haswell")]));
        assert!(begins_with(&base, &first[..first.len() - 1]).is_err());
    }
}
