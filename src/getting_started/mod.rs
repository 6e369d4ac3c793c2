//! Getting Started: the first page after sign-in (`SPEC.md` §3.2). Each step belongs to the room that has it; the list
//! shows the steps that exist.

#[cfg(feature = "ssr")]
pub mod pages;
#[cfg(feature = "ssr")]
pub mod web;
