use leptos::prelude::*;

use super::{Icon, icons};
use crate::form::{Drawn, FormState, Refusal};

/// A form's refusal seen from one of its fields.
#[derive(Clone, Debug, Default)]
pub struct Checked(pub Option<FormState>);

impl Checked {
    /// What was typed, or what stands there otherwise.
    #[must_use]
    pub fn value(&self, field: &str, otherwise: &str) -> String {
        self.0.as_ref().and_then(|state| state.value(field)).unwrap_or(otherwise).to_owned()
    }

    /// What is wrong with it.
    #[must_use]
    pub fn error(&self, field: &str) -> Option<String> {
        self.0.as_ref().and_then(|state| state.refusal.of_field(field))
    }

    /// Why the form was refused.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        self.0.as_ref().map(|state| state.refusal.clone())
    }
}

/// The hidden fields that every form carries.
#[component]
pub fn Hidden(
    /// The circumstances it is drawn in.
    drawn: Drawn,
) -> impl IntoView {
    view! {
        <input type="hidden" name="drawn[page]" value=drawn.page/>
        {(!drawn.key.is_empty()).then(|| view! { <input type="hidden" name="drawn[key]" value=drawn.key.clone()/> })}
        {drawn.organization.map(|organization| view! { <input type="hidden" name="drawn[organization]" value=organization.to_string()/> })}
    }
}

/// One line of text: label, hint, control, error.
#[component]
pub fn TextField(
    /// The field's name in the form's struct; also its id.
    name: &'static str,
    /// The label.
    #[prop(into)]
    label: String,
    /// The type of the control.
    #[prop(default = "text")]
    kind: &'static str,
    /// What stands in it. Never given for a secret.
    #[prop(optional, into)]
    value: String,
    /// What is wrong with it.
    #[prop(optional, into)]
    error: MaybeProp<String>,
    /// What helps to fill it in.
    #[prop(optional)]
    hint: &'static str,
    /// What a browser or a password manager may fill in.
    #[prop(default = "off")]
    autocomplete: &'static str,
    /// The most characters.
    #[prop(optional)]
    maxlength: Option<usize>,
    /// The id of a `datalist` with what may be meant.
    #[prop(optional)]
    list: Option<&'static str>,
    /// Whether it may be empty.
    #[prop(optional)]
    optional: bool,
    /// Whether it is shown and not changed.
    #[prop(optional)]
    readonly: bool,
    /// Whether the page or the dialog begins here.
    #[prop(optional)]
    autofocus: bool,
    /// A link at the end of the label's line: address and words.
    #[prop(optional)]
    link: Option<(&'static str, &'static str)>,
) -> impl IntoView {
    let hint_id = (!hint.is_empty()).then(|| format!("{name}-hint"));
    let described = described(name, hint_id.clone(), error);
    let invalid = move || error.get().map(|_| "true");
    let label = view! { <label for=name>{label}{optional.then(|| view! { " " <span class="optional">"(optional)"</span> })}</label> };
    view! {
        <div class="field">
            {match link {
                Some((href, words)) => view! { <div class="field-head">{label}<a href=href>{words}</a></div> }.into_any(),
                None => label.into_any(),
            }}
            {hint_id.map(|id| view! { <p class="hint" id=id>{hint}</p> })}
            <input
                id=name
                name=format!("form[{name}]")
                type=kind
                value=value
                autocomplete=autocomplete
                required=!optional
                readonly=readonly
                autofocus=autofocus
                maxlength=maxlength.map(|n| n.to_string())
                list=list
                aria-invalid=invalid
                aria-describedby=described
                autocapitalize=(kind != "text").then_some("none")
                spellcheck=(kind != "text").then_some("false")
            />
            <FieldError name error/>
        </div>
    }
}

/// A field of several lines. What is typed into it must never be taken for markup: Leptos writes a textarea's children
/// as they are, so its content is escaped here.
#[component]
pub fn TextArea(
    /// The field's name in the form's struct; also its id.
    name: &'static str,
    /// The label.
    label: &'static str,
    /// What it holds.
    #[prop(into)]
    value: String,
    /// What is wrong with it.
    #[prop(optional, into)]
    error: MaybeProp<String>,
    /// What helps to fill it in.
    #[prop(optional)]
    hint: &'static str,
    /// Whether the page or the dialog begins here.
    #[prop(optional)]
    autofocus: bool,
    /// Whether it is for text of many lines that people write, not for a few that they paste.
    #[prop(optional)]
    tall: bool,
) -> impl IntoView {
    let hint_id = (!hint.is_empty()).then(|| format!("{name}-hint"));
    let described = described(name, hint_id.clone(), error);
    let invalid = move || error.get().map(|_| "true");
    view! {
        <div class="field">
            <label for=name>{label}</label>
            {hint_id.map(|id| view! { <p class="hint" id=id>{hint}</p> })}
            <textarea
                id=name
                name=format!("form[{name}]")
                class=tall.then_some("tall")
                rows="1"
                required=true
                autofocus=autofocus
                autocomplete="off"
                autocapitalize=(!tall).then_some("none")
                spellcheck=(!tall).then_some("false")
                aria-invalid=invalid
                aria-describedby=described
                inner_html=escaped(&value)
            ></textarea>
            <FieldError name error/>
        </div>
    }
}

/// Text as the content of an element that Leptos writes without escaping it. The line break at the beginning is the one
/// that browsers drop there.
fn escaped(text: &str) -> String {
    format!("\n{}", text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"))
}

/// What `aria-describedby` names: the hint, and the error while there is one.
fn described(
    name: &'static str,
    hint: Option<String>,
    error: MaybeProp<String>,
) -> impl Fn() -> Option<String> + Clone + Send + Sync + 'static {
    move || match (&hint, error.get().is_some()) {
        (Some(hint), true) => Some(format!("{hint} {name}-error")),
        (None, true) => Some(format!("{name}-error")),
        (hint, false) => hint.clone(),
    }
}

/// The error of a field, below its control.
#[component]
fn FieldError(name: &'static str, error: MaybeProp<String>) -> impl IntoView {
    move || {
        error
            .get()
            .map(|error| view! { <p class="field-error" id=format!("{name}-error")><Icon inner=icons::ALERT/><span>{error}</span></p> })
    }
}

/// A choice of a few.
#[component]
pub fn SelectField(
    /// The field's name in the form's struct; also its id.
    name: &'static str,
    /// The label.
    label: &'static str,
    /// What can be chosen.
    options: Vec<&'static str>,
    /// What is chosen.
    #[prop(into)]
    value: String,
    /// What is wrong with it.
    #[prop(optional, into)]
    error: MaybeProp<String>,
    /// What helps to choose.
    #[prop(optional)]
    hint: &'static str,
    /// Whether the page or the dialog begins here.
    #[prop(optional)]
    autofocus: bool,
    /// Its id, where the name alone is not unique on the page.
    #[prop(optional)]
    id: Option<&'static str>,
) -> impl IntoView {
    let id = id.unwrap_or(name);
    let hint_id = (!hint.is_empty()).then(|| format!("{id}-hint"));
    let described = described(id, hint_id.clone(), error);
    let invalid = move || error.get().map(|_| "true");
    view! {
        <div class="field">
            <label for=id>{label}</label>
            {hint_id.map(|hint_id| view! { <p class="hint" id=hint_id>{hint}</p> })}
            <select id=id autofocus=autofocus name=format!("form[{name}]") aria-invalid=invalid aria-describedby=described>
                {options.into_iter().map(|option| view! { <option value=option selected=option == value>{option}</option> }).collect_view()}
            </select>
            <FieldError name=id error/>
        </div>
    }
}

/// What is wrong with a form, on top of it: every field with a link, or the one sentence for the form as a whole.
#[component]
pub fn ErrorSummary(
    /// Why the form was refused.
    #[prop(optional_no_strip)]
    refusal: Option<Refusal>,
) -> impl IntoView {
    let refusal = refusal?;
    let items: Vec<(String, String)> = match &refusal {
        Refusal::Invalid(errors) => errors.0.clone(),
        Refusal::Partly(partly) => partly.refused.iter().map(|(what, why)| (String::new(), format!("{what}: {why}"))).collect(),
        refusal if refusal.of_field("email").is_some() => vec![("email".to_owned(), refusal.message())],
        refusal => vec![(String::new(), refusal.message())],
    };
    let title = match items.len() {
        _ if matches!(refusal, Refusal::Partly(_)) => refusal.message(),
        1 if items[0].0.is_empty() => items[0].1.clone(),
        1 => "1 thing to change".to_owned(),
        n => format!("{n} things to change"),
    };
    let list = (matches!(refusal, Refusal::Partly(_)) || !(items.len() == 1 && items[0].0.is_empty())).then(|| {
        view! {
            <ul>
                {items.into_iter().map(|(field, message)| view! {
                    <li>{if field.is_empty() { view! { <bdi>{message}</bdi> }.into_any() } else { view! { <a href=format!("#{field}")>{message}</a> }.into_any() }}</li>
                }).collect_view()}
            </ul>
        }
    });
    Some(view! {
        <div class="error-summary" role="alert" tabindex="-1" id="errors" aria-labelledby="errors-title" autofocus=true>
            <h2 id="errors-title"><Icon inner=icons::ALERT/>{title}</h2>
            {list}
        </div>
    })
}
