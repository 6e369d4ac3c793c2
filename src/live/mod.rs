//! Live: what another person changes shows on open pages by itself (`SPEC.md` §4).
//!
//! * [`changes`] is the log: a row for each thing that others see change, written in the transaction of the change by
//!   [`Unit`](crate::portal::Unit) and by nobody else.
//! * [`hub`] reads it, once a process, from the number that was read last, and hands what is new to the open streams.
//! * [`stream`] is `GET /live`, the server-sent events of one browser.
//! * [`island`] is the browser's side: one stream a browser, and pages that draw their regions again.

#[cfg(feature = "ssr")]
pub mod changes;
#[cfg(feature = "ssr")]
pub mod hub;
/// The island.
pub mod island;
#[cfg(feature = "ssr")]
pub mod stream;

pub use island::Live;

/// Where the stream is.
pub const PATH: &str = "/live";
/// The header with which a page asks for itself again without anybody asking: such a visit is no use of a session, and
/// what is to be said once is not said to it.
pub const BY_ITSELF: &str = "x-refresh";
