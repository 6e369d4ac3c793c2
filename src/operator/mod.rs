//! The operator's side: accounts that run the portal itself, and the console where they look up customers, organizations
//! and accounts, lock and suspend, read the audit log, the imports and the mails that did not leave (`SPEC.md` §3.10).
//!
//! Everybody else finds nothing here. What an operator writes asks for the password again where it was last given more
//! than ten minutes ago (`guard::PROOF`).

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
