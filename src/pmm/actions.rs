//! The use cases of PMM servers: connect, disconnect, list.

use serde_json::json;

use super::{
    ConnectForm,
    store::{self, Connection, LIST, Row},
};
use crate::{
    actor::{Caller, Credential},
    audit::{Action, Object},
    db::{Connected as Database, Failure},
    form::{Conflict, Drawn, Refusal},
    guard::{self, Membership},
    list::{ListQuery, Listed},
    oauth::actions as oauth,
    permissions::{ConnectPmmServer, Permission, Role},
    portal::Portal,
    words::{AccountId, OrganizationId, PmmServerId, Timestamp},
};

/// So many servers a list without pages holds.
pub const MOST: usize = 1000;

/// A server as a page shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerView {
    /// Its id here.
    pub id: PmmServerId,
    /// What the server calls itself.
    pub server_id: String,
    /// What people call it.
    pub name: String,
    /// Its address.
    pub url: String,
    /// Who connected it, as that person was called then.
    pub connected_by: String,
    /// When.
    pub connected_at: Timestamp,
    /// When it last asked for anything, to some minutes.
    pub last_contact_at: Timestamp,
    /// Whether the reader may disconnect it.
    pub disconnectable: bool,
}

fn view(row: Row, role: Role, viewer: AccountId) -> ServerView {
    ServerView {
        disconnectable: may_disconnect(&row, role, viewer),
        id: row.id,
        server_id: row.server_id,
        name: row.name,
        url: row.url,
        connected_by: row.connected_by_name,
        connected_at: row.connected_at,
        last_contact_at: row.last_contact_at,
    }
}

/// An Admin disconnects any; whoever connected one disconnects that.
fn may_disconnect(row: &Row, role: Role, account: AccountId) -> bool {
    role.may(Permission::ManageMembers) || row.connected_by == Some(account)
}

/// What a server gets that connects. The secret is in no other place.
#[derive(Clone)]
pub struct Connected {
    /// The organization that it belongs to from now on.
    pub organization: OrganizationId,
    /// By which people sign in to it.
    pub public_client_id: String,
    /// By which it signs in itself.
    pub machine_client_id: String,
    /// The secret that goes with it.
    pub machine_client_secret: String,
}

/// Connects a PMM server to the organization of whoever asks. One that is connected to it already gets new credentials, and
/// the old ones are dead: it is another row, with which all that belonged to the old one ends. So whoever may not disconnect
/// it may not connect it again.
///
/// # Errors
/// 422 for the fields, 409 for who is in no organization and for a server of another one or of a colleague, 403.
pub async fn connect(portal: &Portal, caller: &Caller, form: ConnectForm) -> Result<Connected, Refusal> {
    let actor = caller.actor()?.clone();
    oauth::ready(portal)?;
    let server = form.parse()?;
    let looked_up = async { guard::membership(&mut portal.read().await?, actor.account, portal.clock.now()).await };
    let membership = looked_up.await.map_err(|failure| portal.refuse(failure))?;
    let organization = membership.ok_or(Conflict::NoOrganization)?.organization;
    let secret = portal.random.secret();
    let connection = Connection {
        by: actor.account,
        by_name: actor.name(),
        public_client_id: portal.random.tag(),
        machine_client_id: portal.random.tag(),
        machine_secret_hash: secret.hash(),
    };
    let connected = Connected {
        organization,
        public_client_id: connection.public_client_id.clone(),
        machine_client_id: connection.machine_client_id.clone(),
        machine_client_secret: secret.expose().to_owned(),
    };
    // The secret must not be kept, so this unit has no idempotency key: to connect twice is to connect again.
    let caller = Caller { drawn: Drawn::default(), ..caller.clone() };
    portal
        .write(&caller, Action::ConnectServer, (organization, server, connection), |unit, (organization, server, connection)| {
            Box::pin(async move {
                let object = Object::new("server", server.server_id.as_str(), server.name.as_str());
                unit.is_about(*organization, object.clone());
                let grant = unit.grant::<ConnectPmmServer>(*organization).await?;
                let mut before = json!(null);
                if let Some(earlier) = store::by_server_id(unit, &server.server_id).await? {
                    if earlier.organization_id != *organization {
                        return Err(Conflict::ServerElsewhere.into());
                    }
                    // To connect it again ends what the other one has.
                    if !may_disconnect(&earlier, grant.membership.role, connection.by) {
                        return Err(Conflict::ServerOfColleague.into());
                    }
                    before = json!({ "name": earlier.name, "url": earlier.url });
                    store::delete(unit, &grant, earlier.id).await?;
                }
                let (id, now) = (PmmServerId(unit.new_id()), unit.now);
                store::insert(unit, &grant, (id, server), connection, now).await?;
                unit.audit(vec![object], before, json!({ "name": server.name, "url": server.url })).await?;
                Ok(())
            })
        })
        .await?;
    Ok(connected)
}

/// Disconnects a PMM server by what it calls itself: every credential that it got ends at once. The server is not told.
///
/// # Errors
/// 404 where the organization has none of that id, 403 for who may not disconnect it.
pub async fn disconnect(portal: &Portal, caller: &Caller, organization: OrganizationId, server_id: &str) -> Result<(), Refusal> {
    let actor = caller.actor()?.clone();
    portal
        .write(caller, Action::DisconnectServer, (actor, organization, server_id.to_owned()), |unit, (actor, organization, server_id)| {
            Box::pin(async move {
                let about = store::by_server_id(unit, server_id).await?.filter(|row| row.organization_id == *organization);
                if let Some(row) = &about {
                    unit.is_about(*organization, Object::new("server", row.server_id.as_str(), row.name.as_str()));
                }
                let grant = unit.grant::<ConnectPmmServer>(*organization).await?;
                // Under the organization's lock: it may have been connected anew meanwhile.
                let row = store::by_server_id(unit, server_id).await?.filter(|row| row.organization_id == *organization);
                let row = row.ok_or(Refusal::NotFound)?;
                let of_another = matches!(actor.credential, Credential::Grant { server, .. } if server != row.id);
                if of_another || !may_disconnect(&row, grant.membership.role, actor.account) {
                    return Err(Refusal::Forbidden.into());
                }
                store::delete(unit, &grant, row.id).await?;
                let object = Object::new("server", row.server_id.as_str(), row.name.as_str());
                unit.audit(vec![object], json!({ "name": row.name, "url": row.url }), json!(null)).await?;
                Ok(())
            })
        })
        .await
}

/// What is asked of the list, from the query of an address.
#[must_use]
pub fn asked(query: &str) -> ListQuery {
    ListQuery::parse(url::form_urlencoded::parse(query.as_bytes()).into_owned(), &LIST.filters())
}

/// A page of an organization's servers.
///
/// # Errors
/// The database's.
pub async fn page(
    db: &mut impl Database,
    membership: &Membership,
    viewer: AccountId,
    query: &ListQuery,
    now: Timestamp,
) -> Result<Listed<ServerView>, Failure> {
    let page = LIST.page::<Row>(db, membership.organization.0, query, now, None).await?;
    Ok(page.map(|row| view(row, membership.role, viewer)))
}

/// The servers of an organization that connected last, at most [`MOST`].
///
/// # Errors
/// The database's.
pub async fn list(db: &mut impl Database, membership: &Membership) -> Result<Vec<Row>, Failure> {
    newest(db, membership.organization, MOST).await
}

/// The servers of an organization that connected last, for who manages none of them: at most so many.
///
/// # Errors
/// The database's.
pub async fn newest(db: &mut impl Database, organization: OrganizationId, most: usize) -> Result<Vec<Row>, Failure> {
    let (rows, _) = LIST.batch::<Row>(db, organization.0, &ListQuery::default(), Timestamp(0), Some(0), most).await?;
    Ok(rows)
}

/// How many servers an organization has connected.
///
/// # Errors
/// The database's.
pub async fn count(db: &mut impl Database, organization: OrganizationId) -> Result<i64, Failure> {
    Ok(store::count(db, organization).await?)
}

/// A server that a member may disconnect.
///
/// # Errors
/// 404 where there is none of that id.
pub async fn disconnectable(db: &mut impl Database, membership: &Membership, viewer: AccountId, id: &str) -> Result<ServerView, Failure> {
    let id: PmmServerId = id.parse().map_err(|_| Refusal::NotFound)?;
    let row = store::get(db, id).await?.filter(|row| row.organization_id == membership.organization).ok_or(Refusal::NotFound)?;
    let server = view(row, membership.role, viewer);
    if server.disconnectable { Ok(server) } else { Err(Refusal::NotFound.into()) }
}
