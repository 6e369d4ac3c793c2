//! The development mailbox: mails that were kept and not sent, where everything is on loopback (`SPEC.md` §5).
//!
//! It shows the secrets of links to whoever asks, so it trusts nothing that came through a proxy.

use axum::http::header::HOST;
use leptos::prelude::*;
use uuid::Uuid;

use crate::{
    db::{Connected, Failure},
    form::Refusal,
    sql,
    ui::{Icon, Moment, icons},
    visit::{self, Answer, Page, Visit},
    words::Timestamp,
};

/// Whether the mailbox is there for a visit: mails are kept, the request came without a detour, and it names this
/// machine. A foreign name that leads here by its owner's DNS is somebody else's page, reading.
#[must_use]
pub fn allowed(visit: &Visit) -> bool {
    visit.portal.config.keeps_mail()
        && !visit::forwarded(&visit.headers)
        && visit.headers.get(HOST).is_none_or(|host| is_loopback(host.to_str().unwrap_or("?")))
}

/// Whether a `Host` names this machine.
fn is_loopback(host: &str) -> bool {
    let name = host.rsplit_once(':').filter(|(_, port)| port.chars().all(|c| c.is_ascii_digit())).map_or(host, |(name, _)| name);
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || name.ends_with(".localhost") || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// A mail in the list.
#[derive(sqlx::FromRow)]
struct Entry {
    id: Uuid,
    at: Timestamp,
    recipient: String,
    subject: String,
}

/// A mail.
#[derive(sqlx::FromRow)]
struct Kept {
    message_id: String,
    at: Timestamp,
    recipient: String,
    subject: String,
    body_text: String,
    body_html: String,
}

/// The newest mails, of one recipient or of all.
async fn newest(db: &mut impl Connected, recipient: Option<&str>) -> Result<Vec<Entry>, sqlx::Error> {
    match recipient {
        Some(recipient) => {
            sql!(
                all as Entry,
                db,
                "SELECT id, at, recipient, subject FROM kept_mails WHERE lower(recipient) = $1 ORDER BY at DESC, id DESC LIMIT 200",
                recipient
            )
        }
        None => sql!(all as Entry, db, "SELECT id, at, recipient, subject FROM kept_mails ORDER BY at DESC, id DESC LIMIT 200"),
    }
}

async fn by_id(db: &mut impl Connected, id: Uuid) -> Result<Option<Kept>, sqlx::Error> {
    sql!(optional as Kept, db, "SELECT message_id, at, recipient, subject, body_text, body_html FROM kept_mails WHERE id = $1", id)
}

/// `GET /dev/mail`: the mails, the newest first; `?to=ADDRESS` for one recipient's.
///
/// # Errors
/// 404 where it is not [`allowed`], and the database's.
pub async fn mailbox(visit: &Visit) -> Result<Answer, Failure> {
    if !allowed(visit) {
        return Err(Refusal::NotFound.into());
    }
    let to = visit.parameter("to").map(|to| to.trim().to_lowercase()).filter(|to| !to.is_empty());
    let mails = newest(&mut visit.portal.read().await?, to.as_deref()).await?;
    Ok(Page::new("Development mailbox", move || mailbox_view(mails, to)).into())
}

/// `GET /dev/mail/{id}`: one mail.
///
/// # Errors
/// 404 where it is not [`allowed`] or there is no such mail, and the database's.
pub async fn mail(visit: &Visit) -> Result<Answer, Failure> {
    if !allowed(visit) {
        return Err(Refusal::NotFound.into());
    }
    let id = visit.path.rsplit('/').next().and_then(|id| Uuid::parse_str(id).ok()).ok_or(Refusal::NotFound)?;
    let kept = by_id(&mut visit.portal.read().await?, id).await?.ok_or(Refusal::NotFound)?;
    let (from, base) = (visit.portal.config.mail_from.clone(), visit.portal.config.base());
    Ok(Page::new(kept.subject.clone(), move || mail_view(kept, from, &base)).into())
}

fn mailbox_view(mails: Vec<Entry>, to: Option<String>) -> AnyView {
    let empty = mails.is_empty();
    view! {
        <header class="page-head">
            <div>
                <h1>"Development mailbox"</h1>
                <p class="lede">"Mails that this portal would have sent. Only on this machine."</p>
                {to.map(|to| view! { <p class="quiet-text">"To " <bdi>{to}</bdi> " only. " <a href="/dev/mail">"Show all"</a></p> })}
            </div>
        </header>
        {if empty { empty_view() } else { view! { <ul class="list">{mails.into_iter().map(entry_view).collect_view()}</ul> }.into_any() }}
    }
    .into_any()
}

fn empty_view() -> AnyView {
    view! {
        <div class="table-wrap">
            <div class="empty">
                <Icon inner=icons::MAIL large=true/>
                <h2>"No mails yet"</h2>
                <p>"Sign up, reset a password or invite a member, and the mail appears here."</p>
            </div>
        </div>
    }
    .into_any()
}

fn entry_view(entry: Entry) -> AnyView {
    view! {
        <li>
            <Icon inner=icons::MAIL large=true/>
            <div class="list-body">
                <p class="list-title"><a href=format!("/dev/mail/{}", entry.id)>{entry.subject}</a></p>
                <p class="list-meta">"To " <bdi>{entry.recipient}</bdi></p>
            </div>
            <p class="list-meta"><Moment at=entry.at/></p>
        </li>
    }
    .into_any()
}

fn mail_view(mail: Kept, from: String, base: &str) -> AnyView {
    view! {
        <article class="mail">
            <header class="page-head"><div><p class="kicker"><a href="/dev/mail">"Development mailbox"</a></p><h1>{mail.subject}</h1></div></header>
            <div class="card">
                <dl class="facts">
                    <div><dt>"From"</dt><dd><bdi>{from}</bdi></dd></div>
                    <div><dt>"To"</dt><dd><bdi>{mail.recipient}</bdi></dd></div>
                    <div><dt>"Sent"</dt><dd><Moment at=mail.at/></dd></div>
                    <div><dt>"Message-ID"</dt><dd><code>{mail.message_id}</code></dd></div>
                </dl>
            </div>
            <pre class="mail-text">{pieces(&mail.body_text, base).into_iter().map(piece_view).collect_view()}</pre>
            <details><summary class="link-button">"HTML version, as source"</summary><pre class="mail-text">{mail.body_html}</pre></details>
        </article>
    }
    .into_any()
}

/// A piece of a mail's text.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Link(String),
}

fn piece_view(piece: Piece) -> AnyView {
    match piece {
        Piece::Text(text) => text.into_any(),
        Piece::Link(link) => {
            let address = link.clone();
            view! { <a href=address>{link}</a> }
        }
        .into_any(),
    }
}

/// Takes the portal's own links out of a text. Another host that begins with the same letters is not the portal's.
fn pieces(text: &str, base: &str) -> Vec<Piece> {
    let (mut pieces, mut plain, mut rest) = (Vec::new(), String::new(), text);
    while let Some(start) = rest.find(base).filter(|_| !base.is_empty()) {
        let (before, at) = rest.split_at(start);
        let word = at.split(char::is_whitespace).next().unwrap_or(at);
        let word = word.trim_end_matches(['.', ',', ';', ':', ')', '>', '"', '\'']);
        // Never shorter than the base, so that the loop goes on.
        let (word, after) = at.split_at(word.len().max(base.len()));
        plain.push_str(before);
        if word.strip_prefix(base).is_some_and(|path| path.is_empty() || path.starts_with(['/', '?', '#'])) {
            push_text(&mut pieces, &mut plain);
            pieces.push(Piece::Link(word.to_owned()));
        } else {
            plain.push_str(word);
        }
        rest = after;
    }
    plain.push_str(rest);
    push_text(&mut pieces, &mut plain);
    pieces
}

/// Leptos writes an empty text as a space, so there is none.
fn push_text(pieces: &mut Vec<Piece>, plain: &mut String) {
    if !plain.is_empty() {
        pieces.push(Piece::Text(std::mem::take(plain)));
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_this_machine_is_loopback() {
        for host in ["localhost", "localhost:3000", "127.0.0.1:3000", "[::1]:3000", "a.localhost"] {
            assert!(super::is_loopback(host), "{host}");
        }
        for host in ["evil.example", "evil.example:3000", "10.0.0.1", "localhost.evil.example", ""] {
            assert!(!super::is_loopback(host), "{host}");
        }
    }

    use super::{Piece, pieces};

    const BASE: &str = "http://127.0.0.1:3000";

    fn links(text: &str) -> Vec<String> {
        let links = pieces(text, BASE).into_iter().filter_map(|piece| if let Piece::Link(link) = piece { Some(link) } else { None });
        links.collect()
    }

    #[test]
    fn own_links_are_found() {
        let text = format!("Verify:\n{BASE}/verify-email?token=a-b_c\n\n--\nOrg Portal, {BASE}\n");
        assert_eq!(links(&text), [format!("{BASE}/verify-email?token=a-b_c"), BASE.to_owned()]);
        assert_eq!(links(&format!("({BASE}/sign-in).")), [format!("{BASE}/sign-in")]);
    }

    #[test]
    fn others_links_stay_text() {
        let text = "http://127.0.0.1:30001/x http://127.0.0.1:3000.evil.example/ http://127.0.0.1:3000@evil.example/ https://evil.example/";
        assert_eq!(links(text), Vec::<String>::new());
    }

    #[test]
    fn nothing_of_the_text_is_lost() {
        let text = format!("é {BASE}/a, {BASE}x {BASE}{BASE} end");
        let joined: String = pieces(&text, BASE)
            .into_iter()
            .map(|piece| match piece {
                Piece::Text(text) | Piece::Link(text) => text,
            })
            .collect();
        assert_eq!(joined, text);
    }
}
