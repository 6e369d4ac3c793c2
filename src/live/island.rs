//! The browser's side: one stream for all tabs, and pages that draw what changed.
//!
//! A lock chooses the tab that holds the stream, and moves to the next one when that tab closes; a channel carries what
//! the stream says to the others. A browser without locks has a stream in each tab.
//!
//! A page is drawn again by asking for it: of the answer, each element with `data-region` takes the place of the one of
//! that name, node by node, so that the focus, what is typed, open menus and dialogs, and selections stay. Children with
//! `data-key` are told apart by it; a new one fades in.
#![allow(missing_docs, reason = "the struct that the island macro makes cannot have any")]

use leptos::prelude::*;

use crate::ui::Said;

/// The page's notices, and what keeps it up to date.
#[island]
pub fn Live(
    /// Whose page it is.
    account: String,
    /// Up to where the log of changes had come when it was drawn.
    mark: String,
) -> impl IntoView {
    Effect::new(move |_| client::start(&account, &mark));
    view! { <Said/> }
}

#[cfg(feature = "hydrate")]
mod client {
    //! What happens in the browser.

    use std::{
        cell::{Cell, RefCell},
        time::Duration,
    };

    use js_sys::{Array, Date, Function, JSON, Math, Object, Promise, Reflect};
    use leptos::{prelude::*, task::spawn_local};
    use wasm_bindgen::{JsCast as _, JsValue, prelude::Closure};
    use wasm_bindgen_futures::JsFuture;
    use web_sys::{
        BroadcastChannel, Document, DomParser, Element, EventSource, HtmlElement, MessageEvent, Node, RequestInit, Response, SupportedType,
    };

    use crate::{
        live::{BY_ITSELF, PATH},
        ui::{Saying, localize, said},
    };

    /// What the stream says, as it comes from the server and as it goes to the other tabs: event, data, id.
    const EVENTS: [&str; 5] = ["ready", "change", "reload", "gone", "ended"];
    /// A tab that has just come asks when something last changed.
    const HELLO: &str = "hello";
    /// The answer: a moment.
    const LAST: &str = "last";
    /// So many milliseconds stay between two drawings, at least and at most; between them, four times what one takes.
    const REST: (f64, f64) = (400.0, 10_000.0);
    const OPEN_MENUS: &str = "details.menu[open]";
    const REGIONS: &str = "[data-region]";
    /// So long a sentence stands that nothing hangs on.
    const STANDS: Duration = Duration::from_secs(8);

    thread_local! {
        static ACCOUNT: RefCell<String> = RefCell::default();
        /// The last change that this tab knows of.
        static MARK: RefCell<String> = RefCell::default();
        static CHANNEL: RefCell<Option<BroadcastChannel>> = const { RefCell::new(None) };
        static SOURCE: RefCell<Option<EventSource>> = const { RefCell::new(None) };
        /// Gives the lock away.
        static RELEASE: RefCell<Option<Function>> = const { RefCell::new(None) };
        /// When what is drawn was asked for, how long to rest after it, and when something last changed.
        static DRAWN_AT: Cell<f64> = const { Cell::new(0.0) };
        static REST_FOR: Cell<f64> = const { Cell::new(REST.0) };
        static CHANGED_AT: Cell<f64> = const { Cell::new(0.0) };
        static WAITING: Cell<bool> = const { Cell::new(false) };
        static ASKING: Cell<bool> = const { Cell::new(false) };
        /// Something changed since the page was asked for.
        static STALE: Cell<bool> = const { Cell::new(false) };
        /// What the page showed was taken off it: the reader is no longer a member there, or may not see it any more.
        static OUT: Cell<bool> = const { Cell::new(false) };
        /// The page is open: not laid aside by the browser, and somebody is signed in.
        static OPEN: Cell<bool> = const { Cell::new(false) };
        static FAILURES: Cell<u32> = const { Cell::new(0) };
        /// When a form was sent last: what it did is told by where it leads.
        static SENT_AT: Cell<f64> = const { Cell::new(0.0) };
        static SAYING: Cell<u32> = const { Cell::new(0) };
    }

    fn get(of: &JsValue, name: &str) -> JsValue {
        Reflect::get(of, &JsValue::from_str(name)).unwrap_or(JsValue::UNDEFINED)
    }

    #[inline(never)]
    fn reload() {
        let _ = window().location().reload();
    }

    fn path() -> String {
        window().location().pathname().unwrap_or_default()
    }

    pub fn start(account: &str, mark: &str) {
        ACCOUNT.replace(account.to_owned());
        MARK.replace(mark.to_owned());
        // A page that was loaded ahead was drawn at some time before.
        let drawn_at = window().performance().map_or(0.0, |performance| {
            let visit = performance.get_entries_by_type("navigation").get(0);
            let ahead = get(&visit, "deliveryType").as_string().is_some_and(|how| !how.is_empty());
            if ahead { 0.0 } else { performance.time_origin() }
        });
        DRAWN_AT.set(drawn_at);
        open();
        // Buttons that copy are shown where the browser lets a page do so.
        if let (Some(root), true) = (document().document_element(), clipboard().is_some()) {
            let _ = root.set_attribute("data-copies", "");
        }
        // A page that the browser keeps for the way back holds no stream, and is drawn again when it is shown.
        let hide = window_event_listener_untyped("pagehide", |_| close());
        let show = window_event_listener_untyped("pageshow", |event| {
            if get(&event, "persisted").is_truthy() {
                open();
                changed();
            }
        });
        let seen = window_event_listener_untyped("visibilitychange", |_| {
            if STALE.get() {
                schedule();
            }
        });
        let sent = window_event_listener_untyped("submit", |_| SENT_AT.set(Date::now()));
        // Menus close like what browsers open themselves: by a click elsewhere, and by Esc, which leads back to what opened them.
        let click = window_event_listener_untyped("click", |event| {
            let target = event.target().and_then(|target| target.dyn_into::<Element>().ok());
            each(&document(), OPEN_MENUS, |menu| {
                if !menu.contains(target.as_deref()) {
                    let _ = menu.remove_attribute("open");
                }
            });
            let button = target.and_then(|target| target.closest("[data-copy]").ok().flatten());
            if let Some(text) = button.and_then(|button| button.get_attribute("data-copy")) {
                spawn_local(copy(text));
            }
        });
        let key = window_event_listener_untyped("keydown", |event| {
            if get(&event, "key") != "Escape" {
                return;
            }
            each(&document(), OPEN_MENUS, |menu| {
                let _ = menu.remove_attribute("open");
                if let Some(opener) = menu.first_element_child().and_then(|opener| opener.dyn_into::<HtmlElement>().ok()) {
                    let _ = opener.focus();
                }
            });
        });
        on_cleanup(move || [hide, show, seen, sent, click, key].into_iter().for_each(WindowListenerHandle::remove));
    }

    /// Joins the other tabs, and stands in line for the stream.
    fn open() {
        OPEN.set(true);
        let locks = get(&window().navigator(), "locks");
        let Ok(request) = get(&locks, "request").dyn_into::<Function>() else { return stream() };
        let name = ACCOUNT.with_borrow(|account| format!("live {account}"));
        if let Ok(channel) = BroadcastChannel::new(&name) {
            let receive = Closure::<dyn Fn(MessageEvent)>::new(|event: MessageEvent| received(&Array::from(&event.data())));
            channel.set_onmessage(Some(receive.into_js_value().unchecked_ref()));
            CHANNEL.replace(Some(channel));
        }
        let chosen = Closure::once_into_js(|| {
            // The page may have been laid aside while it stood in line.
            if OPEN.get() {
                stream();
            }
            Promise::new(&mut |release, _| {
                if OPEN.get() {
                    RELEASE.replace(Some(release));
                } else {
                    let _ = release.call0(&JsValue::UNDEFINED);
                }
            })
        });
        let _ = request.call2(&locks, &JsValue::from_str(&name), &chosen);
        tell([JsValue::from_str(HELLO)]);
    }

    fn close() {
        OPEN.set(false);
        if let Some(source) = SOURCE.take() {
            source.close();
        }
        if let Some(release) = RELEASE.take() {
            let _ = release.call0(&JsValue::UNDEFINED);
        }
        if let Some(channel) = CHANNEL.take() {
            channel.close();
        }
    }

    /// Opens the stream where the last one, or the page, ended.
    fn stream() {
        let address = ACCOUNT.with_borrow(|account| MARK.with_borrow(|mark| format!("{PATH}?account={account}&after={mark}")));
        let Ok(source) = EventSource::new(&address) else { return };
        let heard = Closure::<dyn Fn(MessageEvent)>::new(|event: MessageEvent| {
            FAILURES.set(0);
            let (kind, data) = (event.type_(), event.data().as_string().unwrap_or_default());
            tell([&kind, &data, &event.last_event_id()].map(|part| JsValue::from_str(part)));
            happened(&kind, &data, &event.last_event_id());
        })
        .into_js_value();
        for kind in EVENTS {
            let _ = source.add_event_listener_with_callback(kind, heard.unchecked_ref());
        }
        let failed = Closure::<dyn Fn()>::new(|| {
            let closed = SOURCE.with_borrow(|source| source.as_ref().is_some_and(|source| source.ready_state() == EventSource::CLOSED));
            if !closed || !OPEN.get() {
                // The browser tries again by itself, and says where it was.
                return;
            }
            // It was refused. The page finds out whether anybody is signed in; the stream is tried again, ever later.
            SOURCE.take();
            FAILURES.set(FAILURES.get() + 1);
            CHANGED_AT.set(Date::now());
            soon();
            let pause = Duration::from_secs(2 << FAILURES.get().min(5));
            set_timeout(
                || {
                    if OPEN.get() && SOURCE.with_borrow(Option::is_none) {
                        stream();
                    }
                },
                pause,
            );
        });
        source.set_onerror(Some(failed.into_js_value().unchecked_ref()));
        SOURCE.replace(Some(source));
    }

    fn tell<const N: usize>(message: [JsValue; N]) {
        let message: Array = message.into_iter().collect();
        CHANNEL.with_borrow(|channel| channel.as_ref().map(|channel| channel.post_message(&message)));
    }

    fn received(message: &Array) {
        let part = |n| message.get(n).as_string().unwrap_or_default();
        match part(0).as_str() {
            HELLO if SOURCE.with_borrow(Option::is_some) => tell([JsValue::from_str(LAST), JsValue::from_f64(CHANGED_AT.get())]),
            HELLO => {}
            // It changed while the page was on its way, before this tab listened.
            LAST if message.get(1).as_f64().is_some_and(|moment| moment > DRAWN_AT.get()) => changed(),
            LAST => {}
            kind => happened(kind, &part(1), &part(2)),
        }
    }

    fn happened(kind: &str, data: &str, mark: &str) {
        if !mark.is_empty() {
            MARK.replace(mark.to_owned());
        }
        let data = JSON::parse(data).unwrap_or(JsValue::NULL);
        match kind {
            "change" => {
                if let Some(text) = get(&data, "say").as_string().filter(|text| !text.is_empty() && !document().hidden()) {
                    say(Saying::good(text), true);
                }
                changed();
            }
            "reload" => changed(),
            "ended" => ended(),
            _ => {
                let now = get(&data, "organization").as_string().unwrap_or_default();
                if let Some((_, name)) = organization().filter(|(shown, _)| *shown != now) {
                    gone(&name, get(&data, "say").as_string());
                }
            }
        }
    }

    /// The organization that the page was drawn for: its id and its name.
    fn organization() -> Option<(String, String)> {
        let element = document().query_selector("[data-member-of]").ok().flatten()?;
        Some((element.get_attribute("data-member-of")?, element.text_content()?))
    }

    /// Says a sentence; one that only tells what one sees goes by itself.
    fn say(saying: Saying, passing: bool) {
        let turn = SAYING.get() + 1;
        SAYING.set(turn);
        let said = said();
        let text = saying.text.clone();
        said.set(Some(saying));
        if passing {
            set_timeout(
                move || {
                    if SAYING.get() == turn && said.get_untracked().is_some_and(|saying| saying.text == text) {
                        said.set(None);
                    }
                },
                STANDS,
            );
        }
    }

    /// The browser's clipboard, and what writes into it.
    fn clipboard() -> Option<(JsValue, Function)> {
        let clipboard = get(&window().navigator(), "clipboard");
        let write = get(&clipboard, "writeText").dyn_into().ok()?;
        Some((clipboard, write))
    }

    async fn copy(text: String) {
        let Some((clipboard, write)) = clipboard() else { return };
        let Ok(writing) = write.call1(&clipboard, &JsValue::from_str(&text)) else { return };
        let saying = match JsFuture::from(writing.unchecked_into::<Promise>()).await {
            Ok(_) => Saying::good("Copied"),
            Err(_) => Saying::bad("The browser did not copy it"),
        };
        say(saying, true);
    }

    /// Who was removed, or whose organization was deleted, sees nothing of it any more, and where to go on.
    fn gone(name: &str, sentence: Option<String>) {
        let text = sentence.unwrap_or_else(|| format!("You are no longer a member of \u{2068}{name}\u{2069}"));
        let place = path();
        let inside = place.starts_with("/organization") || place.starts_with("/do/");
        if !inside || !replace(&text, "What you saw here is for its members.") {
            say(Saying { leads: Some(("Getting Started", "/getting-started")), ..Saying::bad(text) }, false);
        }
        changed();
    }

    /// Puts a sentence in the place of everything that the page showed, with where to go on; whether it did.
    fn replace(text: &str, why: &str) -> bool {
        let Some(main) = document().get_element_by_id("main").filter(|_| !OUT.get()) else { return false };
        OUT.set(true);
        main.set_inner_html(concat!(
            r#"<div class="card" role="alert"><h1 tabindex="-1"></h1><p></p>"#,
            r#"<div class="actions start"><a class="button primary" href="/getting-started">Getting Started</a></div></div>"#
        ));
        document().set_title(text);
        if let Some(heading) = main.query_selector("h1").ok().flatten().and_then(|heading| heading.dyn_into::<HtmlElement>().ok()) {
            heading.set_text_content(Some(text));
            if let Some(below) = heading.next_element_sibling() {
                below.set_text_content(Some(why));
            }
            let _ = heading.focus();
        }
        true
    }

    /// Who is signed out here is shown the sign-in page. Where something is typed into the page itself, that stays to be
    /// taken along, and everything around it goes. Who signs out in this very tab is on the way already.
    fn ended() {
        let patience = SENT_AT.get() + 3000.0 - Date::now();
        if patience > 0.0 {
            set_timeout(ended, Duration::from_millis(patience as u64));
            return;
        }
        close();
        if has_typed() {
            each(&document(), REGIONS, |region| region.set_inner_html(""));
            say(Saying { leads: Some(("Sign in", "/sign-in")), ..Saying::bad("You are signed out") }, false);
        } else {
            if path().starts_with("/do/") {
                let _ = window().location().assign("/");
            } else {
                reload();
            }
        }
    }

    fn has_typed() -> bool {
        const FIELDS: &str = ":is(input, textarea):not([type=hidden], [type=search], [type=checkbox], dialog *)";
        let Ok(inputs) = document().query_selector_all(FIELDS) else { return false };
        (0..inputs.length()).filter_map(|n| inputs.get(n)).any(|input| get(&input, "value") != get(&input, "defaultValue"))
    }

    /// Something is another than the page shows.
    fn changed() {
        CHANGED_AT.set(Date::now());
        schedule();
    }

    /// Asks for the page soon, once for all that changes meanwhile. Who has it open in a thousand browsers does not
    /// come back in the same moment; and a tab that nobody sees waits until it is seen.
    fn schedule() {
        STALE.set(true);
        if !document().hidden() {
            soon();
        }
    }

    /// The same, whether or not anybody sees it.
    fn soon() {
        if WAITING.get() || ASKING.get() {
            return;
        }
        WAITING.set(true);
        let rest = DRAWN_AT.get() + REST_FOR.get() - Date::now();
        let wait = rest.max(50.0 + 250.0 * Math::random());
        set_timeout(
            || {
                WAITING.set(false);
                spawn_local(ask());
            },
            Duration::from_millis(wait as u64),
        );
    }

    async fn ask() {
        let here = window().location().href().unwrap_or_default();
        // The answer to a form is at no address of its own: it shows what was typed, or what is shown once.
        if path().starts_with("/do/") && !OUT.get() {
            return;
        }
        let (began, address) = (Date::now(), if OUT.get() { "/getting-started" } else { here.as_str() });
        STALE.set(false);
        ASKING.set(true);
        let answer = fetch(address).await;
        ASKING.set(false);
        DRAWN_AT.set(began);
        REST_FOR.set((4.0 * (Date::now() - began)).clamp(REST.0, REST.1));
        match answer {
            // The list went to another page meanwhile.
            Ok(_) if window().location().href().is_ok_and(|now| now != here) => STALE.set(true),
            Ok((_, redirected, _)) if redirected => {
                // Only the sign-in page is where nobody asked to go.
                tell([JsValue::from_str("ended")]);
                ended();
                return;
            }
            Ok((200, _, html)) => draw(&html),
            // What it shows is closed by now, and the page says why.
            Ok((403, ..)) if !has_typed() => {
                reload();
                return;
            }
            // Nothing of it stays; what is around it, its tabs among it, is as the answer has it.
            Ok((404, _, html)) => {
                draw(&html);
                replace("What this page showed is not there for you any more", "It is gone, or your role does not show it any longer.");
            }
            // The portal is away for a moment: what comes next finds it again.
            _ => {}
        }
        if STALE.get() {
            schedule();
        }
    }

    /// A page as it is now: its status, whether it was led elsewhere, and its text.
    async fn fetch(address: &str) -> Result<(u16, bool, String), JsValue> {
        let init = RequestInit::new();
        let headers = Object::new();
        Reflect::set(&headers, &JsValue::from_str(BY_ITSELF), &JsValue::from_str("1"))?;
        Reflect::set(&headers, &JsValue::from_str("accept"), &JsValue::from_str("text/html"))?;
        init.set_headers(&headers);
        let response: Response = JsFuture::from(window().fetch_with_str_and_init(address, &init)).await?.dyn_into()?;
        let text = JsFuture::from(response.text()?).await?;
        Ok((response.status(), response.redirected(), text.as_string().unwrap_or_default()))
    }

    /// Puts the regions of a page in the place of those that are here.
    fn draw(html: &str) {
        let Ok(page) = DomParser::new().and_then(|parser| parser.parse_from_string(html, SupportedType::TextHtml)) else { return };
        let (active, before) = (document().active_element(), organization());
        each(&document(), REGIONS, |old| {
            let name = old.get_attribute("data-region").unwrap_or_default();
            if let Ok(Some(new)) = page.query_selector(&format!("[data-region='{name}']")) {
                let focused = active.as_ref().filter(|active| old.contains(Some(active)));
                morph(old, &new);
                // What had the focus was moved, which takes it away, or is gone: it does not go back to the top of the page.
                if let Some(active) = focused
                    && document().active_element().as_ref() != Some(active)
                    && let Some(target) = if active.is_connected() { active } else { old }.dyn_ref::<HtmlElement>()
                {
                    let _ = target.focus();
                }
            } else if name == "refused" {
                // It is not refused any more.
                reload();
            }
        });
        if !OUT.get() {
            document().set_title(&page.title());
            // The stream may tell it later than the page.
            let now = organization().map(|(id, _)| id);
            if let Some((_, name)) = before.filter(|(id, _)| now.as_ref() != Some(id)) {
                gone(&name, None);
            }
        }
        localize();
    }

    fn each(within: &Document, selector: &str, act: impl Fn(&Element)) {
        let Ok(regions) = within.query_selector_all(selector) else { return };
        for n in 0..regions.length() {
            if let Some(region) = regions.get(n).and_then(|node| node.dyn_into::<Element>().ok()) {
                act(&region);
            }
        }
    }

    fn key(node: &Node) -> Option<String> {
        node.dyn_ref::<Element>().and_then(|element| element.get_attribute("data-key"))
    }

    /// Makes an element like another one and keeps its nodes. A dialog that is open, a form on its way and a field with
    /// something typed in it stay as they are.
    fn morph(old: &Element, new: &Element) {
        if old.matches("dialog[open], [aria-busy=true]").unwrap_or(false) {
            return;
        }
        let attributes = new.get_attribute_names();
        for name in attributes.iter().filter_map(|name| name.as_string()) {
            let value = new.get_attribute(&name).unwrap_or_default();
            if old.get_attribute(&name).as_deref() != Some(&value) {
                let _ = old.set_attribute(&name, &value);
            }
        }
        for name in old.get_attribute_names().iter().filter_map(|name| name.as_string()) {
            if name != "open" && !new.has_attribute(&name) {
                let _ = old.remove_attribute(&name);
            }
        }
        let mut at = old.first_child();
        let mut next = new.first_child();
        while let Some(wanted) = next {
            next = wanted.next_sibling();
            let name = key(&wanted);
            // What is no longer there goes first, so that what stays need not move.
            while let Some(gone) = at.clone().filter(|node| key(node).is_some_and(|key| !holds(new, &key))) {
                at = gone.next_sibling();
                let _ = old.remove_child(&gone);
            }
            let same = match &name {
                Some(name) => find(at.clone(), name),
                None => at.clone().filter(|node| key(node).is_none() && node.node_name() == wanted.node_name()),
            };
            let Some(same) = same else {
                if let (Some(element), Some(_)) = (wanted.dyn_ref::<Element>(), name) {
                    element.set_class_name(&format!("{} new", element.class_name()));
                }
                let _ = old.insert_before(&wanted, at.as_ref());
                continue;
            };
            if at.as_ref() == Some(&same) {
                at = same.next_sibling();
            } else {
                let _ = old.insert_before(&same, at.as_ref());
            }
            match (same.dyn_ref::<Element>(), wanted.dyn_ref::<Element>()) {
                (Some(same), Some(wanted)) => morph(same, wanted),
                _ if same.node_value() != wanted.node_value() => same.set_node_value(wanted.node_value().as_deref()),
                _ => {}
            }
        }
        while let Some(rest) = at {
            at = rest.next_sibling();
            let _ = old.remove_child(&rest);
        }
    }

    /// Whether a child has a key; those that were there may have been taken out already.
    fn holds(parent: &Element, name: &str) -> bool {
        find(parent.first_child(), name).is_some()
    }

    /// The first node from here on that has a key.
    fn find(mut from: Option<Node>, name: &str) -> Option<Node> {
        while let Some(node) = from {
            if key(&node).as_deref() == Some(name) {
                return Some(node);
            }
            from = node.next_sibling();
        }
        None
    }
}

/// The server draws it.
#[cfg(not(feature = "hydrate"))]
mod client {
    pub const fn start(_: &str, _: &str) {}
}
