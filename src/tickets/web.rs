//! The room's page handlers: load, draw.

use axum::{
    body::{Body, Bytes},
    http::header,
    response::IntoResponse as _,
};

use super::{
    AttachmentView, actions, pages,
    store::{self, Attachment},
};
use crate::{
    db::Failure,
    list::ListQuery,
    organizations::actions as organizations,
    portal::Portal,
    ui::Checked,
    visit::{Answer, Page, Visit},
};

/// `/organization/tickets?q=…&state=…&priority=…&department=…&by=me&sort=…&order=…&after=…`
///
/// # Errors
/// The database's.
pub async fn tickets(visit: &Visit) -> Result<Answer, Failure> {
    let (membership, actor, now) = (visit.member()?, visit.actor()?, visit.portal.clock.now());
    let query = actions::asked(&visit.query);
    let mut db = visit.portal.read().await?;
    let organization = organizations::details(&mut db, membership.organization).await?;
    let (page, summary) = actions::page(&mut db, membership, actor, &query, now).await?;
    drop(db);
    let look = pages::Look { page, query, summary, organization, role: membership.role };
    Ok(Page::new("Tickets", move || pages::tickets(look)).with_islands().into())
}

/// `/organization/tickets/new`
///
/// # Errors
/// The database's.
pub async fn new(visit: &Visit) -> Result<Answer, Failure> {
    let membership = visit.member()?;
    let (checked, drawn) = (Checked(visit.state_of("raise_ticket")), visit.drawn());
    let mut db = visit.portal.read().await?;
    let products = actions::products(&mut db, membership.organization).await?;
    drop(db);
    let kept = kept(visit, &checked).await?;
    Ok(Page::narrow("Raise ticket", move || pages::new(products, kept, checked, drawn)).into())
}

/// `/organization/tickets/{ticket}?before=…`
///
/// # Errors
/// 404 for no such ticket there.
pub async fn ticket(visit: &Visit) -> Result<Answer, Failure> {
    let (membership, actor, now) = (visit.member()?, visit.actor()?, visit.portal.clock.now());
    let before = visit.parameter("before").and_then(|id| id.parse().ok());
    let days = visit.portal.config.ticket_reopen_days;
    let mut db = visit.portal.read().await?;
    let ticket = actions::get(&mut db, membership, actor, part(visit, 3), before, (now, days)).await?;
    drop(db);
    let checked = Checked(visit.state_of("reply_to_ticket").or_else(|| visit.state_of("resolve_ticket")));
    let kept = kept(visit, &checked).await?;
    let (resolve, reply) = (visit.drawn(), visit.drawn());
    let title = format!("{} {}", ticket.row.number, ticket.row.subject);
    Ok(Page::narrow(title, move || pages::ticket(ticket, kept, checked, resolve, reply, days)).with_islands().into())
}

/// `/organization/tickets/{ticket}/files/{file}`
///
/// # Errors
/// 404 for no such file there.
pub async fn file(visit: &Visit) -> Result<Answer, Failure> {
    let (membership, actor) = (visit.member()?, visit.actor()?);
    let mut db = visit.portal.read().await?;
    let file = actions::file(&mut db, membership, actor, part(visit, 3), part(visit, 5)).await?;
    Ok(download(&visit.portal, file))
}

fn part(visit: &Visit, n: usize) -> &str {
    visit.path.split('/').nth(n).unwrap_or_default()
}

/// The files that came with a form of this page that was refused.
///
/// # Errors
/// The database's.
pub async fn kept(visit: &Visit, checked: &Checked) -> Result<Vec<AttachmentView>, Failure> {
    let Some(state) = &checked.0 else { return Ok(Vec::new()) };
    let ids: Vec<String> = state.values.iter().filter(|(name, _)| name == "form[attachments][]").map(|(_, id)| id.clone()).collect();
    actions::kept(&mut visit.portal.read().await?, visit.actor()?, &ids).await
}

/// `/operator/tickets?q=…&state=…&priority=…&assignee=…&owner=…&sort=…&after=…`
///
/// # Errors
/// The database's.
pub async fn desk(visit: &Visit) -> Result<Answer, Failure> {
    let query = ListQuery::parse(url::form_urlencoded::parse(visit.query.as_bytes()).into_owned(), &store::DESK.filters());
    let shown = actions::desk(&mut visit.portal.read().await?, visit.actor()?, &query, visit.portal.clock.now()).await?;
    Ok(Page::new("Tickets", move || pages::desk(shown, &query)).with_islands().into())
}

/// `/operator/tickets/{ticket}?before=…`
///
/// # Errors
/// 404 for no such ticket.
pub async fn desk_ticket(visit: &Visit) -> Result<Answer, Failure> {
    let (actor, now, days) = (visit.actor()?, visit.portal.clock.now(), visit.portal.config.ticket_reopen_days);
    let before = visit.parameter("before").and_then(|id| id.parse().ok());
    let shown = actions::desk_ticket(&mut visit.portal.read().await?, part(visit, 3), before, (now, days)).await?;
    let [answer, note, change] = ["answer_ticket", "note_ticket", "change_ticket"].map(|form| Checked(visit.state_of(form)));
    let forms = pages::DeskForms {
        kept: kept(visit, &answer).await?,
        drawn: [visit.drawn(), visit.drawn(), visit.drawn()],
        operator: (actor.account.to_string(), actor.name()),
        answer,
        note,
        change,
    };
    let title = format!("{} {}", shown.ticket.row.number, shown.ticket.row.subject);
    Ok(Page::new(title, move || pages::desk_ticket(shown, forms)).with_islands().into())
}

/// `/operator/tickets/{ticket}/files/{file}`
///
/// # Errors
/// 404 for no such file there.
pub async fn desk_file(visit: &Visit) -> Result<Answer, Failure> {
    let file = actions::desk_file(&mut visit.portal.read().await?, part(visit, 3), part(visit, 5)).await?;
    Ok(download(&visit.portal, file))
}

/// Gives a file out. Whatever it holds, a browser saves it and does nothing else with it.
fn download(portal: &Portal, file: Attachment) -> Answer {
    let (portal, id) = (portal.clone(), file.id);
    let chunks = futures::stream::try_unfold(0, move |position| {
        let portal = portal.clone();
        async move {
            let chunk = async { Ok::<_, Failure>(store::chunk(&mut portal.read().await?, id, position).await?) };
            match chunk.await {
                Ok(chunk) => Ok(chunk.map(|(bytes,)| (Bytes::from(bytes), position + 1))),
                Err(failure) => {
                    tracing::warn!(?failure, "a file broke off on its way out");
                    Err(std::io::Error::other("the file broke off"))
                }
            }
        }
    });
    let quoted: String = file.name.chars().map(|c| if c.is_ascii_alphanumeric() || "._- ".contains(c) { c } else { '_' }).collect();
    let encoded = percent_encoding::utf8_percent_encode(&file.name, percent_encoding::NON_ALPHANUMERIC);
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, file.size.to_string()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{quoted}\"; filename*=UTF-8''{encoded}")),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox".to_owned()),
    ];
    Answer::Raw((headers, Body::from_stream(chunks)).into_response())
}
