//! What an image is made of, and how it is known again.

pub mod beside;
pub mod cache;
pub mod cpu_flags;
pub mod depots;
#[cfg(test)]
mod digest;
pub mod inputs;
pub mod inspect;
pub mod listed;
mod made;
pub mod named_folders;
pub mod parts;
mod project_file;
pub mod sizes;
mod source;
mod sources;
pub mod stamp;
pub mod store;
