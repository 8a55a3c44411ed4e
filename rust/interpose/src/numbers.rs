//! Numbers of functions and globals in the new image's tables: those of the base come first, then
//! those of each package image that is linked in, then the new ones. (Behind them all, because the
//! code generator appends some of its own when it writes.)

use crate::objects::MethodInstance;
use crate::tables::{Function, Functions};

/// Under which ids Julia finds a code instance's code: as `jl_get_function_id` tells them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ids {
    /// Of what `invoke` calls; negative for a calling convention, 0 for none.
    pub func: i32,
    /// Of the specialised function, or 0.
    pub spec: i32,
}

/// A code instance's pointers.
#[derive(Debug, Clone, Copy)]
pub struct Pointers {
    pub invoke: usize,
    pub specptr: usize,
    pub owner: MethodInstance,
}

/// Addresses of the calling conventions.
pub struct Conventions {
    /// With the ids that stand for them.
    pub ids: Vec<(usize, i32)>,
    /// The one for constants, which need no code.
    pub constant: usize,
}

/// Where the functions of each image begin.
#[derive(Debug, Clone, Default)]
pub struct Numbers {
    first: Vec<u32>,
    /// How many there are of all images.
    pub total: u32,
}

impl Numbers {
    /// Of images with that many functions, or globals.
    pub fn new(counts: impl Iterator<Item = u32>) -> Self {
        let mut numbers = Numbers::default();
        for count in counts {
            numbers.first.push(numbers.total);
            numbers.total += count;
        }
        numbers
    }

    /// From 1 on, as Julia counts functions.
    pub fn id(&self, image: usize, index: u32) -> i32 {
        (self.first[image] + index + 1).cast_signed()
    }
}

/// What the images have of a code instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    pub ids: Ids,
    /// The function that tells which image it is of: the specialised one, if there is one.
    pub function: Function,
}

/// Whether an image holds the native code of a code instance.
pub fn held(
    pointers: Pointers,
    functions: &Functions,
    conventions: &Conventions,
    numbers: &Numbers,
) -> Option<Held> {
    let Pointers {
        invoke,
        specptr,
        owner,
    } = pointers;
    if invoke == 0 {
        return None;
    }
    let id = |function: Function| numbers.id(function.image, function.index);
    let special = match specptr {
        0 => None,
        address => Some(functions.owned(address, owner)?),
    };
    let convention = conventions
        .ids
        .iter()
        .find(|(address, _)| *address == invoke);
    if let (Some(function), Some(&(_, func))) = (special, convention) {
        return Some(Held {
            ids: Ids {
                func,
                spec: id(function),
            },
            function,
        });
    }
    let wrapper = functions.owned(invoke, owner)?;
    let ids = Ids {
        func: id(wrapper),
        spec: special.map_or(0, id),
    };
    Some(Held {
        ids,
        function: special.unwrap_or(wrapper),
    })
}

/// New ids come behind those of the images.
pub fn shifted(ids: Ids, before: u32) -> Ids {
    let shift = |id: i32| {
        if id > 0 {
            id + before.cast_signed()
        } else {
            id
        }
    };
    Ids {
        func: shift(ids.func),
        spec: shift(ids.spec),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: MethodInstance = MethodInstance(1);
    const B: MethodInstance = MethodInstance(2);
    const ARGS: usize = 900;

    fn held_of(invoke: usize, specptr: usize, owner: MethodInstance) -> Option<Ids> {
        let images = [
            (&[10, 20][..], &[Some(A), Some(A)][..]),
            (&[30, 40][..], &[Some(B), None][..]),
        ];
        let functions = Functions::new(images.into_iter());
        let conventions = Conventions {
            ids: vec![(ARGS, -1)],
            constant: 901,
        };
        let numbers = Numbers::new([2, 2].into_iter());
        held(
            Pointers {
                invoke,
                specptr,
                owner,
            },
            &functions,
            &conventions,
            &numbers,
        )
        .map(|held| held.ids)
    }

    #[test]
    fn both_pointers_have_to_be_the_owners() {
        assert_eq!(held_of(10, 20, A), Some(Ids { func: 1, spec: 2 }));
        assert_eq!(held_of(ARGS, 30, B), Some(Ids { func: -1, spec: 3 }));
        assert_eq!(held_of(10, 0, A), Some(Ids { func: 1, spec: 0 }));
        assert_eq!(held_of(10, 30, A), None, "the specialised one is another's");
        assert_eq!(held_of(ARGS, 40, B), None, "nobody's");
        assert_eq!(held_of(ARGS, 0, A), None, "a convention needs a function");
        assert_eq!(held_of(0, 20, A), None, "not compiled");
        assert_eq!(held_of(50, 20, A), None, "not in an image");
    }

    #[test]
    fn new_ones_come_last() {
        assert_eq!(
            shifted(Ids { func: -1, spec: 3 }, 10),
            Ids { func: -1, spec: 13 }
        );
        assert_eq!(
            shifted(Ids { func: 2, spec: 0 }, 10),
            Ids { func: 12, spec: 0 }
        );
    }
}
