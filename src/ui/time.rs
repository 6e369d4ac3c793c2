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
    Effect::new(|_| localize());
}

/// Puts every `<time data-local>` and `<data data-local>` of the page into the reader's zone and language.
#[cfg(feature = "hydrate")]
pub fn localize() {
    use js_sys::{Array, Function, Intl, Number, Object, Reflect};
    use wasm_bindgen::{JsCast as _, JsValue};

    let Ok(times) = document().query_selector_all("[data-local]") else { return };
    let reader = Array::new();
    let options = |pairs: &[(&str, &str)]| {
        let object = Object::new();
        for (key, value) in pairs {
            let _ = Reflect::set(&object, &JsValue::from_str(key), &JsValue::from_str(value));
        }
        object
    };
    let date = Intl::DateTimeFormat::new(&reader, &options(&[("dateStyle", "medium")])).format();
    let day = Intl::DateTimeFormat::new(&reader, &options(&[("dateStyle", "medium"), ("timeZone", "UTC")])).format();
    let moment = Intl::DateTimeFormat::new(&reader, &options(&[("dateStyle", "medium"), ("timeStyle", "short")])).format();
    let ago = Intl::RelativeTimeFormat::new(&reader, &options(&[("numeric", "auto")]));
    let write =
        |format: &Function, millis: f64| format.call1(&JsValue::NULL, &JsValue::from_f64(millis)).ok().and_then(|text| text.as_string());
    for index in 0..times.length() {
        let Some(element) = times.get(index).and_then(|node| node.dyn_into::<web_sys::Element>().ok()) else { continue };
        let Some(kind) = element.get_attribute("data-local") else { continue };
        let attribute = |name: &str| element.get_attribute(name).unwrap_or_default();
        let millis = js_sys::Date::parse(&attribute("datetime"));
        let text = match kind.as_str() {
            "date" => write(&date, millis),
            "day" => write(&day, millis),
            "moment" => write(&moment, millis),
            "number" => {
                let number = JsValue::from_f64(Number::parse_float(&attribute("value")));
                Some(number.unchecked_ref::<Object>().to_locale_string().into())
            }
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
