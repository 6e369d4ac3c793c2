//! Accounts kept by the operator's identity system: SCIM 2.0 (RFC 7643, RFC 7644) at `/scim/v2`.
//!
//! It makes, changes, deactivates and ends accounts, and nothing else: no membership, no operator, no password
//! (`docs/decisions/0034-accounts-kept-by-the-identity-system.md`). Without a token in the configuration there is nothing at
//! these addresses.

pub mod actions;
pub mod discovery;
pub mod door;
pub mod filter;
mod model;
pub mod patch;

pub use door::{Handler, handle, is_scim, serves};
pub use model::*;
