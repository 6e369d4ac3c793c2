//! All SQL of invitations.

use std::sync::LazyLock;

use uuid::Uuid;

use crate::{
    db::Connected,
    guard::{Authority, Vacant},
    list::sql::{Bound, Column, Filter, Key, Keyed, ListSpec, ListSql},
    permissions::{InviteMembers, ManageMembers, Role},
    sql,
    words::{AccountId, Email, InvitationId, OrganizationId, Timestamp},
};

/// An invitation's row, with its organization's name.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Row {
    /// Its id.
    pub id: InvitationId,
    /// Its organization.
    pub organization_id: OrganizationId,
    /// That one's name.
    pub organization_name: String,
    /// To whom.
    pub email: Email,
    /// The same, in lower case.
    pub email_key: String,
    /// The role's name.
    pub role: String,
    /// How it stands in the table: one whose time is over may still be `pending` there.
    pub state: String,
    /// By whom.
    pub invited_by: Option<AccountId>,
    /// That person's name then.
    pub invited_by_name: String,
    /// When it was last sent.
    pub sent_at: Timestamp,
    /// Until when it can be accepted.
    pub expires_at: Timestamp,
}

impl Row {
    /// The role. The database knows no other names.
    #[must_use]
    pub fn role(&self) -> Role {
        Role::parse(&self.role).unwrap_or(Role::TechnicalUser)
    }

    /// Whether it can be accepted.
    #[must_use]
    pub fn open(&self, now: Timestamp) -> bool {
        self.state == "pending" && self.expires_at > now
    }
}

/// An invitation by its id.
///
/// # Errors
/// The database's.
pub async fn get(db: &mut impl Connected, id: InvitationId) -> Result<Option<Row>, sqlx::Error> {
    sql!(optional as Row, db, "SELECT i.id, i.organization_id, o.name AS organization_name, i.email, i.email_key, i.role, i.state, i.invited_by, i.invited_by_name, i.sent_at, i.expires_at
        FROM invitations i JOIN organizations o ON o.id = i.organization_id WHERE i.id = $1", id)
}

/// An invitation by the hash of its link's secret.
///
/// # Errors
/// The database's.
pub async fn by_token(db: &mut impl Connected, token_hash: &[u8]) -> Result<Option<Row>, sqlx::Error> {
    sql!(optional as Row, db, "SELECT i.id, i.organization_id, o.name AS organization_name, i.email, i.email_key, i.role, i.state, i.invited_by, i.invited_by_name, i.sent_at, i.expires_at
        FROM invitations i JOIN organizations o ON o.id = i.organization_id WHERE i.token_hash = $1", token_hash)
}

/// The pending invitation of an address in an organization, expired or not.
///
/// # Errors
/// The database's.
pub async fn pending(db: &mut impl Connected, organization: OrganizationId, email_key: &str) -> Result<Option<Row>, sqlx::Error> {
    sql!(optional as Row, db, "SELECT i.id, i.organization_id, o.name AS organization_name, i.email, i.email_key, i.role, i.state, i.invited_by, i.invited_by_name, i.sent_at, i.expires_at
        FROM invitations i JOIN organizations o ON o.id = i.organization_id WHERE i.organization_id = $1 AND i.email_key = $2 AND i.state = 'pending'", organization, email_key)
}

/// The invitations that wait for an address, the newest first, at most 20.
///
/// # Errors
/// The database's.
pub async fn waiting_for(db: &mut impl Connected, email_key: &str, now: Timestamp) -> Result<Vec<Row>, sqlx::Error> {
    sql!(all as Row, db, "SELECT i.id, i.organization_id, o.name AS organization_name, i.email, i.email_key, i.role, i.state, i.invited_by, i.invited_by_name, i.sent_at, i.expires_at
        FROM invitations i JOIN organizations o ON o.id = i.organization_id WHERE i.email_key = $1 AND i.state = 'pending' AND i.expires_at > $2 ORDER BY i.sent_at DESC, i.id LIMIT 20", email_key, now)
}

/// An invitation in the list.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Listed {
    /// Its id.
    pub id: InvitationId,
    /// To whom.
    pub email: String,
    /// The same, in lower case.
    pub email_key: String,
    /// The role's name.
    pub role: String,
    /// How it stands in the table.
    pub state: String,
    /// By whom.
    pub invited_by: Option<AccountId>,
    /// That person's name then.
    pub invited_by_name: String,
    /// When it was last sent.
    pub sent_at: Timestamp,
    /// Until when it can be accepted.
    pub expires_at: Timestamp,
}

impl Keyed for Listed {
    fn id(&self) -> Uuid {
        self.id.0
    }
    fn key(&self, column: &str) -> Key {
        match column {
            "email" => Key::Text(self.email_key.clone()),
            "expires" => Key::Number(self.expires_at.0),
            _ => Key::Number(self.sent_at.0),
        }
    }
}

/// What the list shows where nothing is chosen: what is neither accepted, declined nor revoked.
pub const WAITING: &str = "waiting";

/// The list of invitations.
pub static LIST: LazyLock<ListSql> = LazyLock::new(|| {
    ListSql::new(ListSpec {
        select: "id, email, email_key, role, state, invited_by, invited_by_name, sent_at, expires_at",
        from: "invitations",
        scope: "organization_id = $1",
        id: "id",
        columns: &[
            Column { name: "sent", key: "sent_at", number: true, newest_first: true },
            Column { name: "email", key: "email_key", number: false, newest_first: false },
            Column { name: "expires", key: "expires_at", number: true, newest_first: true },
        ],
        searched: &["email_key"],
        indexed: None,
        filters: &[Filter {
            name: "state",
            conditions: &["state = 'pending' AND expires_at > $", "state = 'pending' AND expires_at <= $", "state = $"],
            read: |value, now| match value {
                WAITING => Some((2, Bound::Text("pending".to_owned()))),
                "pending" => Some((0, Bound::Number(now.0))),
                "expired" => Some((1, Bound::Number(now.0))),
                "accepted" | "declined" | "revoked" => Some((2, Bound::Text(value.to_owned()))),
                _ => None,
            },
        }],
    })
});
inventory::submit! { crate::db::Statement { texts: |dialect| LIST.texts(dialect), module: module_path!() } }

/// A new invitation.
#[derive(Clone, Debug)]
pub struct New {
    /// Its id.
    pub id: InvitationId,
    /// To whom.
    pub email: Email,
    /// With which role.
    pub role: Role,
    /// The hash of its link's secret.
    pub token_hash: Vec<u8>,
    /// By whom.
    pub invited_by: AccountId,
    /// That person's name.
    pub invited_by_name: String,
    /// Until when it can be accepted.
    pub expires_at: Timestamp,
}

/// Keeps a new invitation, and counts it.
///
/// # Errors
/// The database's; a unique violation where the address has a pending one.
pub async fn insert(
    db: &mut impl Connected,
    authority: &impl Authority<InviteMembers>,
    new: &New,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sql!(execute db, "INSERT INTO invitations (id, organization_id, email, email_key, role, state, token_hash, invited_by, invited_by_name, created_at, sent_at, expires_at) VALUES ($1, $2, $3, $4, $5, 'pending', $6, $7, $8, $9, $9, $10)",
        new.id, authority.organization(), new.email.as_str(), new.email.key(), new.role.name(), new.token_hash.as_slice(), new.invited_by, new.invited_by_name.as_str(), now, new.expires_at)?;
    crate::organizations::store::count_invitations(db, authority, 1).await
}

/// An invitation as it is put in with many others.
#[derive(Clone, Debug)]
pub struct Past {
    /// What a new one has.
    pub new: New,
    /// Of which organization.
    pub organization: OrganizationId,
    /// How it stands.
    pub state: &'static str,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// When it was settled, where it was.
    pub settled_at: Option<Timestamp>,
}

/// Keeps many invitations in a database where nobody was before. The organizations count them already.
///
/// # Errors
/// The database's.
pub async fn insert_many(db: &mut impl Connected, _: &Vacant, rows: &[Past]) -> Result<u64, sqlx::Error> {
    sql!(insert db, "INSERT INTO invitations (id, organization_id, email, email_key, role, state, token_hash, invited_by, invited_by_name, created_at, sent_at, expires_at, settled_at)", rows, |row| [row.new.id, row.organization, row.new.email.as_str(), row.new.email.key(), row.new.role.name(), row.state, row.new.token_hash.as_slice(), row.new.invited_by, row.new.invited_by_name.as_str(), row.sent_at, row.sent_at, row.new.expires_at, row.settled_at])
}

/// Gives a pending invitation a new link and a new time; the earlier link is unknown from then on.
///
/// # Errors
/// The database's.
pub async fn renew(
    db: &mut impl Connected,
    authority: &impl Authority<InviteMembers>,
    id: InvitationId,
    token_hash: &[u8],
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<bool, sqlx::Error> {
    Ok(
        sql!(execute db, "UPDATE invitations SET token_hash = $3, sent_at = $4, expires_at = $5 WHERE organization_id = $1 AND id = $2 AND state = 'pending'", authority.organization(), id, token_hash, now, expires_at)?
            == 1,
    )
}

/// Changes the role that a pending invitation offers.
///
/// # Errors
/// The database's.
pub async fn set_role(
    db: &mut impl Connected,
    authority: &impl Authority<ManageMembers>,
    id: InvitationId,
    role: Role,
) -> Result<bool, sqlx::Error> {
    Ok(
        sql!(execute db, "UPDATE invitations SET role = $3 WHERE organization_id = $1 AND id = $2 AND state = 'pending'", authority.organization(), id, role.name())?
            == 1,
    )
}

/// Settles a pending invitation, once: whoever comes second finds it settled.
///
/// # Errors
/// The database's.
pub async fn settle(
    db: &mut impl Connected,
    authority: &impl Authority<InviteMembers>,
    id: InvitationId,
    state: &'static str,
    by: AccountId,
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    let settled = sql!(execute db, "UPDATE invitations SET state = $3, settled_at = $4, settled_by = $5 WHERE organization_id = $1 AND id = $2 AND state = 'pending'", authority.organization(), id, state, now, by)?
        == 1;
    if settled {
        crate::organizations::store::count_invitations(db, authority, -1).await?;
    }
    Ok(settled)
}

/// Forgets every invitation of an organization that ends with them: their links are unknown from then on. Tells how many.
///
/// # Errors
/// The database's.
pub async fn delete_all(db: &mut impl Connected, authority: &impl Authority<ManageMembers>) -> Result<u64, sqlx::Error> {
    sql!(execute db, "DELETE FROM invitations WHERE organization_id = $1", authority.organization())
}
