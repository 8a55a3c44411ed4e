//! Which function of which image an address is, and whose it is.

use crate::objects::MethodInstance;

/// A function of an image, by its number in the image's own table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Function {
    pub address: usize,
    pub image: usize,
    pub index: u32,
}

/// The functions of all images that are linked in, by address.
#[derive(Default)]
pub struct Functions {
    sorted: Vec<Function>,
    /// By image and index.
    owners: Vec<Vec<Option<MethodInstance>>>,
}

impl Functions {
    /// Of each image, its functions' addresses and owners; an image that is not linked in has none.
    pub fn new<'a>(
        images: impl Iterator<Item = (&'a [usize], &'a [Option<MethodInstance>])>,
    ) -> Self {
        let mut functions = Functions::default();
        for (image, (addresses, owners)) in images.enumerate() {
            functions
                .sorted
                .extend(addresses.iter().zip(0..).map(|(&address, index)| Function {
                    address,
                    image,
                    index,
                }));
            functions.owners.push(owners.to_vec());
        }
        functions.sorted.sort_unstable();
        functions
    }

    /// All that lie at `address`: more than one where a linker has folded equal ones.
    fn at(&self, address: usize) -> &[Function] {
        let first = self
            .sorted
            .partition_point(|function| function.address < address);
        let rest = &self.sorted[first..];
        &rest[..rest.partition_point(|function| function.address == address)]
    }

    /// The function at `address`.
    pub fn find(&self, address: usize) -> Option<Function> {
        self.at(address).first().copied()
    }

    /// The function at `address` that is `owner`'s.
    pub fn owned(&self, address: usize, owner: MethodInstance) -> Option<Function> {
        self.at(address)
            .iter()
            .find(|function| self.owner(**function) == Some(owner))
            .copied()
    }

    fn owner(&self, function: Function) -> Option<MethodInstance> {
        self.owners[function.image]
            .get(function.index as usize)
            .copied()
            .flatten()
    }

    /// Every function that is a method instance's, and whose.
    pub fn all_owned(&self) -> impl Iterator<Item = (usize, u32, MethodInstance)> + '_ {
        self.owners.iter().enumerate().flat_map(|(image, owners)| {
            owners
                .iter()
                .zip(0..)
                .filter_map(move |(owner, index)| owner.map(|mi| (image, index, mi)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: MethodInstance = MethodInstance(1);
    const B: MethodInstance = MethodInstance(2);

    #[test]
    fn functions_are_found_by_address_and_owner() {
        let functions = Functions::new(
            [
                (&[30, 10, 20][..], &[Some(A), None][..]),
                (&[15, 30][..], &[Some(B), Some(B)][..]),
            ]
            .into_iter(),
        );
        assert_eq!(
            functions.find(15),
            Some(Function {
                address: 15,
                image: 1,
                index: 0
            })
        );
        assert_eq!(functions.find(16), None);
        assert_eq!(
            functions.owned(30, B),
            Some(Function {
                address: 30,
                image: 1,
                index: 1
            })
        );
        assert_eq!(
            functions.owned(30, A),
            Some(Function {
                address: 30,
                image: 0,
                index: 0
            })
        );
        assert_eq!(functions.owned(10, A), None);
        assert_eq!(functions.owned(20, A), None);
        assert_eq!(functions.all_owned().count(), 3);
    }
}
