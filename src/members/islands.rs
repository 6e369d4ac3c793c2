//! The members' island: search, order, paging, edit, remove, invite without a reload; the same by plain links and forms
//! where it does not run.
//!
//! What it shows is drawn by the server, the first time with the page and then by the typed call [`list_members`]: so
//! there is one view of the list, and the browser's side, which every reader pays for, holds none. What it does are
//! typed calls, and their refusals come back as values.
//!
//! The island listens on its whole content, and knows what is meant by these attributes:
//! * `data-list` on a link: another page of the same list, named by the link's query.
//! * `data-dialog` on a link: the dialog of that name is opened; `data-…` of the link fill its slots and fields.
//! * `data-call` on a form: the server function of that name is called.
#![allow(missing_docs, reason = "the struct that the island macro makes cannot have any")]

use leptos::prelude::*;

use crate::ui::{localize_first, said};

/// Members and pending invitations of an organization; the content is drawn by the server.
#[island]
pub fn MembersRoom(
    /// The content.
    children: Children,
) -> impl IntoView {
    let said = said();
    Effect::new(move |_| {
        localize_first();
        client::start(said);
    });
    view! {
        <div
            class="contents"
            on:click=move |event| client::clicked(&event, said)
            on:input=move |event| client::typed(&event, said)
            on:submit=move |event| client::submitted(&event, said)
        >
            {children()}
        </div>
    }
}

#[cfg(feature = "hydrate")]
mod client {
    //! What happens in the browser.

    use std::cell::Cell;

    use leptos::{ev, prelude::*, task::spawn_local};
    use wasm_bindgen::{JsCast as _, JsValue, prelude::Closure};
    use web_sys::{Element, Event, FormData, HtmlDialogElement, HtmlElement, HtmlFormElement, HtmlInputElement, MouseEvent};

    use crate::{
        form::{Conflict, Drawn, FieldErrors, Notice, Refusal},
        invitations::{InviteForm, functions as invitations},
        members::{RoleForm, functions as members},
        ui::{Saying, localize},
    };

    type Said = RwSignal<Option<Saying>>;

    thread_local! {
        /// Counts what was asked for, so that an answer that was overtaken is dropped.
        static TURN: Cell<u32> = const { Cell::new(0) };
        static TIMER: Cell<Option<TimeoutHandle>> = const { Cell::new(None) };
    }

    fn by_id<T: wasm_bindgen::JsCast>(id: &str) -> Option<T> {
        document().get_element_by_id(id).and_then(|element| element.dyn_into().ok())
    }

    /// What a field of any kind holds.
    fn value(field: &Element) -> String {
        js_sys::Reflect::get(field, &JsValue::from_str("value")).ok().and_then(|value| value.as_string()).unwrap_or_default()
    }

    fn set_value(field: &Element, value: &str) {
        let _ = js_sys::Reflect::set(field, &JsValue::from_str("value"), &JsValue::from_str(value));
    }

    fn closest(event: &Event, selector: &str) -> Option<Element> {
        event.target()?.dyn_into::<Element>().ok()?.closest(selector).ok()?
    }

    /// `/` leads to the search where nothing else is typed into.
    pub fn start(said: Said) {
        let handle = window_event_listener(ev::keydown, |event| {
            let typing =
                document().active_element().is_some_and(|element| matches!(element.tag_name().as_str(), "INPUT" | "TEXTAREA" | "SELECT"));
            let plain = event.key() == "/" && !typing && !event.ctrl_key() && !event.meta_key();
            if let Some(search) = by_id::<HtmlElement>("q").filter(|_| plain) {
                event.prevent_default();
                let _ = search.focus();
            }
            if let Some(target) = beside(&event.key()) {
                event.prevent_default();
                let _ = target.focus();
            }
        });
        on_cleanup(move || handle.remove());
        let handle = window_event_listener(ev::popstate, move |_| {
            let q = window()
                .location()
                .search()
                .ok()
                .and_then(|search| web_sys::UrlSearchParams::new_with_str(&search).ok())
                .and_then(|query| query.get("q"));
            if let Some(search) = by_id::<HtmlInputElement>("q") {
                search.set_value(&q.unwrap_or_default());
            }
            reload(said);
        });
        on_cleanup(move || handle.remove());
        if let Some(body) = document().body() {
            // Tests and styles can see that the island runs.
            let _ = body.set_attribute("data-live", "");
        }
    }

    /// What an arrow up or down leads to: the same control of another row, another choice of an open menu, or from the
    /// search into the list.
    fn beside(key: &str) -> Option<HtmlElement> {
        let down = match key {
            "ArrowDown" => true,
            "ArrowUp" => false,
            _ => return None,
        };
        let active = document().active_element()?;
        let all = |within: &Element, selector: &str| {
            let found = within.query_selector_all(selector).ok()?;
            Some((0..found.length()).filter_map(|n| found.get(n)?.dyn_into::<HtmlElement>().ok()).collect::<Vec<_>>())
        };
        let step = |from: usize| if down { from.checked_add(1) } else { from.checked_sub(1) };
        if let Some(menu) = active.closest(".menu[open]").ok()? {
            let choices = all(&menu, "summary, .menu-item")?;
            return choices.get(step(choices.iter().position(|choice| **choice == active)?)?).cloned();
        }
        let controls = "a, button, input:not([type=hidden])";
        if active.id() == "q" {
            let list = by_id::<Element>("members")?.query_selector("tbody").ok()??;
            return all(&list, controls)?.into_iter().next().filter(|_| down);
        }
        let row = active.closest("#members tbody tr").ok()??;
        let place = all(&row, controls)?.iter().position(|control| **control == active)?;
        let mut row = row;
        loop {
            // One's own row has none.
            row = if down { row.next_element_sibling()? } else { row.previous_element_sibling()? };
            if let Some(control) = all(&row, controls)?.into_iter().nth(place) {
                return Some(control);
            }
        }
    }

    pub fn clicked(event: &MouseEvent, said: Said) {
        // Beside a dialog is the dialog, too.
        if let Some(dialog) = event.target().and_then(|target| target.dyn_into::<HtmlDialogElement>().ok()) {
            dialog.close();
            return;
        }
        if closest(event, "[data-close]").is_some() {
            event.prevent_default();
            close_dialogs();
            return;
        }
        if let Some(id) = closest(event, "[data-resend]").and_then(|button| button.get_attribute("data-resend")) {
            close_dialogs();
            // Its row in the list of pending invitations has the form.
            let field = document().query_selector(&format!("#members input[name=invitation][value='{id}']")).ok().flatten();
            if let Some(form) = field.and_then(|field| field.dyn_into::<HtmlInputElement>().ok()).and_then(|field| field.form()) {
                let _ = form.request_submit();
            }
            return;
        }
        // A click that opens another tab is the browser's.
        if event.ctrl_key() || event.meta_key() || event.shift_key() || event.alt_key() || event.button() != 0 {
            return;
        }
        if let Some(link) = closest(event, "a[data-dialog]") {
            event.prevent_default();
            said.set(None);
            open(&link);
        } else if let Some(link) = closest(event, "a[data-list]") {
            event.prevent_default();
            let href = link.get_attribute("href").unwrap_or_default();
            let query = href.split_once('?').map(|(_, query)| query.to_owned()).unwrap_or_default();
            if let Some(search) = by_id::<HtmlInputElement>("q").filter(|_| query.is_empty()) {
                search.set_value("");
            }
            load(query, History::Push, said);
        }
    }

    /// Search as one types, a moment after the last key.
    pub fn typed(event: &Event, said: Said) {
        let Some(field) = event.target().and_then(|target| target.dyn_into::<Element>().ok()) else { return };
        let Ok(input) = field.dyn_into::<HtmlInputElement>().map_err(|field| check(&field)) else { return };
        if input.has_attribute("data-all") {
            if let Some(region) = by_id::<Element>("members") {
                each(&region, "[name=member]", |row| {
                    if let Some(row) = row.dyn_ref::<HtmlInputElement>() {
                        row.set_checked(input.checked());
                    }
                });
            }
            return;
        }
        if input.id() != "q" {
            return;
        }
        if let Some(timer) = TIMER.take() {
            timer.clear();
        }
        let search = move || {
            if let Some(query) = searching(input.value().trim()) {
                load(query, History::Replace, said);
            }
        };
        TIMER.set(set_timeout_with_handle(search, std::time::Duration::from_millis(200)).ok());
    }

    /// The address's query with another search; the order stays, the place does not.
    fn searching(q: &str) -> Option<String> {
        let now = web_sys::UrlSearchParams::new_with_str(&window().location().search().ok()?).ok()?;
        let next = web_sys::UrlSearchParams::new().ok()?;
        if !q.is_empty() {
            next.append("q", q);
        }
        for name in ["sort", "order", "role", "state"] {
            if let Some(value) = now.get(name) {
                next.append(name, &value);
            }
        }
        Some(String::from(next.to_string()))
    }

    /// What becomes of the address.
    #[derive(Clone, Copy)]
    enum History {
        /// A step that the back button takes back.
        Push,
        /// The same place, otherwise.
        Replace,
        /// It says so already.
        Keep,
    }

    /// Asks for a page of the list, draws it, and keeps the address in step.
    fn load(query: String, step: History, said: Said) {
        let turn = TURN.get() + 1;
        TURN.set(turn);
        spawn_local(async move {
            let drawn = Drawn { organization: organization(), ..Drawn::default() };
            let waits = move |on: bool| {
                if let Some(region) = by_id::<Element>("members").filter(|_| TURN.get() == turn) {
                    let _ = if on { region.set_attribute("aria-busy", "true") } else { region.remove_attribute("aria-busy") };
                }
            };
            // What comes soon comes without a sign of waiting.
            let patience = set_timeout_with_handle(move || waits(true), std::time::Duration::from_millis(150)).ok();
            let answer = members::list_members(query.clone(), drawn).await;
            if let Some(patience) = patience {
                patience.clear();
            }
            if TURN.get() != turn {
                return;
            }
            waits(false);
            match answer {
                Ok(html) => {
                    draw(&html);
                    let mark = if query.is_empty() { "" } else { "?" };
                    let address = format!("/organization/members{mark}{query}");
                    if let Ok(history) = window().history() {
                        let _ = match step {
                            History::Push => history.push_state_with_url(&JsValue::NULL, "", Some(&address)),
                            History::Replace => history.replace_state_with_url(&JsValue::NULL, "", Some(&address)),
                            History::Keep => Ok(()),
                        };
                    }
                }
                Err(Refusal::Unanswered) => said.set(Some(Saying::bad("The portal did not answer. Try again in a moment."))),
                Err(refusal) => fail(&refusal, said),
            }
        });
    }

    /// The organization that the page was drawn for.
    fn organization() -> Option<crate::words::OrganizationId> {
        by_id::<Element>("members")?.get_attribute("data-organization")?.parse().ok()
    }

    /// Puts what the server drew in the place of what is there; what had the focus keeps it.
    fn draw(html: &str) {
        let active = document().active_element();
        let within = by_id::<Element>("members").is_some_and(|region| region.contains(active.as_deref()));
        let focused = active.map(|element| element.id()).unwrap_or_default();
        if let Some(region) = by_id::<Element>("members") {
            region.set_inner_html(html);
            // The tab counts the members too.
            let total = region.query_selector("[data-total]").ok().flatten().and_then(|list| list.get_attribute("data-total"));
            if let (Some(total), Some(count)) = (total, by_id::<Element>("members-count")) {
                let _ = count.set_attribute("value", &total);
            }
        }
        let same = if focused.is_empty() { None } else { by_id::<HtmlElement>(&focused) };
        let target = same.or_else(|| by_id("members").filter(|_| within || !focused.is_empty()));
        if let Some(element) = target {
            let _ = element.focus();
        }
        localize();
    }

    /// The same page of the list once more.
    fn reload(said: Said) {
        let query = window().location().search().unwrap_or_default();
        load(query.trim_start_matches('?').to_owned(), History::Keep, said);
    }

    /// Opens the dialog that a link names, and fills it from the link's `data-…`. Where nothing is to be filled in, it
    /// still holds what was typed when it was closed.
    fn open(link: &Element) {
        let Some(dialog) = link.get_attribute("data-dialog").and_then(|name| by_id::<HtmlDialogElement>(&name)) else { return };
        if link.has_attribute("data-id") {
            clear(&dialog);
        }
        for (name, selector) in [("data-name", "[data-slot=name]"), ("data-email", "[data-slot=email]")] {
            each(&dialog, selector, |slot| slot.set_text_content(link.get_attribute(name).as_deref()));
        }
        for (name, field) in [("data-id", "[data-field=id]"), ("data-role", "select")] {
            if let Some(value) = link.get_attribute(name) {
                each(&dialog, field, |input| set_value(&input, &value));
            }
        }
        // On the phone the link stood in a menu that has closed: its button gets the focus back.
        let opener = link
            .closest("[popover]")
            .ok()
            .flatten()
            .and_then(|menu| document().query_selector(&format!("[popovertarget='{}']", menu.id())).ok().flatten());
        let opener = opener.and_then(|button| button.dyn_into::<HtmlElement>().ok()).filter(|button| button.offset_width() > 0);
        let close = opener.map(|button| {
            Closure::once_into_js(move || {
                let _ = button.focus();
            })
        });
        dialog.set_onclose(close.as_ref().map(|close| close.unchecked_ref()));
        let _ = dialog.show_modal();
    }

    fn each(within: &Element, selector: &str, act: impl Fn(Element)) {
        let Ok(found) = within.query_selector_all(selector) else { return };
        for index in 0..found.length() {
            if let Some(element) = found.get(index).and_then(|node| node.dyn_into::<Element>().ok()) {
                act(element);
            }
        }
    }

    /// Takes away what an earlier attempt left, and gives the form a key of its own.
    fn clear(dialog: &Element) {
        each(dialog, "form", |form| {
            if let Some(form) = form.dyn_ref::<HtmlFormElement>() {
                form.reset();
            }
        });
        renew(dialog);
        clear_errors(dialog);
    }

    /// What is sent next is another form.
    fn renew(within: &Element) {
        each(within, "[name='drawn[key]']", |input| {
            let random = || (js_sys::Math::random() * 4_294_967_296.0) as u32;
            let key = format!("{:08x}{:08x}{:08x}{:08x}", random(), random(), random(), random());
            let _ = input.set_attribute("value", &key);
        });
    }

    fn clear_errors(within: &Element) {
        each(within, "[data-error]", |error| error.remove());
        each(within, "[aria-invalid]", |field| {
            let _ = field.remove_attribute("aria-invalid");
        });
    }

    fn close_dialogs() {
        if let Some(body) = document().body() {
            each(&body, "dialog[open]", |dialog| {
                if let Some(dialog) = dialog.dyn_ref::<HtmlDialogElement>() {
                    dialog.close();
                }
            });
        }
    }

    /// A form of the island is sent: by a typed call where it names one, by the search as one types, else by the browser.
    pub fn submitted(event: &ev::SubmitEvent, said: Said) {
        let Some(form) = event.target().and_then(|target| target.dyn_into::<HtmlFormElement>().ok()) else { return };
        if form.has_attribute("role") {
            event.prevent_default();
            return;
        }
        let Some(call) = form.get_attribute("data-call") else { return };
        event.prevent_default();
        let Ok(data) = FormData::new_with_form(&form) else { return };
        let field = move |name: &str| data.get(name).as_string().unwrap_or_default();
        if form.has_attribute("aria-busy") {
            return;
        }
        let drawn = Drawn { page: String::new(), key: field("drawn[key]"), organization: field("drawn[organization]").parse().ok() };
        let invite = InviteForm { email: field("form[email]"), role: field("form[role]") };
        let member = RoleForm { member: field("form[member]"), role: field("form[role]") };
        let invitation = field("invitation");
        if let (true, Err(errors)) = (call == "invite_member", invite.parse()) {
            show(&form, &Refusal::Invalid(errors));
            return;
        }
        busy(&form, true);
        spawn_local(async move {
            let answer = match call.as_str() {
                "invite_member" => {
                    let sent = invitations::invite_member(invite, drawn).await;
                    sent.map(|sent| (if sent == 1 { Notice::InvitationSent } else { Notice::InvitationsSent }, sent))
                }
                "change_role" => members::change_role(member, drawn).await.map(|()| (Notice::RoleChanged, 1)),
                "remove_member" => members::remove_member(member, drawn).await.map(|()| (Notice::MemberRemoved, 1)),
                other => match invitation.parse() {
                    Err(_) => Err(Refusal::NotFound),
                    Ok(id) if other == "revoke_invitation" => {
                        invitations::revoke_invitation(id, drawn).await.map(|()| (Notice::InvitationRevoked, 1))
                    }
                    Ok(id) => invitations::resend_invitation(id, drawn).await.map(|()| (Notice::InvitationResent, 1)),
                },
            };
            busy(&form, false);
            match answer {
                Ok((notice, n)) => {
                    close_dialogs();
                    if let Ok(Some(dialog)) = form.closest("dialog") {
                        clear(&dialog);
                    }
                    said.set(Some(Saying::good(notice.text(n))));
                    reload(said);
                }
                Err(refusal)
                    if form.closest("dialog").is_ok_and(|dialog| dialog.is_some()) && !matches!(refusal, Refusal::Unauthenticated(_)) =>
                {
                    show(&form, &refusal);
                    if let Refusal::Partly(partly) = &refusal {
                        // What went out is in the list; what was refused stays in the field.
                        each(&form, "textarea", |field| set_value(&field, &partly.rest()));
                        renew(&form);
                        reload(said);
                    }
                }
                Err(refusal) => fail(&refusal, said),
            }
        });
    }

    fn busy(form: &HtmlFormElement, on: bool) {
        let Ok(Some(button)) = form.query_selector("button:not([type=button])") else { return };
        if on {
            let _ = form.set_attribute("aria-busy", "true");
            let _ = button.set_attribute("aria-busy", "true");
        } else {
            let _ = form.remove_attribute("aria-busy");
            let _ = button.remove_attribute("aria-busy");
        }
    }

    /// Shows a refusal in its form: beside the fields it names, or on top.
    fn show(form: &HtmlFormElement, refusal: &Refusal) {
        clear_errors(form);
        let errors = match refusal {
            Refusal::Invalid(errors) => errors.clone(),
            Refusal::Partly(partly) => FieldErrors::one("email", partly.summary.as_str()),
            refusal if refusal.of_field("email").is_some() => FieldErrors::one("email", refusal.of_field("email").unwrap_or_default()),
            refusal => FieldErrors::one("", refusal.message()),
        };
        for (field, message) in &errors.0 {
            show_one(form, field, message);
        }
        if let Refusal::Conflict(Conflict::AlreadyInvited(id)) = refusal {
            offer_resend(form, &id.to_string());
        }
        if let Refusal::Partly(partly) = refusal {
            name_each(form, &partly.refused);
        }
        let first = form.query_selector("[aria-invalid]").ok().flatten();
        if let Some(first) = first.as_ref().and_then(|first| first.dyn_ref::<HtmlElement>()) {
            let _ = first.focus();
        }
    }

    /// Each that was refused has a line, behind the sentence about them all.
    fn name_each(form: &HtmlFormElement, refused: &[(String, String)]) {
        let (Ok(Some(error)), Ok(list)) = (form.query_selector("[data-error] div"), document().create_element("ul")) else { return };
        for (what, why) in refused {
            if let Ok(line) = document().create_element("li") {
                line.set_text_content(Some(&format!("{what}: {why}")));
                let _ = list.append_child(&line);
            }
        }
        let _ = error.append_child(&list);
    }

    /// What waits already can be sent again.
    fn offer_resend(form: &HtmlFormElement, id: &str) {
        let (Ok(Some(error)), Ok(button)) = (form.query_selector("[data-error]"), document().create_element("button")) else { return };
        button.set_class_name("link-button");
        button.set_text_content(Some("Resend"));
        let _ = button.set_attribute("type", "button");
        let _ = button.set_attribute("data-resend", id);
        let _ = error.append_child(&button);
    }

    fn show_one(form: &HtmlFormElement, field: &str, message: &str) {
        let Ok(error) = document().create_element("div") else { return };
        error.set_class_name("field-error");
        let _ = error.set_attribute("data-error", "");
        error.set_inner_html(concat!(
            r#"<svg class="icon" viewBox="0 0 20 20" aria-hidden="true">"#,
            r#"<circle cx="10" cy="10" r="7.25"/><path d="M10 6.25v4.5M10 13.5v.01"/></svg><div></div>"#
        ));
        if let Ok(Some(text)) = error.query_selector("div") {
            text.set_text_content(Some(message));
        }
        match form.query_selector(&format!("[name='form[{field}]']")) {
            Ok(Some(input)) if !field.is_empty() => {
                let id = format!("{}-error", input.id());
                error.set_id(&id);
                let _ = input.set_attribute("aria-invalid", "true");
                let described = input.get_attribute("aria-describedby").unwrap_or_default();
                if !described.contains(&id) {
                    let _ = input.set_attribute("aria-describedby", format!("{described} {id}").trim());
                }
                let _ = input.insert_adjacent_element("afterend", &error);
            }
            _ => {
                let _ = error.set_attribute("role", "alert");
                let _ = form.insert_adjacent_element("afterbegin", &error);
            }
        }
    }

    /// A field that was wrong is looked at again as it is mended. A list of what was refused stays while it is worked off.
    fn check(field: &Element) {
        if !field.has_attribute("aria-invalid") {
            return;
        }
        let form = InviteForm { email: value(field), role: crate::permissions::Role::Admin.name().to_owned() };
        if let (Ok(_), Ok(Some(form))) = (form.parse(), field.closest("form:not(:has(ul))")) {
            clear_errors(&form);
        }
    }

    /// A refusal that belongs to no open form. Who is signed out or was removed is shown what a visit shows them now.
    fn fail(refusal: &Refusal, said: Said) {
        if matches!(refusal, Refusal::Unauthenticated(_) | Refusal::NotFound | Refusal::Conflict(Conflict::OtherOrganization)) {
            let _ = window().location().reload();
        }
        said.set(Some(Saying::bad(refusal.message())));
    }
}

/// On the server nothing is pressed.
#[cfg(not(feature = "hydrate"))]
mod client {
    pub fn start<S>(_: S) {}
    pub fn clicked<E, S>(_: &E, _: S) {}
    pub fn typed<E, S>(_: &E, _: S) {}
    pub fn submitted<E, S>(_: &E, _: S) {}
}
