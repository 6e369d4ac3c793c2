//! Members: who is in an organization, and with which role (`SPEC.md` §3.6).

#[cfg(feature = "ssr")]
pub mod actions;
pub mod functions;
/// The islands.
pub mod islands;
mod model;
#[cfg(feature = "ssr")]
pub mod pages;
#[cfg(feature = "ssr")]
pub mod store;
#[cfg(feature = "ssr")]
pub mod web;

pub use model::*;
