//! The one guard: who may do what in an organization, decided in the transaction that does it.
//!
//! A store function that writes in an organization asks for an `&impl Authority<P>`, and only what stands here can make
//! one: forgetting the check does not compile.

use crate::{
    actor::{Actor, ActorKind},
    db::{Connected, Failure},
    form::{Conflict, Refusal, Unauthenticated},
    permissions::{Permit, Role},
    portal::Unit,
    sql,
    words::{AccountId, Email, MemberId, OrganizationId, OrganizationName},
};

/// A membership as the guard sees it.
#[derive(Clone, Debug)]
pub struct Membership {
    /// The organization.
    pub organization: OrganizationId,
    /// Its name.
    pub organization_name: String,
    /// Which membership.
    pub member: MemberId,
    /// The role.
    pub role: Role,
}

#[derive(sqlx::FromRow)]
struct MembershipRow {
    organization_id: OrganizationId,
    organization_name: String,
    member_id: MemberId,
    role: String,
    suspended_at: Option<i64>,
    locked_until: Option<i64>,
}

/// The membership of an account, if it has one.
///
/// # Errors
/// 403 where the account is locked or the organization suspended.
pub async fn membership(db: &mut impl Connected, account: AccountId, now: crate::words::Timestamp) -> Result<Option<Membership>, Failure> {
    let row: Option<MembershipRow> = sql!(
        optional as MembershipRow,
        db,
        "SELECT m.organization_id, o.name AS organization_name, m.id AS member_id, m.role, o.suspended_at, a.locked_until
        FROM members m JOIN organizations o ON o.id = m.organization_id JOIN accounts a ON a.id = m.account_id WHERE m.account_id = $1",
        account
    )?;
    let Some(row) = row else { return Ok(None) };
    if row.suspended_at.is_some() || row.locked_until.is_some_and(|until| until > now.0) {
        return Err(Refusal::Forbidden.into());
    }
    let role = Role::parse(&row.role).ok_or_else(|| Failure::Fault(format!("a member has the role {:?}", row.role)))?;
    Ok(Some(Membership { organization: row.organization_id, organization_name: row.organization_name, member: row.member_id, role }))
}

/// The organization that an account belongs to, whatever its state.
///
/// # Errors
/// The database's.
pub async fn organization_of(db: &mut impl Connected, account: AccountId) -> Result<Option<OrganizationId>, sqlx::Error> {
    let row: Option<(OrganizationId,)> =
        sql!(optional as (OrganizationId,), db, "SELECT organization_id FROM members WHERE account_id = $1", account)?;
    Ok(row.map(|(id,)| id))
}

mod sealed {
    pub trait Sealed {}
}

/// The right to write in one organization. Sealed: a [`Grant`], an [`Acceptance`], a [`Founding`], a
/// [`Recreation`], or the portal's own [`System`].
pub trait Authority<P: Permit>: sealed::Sealed {
    /// In which organization.
    fn organization(&self) -> OrganizationId;
}

/// What the guard grants: the permission `P` in one organization, to one member, for this transaction.
#[derive(Debug)]
pub struct Grant<P: Permit> {
    /// The membership that has it.
    pub membership: Membership,
    permit: std::marker::PhantomData<P>,
}

impl<P: Permit> sealed::Sealed for Grant<P> {}
impl<P: Permit> Authority<P> for Grant<P> {
    fn organization(&self) -> OrganizationId {
        self.membership.organization
    }
}

/// A valid invitation, shown by whom it is for: the right to become a member of its organization.
#[derive(Debug)]
pub struct Acceptance {
    organization: OrganizationId,
}

impl Acceptance {
    /// Made from an invitation that was found pending and for this address, in the transaction that settles it.
    ///
    /// # Errors
    /// 409 where it is for another address.
    pub fn of(organization: OrganizationId, invited: &Email, actor: &Actor) -> Result<Self, Refusal> {
        if invited.key() == actor.email.key() { Ok(Self { organization }) } else { Err(Conflict::OtherAddress.into()) }
    }
}

impl sealed::Sealed for Acceptance {}
impl<P: Permit> Authority<P> for Acceptance {
    fn organization(&self) -> OrganizationId {
        self.organization
    }
}

/// The founding of an organization: its creator's right to become its first Admin.
#[derive(Debug)]
pub struct Founding {
    organization: OrganizationId,
}

impl Founding {
    /// For an organization that this unit is creating.
    #[must_use]
    pub fn of(organization: OrganizationId, _name: &OrganizationName) -> Self {
        Self { organization }
    }
}

impl sealed::Sealed for Founding {}
impl<P: Permit> Authority<P> for Founding {
    fn organization(&self) -> OrganizationId {
        self.organization
    }
}

/// A verified address that belongs to a customer: the right to recreate the customer's organization, or to join it.
#[derive(Debug)]
pub struct Recreation {
    organization: OrganizationId,
}

impl Recreation {
    /// For the organization of the customer whose record names the actor, as it was found in this unit, which holds the
    /// customer's lock.
    ///
    /// # Errors
    /// 404 where the record names another address.
    pub fn of(organization: OrganizationId, named: &Email, actor: &Actor) -> Result<Self, Refusal> {
        if named.key() == actor.email.key() { Ok(Self { organization }) } else { Err(Refusal::NotFound) }
    }
}

impl sealed::Sealed for Recreation {}
impl<P: Permit> Authority<P> for Recreation {
    fn organization(&self) -> OrganizationId {
        self.organization
    }
}

/// The portal itself, keeping in step what stands in two places.
#[derive(Debug)]
pub struct System {
    organization: OrganizationId,
}

impl System {
    /// For the organization of the account whose own data change.
    #[must_use]
    pub const fn keeping_in_step(organization: OrganizationId) -> Self {
        Self { organization }
    }

    /// For the organization of a customer whose record changes, or that the operator joins to one.
    #[must_use]
    pub const fn importing(organization: OrganizationId) -> Self {
        Self { organization }
    }

    /// For the organization of an account that ends: its membership ends with it, whatever the role allows.
    #[must_use]
    pub const fn ending_account(organization: OrganizationId) -> Self {
        Self { organization }
    }
}

impl sealed::Sealed for System {}
impl<P: Permit> Authority<P> for System {
    fn organization(&self) -> OrganizationId {
        self.organization
    }
}

/// The operator's import: what it writes is a customer's record, and no organization's own.
#[derive(Debug)]
pub struct Importing(());

impl Importing {
    /// For a unit of the portal's own, as commands run them.
    ///
    /// # Errors
    /// 403 for whoever comes from elsewhere.
    pub fn of(unit: &Unit) -> Result<Self, Refusal> {
        if unit.caller.kind == ActorKind::System { Ok(Self(())) } else { Err(Refusal::Forbidden) }
    }
}

/// A database without a soul: whatever is put in there touches nobody's rights.
#[derive(Debug)]
pub struct Vacant(());

impl Vacant {
    /// Looks whether anybody is there.
    ///
    /// # Errors
    /// The database's.
    pub async fn find(db: &mut impl Connected) -> Result<Option<Self>, sqlx::Error> {
        let somebody: Option<(AccountId,)> = sql!(optional as (AccountId,), db, "SELECT id FROM accounts LIMIT 1")?;
        Ok(somebody.is_none().then_some(Self(())))
    }
}

impl Unit {
    /// Grants a permission to whoever asks, in the organization that the form was drawn for, or refuses.
    ///
    /// Locks the organization's row first, so that nobody's role changes until this unit ends: what is granted here
    /// holds at the commit.
    ///
    /// # Errors
    /// 404 for who is not a member (an organization that is not yours is like one that does not exist), 409 where the
    /// actor is in another organization by now, 403 where the role does not allow it.
    pub async fn grant<P: Permit>(&mut self, organization: OrganizationId) -> Result<Grant<P>, Failure> {
        let account = self.caller.actor()?.account;
        let now = self.now;
        match membership(self, account, now).await? {
            None => return Err(Refusal::NotFound.into()),
            Some(m) if m.organization != organization => return Err(Conflict::OtherOrganization.into()),
            Some(_) => {}
        }
        lock(self, organization).await?;
        let membership = match membership(self, account, now).await? {
            Some(m) if m.organization == organization => m,
            _ => return Err(Refusal::NotFound.into()),
        };
        if !membership.role.may(P::PERMISSION) {
            return Err(Refusal::Forbidden.into());
        }
        self.acts_in(organization);
        Ok(Grant { membership, permit: std::marker::PhantomData })
    }

    /// Takes the lock of an account's row: the account is there until this unit ends, and in no other unit that takes
    /// the lock. Where an organization's lock is needed too, this one is taken first.
    ///
    /// # Errors
    /// 401 where the account is gone: whoever asks has no session any more either.
    pub async fn lock_account(&mut self, account: AccountId) -> Result<(), Failure> {
        match sql!(execute self, "UPDATE accounts SET revision = revision + 1 WHERE id = $1", account)? {
            0 => Err(Refusal::Unauthenticated(Unauthenticated::SignInRequired).into()),
            _ => Ok(()),
        }
    }

    /// Takes an organization's lock where the right comes from elsewhere than a membership.
    ///
    /// # Errors
    /// The database's.
    pub async fn lock_organization(&mut self, organization: OrganizationId) -> Result<(), Failure> {
        lock(self, organization).await?;
        self.acts_in(organization);
        Ok(())
    }
}

/// Takes the lock of an organization's row, on both engines alike: by raising its revision.
async fn lock(db: &mut impl Connected, organization: OrganizationId) -> Result<(), Failure> {
    match sql!(execute db, "UPDATE organizations SET revision = revision + 1 WHERE id = $1", organization)? {
        0 => Err(Refusal::NotFound.into()),
        _ => Ok(()),
    }
}
