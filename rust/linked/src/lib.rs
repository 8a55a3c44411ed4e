//! The native code of finished Julia images, linked into a new image as it is.
//!
//! Making a sysimage takes its time in the code generator, and nearly all of what it generates is
//! there already: in the sysimage that the image process runs on, and in the package images that
//! it has loaded. This crate makes relocatable objects of such finished images
//! ([`unlink_base`], [`Package`]), joins them with what the image process has made
//! ([`merge`]), and reads the result as Julia will ([`check`]). Which functions are used is told
//! by the image process ([`handover`]).
//!
//! ELF on x86-64, Julia 1.10 to 1.12. Everything that is not known is [`Refused`] with a
//! sentence that names it, and the image is built in the ordinary way.

mod base;
mod calls;
mod check;
mod dwarf;
mod entry;
mod error;
pub mod handover;
mod heap;
mod merge;
mod metadata;
mod package;
mod parts;
mod read;
mod relocations;
mod script;
mod shard;
mod tables;
mod trampoline;
mod unwind;
mod write;

pub use base::{Base, base_symbol, unlink_base};
pub use check::check;
pub use entry::write_entries;
pub use error::Refused;
pub use heap::write_heap;
pub use merge::{LinkInput, merge};
pub use package::{Package, PackageObject, package_symbol};
pub use tables::targets::{Target, parse as parse_targets};
