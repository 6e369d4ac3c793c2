//! The use cases of tokens: made, shown once, used, revoked. Only the hash of a token's secret is kept.

use serde_json::json;

use super::{
    Made, Scope, TokenForm,
    store::{self, New, Token, Usable},
};
use crate::{
    actor::{Actor, Caller, Credential, Scopes},
    audit::{Action, Object},
    db::{Connected, Failure},
    form::{Conflict, Refusal},
    guard::Membership,
    members::store as members,
    permissions::{ConnectPmmServer, Permission, Role},
    portal::{Portal, Unit},
    secrets,
    words::{AccountId, MINUTE, MemberId, OrganizationId, Timestamp, TokenId},
};

/// With what every token's secret begins.
pub const PREFIX: &str = "opt_";
/// The most tokens that a member can have at once.
pub const MOST: i64 = 50;

/// A token as a page shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenView {
    /// Its id.
    pub id: TokenId,
    /// What its maker calls it.
    pub name: String,
    /// What it is for.
    pub scope: Scope,
    /// Whose, by name; nothing for one's own.
    pub maker: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it may be used.
    pub expires_at: Timestamp,
    /// Whether that is over.
    pub expired: bool,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
}

/// Whose a token is, and what may be done with it, by its secret. This is a use of the token, which is noted once a minute
/// and not on the request's way.
///
/// # Errors
/// 403 where the organization is suspended.
pub async fn authenticate(portal: &Portal, secret: &str) -> Result<Option<Actor>, Failure> {
    if !secret.starts_with(PREFIX) {
        return Ok(None);
    }
    let now = portal.clock.now();
    let Some(token) = store::usable(&mut portal.read().await?, &secrets::hash(secret), now).await? else { return Ok(None) };
    if let Some(reason) = token.suspension_reason {
        return Err(Refusal::Suspended(reason).into());
    }
    if token.last_used_at.is_none_or(|last| last.plus(MINUTE) <= now) {
        let (portal, id) = (portal.clone(), token.id);
        let tracker = portal.tasks.clone();
        tracker.spawn(async move {
            let touched = async {
                let mut tx = portal.db.begin().await?;
                store::touch(&mut tx, id, now).await?;
                tx.commit().await
            };
            if let Err(error) = touched.await {
                tracing::debug!(%error, "a token's last use could not be noted");
            }
        });
    }
    Ok(Some(Actor::from(token)))
}

impl From<Usable> for Actor {
    fn from(token: Usable) -> Self {
        Self {
            account: token.account_id,
            email: token.email,
            first_name: token.first_name,
            last_name: token.last_name,
            credential: Credential::Token(token.id),
            // The database knows no other names.
            scopes: match Scope::parse(&token.scope) {
                Some(Scope::Full) => Scopes::All,
                Some(Scope::Read) => Scopes::Read,
                Some(Scope::Connect) | None => Scopes::Connect,
            },
            // Nobody is one by a token.
            operator: false,
        }
    }
}

/// The tokens that a member sees: one's own, and for an Admin those of every member.
///
/// # Errors
/// The database's.
pub async fn list(db: &mut impl Connected, membership: &Membership, viewer: AccountId, now: Timestamp) -> Result<Vec<TokenView>, Failure> {
    let tokens = if sees_all(membership.role) {
        store::tokens_of_organization(db, membership.organization).await?
    } else {
        store::tokens_of_member(db, membership.member).await?
    };
    let mut names: Vec<(MemberId, String)> = Vec::new();
    let mut views = Vec::new();
    for token in tokens {
        let maker = if token.account_id == viewer { None } else { Some(name_of(db, &token, &mut names).await?) };
        views.push(view(token, maker, now));
    }
    Ok(views)
}

async fn name_of(db: &mut impl Connected, token: &Token, known: &mut Vec<(MemberId, String)>) -> Result<String, Failure> {
    if let Some((_, name)) = known.iter().find(|(member, _)| *member == token.member_id) {
        return Ok(name.clone());
    }
    let name = members::get(db, token.organization_id, token.member_id).await?.map(|row| row.name).unwrap_or_default();
    known.push((token.member_id, name.clone()));
    Ok(name)
}

fn view(token: Token, maker: Option<String>, now: Timestamp) -> TokenView {
    TokenView {
        id: token.id,
        scope: Scope::parse(&token.scope).unwrap_or(Scope::Connect),
        maker,
        created_at: token.created_at,
        expires_at: token.expires_at,
        expired: token.expires_at <= now,
        last_used_at: token.last_used_at,
        name: token.name,
    }
}

/// Every token is an Admin's to see and to revoke.
fn sees_all(role: Role) -> bool {
    role.may(Permission::ManageMembers)
}

/// A token that a member may revoke.
///
/// # Errors
/// 404 where there is none of that id.
pub async fn revocable(
    db: &mut impl Connected,
    membership: &Membership,
    viewer: AccountId,
    id: &str,
    now: Timestamp,
) -> Result<TokenView, Failure> {
    let id: TokenId = id.parse().map_err(|_| Refusal::NotFound)?;
    let token = store::token(db, id).await?.filter(|token| token.organization_id == membership.organization).ok_or(Refusal::NotFound)?;
    if token.account_id == viewer {
        return Ok(view(token, None, now));
    }
    if !sees_all(membership.role) {
        return Err(Refusal::NotFound.into());
    }
    let maker = name_of(db, &token, &mut Vec::new()).await?;
    Ok(view(token, Some(maker), now))
}

/// How many tokens of an organization can be used.
///
/// # Errors
/// The database's.
pub async fn count(db: &mut impl Connected, organization: OrganizationId, now: Timestamp) -> Result<i64, Failure> {
    Ok(store::count_tokens(db, organization, now).await?)
}

/// Makes a token of one's own. The secret is drawn here and comes back once: what is kept of the unit, for a form that
/// comes a second time, is the token's id.
///
/// # Errors
/// 422 for the fields, 401 for who comes with a token, 404, 403, 409 for who has as many as one can have.
pub async fn make(portal: &Portal, caller: &Caller, form: TokenForm) -> Result<Made, Refusal> {
    let actor = caller.actor()?.clone();
    // A token makes no tokens.
    actor.session()?;
    let organization = caller.organization()?;
    let token = form.parse()?;
    let (name, scope) = (token.name.clone(), token.scope);
    let (secret, id) = (portal.random.secret_named(PREFIX), TokenId(portal.random.id(portal.clock.now())));
    let (made, expires_at): (TokenId, Timestamp) = portal
        .write(
            caller,
            Action::MakeToken,
            (actor, organization, token, id, secret.hash()),
            |unit, (actor, organization, token, id, token_hash)| {
                Box::pin(async move {
                    unit.is_about(*organization, Object::new("token", "", token.name.as_str()));
                    let grant = unit.grant::<ConnectPmmServer>(*organization).await?;
                    let (member, now) = (grant.membership.member, unit.now);
                    if store::count_of_member(unit, member, now).await? >= MOST {
                        return Err(Conflict::TooManyTokens.into());
                    }
                    let new = New {
                        id: *id,
                        account: actor.account,
                        member,
                        name: token.name.clone(),
                        scope: token.scope.name(),
                        token_hash: token_hash.clone(),
                        expires_at: now.plus(token.life),
                    };
                    store::insert_token(unit, &grant, &new, now).await?;
                    let after = json!({ "scope": new.scope, "expires_at": new.expires_at.rfc3339() });
                    unit.audit(vec![Object::new("token", new.id, new.name.as_str())], json!(null), after).await?;
                    Ok((new.id, new.expires_at))
                })
            },
        )
        .await?;
    Ok(Made { name, scope, expires_at, secret: (made == id).then(|| secret.expose().to_owned()) })
}

/// Revokes a token: one's own, or, for an Admin, anybody's of the organization.
///
/// # Errors
/// 404 where there is none of that id, 403 for a colleague's.
pub async fn revoke(portal: &Portal, caller: &Caller, token: TokenId) -> Result<(), Refusal> {
    let actor = caller.actor()?.account;
    let organization = caller.organization()?;
    portal
        .write(caller, Action::RevokeToken, (actor, organization, token), |unit, &(actor, organization, token)| {
            Box::pin(async move {
                let found = store::token(unit, token).await?.filter(|token| token.organization_id == organization);
                if let Some(token) = &found {
                    unit.is_about(organization, Object::new("token", token.id, token.name.as_str()));
                }
                let grant = unit.grant::<ConnectPmmServer>(organization).await?;
                let token = found.ok_or(Refusal::NotFound)?;
                if token.account_id != actor && !sees_all(grant.membership.role) {
                    return Err(Refusal::Forbidden.into());
                }
                let mut objects = vec![Object::new("token", token.id, token.name.as_str())];
                if token.account_id != actor {
                    let maker = name_of(unit, &token, &mut Vec::new()).await?;
                    objects.push(Object::new("member", token.member_id, maker));
                }
                if !store::delete_token(unit, &grant, token.id).await? {
                    return Err(Refusal::NotFound.into());
                }
                unit.audit(objects, json!({ "scope": token.scope }), json!(null)).await?;
                Ok(())
            })
        })
        .await
}

/// Ends every token of an account, in a unit.
///
/// # Errors
/// The database's.
pub async fn end_all(unit: &mut Unit, account: AccountId) -> Result<u64, sqlx::Error> {
    store::delete_tokens_of(unit, account).await
}
