//! Organizations: the team. An account belongs to at most one (`SPEC.md` §3.3, §3.5).

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
