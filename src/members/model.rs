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
}

impl Source {
    /// Its name in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Creation => "creation",
            Self::Invitation => "invitation",
        }
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
