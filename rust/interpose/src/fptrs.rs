//! The functions of an image, as Julia hands them over when it restores the image.

use crate::julia::Object;
use crate::layout::FunctionsLayout;
use crate::memory::{list, read};
use crate::objects::MethodInstance;

/// The tag bit of an index of a clone.
const INDEX: u32 = 0x7fff_ffff;

/// The address of each function, as this CPU uses it: where single functions were compiled for it,
/// these take the place of the others.
pub fn addresses(layout: &FunctionsLayout, table: usize) -> Vec<usize> {
    let number = |field: usize| read::<u32>(table + field) as usize;
    let pointer = |field: usize| read::<usize>(table + field);
    let (mut functions, clones, indices) = match *layout {
        FunctionsLayout::Relative {
            base,
            count,
            offsets,
            clones,
            clone_offsets,
            clone_indices,
        } => {
            let base = pointer(base);
            let absolute = |field: usize, count: usize| -> Vec<usize> {
                let offsets: Vec<i32> = list(pointer(field), count);
                offsets
                    .into_iter()
                    .map(|offset| base.wrapping_add_signed(offset as isize))
                    .collect()
            };
            let clones = number(clones);
            (
                absolute(offsets, number(count)),
                absolute(clone_offsets, clones),
                list(pointer(clone_indices), clones),
            )
        }
        FunctionsLayout::Absolute {
            count,
            pointers,
            clones,
            clone_pointers,
            clone_indices,
        } => {
            let clones = number(clones);
            (
                list(pointer(pointers), number(count)),
                list(pointer(clone_pointers), clones),
                list(pointer(clone_indices), clones),
            )
        }
    };
    select(&mut functions, &clones, &indices);
    functions
}

fn select(functions: &mut [usize], clones: &[usize], indices: &[u32]) {
    for (&clone, &index) in clones.iter().zip(indices) {
        if let Some(function) = functions.get_mut((index & INDEX) as usize) {
            *function = clone;
        }
    }
}

/// Which method instance has each function; `None` where none has.
pub fn owners(table: usize, count: usize) -> Vec<Option<MethodInstance>> {
    let owners: Vec<Object> = list(table, count);
    owners
        .into_iter()
        .map(|owner| (owner != 0).then_some(MethodInstance(owner)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Layout;

    #[test]
    fn clones_take_the_place_of_others() {
        let mut functions = vec![1, 2, 3];
        select(&mut functions, &[20, 30], &[0x8000_0001, 2]);
        assert_eq!(functions, [1, 20, 30]);
    }

    #[test]
    fn both_kinds_of_tables_are_read() {
        let offsets = [0i32, 16, -16];
        let relative: [usize; 6] = [0x1000, 3, offsets.as_ptr() as usize, 0, 0, 0];
        let layout = &Layout::of((1, 10)).unwrap().functions;
        assert_eq!(
            addresses(layout, relative.as_ptr() as usize),
            [0x1000, 0x1010, 0xff0]
        );

        let pointers = [5usize, 6];
        let (clone, index) = ([7usize], [0x8000_0000u32]);
        let absolute: [usize; 5] = [
            2,
            pointers.as_ptr() as usize,
            1,
            clone.as_ptr() as usize,
            index.as_ptr() as usize,
        ];
        let layout = &Layout::of((1, 12)).unwrap().functions;
        assert_eq!(addresses(layout, absolute.as_ptr() as usize), [7, 6]);
    }
}
