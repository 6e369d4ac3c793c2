//! `/v1`: what PMM, scripts and other programs call. A thin layer over the same actions and stores as the pages: it reads
//! what was sent, finds out who calls, and says what came of it in JSON. The contract is in `docs/api.md`.

pub mod calls;
pub mod door;
pub mod model;
pub mod openapi;
pub mod pages;
pub mod problem;
pub mod web;

pub use door::{Call, Handler, Needs, handle, is_api};
pub use problem::{Fail, Problem};
