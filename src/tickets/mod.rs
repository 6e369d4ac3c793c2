//! Tickets (`SPEC.md` §3.9): what people ask the operator's support, and what is answered. Whoever raised a ticket sees
//! that one; an Admin sees all of the organization's.

#[cfg(feature = "ssr")]
pub mod actions;
mod functions;
mod model;
#[cfg(feature = "ssr")]
pub mod pages;
#[cfg(feature = "ssr")]
pub mod store;
#[cfg(feature = "ssr")]
pub mod web;

pub use functions::*;
pub use model::*;
