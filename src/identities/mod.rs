//! Signing in by the operator's OpenID provider: who an account is there (`SPEC.md` §3.1).
//!
//! An identity is an issuer and a subject, and belongs to one account. An address never links by itself: it makes an
//! account where there is none, and where there is one its owner shows that it is theirs, unless the provider is the
//! authority for the address's domain (`docs/decisions/0033-sign-in-by-the-operators-provider.md`).

#[cfg(feature = "ssr")]
pub mod actions;
pub mod functions;
#[cfg(feature = "ssr")]
mod model;
#[cfg(feature = "ssr")]
pub mod pages;
#[cfg(feature = "ssr")]
pub mod store;
#[cfg(feature = "ssr")]
pub mod web;

#[cfg(feature = "ssr")]
pub use model::*;
