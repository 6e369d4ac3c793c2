//! The one guard: who may do what in an organization, decided in the transaction that does it.
//!
//! A store function that writes in an organization asks for an `&impl Authority<P>`, and only what stands here can make
//! one: forgetting the check does not compile. What operators do asks for an [`Operator`] in the same way.

use crate::{
    actor::{Actor, ActorKind},
    config::Required,
    db::{Connected, Failure},
    form::{Conflict, Refusal, Unauthenticated},
    outbox::Claimed,
    permissions::{Permit, RaiseTicket, Role},
    portal::Unit,
    sql,
    words::{AccountId, DAY, Email, MINUTE, MemberId, OrganizationId, OrganizationName, Timestamp},
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
    suspension_reason: Option<String>,
    locked_until: Option<Timestamp>,
}

/// A membership, and what stands in its way.
#[derive(Clone, Debug)]
pub struct Seat {
    /// The membership.
    pub membership: Membership,
    /// Why its organization is suspended, where it is.
    pub suspended: Option<String>,
    locked_until: Option<Timestamp>,
}

/// The membership of an account, if it has one, whatever stands in its way: nothing is allowed by it.
///
/// # Errors
/// The database's.
pub async fn seat(db: &mut impl Connected, account: AccountId) -> Result<Option<Seat>, Failure> {
    let row: Option<MembershipRow> = sql!(
        optional as MembershipRow,
        db,
        "SELECT m.organization_id, o.name AS organization_name, m.id AS member_id, m.role, o.suspension_reason, a.locked_until
        FROM members m JOIN organizations o ON o.id = m.organization_id JOIN accounts a ON a.id = m.account_id WHERE m.account_id = $1",
        account
    )?;
    let Some(row) = row else { return Ok(None) };
    let role = Role::parse(&row.role).ok_or_else(|| Failure::Fault(format!("a member has the role {:?}", row.role)))?;
    let membership =
        Membership { organization: row.organization_id, organization_name: row.organization_name, member: row.member_id, role };
    Ok(Some(Seat { membership, suspended: row.suspension_reason, locked_until: row.locked_until }))
}

/// The membership of an account, if it has one.
///
/// # Errors
/// 401 where the account is locked, 403 where the organization is suspended.
pub async fn membership(db: &mut impl Connected, account: AccountId, now: Timestamp) -> Result<Option<Membership>, Failure> {
    match seat(db, account).await? {
        None => Ok(None),
        Some(seat) if seat.locked_until.is_some_and(|until| until > now) => Err(Refusal::Unauthenticated(Unauthenticated::Locked).into()),
        Some(Seat { suspended: Some(reason), .. }) => Err(Refusal::Suspended(reason).into()),
        Some(seat) => Ok(Some(seat.membership)),
    }
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
/// [`Recreation`], an [`OperatorAct`], or the portal's own [`System`].
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

/// The operator's identity system, for this transaction: the right to keep accounts, and nothing else. It is in no organization
/// and makes nobody an operator.
#[derive(Debug)]
pub struct Provisioning(());

impl Provisioning {
    /// For a unit that the identity system asks for, whose token the door has compared.
    ///
    /// # Errors
    /// 403 for whoever comes from elsewhere.
    pub fn of(unit: &Unit) -> Result<Self, Refusal> {
        if unit.caller.kind == ActorKind::IdentitySystem { Ok(Self(())) } else { Err(Refusal::Forbidden) }
    }
}

impl sealed::Sealed for Provisioning {}

/// The right to act on the accounts of others: an [`Operator`]'s, or the identity system's, [`Provisioning`].
pub trait Administering: sealed::Sealed + Sync {}
impl Administering for Operator {}
impl Administering for Provisioning {}

/// The right to write in a ticket that was found for whoever writes: a member's [`Grant`], the operator's [`Staff`], or
/// what keeps it alike at the desk elsewhere, [`Mirroring`].
pub trait Handling: sealed::Sealed {}
impl Handling for Grant<RaiseTicket> {}
impl Handling for Staff {}
impl Handling for Mirroring {}

/// Keeping tickets alike here and at the operator's desk elsewhere.
#[derive(Debug)]
pub struct Mirroring(());

impl Mirroring {
    /// For a unit of the portal's own, as the synchronization runs them: what the desk says.
    ///
    /// # Errors
    /// 403 for whoever comes from elsewhere.
    pub fn of(unit: &Unit) -> Result<Self, Refusal> {
        if unit.caller.kind == ActorKind::System { Ok(Self(())) } else { Err(Refusal::Forbidden) }
    }

    /// For what a unit that was allowed to has put into the outbox: how it came to the desk.
    #[must_use]
    pub const fn bringing(_: &Claimed) -> Self {
        Self(())
    }
}

impl sealed::Sealed for Mirroring {}

/// An operator who answers tickets, for this transaction. The password is not asked for again: it is what they do all day.
#[derive(Debug)]
pub struct Staff(());
impl sealed::Sealed for Staff {}

/// For how long a proof of who one is lasts, in microseconds: what operators write asks for a newer one.
pub const PROOF: i64 = 10 * MINUTE;

/// Whether a proof of a moment still lasts.
#[must_use]
pub fn is_proven(authenticated_at: Timestamp, now: Timestamp) -> bool {
    authenticated_at.plus(PROOF) > now
}

/// An account that runs the portal, with its password given within the last [`PROOF`], for this transaction: the right to
/// do what operators do to accounts and to the portal itself.
#[derive(Debug)]
pub struct Operator {
    account: AccountId,
}

impl Operator {
    /// The account.
    #[must_use]
    pub const fn account(&self) -> AccountId {
        self.account
    }
}

impl sealed::Sealed for Operator {}

/// What an operator does in one organization.
#[derive(Debug)]
pub struct OperatorAct {
    organization: OrganizationId,
}

impl sealed::Sealed for OperatorAct {}
impl<P: Permit> Authority<P> for OperatorAct {
    fn organization(&self) -> OrganizationId {
        self.organization
    }
}

#[derive(sqlx::FromRow)]
struct OperatorRow {
    authenticated_at: Timestamp,
    password_printed_at: Option<Timestamp>,
    password_changed_at: Option<Timestamp>,
}

/// How an account stands as an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether its password was given within the last [`PROOF`] in this session.
    pub proven: bool,
    /// Whether its password is still the one that was printed when the operator was made.
    pub password_due: bool,
}

/// How the account of a session stands as an operator; nothing where it is none.
///
/// # Errors
/// The database's.
pub async fn standing(db: &mut impl Connected, actor: &Actor, now: Timestamp) -> Result<Option<Standing>, Failure> {
    // Nobody is an operator by a token.
    let Ok(session) = actor.session() else { return Ok(None) };
    let row: Option<OperatorRow> = sql!(
        optional as OperatorRow,
        db,
        "SELECT s.authenticated_at, o.password_printed_at, c.changed_at AS password_changed_at
        FROM operators o JOIN sessions s ON s.account_id = o.account_id LEFT JOIN credentials c ON c.account_id = o.account_id AND c.kind = 'password'
        WHERE o.account_id = $1 AND s.id = $2",
        actor.account,
        session
    )?;
    Ok(row.map(|row| Standing {
        proven: is_proven(row.authenticated_at, now),
        password_due: row.password_printed_at.is_some_and(|printed| row.password_changed_at == Some(printed)),
    }))
}

/// For how long the password that was printed when an operator was made signs anybody in.
pub const PRINTED_LASTS: i64 = DAY;

/// Whether an account's password is still the one that was printed when the operator was made, and that is too long ago.
///
/// # Errors
/// The database's.
pub async fn is_printed_and_over(db: &mut impl Connected, account: AccountId, now: Timestamp) -> Result<bool, sqlx::Error> {
    let printed: Option<(Timestamp,)> = sql!(
        optional as (Timestamp,),
        db,
        "SELECT o.password_printed_at FROM operators o JOIN credentials c ON c.account_id = o.account_id AND c.kind = 'password'
        WHERE o.account_id = $1 AND c.changed_at = o.password_printed_at",
        account
    )?;
    Ok(printed.is_some_and(|(printed,)| printed.plus(PRINTED_LASTS) <= now))
}

/// Whether a session may be used for nothing but setting up a second factor: the operator asks one from its account, which
/// has none. What comes with a token was allowed by somebody who was asked.
///
/// # Errors
/// The database's.
pub async fn owes_factor(db: &mut impl Connected, required: Required, actor: &Actor) -> Result<bool, Failure> {
    if required == Required::Nobody || actor.session().is_err() {
        return Ok(false);
    }
    let (factors, administers): (i64, i64) = sql!(
        one as (i64, i64),
        db,
        "SELECT (SELECT count(*) FROM authenticators WHERE account_id = $1) + (SELECT count(*) FROM passkeys WHERE account_id = $1),
        (SELECT count(*) FROM operators WHERE account_id = $1) + (SELECT count(*) FROM members WHERE account_id = $1 AND role = 'Admin')",
        actor.account
    )?;
    Ok(factors == 0 && (required == Required::Everyone || administers > 0))
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

    /// Takes the lock of an account's row: the account is there and not locked by an operator until this unit ends, and
    /// in no other unit that takes the lock. Every unit begins with it for whoever calls ([`Portal::write`](crate::portal::Portal::write)).
    /// Where an organization's lock is needed too, this one is taken first.
    ///
    /// # Errors
    /// 401 where the account is locked, or gone: whoever asks has no session any more either.
    pub async fn lock_account(&mut self, account: AccountId) -> Result<(), Failure> {
        let row: Option<(Option<Timestamp>,)> = sql!(
            optional as (Option<Timestamp>,),
            self,
            "UPDATE accounts SET revision = revision + 1 WHERE id = $1 RETURNING locked_until",
            account
        )?;
        match row {
            None => Err(Refusal::Unauthenticated(Unauthenticated::SignInRequired).into()),
            Some((Some(until),)) if until > self.now => Err(Refusal::Unauthenticated(Unauthenticated::Locked).into()),
            Some(_) => Ok(()),
        }
    }

    /// Lets an operator act: whoever calls is one still, is not locked (as of every unit's begin), has a password of their
    /// own and gave it within the last [`PROOF`].
    ///
    /// # Errors
    /// 404 for who is none (there is no such thing for them), 403 with the printed password, 401 without the proof.
    pub async fn operator(&mut self) -> Result<Operator, Failure> {
        let Some(actor) = self.caller.actor.clone() else { return Err(Refusal::NotFound.into()) };
        let now = self.now;
        let standing = standing(self, &actor, now).await?.ok_or(Refusal::NotFound)?;
        if standing.password_due {
            return Err(Refusal::Forbidden.into());
        }
        if !standing.proven {
            return Err(Refusal::Unauthenticated(Unauthenticated::ProofRequired).into());
        }
        self.caller.kind = ActorKind::Operator;
        Ok(Operator { account: actor.account })
    }

    /// Lets an operator answer tickets.
    ///
    /// # Errors
    /// 404 for who is none (there is no such thing for them), 403 with the printed password.
    pub async fn staff(&mut self) -> Result<Staff, Failure> {
        let Some(actor) = self.caller.actor.clone() else { return Err(Refusal::NotFound.into()) };
        let now = self.now;
        if standing(self, &actor, now).await?.ok_or(Refusal::NotFound)?.password_due {
            return Err(Refusal::Forbidden.into());
        }
        self.caller.kind = ActorKind::Operator;
        Ok(Staff(()))
    }

    /// Lets an operator act in an organization, whose lock is taken: its members' units wait for the end of this one.
    ///
    /// # Errors
    /// 404 where there is no such organization.
    pub async fn operator_in(&mut self, _: &Operator, organization: OrganizationId) -> Result<OperatorAct, Failure> {
        self.lock_organization(organization).await?;
        Ok(OperatorAct { organization })
    }

    /// Takes the lock of the row of another account that an operator or the identity system acts on.
    ///
    /// # Errors
    /// 404 where there is no such account.
    pub async fn lock_account_for(&mut self, _: &impl Administering, account: AccountId) -> Result<(), Failure> {
        match sql!(execute self, "UPDATE accounts SET revision = revision + 1 WHERE id = $1", account)? {
            0 => Err(Refusal::NotFound.into()),
            _ => Ok(()),
        }
    }

    /// Takes an organization's lock where somebody enters it, leaves it, or answers its invitation by a right from elsewhere
    /// than a membership.
    ///
    /// # Errors
    /// 404 where there is none, 409 where it is suspended.
    pub async fn lock_open_organization(&mut self, organization: OrganizationId) -> Result<(), Failure> {
        self.lock_organization(organization).await?;
        let (suspended,): (Option<Timestamp>,) =
            sql!(one as (Option<Timestamp>,), self, "SELECT suspended_at FROM organizations WHERE id = $1", organization)?;
        if suspended.is_some() { Err(Conflict::OrganizationSuspended.into()) } else { Ok(()) }
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
