//! The use cases: reading the audit log of one's organization.

use serde_json::Value;

use super::{EventView, Piece};
use crate::{
    audit::{Action, LIST, Row, SUCCESS},
    db::{Connected, Failure},
    guard::Membership,
    list::{ListQuery, Listed, csv},
    portal::Portal,
    sessions::device,
    visit::Answer,
    words::{OrganizationId, Timestamp},
};

/// What is asked of the list, from the query of an address.
#[must_use]
pub fn asked(query: &str) -> ListQuery {
    ListQuery::parse(url::form_urlencoded::parse(query.as_bytes()).into_owned(), &LIST.filters())
}

/// A page of an organization's events, the newest first where nothing else is asked for.
///
/// # Errors
/// The database's.
pub async fn page(
    db: &mut impl Connected,
    organization: OrganizationId,
    query: &ListQuery,
    now: Timestamp,
) -> Result<Listed<EventView>, Failure> {
    Ok(LIST.page::<Row>(db, organization.0, query, now, None).await?.map(|row| view(&row)))
}

/// The events that a query asks for, as CSV.
#[must_use]
pub fn export(portal: &Portal, membership: &Membership, query: &str) -> Answer {
    let (portal, organization, now, query) = (portal.clone(), membership.organization, portal.clock.now(), asked(query));
    let head = ["Time", "Who", "What", "Outcome", "Address", "Program", "Request"];
    csv::answer("activity.csv", &head, move |after| {
        let (portal, query) = (portal.clone(), ListQuery { after, before: String::new(), ..query.clone() });
        Box::pin(async move {
            let mut db = portal.read().await?;
            let (rows, next) = LIST.batch::<Row>(&mut db, organization.0, &query, now, None, csv::BATCH).await?;
            let lines = rows.into_iter().map(|row| {
                let event = view(&row);
                let (who, what) = (event.who().to_owned(), event.what());
                vec![row.at.rfc3339(), who, what, row.outcome, row.address, row.user_agent, row.request_id]
            });
            Ok((lines.collect(), next))
        })
    })
}

/// An event in words.
fn view(row: &Row) -> EventView {
    EventView {
        id: row.id,
        at: row.at,
        actor: row.actor_id.map(|account| (account, row.actor_name.clone())),
        pieces: pieces(row),
        refused: (row.outcome != SUCCESS).then(|| reason(&row.outcome)),
        device: if row.user_agent.is_empty() { String::new() } else { device(&row.user_agent) },
        address: row.address.clone(),
    }
}

/// What was done, or tried, as the rest of a sentence that begins with who did it.
fn pieces(row: &Row) -> Vec<Piece> {
    let done = row.outcome == SUCCESS;
    let verb = |past: &str, base: &str| Piece::Words(if done { past.to_owned() } else { format!("tried to {base}") });
    let words = |text: &str| Piece::Words(text.to_owned());
    let objects = parsed(&row.objects);
    // An attempt on what was not there names nobody.
    let named = |kind: &str, nobody: &str| {
        let names: Vec<&str> =
            objects.as_array().into_iter().flatten().filter(|object| object["kind"] == kind).filter_map(|o| o["name"].as_str()).collect();
        if names.is_empty() { Piece::Words(nobody.to_owned()) } else { Piece::Name(names.join(", ")) }
    };
    let (before, after) = (parsed(&row.before_state), parsed(&row.after_state));
    let state = |state: &Value, key: &str| state[key].as_str().unwrap_or_default().to_owned();
    let (member, invited) = (|| named("member", "somebody"), || named("invitation", "somebody"));
    let from_to = |key: &str| match (state(&before, key), state(&after, key)) {
        (from, to) if from.is_empty() || to.is_empty() => None,
        (from, to) => Some((from, to)),
    };
    let role = |mut pieces: Vec<Piece>| {
        pieces.extend(from_to("role").map(|(from, to)| Piece::Words(format!("from {from} to {to}"))));
        pieces
    };
    let Some(action) = Action::parse(&row.action) else { return vec![words(&row.action)] };
    match action {
        Action::RecreateOrganization => vec![verb("recreated the organization", "recreate the organization"), named("organization", "")],
        Action::LinkCustomer => vec![words("joined the organization with its customer record")],
        Action::AddOrganization => vec![verb("added the organization", "add the organization"), named("organization", "")],
        Action::RenameOrganization => match from_to("name") {
            Some((from, to)) => vec![words("renamed the organization from"), Piece::Name(from), words("to"), Piece::Name(to)],
            None => vec![verb("renamed the organization", "rename the organization")],
        },
        Action::DeleteOrganization => vec![verb("deleted the organization", "delete the organization")],
        Action::InviteMember => {
            let role = state(&after, "role");
            let role = (!role.is_empty()).then(|| Piece::Words(format!("as {role}")));
            [verb("invited", "invite"), invited()].into_iter().chain(role).collect()
        }
        Action::ResendInvitation => vec![verb("invited", "invite"), invited(), words("again")],
        Action::ChangeInvitationRole => role(vec![verb("changed the invitation of", "change the invitation of"), invited()]),
        Action::RevokeInvitation => vec![verb("revoked the invitation of", "revoke the invitation of"), invited()],
        Action::AcceptInvitation | Action::JoinCustomer => {
            vec![verb("joined", "join"), Piece::Words(format!("as {}", state(&after, "role")))]
        }
        Action::DeclineInvitation => vec![verb("declined the invitation of", "decline the invitation of"), invited()],
        Action::ChangeRole => role(vec![verb("changed the role of", "change the role of"), member()]),
        Action::RemoveMember => vec![verb("removed", "remove"), member()],
        Action::LeaveOrganization => vec![verb("left the organization", "leave the organization")],
        Action::RaiseTicket => vec![verb("raised the ticket", "raise a ticket"), named("ticket", "")],
        Action::MirrorTicket => vec![words("brought news from support about the ticket"), named("ticket", "")],
        Action::ReplyToTicket => vec![verb("replied to the ticket", "reply to the ticket"), named("ticket", "")],
        Action::ReopenTicket => vec![verb("reopened the ticket", "reopen the ticket"), named("ticket", "")],
        Action::ResolveTicket => vec![verb("marked as resolved the ticket", "resolve the ticket"), named("ticket", "")],
        other => vec![words(other.code())],
    }
}

fn parsed(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_default()
}

/// Why something was refused, by the stable code of the refusal, as others read it.
fn reason(code: &str) -> String {
    match code {
        "forbidden" => "Their role does not allow it",
        "not_found" => "There was no such thing, or not any more",
        "last_admin" => "The organization would have had no Admin",
        "own_role" => "Nobody changes their own role",
        "already_invited" => "The address was invited already",
        "already_member" => "The address belongs to a member",
        "name_of_customer" => "The organization has the name of its customer record",
        "not_pending" => "The invitation was not pending any more",
        "other_organization" => "The form was drawn for another organization",
        "ticket_over" => "The ticket was closed",
        "invalid" => "What was asked for is not possible",
        "too_many_requests" => "Too many attempts",
        other => return format!("Refused ({other})"),
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(action: Action, outcome: &str, objects: &str, before: &str, after: &str) -> String {
        let row = Row {
            id: uuid::Uuid::nil(),
            at: Timestamp(0),
            actor_id: None,
            actor_name: String::new(),
            action: action.code().to_owned(),
            objects: objects.to_owned(),
            before_state: before.to_owned(),
            after_state: after.to_owned(),
            outcome: outcome.to_owned(),
            address: String::new(),
            user_agent: String::new(),
            request_id: String::new(),
        };
        view(&row).what()
    }

    #[test]
    fn events_are_said_in_sentences() {
        let bob = r#"[{"kind":"member","id":"1","name":"Bob"}]"#;
        let new = r#"[{"kind":"invitation","id":"1","name":"new@example.com"}]"#;
        for (action, outcome, objects, before, after, sentence) in [
            (
                Action::ChangeRole,
                SUCCESS,
                bob,
                r#"{"role":"Technical user"}"#,
                r#"{"role":"Admin"}"#,
                "changed the role of Bob from Technical user to Admin",
            ),
            (Action::ChangeRole, "forbidden", bob, "null", "null", "tried to change the role of Bob"),
            (Action::RemoveMember, SUCCESS, bob, "null", "null", "removed Bob"),
            (Action::RemoveMember, "not_found", "[]", "null", "null", "tried to remove somebody"),
            (Action::InviteMember, SUCCESS, new, "null", r#"{"role":"Admin"}"#, "invited new@example.com as Admin"),
            (Action::InviteMember, "already_invited", new, "null", "null", "tried to invite new@example.com"),
            (Action::RenameOrganization, SUCCESS, "[]", r#"{"name":"A"}"#, r#"{"name":"B"}"#, "renamed the organization from A to B"),
            (Action::LeaveOrganization, SUCCESS, bob, "{}", "null", "left the organization"),
            (Action::AcceptInvitation, SUCCESS, new, "null", r#"{"role":"Admin"}"#, "joined as Admin"),
            (Action::InviteMember, SUCCESS, "not json", "", "", "invited somebody"),
        ] {
            assert_eq!(said(action, outcome, objects, before, after), sentence);
        }
    }
}
