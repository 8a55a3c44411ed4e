//! Calls of the base's functions in an image with code for several CPU targets.
//!
//! New code has a version for each target, and all of them call the same symbol. It is a jump by way of a
//! slot, which Julia fills with the base's version for the CPU when it opens the image, as it does for
//! calls inside of one image (`src/llvm-multiversioning.cpp`).

use std::collections::{BTreeSet, HashMap};

use crate::base::{Base, BaseShard};
use crate::error::{Refused, refuse};
use crate::tables::{Listed, Versions};

/// A function of the base that new code calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// The offset that its symbol has.
    pub offset: u64,
    /// Its shard of the base, and its place there.
    pub shard: u32,
    pub function: u32,
}

/// Those at `offsets`.
pub fn calls(base: &Base, offsets: &BTreeSet<u64>) -> Result<Vec<Call>, Refused> {
    let mut places: HashMap<u64, (u32, u32)> = HashMap::new();
    for (shard, found) in (0..).zip(&base.shards) {
        for (function, address) in found.targets.iter().flat_map(Versions::own) {
            places.entry(address).or_insert((shard, function));
        }
    }
    let mut calls = Vec::with_capacity(offsets.len());
    for &offset in offsets {
        match places.get(&offset) {
            Some(&(shard, function)) => calls.push(Call {
                offset,
                shard,
                function,
            }),
            None => refuse!("new code calls a function at {offset:#x}, where the base has none"),
        }
    }
    Ok(calls)
}

/// What the first `count` targets of a shard list when the slots of the functions `called`, which are in
/// order, are filled besides.
pub fn filling(shard: &BaseShard, count: u32, called: &[u32]) -> Result<Vec<Versions>, Refused> {
    let targets = shard.targets.iter().take(count as usize);
    targets
        .map(|versions| match versions {
            Versions::All { addresses, filled } => {
                let all: BTreeSet<u32> = filled.iter().chain(called).copied().collect();
                Ok(Versions::All {
                    addresses: addresses.clone(),
                    filled: all.into_iter().collect(),
                })
            }
            Versions::Some { base, listed } => {
                let mut all: Vec<Listed> = listed
                    .iter()
                    .map(|listed| Listed {
                        fills: listed.fills || called.binary_search(&listed.function).is_ok(),
                        ..*listed
                    })
                    .collect();
                for &function in called {
                    if let Err(i) = all.binary_search_by_key(&function, |listed| listed.function) {
                        let Some(address) = versions.version(&shard.targets, function) else {
                            refuse!("a CPU target of the base lacks function {function}");
                        };
                        let listed = Listed {
                            function,
                            fills: true,
                            address,
                        };
                        all.insert(i, listed);
                    }
                }
                Ok(Versions::Some {
                    base: *base,
                    listed: all,
                })
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(function: u32, fills: bool, address: u64) -> Listed {
        Listed {
            function,
            fills,
            address,
        }
    }

    #[test]
    fn each_target_fills_the_slots_of_what_is_called() {
        let shard = BaseShard {
            numbers: vec![0, 1, 2, 3],
            targets: vec![
                Versions::All {
                    addresses: vec![10, 11, 12, 13],
                    filled: vec![3],
                },
                Versions::All {
                    addresses: vec![20, 21, 22, 23],
                    filled: vec![],
                },
                Versions::Some {
                    base: 1,
                    listed: vec![listed(1, false, 31), listed(3, true, 33)],
                },
            ],
            slots: vec![(3, 1000)],
            globals: vec![],
            columns: vec![],
        };
        let filled = filling(&shard, 3, &[0, 1, 2]).unwrap();
        assert_eq!(filled[0].filled(), [0, 1, 2, 3]);
        assert_eq!(filled[1].filled(), [0, 1, 2]);
        assert_eq!(
            filled[2],
            Versions::Some {
                base: 1,
                listed: vec![
                    listed(0, true, 20),
                    listed(1, true, 31),
                    listed(2, true, 22),
                    listed(3, true, 33),
                ]
            }
        );
        assert_eq!(filling(&shard, 2, &[2]).unwrap().len(), 2);
    }
}
