//! Which package images are linked in: each that can be, and whose pointers to functions all point
//! into images that are.

use std::path::Path;

use crate::tables::Functions;

/// What a slot of a package image holds once Julia has loaded it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// Its place in the image's file.
    pub offset: u64,
    pub value: usize,
}

/// The slots of a package image, told apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Slots {
    /// Those that hold objects: they become globals of the new image.
    pub objects: Vec<Slot>,
    /// Those that hold a function of an image: they are bound when the new image is linked. (As
    /// globals they would be filled with objects.)
    pub functions: Vec<(u64, crate::tables::Function)>,
}

/// Tells apart what the slots hold. A pointer into code that is not linked in is an error.
pub fn sort(
    slots: &[Slot],
    functions: &Functions,
    in_code: &dyn Fn(usize) -> bool,
) -> Result<Slots, String> {
    let mut sorted = Slots::default();
    for &slot in slots {
        if let Some(function) = functions.find(slot.value) {
            sorted.functions.push((slot.offset, function));
        } else if slot.value == 0 {
            return Err("a slot is empty".into());
        } else if in_code(slot.value) {
            return Err("a slot is for code that is not linked in".into());
        } else {
            sorted.objects.push(slot);
        }
    }
    Ok(sorted)
}

/// Settles it: `reasons` has one for each image that is refused, and gets more; the answer has the
/// slots of the others. The first image is the base. `functions_of` makes the table of those without
/// a reason.
pub fn settle(
    reasons: &mut [Option<String>],
    slots: &[Vec<Slot>],
    functions_of: impl Fn(&[Option<String>]) -> Functions,
    in_code: &dyn Fn(usize) -> bool,
) -> (Functions, Vec<Slots>) {
    // One that is refused takes those with it that call it.
    loop {
        let functions = functions_of(reasons);
        let mut settled = true;
        let sorted: Vec<Slots> = reasons
            .iter_mut()
            .zip(slots)
            .map(|(reason, slots)| {
                if reason.is_some() {
                    return Slots::default();
                }
                sort(slots, &functions, in_code).unwrap_or_else(|why| {
                    settled = false;
                    *reason = Some(why);
                    Slots::default()
                })
            })
            .collect();
        if settled {
            return (functions, sorted);
        }
    }
}

/// What the symbols of a package image begin with. The file's length and time are in it, so that a
/// cache that was made anew has other names.
pub fn id(path: &Path, length: u64, modified: u128) -> String {
    let bytes = path.as_os_str().as_encoded_bytes().iter().copied();
    let hash = bytes
        .chain([0])
        .chain(length.to_le_bytes())
        .chain(modified.to_le_bytes())
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("jlp{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(value: usize) -> Slot {
        Slot {
            offset: value as u64,
            value,
        }
    }

    #[test]
    fn a_refused_image_takes_those_with_it_that_call_it() {
        // Image i has one function at 100 + i; 500 and above are objects.
        let slots = [
            vec![],
            vec![at(500)],
            vec![at(101), at(501)],
            vec![at(102)],
            vec![at(100)],
        ];
        let functions_of = |reasons: &[Option<String>]| {
            let addresses: Vec<Vec<usize>> = reasons
                .iter()
                .zip(100..)
                .map(|(reason, address)| {
                    if reason.is_none() {
                        vec![address]
                    } else {
                        vec![]
                    }
                })
                .collect();
            Functions::new(addresses.iter().map(|list| (&list[..], &[][..])))
        };
        let in_code = |address: usize| address < 500;

        let mut reasons = vec![None; 5];
        let (_, sorted) = settle(&mut reasons, &slots, functions_of, &in_code);
        assert_eq!(reasons, vec![None; 5]);
        assert_eq!(sorted[2].objects, [at(501)]);
        assert_eq!(
            sorted[2]
                .functions
                .iter()
                .map(|(at, f)| (*at, f.image))
                .collect::<Vec<_>>(),
            [(101, 1)]
        );

        reasons[1] = Some("a test".into());
        let (functions, sorted) = settle(&mut reasons, &slots, functions_of, &in_code);
        let not_linked = Some("a slot is for code that is not linked in".to_owned());
        assert_eq!(
            reasons,
            [
                None,
                Some("a test".into()),
                not_linked.clone(),
                not_linked,
                None
            ]
        );
        assert_eq!(sorted[2], Slots::default());
        assert!(functions.find(104).is_some() && functions.find(102).is_none());
    }

    #[test]
    fn an_empty_slot_is_not_guessed_at() {
        let functions = Functions::default();
        assert!(sort(&[at(0)], &functions, &|_| false).is_err());
    }

    #[test]
    fn ids_tell_files_apart() {
        let one = id(Path::new("/a/b.so"), 1, 2);
        assert_eq!(one.len(), 19);
        assert!(one.starts_with("jlp"));
        assert_ne!(one, id(Path::new("/a/b.so"), 1, 3));
        assert_ne!(one, id(Path::new("/a/c.so"), 1, 2));
    }
}
