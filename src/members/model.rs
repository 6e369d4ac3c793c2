use serde::{Deserialize, Serialize};

use crate::{
    form::FieldErrors,
    list::Listed,
    permissions::Role,
    words::{MemberId, OrganizationId, Timestamp},
};

/// How somebody became a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// By creating the organization.
    Creation,
    /// By an invitation.
    Invitation,
    /// By signing in with an address of the customer's.
    Customer,
}

impl Source {
    /// Its name in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Creation => "creation",
            Self::Invitation => "invitation",
            Self::Customer => "customer",
        }
    }
}

/// Whoever was seen within so many days is active.
pub const ACTIVE_DAYS: i64 = 30;

/// How a member stands, by the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Seen within [`ACTIVE_DAYS`].
    Active,
    /// Not seen since.
    Inactive,
}

impl Standing {
    /// Every standing.
    pub const ALL: [Self; 2] = [Self::Active, Self::Inactive];

    /// Its name in the URL.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
        }
    }

    /// Its name on pages.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Active => "Active in the last 30 days",
            Self::Inactive => "Not active for 30 days",
        }
    }

    /// Reads a name in the URL.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|standing| standing.name() == name)
    }
}

/// A member, as the list shows one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRow {
    /// The membership.
    pub id: MemberId,
    /// The person's name.
    pub name: String,
    /// The address.
    pub email: String,
    /// The role.
    pub role: Role,
    /// Since when.
    pub joined_at: Timestamp,
    /// Last seen, to the minute.
    pub last_active_at: Timestamp,
    /// Whether it is the one who looks.
    pub own: bool,
}

/// A page of the members' list.
pub type MembersPage = Listed<MemberRow>;

/// Edit Member, as it arrives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleForm {
    /// Whose role.
    pub member: String,
    /// The new role's name.
    #[serde(default)]
    pub role: String,
}

impl RoleForm {
    /// Reads the role.
    ///
    /// # Errors
    /// Where there is no such role.
    pub fn parse(&self) -> Result<Role, FieldErrors> {
        Role::parse(&self.role).ok_or_else(|| FieldErrors::one("role", "Choose a role"))
    }
}

/// Leave organization, as it arrives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaveForm {
    /// The organization's name, typed by whom it ends with.
    #[serde(default)]
    pub name: String,
}

/// What it means that a member goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// The others stay.
    OthersStay,
    /// There are others, and none of them is an Admin: the member cannot go.
    OnlyAdmin,
    /// There is nobody else: the organization ends too.
    Alone,
}

/// How many members can be changed at once.
pub const SEVERAL: usize = 200;

/// Several members at once, as they arrive: to be removed, or given a role.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeveralForm {
    /// Whose.
    #[serde(default)]
    pub members: Vec<String>,
    /// What each of them was called when the form was drawn: to name who is gone since.
    #[serde(default)]
    pub names: Vec<String>,
    /// The new role's name.
    #[serde(default)]
    pub role: String,
}

impl SeveralForm {
    /// Reads the members, each once, with what they were called where that was sent along.
    ///
    /// # Errors
    /// Where there are none, or more than [`SEVERAL`].
    pub fn members(&self) -> Result<Vec<(MemberId, String)>, FieldErrors> {
        let mut names = self.names.iter();
        // What is no id is nobody's: it is answered like an unknown one.
        let members = self.members.iter().map(|id| id.parse().unwrap_or(MemberId(uuid::Uuid::nil())));
        let mut members: Vec<_> = members.map(|id| (id, names.next().cloned().unwrap_or_default())).collect();
        members.sort_by_key(|(id, _)| id.0);
        members.dedup_by_key(|(id, _)| *id);
        match members.len() {
            0 => Err(FieldErrors::one("", "Choose at least one member")),
            n if n > SEVERAL => Err(FieldErrors::one("", format!("Choose at most {SEVERAL} members at once"))),
            _ => Ok(members),
        }
    }

    /// Reads the role.
    ///
    /// # Errors
    /// Where there is no such role.
    pub fn role(&self) -> Result<Role, FieldErrors> {
        Role::parse(&self.role).ok_or_else(|| FieldErrors::one("role", "Choose a role"))
    }
}

/// What the members' island needs to know about who looks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Viewer {
    /// The organization that is shown.
    pub organization: OrganizationId,
    /// Its name.
    pub organization_name: String,
    /// The role of who looks.
    pub role: Role,
}
