//! Accounts: one person who signs in, identified by a verified e-mail address (`SPEC.md` §3.1).
//!
//! There is no account before its address is verified: a sign-up waits in a table of its own. Sign-up and forgotten
//! password answer alike, in words, bytes and time, whether or not the address has an account.

#[cfg(feature = "ssr")]
pub mod actions;
pub mod functions;
mod model;
#[cfg(feature = "ssr")]
pub mod pages;
#[cfg(feature = "ssr")]
pub mod store;
#[cfg(feature = "ssr")]
pub mod web;

pub use model::*;
