//! Invitations: an offer to one address to join with a role (`SPEC.md` §3.6, §3.7).

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
