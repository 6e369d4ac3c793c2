//! The Activity tab of View Organization: who did what to whom, when, from where, with what was refused among it; for
//! Admins (`SPEC.md` §2, §3.5). The events are the house's (`audit`); this room reads them and says them in sentences.

#[cfg(feature = "ssr")]
pub mod actions;
#[cfg(feature = "ssr")]
mod model;
#[cfg(feature = "ssr")]
pub mod pages;
#[cfg(feature = "ssr")]
pub mod web;

#[cfg(feature = "ssr")]
pub use model::*;
