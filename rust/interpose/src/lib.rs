//! Preloaded into an image process of Julia (`LD_PRELOAD`), so that it generates only code that no
//! finished image holds yet.
//!
//! libjulia-internal asks the code generator for its work through exports of libjulia. This library
//! defines the same names, so that it is asked first: it takes out of the list of methods what the
//! running sysimage or a loaded package image has native code for, lets the code generator make the
//! rest, points calls into that code at symbols of it, and numbers functions and globals of the new
//! image so that the old ones come first. The crate `pcrs-linked` then links the new objects with
//! the old code.
//!
//! It does nothing unless `PCRS_LINKED` names a job file ([`job`]). Whatever is not as expected ends
//! the process with code 97 before anything is written, and the sentence that says why lies in a file
//! ([`trouble`]): the image is then built in the ordinary way.
//!
//! Julia 1.10 to 1.12 on x86-64 Linux; what differs between them is in [`layout`] and [`create`].
//! Elsewhere this is an empty library.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod create;
mod exports;
mod filter;
mod fptrs;
mod gc;
mod handover;
mod heap;
mod images;
mod job;
mod julia;
mod layout;
mod lean;
mod llvm;
mod loaded;
mod memory;
mod numbers;
mod objects;
mod originals;
mod packages;
mod rework;
mod session;
mod settle;
mod tables;
mod trouble;
