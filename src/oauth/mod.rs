//! Signing in to PMM servers: the portal is their OpenID provider (`SPEC.md` §3.8, `PMM-API.md` 1.7, 1.8).
//!
//! Every connected server is two clients: a public one, by which people sign in to it, and a machine of its own. A person
//! lets a server know who they are (a consent); each sign-in is a grant below it, with a code and the tokens that come of
//! it. All of it ends with the membership and with the server's connection.

#[cfg(feature = "ssr")]
pub mod actions;
#[cfg(feature = "ssr")]
pub mod endpoints;
pub mod functions;
#[cfg(feature = "ssr")]
pub mod keys;
mod model;
#[cfg(feature = "ssr")]
pub mod pages;
#[cfg(feature = "ssr")]
pub mod request;
#[cfg(feature = "ssr")]
pub mod store;
#[cfg(feature = "ssr")]
pub mod tokens;
#[cfg(feature = "ssr")]
pub mod web;

pub use model::*;
