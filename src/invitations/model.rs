use serde::{Deserialize, Serialize};

use crate::{
    form::FieldErrors,
    permissions::Role,
    words::{Email, InvitationId, Timestamp},
};

/// Invite Member, as it arrives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InviteForm {
    /// The address.
    pub email: String,
    /// The role's name.
    #[serde(default)]
    pub role: String,
}

/// An invitation that is right, as far as the form can tell.
#[derive(Clone, Debug)]
pub struct Invite {
    /// The address.
    pub email: Email,
    /// The role.
    pub role: Role,
}

impl InviteForm {
    /// Reads it.
    ///
    /// # Errors
    /// A sentence for each field that is wrong.
    pub fn parse(&self) -> Result<Invite, FieldErrors> {
        let mut errors = FieldErrors::default();
        let email = errors.take("email", Email::parse(&self.email));
        let role = errors.take("role", Role::parse(&self.role).ok_or("Choose a role"));
        match (email, role) {
            (Some(email), Some(role)) => Ok(Invite { email, role }),
            _ => Err(errors),
        }
    }
}

/// How an invitation stands, by the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// It can be accepted.
    Pending,
    /// Its time is over.
    Expired,
}

/// An invitation in its organization's list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvitationRow {
    /// Its id.
    pub id: InvitationId,
    /// To whom.
    pub email: String,
    /// With which role.
    pub role: Role,
    /// By whom.
    pub inviter: String,
    /// When it was last sent.
    pub sent_at: Timestamp,
    /// Until when it can be accepted.
    pub expires_at: Timestamp,
    /// How it stands.
    pub standing: Standing,
    /// Whether who looks may send it again or revoke it.
    pub manageable: bool,
}

/// An invitation, as the one it is for sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvitationView {
    /// Its id.
    pub id: InvitationId,
    /// The organization's name.
    pub organization: String,
    /// The address it is for.
    pub email: Email,
    /// The role.
    pub role: Role,
    /// Who invited.
    pub inviter: String,
    /// Until when it can be accepted.
    pub expires_at: Timestamp,
}
