//! Components without a domain, the same on the server and in islands.

mod form;
pub mod icons;
#[cfg(feature = "ssr")]
pub mod list;
#[cfg(feature = "ssr")]
pub mod markdown;
mod notice;
mod time;

pub use form::{Checked, ErrorSummary, Hidden, SelectField, TextArea, TextField};
use leptos::prelude::*;
pub use notice::{Said, Saying, said};
pub use time::{Ago, Date, LocalTimes, Moment, localize};

/// An icon; decorative, so hidden from assistive technology. `inner` is one of [`icons`].
#[component]
pub fn Icon(
    /// The inside of the drawing.
    inner: &'static str,
    /// 20 px instead of 16.
    #[prop(optional)]
    large: bool,
    /// Mirrored where text runs from right to left.
    #[prop(optional)]
    flip: bool,
) -> impl IntoView {
    let class = match (large, flip) {
        (false, false) => "icon",
        (true, false) => "icon large",
        (false, true) => "icon flip",
        (true, true) => "icon large flip",
    };
    view! { <svg class=class viewBox="0 0 20 20" aria-hidden="true" inner_html=inner></svg> }
}
