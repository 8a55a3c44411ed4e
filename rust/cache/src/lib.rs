//! What was built before and from what: content keys, and a store of results under them.
//!
//! A [`Key`] stands for everything that goes into a result. [`KeyBuilder`] makes one from named
//! parts; [`hash_file`], [`hash_tree`] and [`include_closure`] find those parts on disk. A
//! [`Store`] keeps results in a folder that several processes share.
//!
//! The store never fails a build. What cannot be read whole is a miss, and an error when writing
//! is a value that the caller warns about and goes on without.
//!
//! ```
//! use pcrs_cache::{KeyBuilder, Kind, Store};
//!
//! let folder = tempfile::tempdir()?;
//! let trace = folder.path().join("trace.jl");
//! std::fs::write(&trace, "precompile(Tuple{typeof(sin), Float64})\n")?;
//!
//! let store = Store::new(folder.path().join("cache"));
//! let key = KeyBuilder::new("trace/v1").field("julia", "1.10.6").finish();
//! assert!(store.get(Kind::Trace, &key).is_none());
//!
//! store.put(Kind::Trace, &key, &[("trace.jl", &trace)], &serde_json::json!({"lines": 1}))?;
//! let entry = store.get(Kind::Trace, &key).unwrap();
//! assert_eq!(entry.meta()["lines"], 1);
//! assert_eq!(entry.read("trace.jl")?, std::fs::read(&trace)?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(test)]
#[path = "../tests/common/age.rs"]
mod age;
mod copy;
mod entry;
mod error;
mod hash;
mod includes;
mod key;
mod key_builder;
mod kind;
mod lock;
mod lock_file;
mod locked_folder;
mod record;
mod rename;
mod scratch;
mod stop;
mod store;
mod tree;
mod trust;
mod upkeep;

pub use copy::copy;
pub use entry::Entry;
pub use error::{Error, Result};
pub use hash::{hash_file, hash_file_until, read_file};
pub use includes::{Includes, Site, include_closure};
pub use key::{Key, ParseKeyError};
pub use key_builder::KeyBuilder;
pub use kind::Kind;
pub use lock::Lock;
pub use lock_file::{LockFile, LockState, hold, is_abandoned, lock_state};
pub use locked_folder::LockedFolder;
pub use rename::rename;
pub use stop::Stop;
pub use store::{Put, Store};
pub use tree::{Ignore, Tree, hash_names, hash_tree, hash_tree_until};
pub use upkeep::{EntryInfo, Removed, Totals};
