//! Second factors: codes that an app makes, recovery codes, passkeys, and the second step of a sign-in (`SPEC.md` §3.1).
//!
//! An account that has one gets no session by its password alone: the first step leads to a state that is no session,
//! and the code of the second opens one. A code is used once. A passkey that has looked at who holds it does both steps in one.

#[cfg(feature = "ssr")]
pub mod actions;
pub mod functions;
mod model;
#[cfg(feature = "ssr")]
pub mod pages;
#[cfg(feature = "ssr")]
pub mod passkeys;
#[cfg(feature = "ssr")]
pub mod store;
#[cfg(feature = "ssr")]
pub mod totp;
#[cfg(feature = "ssr")]
pub mod web;

pub use model::*;
