//! An answer of the server, and the forms on its page.

use reqwest::header::HeaderMap;
use scraper::{ElementRef, Html, Selector};

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What was asked for, for messages.
    pub request: String,
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

fn select(css: &str) -> Selector {
    Selector::parse(css).unwrap_or_else(|e| panic!("{css}: {e}"))
}

fn words(element: ElementRef<'_>) -> String {
    element.text().collect::<String>()
}

impl Answer {
    /// The body as text.
    pub fn html(&self) -> String {
        String::from_utf8(self.body.clone()).expect("the body is UTF-8")
    }

    /// Whether the status is this; gives the answer back.
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}: {}", self.request, self.sketch());
        self
    }

    /// Whether the answer leads to an address by 303.
    #[track_caller]
    pub fn leads_to(self, place: &str) -> Self {
        assert_eq!((self.status, self.location()), (303, place), "{}: {}", self.request, self.sketch());
        self
    }

    /// Enough of the page to see what is wrong.
    pub fn sketch(&self) -> String {
        let html = String::from_utf8_lossy(&self.body).into_owned();
        if html.contains("<html") {
            let document = Html::parse_document(&html);
            let title: String = document.select(&select("title")).map(words).collect();
            let main: String = document.select(&select("main")).map(words).collect();
            format!("[{title}] {}", main.split_whitespace().collect::<Vec<_>>().join(" "))
        } else {
            html.chars().take(600).collect()
        }
    }

    /// A header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Where it leads.
    pub fn location(&self) -> &str {
        self.header("location")
    }

    /// The `Set-Cookie` headers.
    pub fn set_cookies(&self) -> Vec<String> {
        self.headers.get_all("set-cookie").iter().map(|value| value.to_str().expect("ASCII").to_owned()).collect()
    }

    /// The `Set-Cookie` of one cookie.
    #[track_caller]
    pub fn set_cookie(&self, name: &str) -> String {
        let all = self.set_cookies();
        let found = all.iter().find(|cookie| cookie.starts_with(&format!("{name}=")));
        found.unwrap_or_else(|| panic!("no cookie {name} in {all:?}")).clone()
    }

    /// The texts of what a selector finds.
    pub fn texts(&self, css: &str) -> Vec<String> {
        let document = Html::parse_document(&self.html());
        document.select(&select(css)).map(|e| words(e).split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    }

    /// The texts of what a selector finds, with every space as it is.
    pub fn raw_texts(&self, css: &str) -> Vec<String> {
        Html::parse_document(&self.html()).select(&select(css)).map(words).collect()
    }

    /// The text of the one thing that a selector finds.
    #[track_caller]
    pub fn text(&self, css: &str) -> String {
        let mut all = self.texts(css);
        assert_eq!(all.len(), 1, "{css} on {}: {all:?}\n{}", self.request, self.sketch());
        all.remove(0)
    }

    /// The pairs of a list of facts.
    pub fn facts(&self) -> Vec<(String, String)> {
        self.texts("dl.facts dt").into_iter().zip(self.texts("dl.facts dd")).collect()
    }

    /// The fact of a name.
    #[track_caller]
    pub fn fact(&self, name: &str) -> String {
        let facts = self.facts();
        facts.iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("no {name} in {facts:?}")).1.clone()
    }

    /// How many things a selector finds.
    pub fn count(&self, css: &str) -> usize {
        Html::parse_document(&self.html()).select(&select(css)).count()
    }

    /// The attributes of what a selector finds.
    pub fn attributes(&self, css: &str, attribute: &str) -> Vec<String> {
        let document = Html::parse_document(&self.html());
        document.select(&select(css)).filter_map(|e| e.attr(attribute)).map(str::to_owned).collect()
    }

    /// What the page says in its main part, in one line.
    pub fn main(&self) -> String {
        self.texts("main").join(" ")
    }

    /// Whether the page says something.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        let body = self.texts("body").join(" ");
        assert!(body.contains(text), "{}: {text:?} is not in {body:?}", self.request);
        self
    }

    /// Whether the page does not say something.
    #[track_caller]
    pub fn never_says(self, text: &str) -> Self {
        let body = self.texts("body").join(" ");
        assert!(!body.contains(text), "{}: {text:?} is in {body:?}", self.request);
        self
    }

    /// The heading.
    pub fn heading(&self) -> String {
        self.texts("h1").join(" / ")
    }

    /// What stands beside a field as its error, by what its control names in `aria-describedby`.
    pub fn error_of(&self, field: &str) -> Option<String> {
        let document = Html::parse_document(&self.html());
        let control = document.select(&select(&format!("[id='{field}']"))).next()?;
        let described = control.attr("aria-describedby")?;
        let id = described.split_whitespace().find(|id| *id == format!("{field}-error"))?;
        let text = document.select(&select(&format!("[id='{id}']"))).next().map(words)?;
        assert_eq!(control.attr("aria-invalid"), Some("true"), "{field} has an error and is not invalid");
        Some(text.trim().to_owned())
    }

    /// What stands in a field.
    #[track_caller]
    pub fn value_of(&self, field: &str) -> String {
        let document = Html::parse_document(&self.html());
        let control = document.select(&select(&format!("[id='{field}']"))).next();
        let control = control.unwrap_or_else(|| panic!("{}: no field {field}: {}", self.request, self.sketch()));
        if control.value().name() == "select" {
            let chosen = control.select(&select("option[selected]")).next().or_else(|| control.select(&select("option")).next());
            return chosen.map(words).unwrap_or_default();
        }
        if control.value().name() == "textarea" {
            return control.text().collect();
        }
        control.attr("value").unwrap_or_default().to_owned()
    }

    /// Every form of the page.
    pub fn forms(&self) -> Vec<Form> {
        let document = Html::parse_document(&self.html());
        document.select(&select("form")).map(Form::read).collect()
    }

    /// The form that posts to an address; the first where there are several.
    #[track_caller]
    pub fn form(&self, action: &str) -> Form {
        let found = self.forms().into_iter().find(|form| form.action == action);
        found.unwrap_or_else(|| panic!("{}: no form to {action}: {}", self.request, self.sketch()))
    }

    /// The form that posts to an address and holds a value in a hidden field.
    #[track_caller]
    pub fn form_with(&self, action: &str, value: &str) -> Form {
        let found = self.forms().into_iter().find(|form| form.action == action && form.fields.iter().any(|(_, v)| v == value));
        found.unwrap_or_else(|| panic!("{}: no form to {action} with {value}: {}", self.request, self.sketch()))
    }

    /// Whether the page has a form to an address.
    pub fn has_form(&self, action: &str) -> bool {
        self.forms().iter().any(|form| form.action == action)
    }

    /// Whether the page has a link to an address.
    pub fn has_link(&self, href: &str) -> bool {
        self.attributes("a", "href").iter().any(|link| link == href)
    }

    /// The body without what differs at every drawing: keys of forms and nonces.
    pub fn normalized(&self) -> String {
        normalize(&self.html())
    }

    /// The headers without what differs at every request.
    pub fn normalized_headers(&self) -> Vec<(String, String)> {
        let mut headers: Vec<(String, String)> = self
            .headers
            .iter()
            .filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()))
            .map(|(name, value)| (name.to_string(), normalize(&String::from_utf8_lossy(value.as_bytes()))))
            .collect();
        headers.sort();
        headers
    }
}

/// Takes out keys of forms and nonces, which differ at every drawing.
pub fn normalize(text: &str) -> String {
    let mut text = text.to_owned();
    for (before, after) in [("name=\"drawn[key]\" value=\"", "\""), ("nonce=\"", "\""), ("'nonce-", "'"), ("crossorigin=\"", "\"")] {
        let mut out = String::new();
        let mut rest = text.as_str();
        while let Some(at) = rest.find(before) {
            let (head, tail) = rest.split_at(at + before.len());
            out.push_str(head);
            out.push('*');
            rest = tail.find(after).map_or("", |end| &tail[end..]);
        }
        out.push_str(rest);
        text = out;
    }
    text
}

/// A form as a browser sees it: where it goes and what it sends if nothing is typed.
#[derive(Clone, Debug)]
pub struct Form {
    pub action: String,
    pub method: String,
    /// How it is sent, where the page says so.
    pub kind: String,
    /// The name of its field for files.
    pub files: Option<String>,
    pub fields: Vec<(String, String)>,
}

impl Form {
    fn read(form: ElementRef<'_>) -> Self {
        let (mut fields, mut files) = (Vec::new(), None);
        for control in form.select(&select("input, select, textarea, button")) {
            let (name, kind) = (control.attr("name").unwrap_or_default(), control.attr("type").unwrap_or_default());
            if name.is_empty() || control.attr("disabled").is_some() {
                continue;
            }
            let value = control.attr("value").unwrap_or_default().to_owned();
            match control.value().name() {
                "input" if kind == "file" => files = Some(name.to_owned()),
                "input" if ["checkbox", "radio"].contains(&kind) && control.attr("checked").is_none() => {}
                "input" => fields.push((name.to_owned(), value)),
                "select" => {
                    let chosen = control.select(&select("option[selected]")).next().or_else(|| control.select(&select("option")).next());
                    if let Some(option) = chosen {
                        fields.push((name.to_owned(), option.attr("value").map_or_else(|| words(option), str::to_owned)));
                    }
                }
                "textarea" => fields.push((name.to_owned(), control.text().collect())),
                // A button sends its value only where it is the one that is pressed.
                _ => {}
            }
        }
        let attribute = |name: &str| form.attr(name).unwrap_or_default().to_owned();
        Self {
            action: attribute("action"),
            method: form.attr("method").unwrap_or("get").to_owned(),
            kind: attribute("enctype"),
            files,
            fields,
        }
    }

    /// The name under which a field is sent: `email` is sent as `form[email]`.
    fn name(&self, field: &str) -> Option<String> {
        let wrapped = format!("form[{field}]");
        [field.to_owned(), wrapped].into_iter().find(|name| self.fields.iter().any(|(known, _)| known == name))
    }

    /// What stands in a field.
    #[track_caller]
    pub fn value(&self, field: &str) -> &str {
        let name = self.name(field).unwrap_or_else(|| panic!("no field {field} in {self:?}"));
        self.fields.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// Whether there is such a field.
    pub fn has(&self, field: &str) -> bool {
        self.name(field).is_some()
    }

    /// The form with something typed into a field that it has.
    #[track_caller]
    pub fn with(mut self, field: &str, value: &str) -> Self {
        let name = self.name(field).unwrap_or_else(|| panic!("no field {field} in {self:?}"));
        for (known, old) in &mut self.fields {
            if *known == name {
                value.clone_into(old);
            }
        }
        self
    }

    /// The form with a field as somebody sends it who does not keep to the page: put in or replaced.
    pub fn forged(mut self, name: &str, value: &str) -> Self {
        self.fields.retain(|(known, _)| known != name);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The form without a field.
    pub fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(known, _)| known != name);
        self
    }
}
