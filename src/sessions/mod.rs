//! Sessions: signing in and out, the list of one's sessions, and the browser's theme (`SPEC.md` §3.1).
//!
//! A session is a row whose key is the hash of a random secret in a cookie. Each sign-in makes a new one.

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
