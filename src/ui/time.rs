use leptos::prelude::*;

use crate::words::Timestamp;

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
) -> impl IntoView {
    view! { <time datetime=at.rfc3339() data-local="ago" title=at.date_time()>{at.short_date()}</time> }
}

/// Puts every time of the page into the reader's zone and language once the browser's side runs. Without it, times
/// stand in UTC and say so.
#[island]
pub fn LocalTimes() -> impl IntoView {
    Effect::new(|_| localize());
}

/// Puts every `<time data-local>` of the page into the reader's zone and language.
#[cfg(feature = "hydrate")]
pub fn localize() {
    use js_sys::{Array, Function, Intl, Object, Reflect};
    use wasm_bindgen::{JsCast as _, JsValue};

    let Ok(times) = document().query_selector_all("time[data-local]") else { return };
    let reader = Array::new();
    let options = |pairs: &[(&str, &str)]| {
        let object = Object::new();
        for (key, value) in pairs {
            let _ = Reflect::set(&object, &JsValue::from_str(key), &JsValue::from_str(value));
        }
        object
    };
    let date = Intl::DateTimeFormat::new(&reader, &options(&[("dateStyle", "medium")])).format();
    let moment = Intl::DateTimeFormat::new(&reader, &options(&[("dateStyle", "medium"), ("timeStyle", "short")])).format();
    let ago = Intl::RelativeTimeFormat::new(&reader, &options(&[("numeric", "auto")]));
    let write =
        |format: &Function, millis: f64| format.call1(&JsValue::NULL, &JsValue::from_f64(millis)).ok().and_then(|text| text.as_string());
    for index in 0..times.length() {
        let Some(element) = times.get(index).and_then(|node| node.dyn_into::<web_sys::Element>().ok()) else { continue };
        let (Some(datetime), Some(kind)) = (element.get_attribute("datetime"), element.get_attribute("data-local")) else { continue };
        let millis = js_sys::Date::parse(&datetime);
        let text = match kind.as_str() {
            "date" => write(&date, millis),
            "moment" => write(&moment, millis),
            _ => {
                if let Some(exact) = write(&moment, millis) {
                    let _ = element.set_attribute("title", &exact);
                }
                let seconds = (millis - js_sys::Date::now()) / 1000.0;
                let past = -seconds;
                let (amount, unit) = match past {
                    past if past < 90.0 => (0.0, "second"),
                    past if past < 5400.0 => (seconds / 60.0, "minute"),
                    past if past < 129_600.0 => (seconds / 3600.0, "hour"),
                    past if past < 30.0 * 86_400.0 => (seconds / 86_400.0, "day"),
                    _ => (f64::NAN, ""),
                };
                if amount.is_nan() { write(&date, millis) } else { ago.format(amount.round(), unit).as_string() }
            }
        };
        // The text node stays: it is the island's.
        if let (Some(text), Some(node)) = (text, element.first_child()) {
            node.set_node_value(Some(&text));
        }
    }
}

/// The server writes times in UTC.
#[cfg(not(feature = "hydrate"))]
pub const fn localize() {}
