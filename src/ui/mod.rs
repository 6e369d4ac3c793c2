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
pub use time::{Ago, Date, Day, LocalTimes, Moment, Number, localize, localize_first};

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

/// An address or a number with the way to use it, and a button that copies it. The button is shown by
/// [`Live`](crate::live::Live), where the browser lets a page copy.
#[component]
pub fn Copied(
    /// Where it leads; empty where it leads nowhere.
    href: String,
    /// What is shown and copied.
    text: String,
) -> impl IntoView {
    let shown = match href.as_str() {
        "" => view! { <bdi>{text.clone()}</bdi> }.into_any(),
        _ => view! { <a href=href><bdi>{text.clone()}</bdi></a> }.into_any(),
    };
    view! {
        <span>
            {shown}
            <button class="icon-button" type="button" data-copy=text.clone()><Icon inner=icons::COPY/><span class="vh">"Copy " {text.clone()}</span></button>
        </span>
    }
}
