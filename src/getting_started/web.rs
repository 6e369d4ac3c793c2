//! The page's handlers: load, draw.

use super::pages::{self, Standing, Step, Waiting};
use crate::{
    customers::actions::{self as customers, Belonging},
    db::Failure,
    invitations::actions as invitations,
    organizations::actions as organizations,
    pmm::actions as pmm,
    tickets::actions as tickets,
    visit::{Answer, Page, Visit},
};

/// `/`: Getting Started for who is signed in, the sign-in page for who is not.
///
/// # Errors
/// None.
pub async fn start(visit: &Visit) -> Result<Answer, Failure> {
    let place = if visit.caller.actor.is_some() { "/getting-started" } else { "/sign-in" };
    Ok(Answer::SeeOther(place.to_owned()))
}

/// `/getting-started`
///
/// # Errors
/// The database's.
pub async fn getting_started(visit: &Visit) -> Result<Answer, Failure> {
    if let Some((membership, reason)) = &visit.suspended {
        let (name, reason) = (membership.organization_name.clone(), reason.clone());
        let support = visit.portal.config.support_email.as_ref().map(ToString::to_string);
        return Ok(Page::narrow("Getting Started", move || pages::suspended(name, reason, support)).with_islands().into());
    }
    let actor = visit.actor()?;
    // What an operator looks after is in the console.
    if actor.operator && visit.membership.is_none() {
        return Ok(Answer::SeeOther("/operator".to_owned()));
    }
    let mut db = visit.portal.read().await?;
    let organization = match &visit.membership {
        Some(membership) => Some(organizations::details(&mut db, membership.organization).await?),
        None => None,
    };
    let asked = match &visit.membership {
        Some(membership) => tickets::summary(&mut db, membership, actor).await?.total > 0,
        None => false,
    };
    let connected = match &visit.membership {
        Some(membership) => pmm::count(&mut db, membership.organization).await? > 0,
        None => false,
    };
    let waiting = invitations::waiting_for(&mut db, actor, visit.portal.clock.now()).await?;
    let belonging = match &organization {
        Some(_) => None,
        None => customers::belonging(&mut db, actor, visit.portal.clock.now()).await?,
    };
    drop(db);
    let steps = vec![
        match &organization {
            Some(_) => Step {
                title: "Add an organization",
                sentence: "",
                standing: Standing::Done,
                action: Some(("View Organization", "/organization")),
            },
            None if matches!(belonging, Some(Belonging::Joins(_))) => Step {
                title: "Join your organization",
                sentence: "Your company is known here, so there is nothing to add.",
                standing: Standing::Open,
                action: None,
            },
            None if belonging.is_some() => Step {
                title: "Open your organization",
                sentence: "Your company is known here, so there is nothing to add.",
                standing: Standing::NotYours,
                action: None,
            },
            None => Step {
                title: "Add an organization",
                sentence: "Your team and what belongs to it live in an organization. You become its Admin.",
                standing: Standing::Open,
                action: Some(("Add Organization", "/organization/add")),
            },
        },
        match &organization {
            Some(organization) if organization.members > 1 || organization.invitations > 0 => Step {
                title: "Invite members",
                sentence: "",
                standing: Standing::Done,
                action: Some(("View members", "/organization/members")),
            },
            Some(_) => Step {
                title: "Invite members",
                sentence: "Colleagues get a mail with a link, valid for some days, and join with the role that you choose.",
                standing: Standing::Open,
                action: Some(("Invite Member", "/organization/members/invite")),
            },
            None => Step {
                title: "Invite members",
                sentence: "Opens when you have an organization.",
                standing: Standing::NotYours,
                action: None,
            },
        },
        Step {
            title: "Connect a PMM server",
            sentence: match &organization {
                Some(_) => "Your monitoring shows tickets and entitlements then, and people sign in to it with their account here.",
                None => "Opens when you have an organization.",
            },
            standing: match &organization {
                Some(_) if connected => Standing::Done,
                Some(_) => Standing::Open,
                None => Standing::NotYours,
            },
            action: organization.as_ref().map(|_| {
                if connected {
                    ("View PMM servers", "/organization/servers")
                } else {
                    ("Connect a server", "/organization/servers#connect")
                }
            }),
        },
        Step {
            title: "Raise a ticket",
            sentence: match &organization {
                Some(_) => "Ask the support of this portal when something does not work. The answers stand here and come by mail.",
                None => "Opens when you have an organization.",
            },
            standing: match &organization {
                Some(_) if asked => Standing::Done,
                Some(_) => Standing::Open,
                None => Standing::NotYours,
            },
            action: organization
                .as_ref()
                .map(|_| if asked { ("View tickets", "/organization/tickets") } else { ("Raise ticket", "/organization/tickets/new") }),
        },
    ];
    let waiting = waiting.into_iter().map(|invitation| Waiting { invitation, accept: visit.drawn(), decline: visit.drawn() }).collect();
    let in_organization = organization.is_some();
    let refusal = visit.state.as_ref().map(|state| state.refusal.clone());
    let belonging = belonging.map(|belonging| (belonging, visit.drawn()));
    Ok(Page::narrow("Getting Started", move || pages::getting_started(steps, belonging, waiting, in_organization, refusal))
        .with_islands()
        .into())
}
