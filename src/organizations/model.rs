use serde::{Deserialize, Serialize};

use crate::words::{OrganizationId, Timestamp};

/// Add Organization, and another name for one, as they arrive.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct OrganizationForm {
    /// The name.
    pub name: String,
}

/// How it was made sure that an organization is to end.
#[derive(Clone, Debug)]
pub enum Confirmed {
    /// Its name was typed.
    Typed(String),
    /// A program asked for it by the organization's id.
    ById,
}

/// Delete organization, as it arrives.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct DeleteForm {
    /// The organization's name, typed to confirm.
    #[serde(default)]
    pub name: String,
}

/// The details of an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrganizationView {
    /// Its id.
    pub id: OrganizationId,
    /// Its name.
    pub name: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// By whom, as that person was called then.
    pub created_by: String,
    /// How many members it has.
    pub members: i64,
    /// How many invitations are pending, expired ones among them until they are sent again.
    pub invitations: i64,
}
