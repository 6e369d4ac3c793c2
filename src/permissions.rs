//! Who may do what inside an organization: the one table, as data, read by the browser (which hides what the server
//! would refuse) and by the server (which decides). `SPEC.md` §2.

use serde::{Deserialize, Serialize};

/// What a member is in an organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Role {
    /// Manages the organization and its members.
    Admin,
    /// Works with it.
    #[serde(rename = "Technical user")]
    TechnicalUser,
}

impl Role {
    /// Every role, the highest first.
    pub const ALL: [Self; 2] = [Self::Admin, Self::TechnicalUser];

    /// The role's name, the same on pages, in forms and in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admin => "Admin",
            Self::TechnicalUser => "Technical user",
        }
    }

    /// Reads a role's name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// Whether this role has the permission.
    #[must_use]
    pub fn may(self, permission: Permission) -> bool {
        TABLE.iter().any(|row| row.permission == permission && if self == Self::Admin { row.admin } else { row.technical_user })
    }

    /// The roles that somebody of this role may give to whom they invite: none above their own.
    #[must_use]
    pub fn may_give(self) -> &'static [Self] {
        match self {
            Self::Admin => &Self::ALL,
            Self::TechnicalUser => &[Self::TechnicalUser],
        }
    }
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Permission {
    /// See the organization and who is in it.
    ViewMembers,
    /// Rename or delete the organization, remove members, manage every invitation.
    ManageMembers,
    /// Invite, with a role no higher than one's own, and manage one's own invitations.
    InviteMembers,
    /// Change the role of others.
    ChangeRole,
    /// See entitlements, contacts and all tickets.
    ViewCustomerData,
    /// Connect PMM servers and make tokens of one's own.
    ConnectPmmServer,
    /// Raise tickets and follow one's own.
    RaiseTicket,
}

/// One row: the permission, how it is called on pages, and who has it.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Which permission.
    pub permission: Permission,
    /// Its name on pages.
    pub title: &'static str,
    /// Whether an Admin has it, and the limits to it.
    pub admin: bool,
    /// The limit for an Admin, in words, or nothing.
    pub admin_note: &'static str,
    /// Whether a Technical user has it.
    pub technical_user: bool,
    /// The limit for a Technical user, in words, or nothing.
    pub technical_user_note: &'static str,
}

const fn row(
    permission: Permission,
    title: &'static str,
    admin_note: &'static str,
    technical_user: bool,
    technical_user_note: &'static str,
) -> Row {
    Row { permission, title, admin: true, admin_note, technical_user, technical_user_note }
}

/// The whole of authorization inside an organization (`SPEC.md` §2).
pub const TABLE: [Row; 7] = [
    row(Permission::ViewMembers, "View members and organization", "", true, ""),
    row(Permission::ManageMembers, "Manage members and organization", "", false, ""),
    row(Permission::InviteMembers, "Invite members", "", true, "as Technical user only"),
    row(Permission::ChangeRole, "Change a member's role", "of others only", false, ""),
    row(Permission::ViewCustomerData, "View customer data (entitlements, contacts, tickets)", "", false, ""),
    row(Permission::ConnectPmmServer, "Connect a PMM server", "", true, ""),
    row(Permission::RaiseTicket, "Raise a support ticket", "", true, ""),
];

/// A permission as a type, so that what the guard grants cannot be taken for another (`guard::Grant`).
pub trait Permit: Send + Sync + 'static {
    /// Which permission.
    const PERMISSION: Permission;
}

macro_rules! permits {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name;
        impl Permit for $name {
            const PERMISSION: Permission = Permission::$name;
        }
    )*};
}
permits!(
    /// [`Permission::ViewMembers`]
    ViewMembers,
    /// [`Permission::ManageMembers`]
    ManageMembers,
    /// [`Permission::InviteMembers`]
    InviteMembers,
    /// [`Permission::ChangeRole`]
    ChangeRole,
    /// [`Permission::ConnectPmmServer`]
    ConnectPmmServer,
    /// [`Permission::RaiseTicket`]
    RaiseTicket,
);

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of `SPEC.md` §2, written a second time on purpose: a slip in `TABLE` must not pass.
    #[test]
    fn the_table_is_the_specification() {
        let rights = |role: Role| {
            [
                Permission::ViewMembers,
                Permission::ManageMembers,
                Permission::InviteMembers,
                Permission::ChangeRole,
                Permission::ViewCustomerData,
                Permission::ConnectPmmServer,
                Permission::RaiseTicket,
            ]
            .map(|p| role.may(p))
        };
        assert_eq!(rights(Role::Admin), [true; 7]);
        assert_eq!(rights(Role::TechnicalUser), [true, false, true, false, false, true, true]);
    }

    #[test]
    fn nobody_gives_a_role_above_their_own() {
        assert_eq!(Role::Admin.may_give(), &[Role::Admin, Role::TechnicalUser]);
        assert_eq!(Role::TechnicalUser.may_give(), &[Role::TechnicalUser]);
    }
}
