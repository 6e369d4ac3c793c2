use leptos::prelude::*;

use super::{Icon, icons};

/// What a page says without having been loaded anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saying {
    /// The sentence.
    pub text: String,
    /// Whether it is bad news.
    pub bad: bool,
    /// Where it leads, where it leads on: words and address.
    pub leads: Option<(&'static str, &'static str)>,
}

impl Saying {
    /// Something was done.
    pub fn good(text: impl Into<String>) -> Self {
        Self { text: text.into(), bad: false, leads: None }
    }

    /// Something could not be done.
    pub fn bad(text: impl Into<String>) -> Self {
        Self { text: text.into(), bad: true, leads: None }
    }
}

/// What the page says now: one place for all its islands.
#[cfg(feature = "hydrate")]
#[must_use]
pub fn said() -> RwSignal<Option<Saying>> {
    thread_local! {
        static SAID: RwSignal<Option<Saying>> = RwSignal::new(None);
    }
    SAID.with(|said| *said)
}

/// The server says nothing afterwards.
#[cfg(not(feature = "hydrate"))]
#[must_use]
pub fn said() -> RwSignal<Option<Saying>> {
    RwSignal::new(None)
}

/// Where the page says it, politely.
#[component]
pub fn Said() -> impl IntoView {
    let said = said();
    view! {
        <div role="status">
            {move || {
                said.get().map(|Saying { text, bad, leads }| {
                    view! {
                        <div class=if bad { "notice bad" } else { "notice" }>
                            <Icon inner=if bad { icons::ALERT } else { icons::CHECK_CIRCLE } large=true/>
                            <p>{text}</p>
                            {leads.map(|(words, href)| view! { <a class="button small" href=href>{words}</a> })}
                            <button class="icon-button" type="button" on:click=move |_| said.set(None)>
                                <Icon inner=icons::X/>
                                <span class="vh">"Dismiss"</span>
                            </button>
                        </div>
                    }
                })
            }}
        </div>
    }
}
