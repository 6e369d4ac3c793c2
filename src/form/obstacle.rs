use super::{Conflict, Refusal};
use crate::db::Failure;

/// Why an account is not as the operator's identity system wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Another account has the address.
    AddressTaken,
    /// The operator's identity system calls another account so.
    ExternalIdTaken,
    /// No operator could sign in any more.
    LastOperator,
    /// The account is an operator's, whose address nobody else changes.
    OperatorsAddress,
    /// The account is the only member of an organization, which would end with it.
    OnlyMember,
    /// It was changed since it was read.
    ChangedMeanwhile,
}

impl Obstacle {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::AddressTaken => "address_taken",
            Self::ExternalIdTaken => "external_id_taken",
            Self::LastOperator => "last_operator",
            Self::OperatorsAddress => "operators_address",
            Self::OnlyMember => "only_member",
            Self::ChangedMeanwhile => "changed_meanwhile",
        }
    }

    /// The sentence for people: what happened and what to do.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::AddressTaken => "Another account has this address. Look it up by its address, and say what you call it (externalId).",
            Self::ExternalIdTaken => "Another account has this externalId.",
            Self::LastOperator => "The account is the last operator's who can sign in. Name another operator first.",
            Self::OperatorsAddress => "The account is an operator's, who alone changes its address, on the page Account.",
            Self::OnlyMember => {
                "The account is the only member of an organization, which would end with it. Deactivate the account, or have the organization deleted by its Admin first."
            }
            Self::ChangedMeanwhile => "It was changed since you read it. Read it again.",
        }
    }
}

impl From<Obstacle> for Refusal {
    fn from(obstacle: Obstacle) -> Self {
        Self::Conflict(Conflict::Account(obstacle))
    }
}

impl From<Obstacle> for Failure {
    fn from(obstacle: Obstacle) -> Self {
        Refusal::from(obstacle).into()
    }
}
