//! The page of all calls: a pure view of their document.

use leptos::prelude::*;
use serde_json::Value;

/// The reference of `/v1`, drawn from its document.
#[must_use]
pub fn reference(document: &Value, base: &str) -> AnyView {
    let tags = document["tags"].as_array().cloned().unwrap_or_default();
    let sections: Vec<AnyView> = tags.iter().map(|tag| section(document, tag)).collect();
    let contents: Vec<AnyView> = tags
        .iter()
        .map(|tag| view! { <li><a href=format!("#{}", text(&tag["name"]))>{text(&tag["description"])}</a></li> }.into_any())
        .collect();
    view! {
        <div class="calls">
            <header class="page-head">
                <div><p class="kicker"><a href="/">"Portal"</a></p><h1>"API"</h1><p class="lede">{text(&document["info"]["description"])}</p></div>
                <div class="page-actions"><a class="button" href="/v1/openapi.json">"OpenAPI document"</a></div>
            </header>
            <nav class="card" aria-label="Contents"><ul class="bullets">{contents}</ul></nav>
            <section class="section" aria-labelledby="try">
                <h2 id="try">"Try it"</h2>
                <pre class="card" tabindex="0"><code>{format!(
                    "curl -s {base}/v1/auth/SignIn -d '{{\"email\": \"you@example.com\", \"password\": \"…\"}}'\ncurl -s {base}/v1/orgs:search -X POST -H 'Authorization: Bearer TOKEN'"
                )}</code></pre>
                <p>"A call that comes to nothing is answered with HTTP's status and " <code>"{\"code\", \"message\", \"details\", \"error\"}"</code> ": the number of gRPC's code, and a sentence for people."</p>
            </section>
            {sections}
        </div>
    }
    .into_any()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn section(document: &Value, tag: &Value) -> AnyView {
    let name = text(&tag["name"]);
    let mut calls = Vec::new();
    for (path, methods) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            if operation["tags"][0] == tag["name"] {
                calls.push(call(document, path, &method.to_uppercase(), operation));
            }
        }
    }
    view! {
        <section class="section" aria-labelledby=name.clone()>
            <h2 id=name.clone()>{text(&tag["description"])}</h2>
            {calls}
        </section>
    }
    .into_any()
}

fn call(document: &Value, path: &str, method: &str, operation: &Value) -> AnyView {
    let id = text(&operation["operationId"]);
    let sent = &operation["requestBody"]["content"]["application/json"]["schema"];
    let answer = &operation["responses"]["200"]["content"]["application/json"]["schema"];
    let refusals: Vec<String> = operation["responses"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(status, _)| status.clone())
        .filter(|status| status != "200" && status != "default")
        .collect();
    view! {
        <article class="card" aria-labelledby=id.clone()>
            <h3 id=id.clone()><code>{format!("{method} {path}")}</code></h3>
            <p>{text(&operation["summary"])}" "<span class="quiet-text">{text(&operation["description"])}</span></p>
            {fields(document, sent, "Sent", &id)}
            {fields(document, answer, "Answered", &id)}
            <p class="quiet-text">"Refused with " {refusals.join(", ")} "."</p>
        </article>
    }
    .into_any()
}

/// The schema that a reference leads to, or the schema itself.
fn resolved<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    match schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        Some(name) => &document["components"]["schemas"][name],
        None => schema,
    }
}

/// A table of the fields of an object, those of objects within it among them.
fn fields(document: &Value, schema: &Value, title: &'static str, id: &str) -> Option<AnyView> {
    let mut rows = Vec::new();
    collect(document, schema, "", &mut rows);
    if rows.is_empty() {
        return None;
    }
    let rows: Vec<AnyView> = rows
        .into_iter()
        .map(|(name, kind, about)| {
            view! {
                <tr role="row"><th scope="row" role="rowheader"><code>{name}</code></th><td role="cell" class="nowrap" data-label="Type">{kind}</td><td role="cell" data-label="Meaning">{about}</td></tr>
            }
            .into_any()
        })
        .collect();
    let label = format!("{id}-{}", title.to_lowercase());
    Some(
        view! {
            <h4 id=label.clone()>{title}</h4>
            <div class="table-wrap">
                <table class="table" role="table" aria-labelledby=label>
                    <thead role="rowgroup"><tr role="row"><th scope="col" role="columnheader">"Field"</th><th scope="col" role="columnheader">"Type"</th><th scope="col" role="columnheader">"Meaning"</th></tr></thead>
                    <tbody role="rowgroup">{rows}</tbody>
                </table>
            </div>
        }
        .into_any(),
    )
}

fn collect(document: &Value, schema: &Value, before: &str, rows: &mut Vec<(String, String, String)>) {
    let object = resolved(document, schema);
    for (name, field) in object["properties"].as_object().into_iter().flatten() {
        let is_array = field["type"] == "array";
        let inner = if is_array { &field["items"] } else { field };
        // Beside a description a reference stands in a list of its own.
        let inner = inner["allOf"].get(0).or_else(|| inner["oneOf"].get(0)).unwrap_or(inner);
        let of = resolved(document, inner);
        let kind = text(&of["type"]);
        let path = format!("{before}{name}{}", if is_array { "[]" } else { "" });
        let about = if field["description"].is_null() { text(&of["description"]) } else { text(&field["description"]) };
        let kind = match text(&of["format"]).as_str() {
            "" | "int32" | "int64" => kind,
            format => format!("{kind} ({format})"),
        };
        rows.push((path.clone(), kind, about));
        collect(document, inner, &format!("{path}."), rows);
    }
}
