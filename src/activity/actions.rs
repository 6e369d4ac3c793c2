//! The use cases: reading the audit log, of one's organization or, for operators, all of it. Every event is said here.

use serde_json::Value;

use super::{EventView, Noted, Piece, Reader};
use crate::{
    audit::{self, ALL, Action, Asked, IDENTITY_SYSTEM, LIST, OPERATOR, Row, SUCCESS},
    db::{Connected, Failure},
    guard::Membership,
    list::{ListQuery, Listed, csv},
    organizations::store as organizations,
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
    Ok(LIST.page::<Row>(db, organization.0, query, now, None).await?.map(|row| view(&row, Reader::Admins)))
}

/// What is asked of the list of everything.
#[must_use]
pub fn asked_of_all(query: &str) -> ListQuery {
    ListQuery::parse(url::form_urlencoded::parse(query.as_bytes()).into_owned(), &ALL.filters())
}

/// A page of all events, for operators.
///
/// # Errors
/// The database's.
pub async fn page_of_all(db: &mut impl Connected, query: &ListQuery, now: Timestamp) -> Result<Listed<EventView>, Failure> {
    let mut page = ALL.page::<Row>(db, None, query, now, None).await?.map(|row| view(&row, Reader::Operators));
    let mut names: Vec<(OrganizationId, Option<String>)> = Vec::new();
    for (id, name) in page.rows.iter_mut().filter_map(|event| event.organization.as_mut()) {
        if !names.iter().any(|(known, _)| known == id) {
            names.push((*id, organizations::get(db, *id).await?.map(|row| row.name)));
        }
        *name = names.iter().find(|(known, _)| known == id).and_then(|(_, name)| name.clone());
    }
    Ok(page)
}

/// The events that a query of an operator's asks for, as CSV.
#[must_use]
pub fn export_all(portal: &Portal, query: &str) -> Answer {
    let (portal, now, query) = (portal.clone(), portal.clock.now(), asked_of_all(query));
    let head = ["Time", "Who", "Account", "What", "Organization", "Outcome", "Address", "Program", "Request"];
    csv::answer("audit.csv", &head, move |after| {
        let (portal, query) = (portal.clone(), ListQuery { after, before: String::new(), ..query.clone() });
        Box::pin(async move {
            let mut db = portal.read().await?;
            let (rows, next) = ALL.batch::<Row>(&mut db, None, &query, now, None, csv::BATCH).await?;
            let lines = rows.into_iter().map(|row| {
                let event = view(&row, Reader::Operators);
                let (who, what) = (event.who().to_owned(), event.what());
                let account = row.actor_id.map(|id| id.to_string()).unwrap_or_default();
                let organization = row.organization_id.map(|id| id.to_string()).unwrap_or_default();
                vec![row.at.rfc3339(), who, account, what, organization, row.outcome, row.address, row.user_agent, row.request_id]
            });
            Ok((lines.collect(), next))
        })
    })
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
                let event = view(&row, Reader::Admins);
                let (who, what) = (event.who().to_owned(), event.what());
                if is_hidden(&row, Reader::Admins) {
                    return vec![row.at.rfc3339(), who, what, row.outcome, String::new(), String::new(), String::new()];
                }
                vec![row.at.rfc3339(), who, what, row.outcome, row.address, row.user_agent, row.request_id]
            });
            Ok((lines.collect(), next))
        })
    })
}

/// The events of an organization that a program asks for, as they were noted, and how many there are: so many from a place
/// on.
///
/// # Errors
/// The database's.
pub async fn events(
    db: &mut impl Connected,
    organization: OrganizationId,
    asked: &Asked,
    limit: i64,
    offset: i64,
) -> Result<(Vec<Noted>, i64), Failure> {
    let (rows, total) = audit::events(db, organization, asked, limit, offset).await?;
    Ok((rows.into_iter().map(noted).collect(), total))
}

fn noted(row: Row) -> Noted {
    let hidden = is_hidden(&row, Reader::Admins);
    // Why somebody is locked is between them and the operator.
    let secret = row.action == Action::LockAccount.code();
    let state = |json: &str| if secret { Value::Null } else { parsed(json) };
    let text = |text: String| if hidden { String::new() } else { text };
    let objects = parsed(&row.objects).as_array().cloned().unwrap_or_default();
    let of = |object: &Value, name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    Noted {
        id: row.id,
        at: row.at,
        account: row.actor_id.filter(|_| !hidden),
        actor_kind: row.actor_kind,
        refused: (row.outcome != SUCCESS).then(|| reason(&row.outcome)),
        objects: objects.iter().map(|object| (of(object, "kind"), of(object, "id"), of(object, "name"))).collect(),
        before: state(&row.before_state),
        after: state(&row.after_state),
        action: row.action,
        address: text(row.address),
        user_agent: text(row.user_agent),
        request_id: text(row.request_id),
    }
}

/// Whether a reader is not told who did something, and from where.
fn is_hidden(row: &Row, reader: Reader) -> bool {
    reader == Reader::Admins && row.actor_kind == OPERATOR
}

/// An event in words.
fn view(row: &Row, reader: Reader) -> EventView {
    let hidden = is_hidden(row, reader);
    EventView {
        id: row.id,
        at: row.at,
        actor: row.actor_id.filter(|_| !hidden).map(|account| (account, row.actor_name.clone())),
        otherwise: match row.actor_kind.as_str() {
            OPERATOR => "The operator",
            "anonymous" => "Somebody",
            _ if row.actor_name == IDENTITY_SYSTEM => IDENTITY_SYSTEM,
            _ => "The portal",
        },
        pieces: pieces(row, reader),
        refused: (row.outcome != SUCCESS).then(|| reason(&row.outcome)),
        device: if row.user_agent.is_empty() || hidden { String::new() } else { device(&row.user_agent) },
        address: if hidden { String::new() } else { row.address.clone() },
        organization: row.organization_id.filter(|_| reader == Reader::Operators).map(|id| (id, None)),
    }
}

/// What was done, or tried, as the rest of a sentence that begins with who did it.
fn pieces(row: &Row, reader: Reader) -> Vec<Piece> {
    let done = row.outcome == SUCCESS;
    let verb = |past: &str, base: &str| Piece::Words(if done { past.to_owned() } else { format!("tried to {base}") });
    let words = |text: &str| Piece::Words(text.to_owned());
    let objects = parsed(&row.objects);
    // An attempt on what was not there names nobody.
    let named = |kind: &str, nobody: &str| {
        let names: Vec<&str> = objects
            .as_array()
            .into_iter()
            .flatten()
            .filter(|object| object["kind"] == kind)
            .filter_map(|o| o["name"].as_str())
            .filter(|name| !name.is_empty())
            .collect();
        if names.is_empty() { Piece::Words(nobody.to_owned()) } else { Piece::Name(names.join(", ")) }
    };
    let (before, after) = (parsed(&row.before_state), parsed(&row.after_state));
    let state = |state: &Value, key: &str| state[key].as_str().unwrap_or_default().to_owned();
    let (member, invited) = (|| named("member", "somebody"), || named("invitation", "somebody"));
    let (account, address) = (|| named("account", "somebody"), || named("address", "an address"));
    let from_to = |key: &str| match (state(&before, key), state(&after, key)) {
        (from, to) if from.is_empty() || to.is_empty() => None,
        (from, to) => Some((from, to)),
    };
    let role = |mut pieces: Vec<Piece>| {
        pieces.extend(from_to("role").map(|(from, to)| Piece::Words(format!("from {from} to {to}"))));
        pieces
    };
    let renamed = |past: &str, base: &str, key: &str| match from_to(key) {
        Some((from, to)) => vec![Piece::Words(format!("{past} from")), Piece::Name(from), words("to"), Piece::Name(to)],
        None => vec![verb(past, base)],
    };
    // The reason that an operator gave.
    let because = |mut pieces: Vec<Piece>| {
        let reason = state(&after, "reason");
        if !reason.is_empty() {
            pieces.extend([words("with the reason"), Piece::Name(reason)]);
        }
        pieces
    };
    // What somebody else than its owner changed of an account.
    let changed_of = |what: &str, key: &str| {
        let mut pieces = vec![verb(&format!("changed the {what} of"), &format!("change the {what} of")), account()];
        if let Some((from, to)) = from_to(key) {
            pieces.extend([words("from"), Piece::Name(from), words("to"), Piece::Name(to)]);
        }
        pieces
    };
    let by_itself = row.actor_name != IDENTITY_SYSTEM;
    let Some(action) = Action::parse(&row.action) else { return vec![words(&row.action)] };
    match action {
        Action::SignUp => vec![verb("asked for an account for", "get an account for"), named("sign_up", "an address")],
        Action::VerifyEmail => vec![verb("verified the address of", "verify the address of"), account()],
        Action::SignIn => vec![verb("signed in to the account of", "sign in to the account of"), account()],
        Action::SignInFailed if state(&after, "step") == "code" => {
            vec![words("tried to sign in as"), address(), words("with the right password and a wrong code")]
        }
        Action::SignInFailed if state(&after, "step") == "passkey" => {
            vec![words("tried to sign in as"), address(), words("with a passkey that was refused")]
        }
        Action::SignInFailed if state(&after, "step") == "program" => {
            vec![words("tried to sign in as"), address(), words("with a program, which cannot show the second factor")]
        }
        Action::SignInFailed => vec![words("tried to sign in as"), address()],
        Action::SignOut => vec![verb("signed out", "sign out")],
        Action::EndSession => vec![verb("ended one of their sessions", "end a session")],
        Action::EndOtherSessions => vec![verb("ended all their other sessions", "end their other sessions")],
        Action::RequestPasswordReset => {
            vec![verb("asked for a link to reset the password of", "get a link to reset the password of"), address()]
        }
        Action::ResetPassword => vec![verb("reset the password of", "reset a password"), account()],
        Action::ChangePassword => vec![verb("changed their password", "change their password")],
        Action::ChangeName if !by_itself => changed_of("name", "name"),
        Action::ChangeName => renamed("changed their name", "change their name", "name"),
        Action::RequestEmailChange => vec![verb("asked to have the address", "change their address to"), address()],
        Action::UndoChange => vec![words("undid a change of the credentials of"), account()],
        Action::ChangeEmail if !by_itself => changed_of("address", "email"),
        Action::ChangeEmail => renamed("changed their address", "change their address", "email"),
        Action::AddAuthenticator => vec![verb("set up the authenticator app", "set up an authenticator app"), named("factor", "")],
        Action::RemoveFactor => vec![verb("removed the second factor", "remove a second factor"), named("factor", "")],
        Action::AddPasskey => vec![verb("added the passkey", "add a passkey"), named("factor", "")],
        Action::MakeRecoveryCodes => vec![verb("made new recovery codes", "make new recovery codes")],
        Action::RemoveFactors => because(vec![verb("removed the second factors of", "remove the second factors of"), account()]),
        Action::UseRecoveryCode => vec![words("used a recovery code of"), account()],
        Action::DeleteAccount if !by_itself => vec![verb("deleted the account of", "delete the account of"), account()],
        Action::CreateAccount => vec![verb("made an account for", "make an account"), named("account", "")],
        Action::ProvisionAccount => vec![verb("noted what it calls the account of", "change the account of"), account()],
        Action::DeleteAccount => vec![verb("deleted their account", "delete their account")],
        Action::LinkIdentity => {
            vec![verb("linked the account of", "link the account of"), account(), words("to"), named("identity", "a sign-in service")]
        }
        Action::UnlinkIdentity => {
            vec![verb("unlinked the account of", "unlink the account of"), account(), words("from"), named("identity", "a sign-in service")]
        }
        Action::Prove => vec![verb("gave their password once more", "give their password once more")],
        Action::RecreateOrganization => vec![verb("recreated the organization", "recreate the organization"), named("organization", "")],
        Action::LinkCustomer => vec![words("joined the organization with its customer record")],
        Action::RemindAdministrator => {
            vec![verb("reminded the administrator of", "remind the administrator of"), named("customer", "their company")]
        }
        Action::ImportCustomers => vec![verb("imported customers from", "import customers"), named("file", "a file")],
        Action::OpenCustomer => {
            vec![verb("named", "name"), address(), words("as the administrator of"), named("customer", "a customer")]
        }
        Action::AddOperator => vec![verb("gave the rights of an operator to", "give the rights of an operator to"), account()],
        Action::RemoveOperator => vec![verb("took the rights of an operator from", "take the rights of an operator from"), account()],
        Action::LockAccount => {
            let locked = vec![verb("locked the account of", "lock the account of"), account()];
            // Why somebody is locked is between them and the operator.
            if reader == Reader::Operators { because(locked) } else { locked }
        }
        Action::UnlockAccount => vec![verb("unlocked the account of", "unlock the account of"), account()],
        Action::SuspendOrganization => {
            because(vec![verb("suspended the organization", "suspend the organization"), named("organization", "")])
        }
        Action::ResumeOrganization => {
            vec![verb("opened the organization again:", "open the organization again:"), named("organization", "one that is not there")]
        }
        Action::RetryMail if state(&before, "kind") == "webhook" => {
            vec![verb("sent an event on its way again", "send an event on its way again")]
        }
        Action::RetryMail if state(&before, "kind") == "desk" => {
            vec![verb("sent a ticket on its way again", "send a ticket on its way again")]
        }
        Action::RetryMail => vec![verb("sent a mail on its way again to", "send a mail on its way again to"), address()],
        Action::Maintain => vec![words("kept house")],
        Action::AddOrganization => vec![verb("added the organization", "add the organization"), named("organization", "")],
        Action::RenameOrganization => renamed("renamed the organization", "rename the organization", "name"),
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
            let role = state(&after, "role");
            std::iter::once(verb("joined", "join")).chain((!role.is_empty()).then(|| Piece::Words(format!("as {role}")))).collect()
        }
        Action::DeclineInvitation => vec![verb("declined the invitation of", "decline the invitation of"), invited()],
        Action::ChangeRole => role(vec![verb("changed the role of", "change the role of"), member()]),
        Action::RemoveMember => vec![verb("removed", "remove"), member()],
        Action::LeaveOrganization => vec![verb("left the organization", "leave the organization")],
        Action::RaiseTicket => vec![verb("raised the ticket", "raise a ticket"), named("ticket", "")],
        Action::MirrorTicket => vec![words("brought news from support about the ticket"), named("ticket", "")],
        Action::ReplyToTicket => vec![verb("replied to the ticket", "reply to the ticket"), named("ticket", "")],
        Action::ReopenTicket => vec![verb("reopened the ticket", "reopen the ticket"), named("ticket", "")],
        Action::AnswerTicket => vec![verb("replied to the ticket", "reply to the ticket"), named("ticket", "")],
        Action::ChangeTicket => {
            let changed = |key: &str, words: &str| {
                from_to(key).filter(|(from, to)| from != to).map(|(from, to)| format!("{words}from {from} to {to}"))
            };
            // Not whom: to customers the operator is one.
            let assignee = (before["assignee"] != after["assignee"]).then(|| "in who has it".to_owned());
            let changes: Vec<String> =
                [changed("state", ""), changed("priority", "in priority "), assignee].into_iter().flatten().collect();
            let ticket = [verb("changed the ticket", "change the ticket"), named("ticket", "")];
            ticket.into_iter().chain((!changes.is_empty()).then(|| Piece::Words(changes.join(" and ")))).collect()
        }
        Action::NoteTicket => vec![verb("wrote a note on the ticket", "write a note on the ticket"), named("ticket", "")],
        Action::MakeToken => vec![verb("made the token", "make a token"), named("token", "")],
        Action::RevokeToken => {
            let mut pieces = vec![verb("revoked the token", "revoke the token"), named("token", "")];
            if let maker @ Piece::Name(_) = named("member", "") {
                pieces.extend([words("of"), maker]);
            }
            pieces
        }
        Action::ConnectServer => vec![verb("connected the PMM server", "connect the PMM server"), named("server", "")],
        Action::DisconnectServer => vec![verb("disconnected the PMM server", "disconnect the PMM server"), named("server", "")],
        Action::AllowServer => {
            vec![words("let"), named("server", "a PMM server"), words("know who they are")]
        }
        Action::ForgetServer => {
            vec![verb("took back that", "take back that"), named("server", "a PMM server"), words("knows who they are")]
        }
        Action::SignOutOfServer => vec![verb("signed out of the PMM server", "sign out of the PMM server"), named("server", "")],
        Action::SignInToServer => vec![verb("signed in to the PMM server", "sign in to the PMM server"), named("server", "")],
        Action::ReuseServerToken => {
            vec![words("was signed out of the PMM server"), named("server", ""), words("because a token came a second time")]
        }
        Action::RotateKeys => vec![words("rotated the keys by which the portal signs")],
        Action::ResolveTicket => vec![verb("marked as resolved the ticket", "resolve the ticket"), named("ticket", "")],
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
        "server_elsewhere" => "The server is connected to another organization",
        "server_of_colleague" => "Somebody else had connected the server",
        "too_many_tokens" => "They had as many tokens as one can have",
        "invalid" => "What was asked for is not possible",
        "too_many_requests" => "Too many attempts",
        "suspended" | "organization_suspended" => "The organization was suspended",
        "account_locked" => "The account was locked",
        "wrong_password" => "The password was wrong",
        "provider_away" => "The sign-in service did not answer",
        "provider_wrong" | "provider_not_anew" => "What the sign-in service answered could not be relied on",
        "provider_denied" => "The sign-in service did not sign them in",
        "unverified_address" => "The sign-in service did not say that the address is verified",
        "only_way_in" => "It was the only way into the account",
        "already_so" => "It was so already",
        "address_taken" => "Another account has the address",
        "external_id_taken" => "Another account is called so by the identity system",
        "last_operator" => "No operator could have signed in any more",
        "operators_address" => "An operator changes their address themselves",
        "only_member" => "An organization would have ended with it",
        "changed_meanwhile" => "It was changed meanwhile",
        other => return format!("Refused ({other})"),
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said_to(reader: Reader, action: Action, outcome: &str, objects: &str, before: &str, after: &str) -> String {
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
            organization_id: None,
            actor_kind: OPERATOR.to_owned(),
        };
        view(&row, reader).what()
    }

    fn said(action: Action, outcome: &str, objects: &str, before: &str, after: &str) -> String {
        said_to(Reader::Admins, action, outcome, objects, before, after)
    }

    #[test]
    fn the_reason_of_a_lock_is_for_operators() {
        let bob = r#"[{"kind":"account","id":"1","name":"Bob"}]"#;
        let locked = |reader| said_to(reader, Action::LockAccount, SUCCESS, bob, "null", r#"{"reason":"Spam"}"#);
        assert_eq!(locked(Reader::Operators), "locked the account of Bob with the reason Spam");
        assert_eq!(locked(Reader::Admins), "locked the account of Bob");
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
