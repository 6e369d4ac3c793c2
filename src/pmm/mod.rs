//! PMM servers (`SPEC.md` §3.8, `PMM-API.md` 1.1 and 1.2): a member connects one from PMM with a token made here, and the
//! list shows them. An Admin disconnects any, a Technical user what they connected themselves. Tokens are their maker's;
//! an Admin sees and revokes those of every member.

#[cfg(feature = "ssr")]
pub mod actions;
#[cfg(feature = "ssr")]
pub mod contact;
mod functions;
mod model;
#[cfg(feature = "ssr")]
pub mod pages;
#[cfg(feature = "ssr")]
pub mod store;
#[cfg(feature = "ssr")]
pub mod tokens;
#[cfg(feature = "ssr")]
pub mod web;

pub use functions::*;
pub use model::*;
