//! What an image is made of, and how it is known again.

pub mod beside;
pub mod cache;
pub mod depots;
pub mod inputs;
pub mod inspect;
pub mod parts;
pub mod stamp;
