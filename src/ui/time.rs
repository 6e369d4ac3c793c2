use leptos::prelude::*;

use crate::{list::thousands, words::Timestamp};

/// A date. The server writes it in UTC and in words; [`localize`] puts it into the reader's own zone and language.
#[component]
pub fn Date(
    /// Which.
    at: Timestamp,
    /// Whether short enough for a table.
    #[prop(optional)]
    short: bool,
) -> impl IntoView {
    view! { <time datetime=at.rfc3339() data-local="date">{if short { at.short_date() } else { at.date() }}</time> }
}

/// A day of the calendar, short enough for a table: the same wherever one reads of it.
#[component]
pub fn Day(
    /// A moment of it, in UTC.
    at: Timestamp,
) -> impl IntoView {
    view! { <time datetime=at.iso_date() data-local="day">{at.short_date()}</time> }
}

/// A moment: date and time.
#[component]
pub fn Moment(
    /// Which.
    at: Timestamp,
) -> impl IntoView {
    view! { <time datetime=at.rfc3339() data-local="moment">{at.date_time()}</time> }
}

/// How long ago a moment was, the exact time at hand.
#[component]
pub fn Ago(
    /// Which.
    at: Timestamp,
    /// Whether who has no script reads the time, too, and not the day alone.
    #[prop(optional)]
    exact: bool,
) -> impl IntoView {
    view! {
        <time datetime=at.rfc3339() data-local="ago" title=at.date_time()>{at.short_date()}</time>
        {exact.then(|| view! { <noscript>{format!(", {}", at.time())}</noscript> })}
    }
}

/// A number, with the commas of English; [`localize`] writes it in the reader's own way.
#[component]
pub fn Number(
    /// Which.
    n: i64,
) -> impl IntoView {
    view! { <data value=n.to_string() data-local="number">{thousands(n)}</data> }
}

/// Puts every time of the page into the reader's zone and language, and every number into the latter, once the browser's
/// side runs. Without it, times stand in UTC and say so.
#[island]
pub fn LocalTimes() -> impl IntoView {
    Effect::new(|_| localize_first());
}

/// Puts every `<time data-local>` and `<data data-local>` of the page into the reader's zone and language.
#[cfg(feature = "hydrate")]
pub fn localize() {
    for element in browser::all() {
        browser::write(&element);
        browser::explain(&element);
    }
}

/// The same on a page that has just come: bit by bit, for on a slow device the browser takes its time to learn a language,
/// and has to answer to touches meanwhile.
#[cfg(feature = "hydrate")]
pub fn localize_first() {
    leptos::task::spawn_local(async {
        // What is read first; exact moments wait for a pointer.
        for work in [browser::write, browser::explain] {
            for (place, element) in browser::all().iter().enumerate() {
                // The first ones make what the others use.
                if place < 3 || place % 8 == 0 {
                    browser::rest().await;
                }
                work(element);
            }
        }
    });
}

#[cfg(feature = "hydrate")]
mod browser {
    //! Words of the reader's language.

    use std::cell::OnceCell;

    use js_sys::{Array, Date, Function, Intl, Number, Object, Promise, Reflect};
    use leptos::prelude::*;
    use wasm_bindgen::{JsCast as _, JsValue};
    use web_sys::Element;

    // Each is made when it is needed first: that takes far longer than what it is used for.
    thread_local! {
        static DATE: OnceCell<Function> = const { OnceCell::new() };
        static DAY: OnceCell<Function> = const { OnceCell::new() };
        static MOMENT: OnceCell<Function> = const { OnceCell::new() };
        static AGO: OnceCell<Intl::RelativeTimeFormat> = const { OnceCell::new() };
    }

    fn options(pairs: &[(&str, &str)]) -> Object {
        let object = Object::new();
        for (key, value) in pairs {
            let _ = Reflect::set(&object, &JsValue::from_str(key), &JsValue::from_str(value));
        }
        object
    }

    fn dates(format: &'static std::thread::LocalKey<OnceCell<Function>>, pairs: &[(&str, &str)], millis: f64) -> Option<String> {
        format.with(|format| {
            let format = format.get_or_init(|| Intl::DateTimeFormat::new(&Array::new(), &options(pairs)).format());
            format.call1(&JsValue::NULL, &JsValue::from_f64(millis)).ok()?.as_string()
        })
    }

    fn date(millis: f64) -> Option<String> {
        dates(&DATE, &[("dateStyle", "medium")], millis)
    }

    fn moment(millis: f64) -> Option<String> {
        dates(&MOMENT, &[("dateStyle", "medium"), ("timeStyle", "short")], millis)
    }

    fn ago(millis: f64) -> Option<String> {
        let seconds = (millis - Date::now()) / 1000.0;
        let (amount, unit) = match -seconds {
            past if past < 90.0 => (0.0, "second"),
            past if past < 5400.0 => (seconds / 60.0, "minute"),
            past if past < 129_600.0 => (seconds / 3600.0, "hour"),
            past if past < 30.0 * 86_400.0 => (seconds / 86_400.0, "day"),
            _ => return date(millis),
        };
        AGO.with(|format| {
            let format = format.get_or_init(|| Intl::RelativeTimeFormat::new(&Array::new(), &options(&[("numeric", "auto")])));
            format.format(amount.round(), unit).as_string()
        })
    }

    /// What has something to be written.
    pub fn all() -> Vec<Element> {
        let Ok(found) = document().query_selector_all("[data-local]") else { return Vec::new() };
        (0..found.length()).filter_map(|n| found.get(n)?.dyn_into().ok()).collect()
    }

    fn millis(element: &Element) -> f64 {
        Date::parse(&element.get_attribute("datetime").unwrap_or_default())
    }

    /// The exact moment, where the text says how long ago.
    pub fn explain(element: &Element) {
        if element.get_attribute("data-local").is_some_and(|kind| kind == "ago")
            && let Some(exact) = moment(millis(element))
        {
            let _ = element.set_attribute("title", &exact);
        }
    }

    pub fn write(element: &Element) {
        let attribute = |name: &str| element.get_attribute(name).unwrap_or_default();
        let millis = millis(element);
        let text = match attribute("data-local").as_str() {
            "date" => date(millis),
            "day" => dates(&DAY, &[("dateStyle", "medium"), ("timeZone", "UTC")], millis),
            "moment" => moment(millis),
            "number" => {
                let number = Number::parse_float(&attribute("value"));
                // Here it stands as these readers write it, and to ask takes long.
                let language = window().navigator().language().unwrap_or_default();
                let is_right = matches!(language.as_str(), "en" | "en-AU" | "en-CA" | "en-GB" | "en-IE" | "en-NZ" | "en-US");
                (!is_right).then(|| JsValue::from_f64(number).unchecked_ref::<Object>().to_locale_string().into())
            }
            _ => ago(millis),
        };
        // The text node stays: it is the island's.
        if let (Some(text), Some(node)) = (text, element.first_child()) {
            node.set_node_value(Some(&text));
        }
    }

    /// Lets the browser do what else there is to do.
    pub async fn rest() {
        let turn = Promise::new(&mut |go, _| {
            let _ = window().set_timeout_with_callback(&go);
        });
        let _ = wasm_bindgen_futures::JsFuture::from(turn).await;
    }
}

/// The server writes times in UTC.
#[cfg(not(feature = "hydrate"))]
pub const fn localize() {}

/// The server writes times in UTC.
#[cfg(not(feature = "hydrate"))]
pub const fn localize_first() {}
