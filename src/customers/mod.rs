//! Customers: the records of the operator's CRM, as they were imported, and what comes of them (`SPEC.md` §3.4): the
//! organization that is recreated when a customer's administrator signs in, the people who join it by signing in, and
//! the entitlements and contacts that its Admins see.

#[cfg(feature = "ssr")]
pub mod actions;
pub mod functions;
#[cfg(feature = "ssr")]
pub mod import;
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
