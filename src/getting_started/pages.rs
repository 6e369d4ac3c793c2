//! The page: a pure view.

use leptos::prelude::*;

use crate::{
    customers::{actions::Belonging, pages as customers},
    form::{Drawn, Refusal},
    invitations::InvitationView,
    ui::{Date, ErrorSummary, Hidden, Icon, LocalTimes, icons},
};

/// How a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is done.
    Done,
    /// It can be done now.
    Open,
    /// Something else comes first, or it is not yours to do.
    NotYours,
}

/// A step.
#[derive(Clone, Debug)]
pub struct Step {
    /// What is done in it.
    pub title: &'static str,
    /// In a sentence; why not, where it cannot be done.
    pub sentence: &'static str,
    /// How it stands.
    pub standing: Standing,
    /// Where it is done or seen: words and address.
    pub action: Option<(&'static str, &'static str)>,
}

/// An invitation that waits, with its two forms.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The invitation.
    pub invitation: InvitationView,
    /// To accept it.
    pub accept: Drawn,
    /// To decline it.
    pub decline: Drawn,
}

/// Getting Started.
#[must_use]
pub fn getting_started(
    steps: Vec<Step>,
    belonging: Option<(Belonging, Drawn)>,
    waiting: Vec<Waiting>,
    in_organization: bool,
    refusal: Option<Refusal>,
) -> AnyView {
    let (all, done) = (steps.len(), steps.iter().filter(|step| step.standing == Standing::Done).count());
    let first_open = steps.iter().position(|step| step.standing == Standing::Open);
    let primary = first_open.filter(|_| waiting.is_empty());
    view! {
        <header class="page-head" data-region="head">
            <div><h1>"Getting Started"</h1><p class="lede">"What sets up your team, step by step."</p></div>
            <p class="progress"><progress max=all.to_string() value=done.to_string() aria-hidden="true"></progress>{done} " of " {all} " done"</p>
        </header>
        <ErrorSummary refusal/>
        <div class="contents" data-region="waiting">
            {belonging.map(|(belonging, drawn)| customers::belonging(belonging, drawn))}
            {waiting.into_iter().enumerate().map(|(n, waiting)| invitation(n, waiting, in_organization)).collect_view()}
        </div>
        <ol class="steps" data-region="steps">{steps.into_iter().enumerate().map(|(n, step)| one(n, step, primary == Some(n))).collect_view()}</ol>
        <LocalTimes/>
    }
    .into_any()
}

/// Getting Started while one's organization is suspended.
#[must_use]
pub fn suspended(organization: String, reason: String, support: Option<String>) -> AnyView {
    view! {
        <header class="page-head" data-region="head"><div><h1>"Getting Started"</h1></div></header>
        <div class="contents" data-region="waiting">
            <div class="callout bad">
                <Icon inner=icons::BAN/>
                <div>
                    <p><strong><bdi>{organization}</bdi> " is suspended"</strong></p>
                    <p>"The reason that the operator gave: " <bdi>{reason}</bdi></p>
                    <p>"Nothing is lost, and nothing can be changed until it is open again." {support.map(|support| view! { " Questions? Write to " <a href=format!("mailto:{support}")>{support.clone()}</a> "." })}</p>
                </div>
            </div>
        </div>
        // The steps go from a page that is open, and come back to it.
        <ol class="steps" data-region="steps" hidden></ol>
    }
    .into_any()
}

fn invitation(n: usize, waiting: Waiting, in_organization: bool) -> AnyView {
    let Waiting { invitation, accept, decline } = waiting;
    let (id, key, heading) = (invitation.id.to_string(), invitation.id.to_string(), format!("invitation-{n}"));
    let answer = if in_organization {
        view! { <p>"You are in an organization, and an account can be in one at a time. To join, leave yours first."</p> }.into_any()
    } else {
        view! { <p>"You join as " {invitation.role.name()} ". The invitation is valid until " <Date at=invitation.expires_at/> "."</p> }
            .into_any()
    };
    view! {
        <section class="callout accent" aria-labelledby=heading.clone() data-key=key>
            <Icon inner=icons::MAIL/>
            <div class="callout-body">
                <div><p><strong id=heading.clone()><bdi>{invitation.inviter}</bdi> " invited you to " <bdi>{invitation.organization}</bdi></strong></p>{answer}</div>
                <div class="actions">
                    <form method="post" action="/do/decline_invitation"><Hidden drawn=decline/><input type="hidden" name="invitation" value=id.clone()/><button class="button">"Decline"</button></form>
                    {(!in_organization).then(|| view! {
                        <form method="post" action="/do/accept_invitation"><Hidden drawn=accept/><input type="hidden" name="invitation" value=id/><button class="button primary">"Accept"</button></form>
                    })}
                </div>
            </div>
        </section>
    }
    .into_any()
}

fn one(n: usize, step: Step, primary: bool) -> AnyView {
    match step.standing {
        Standing::Done => view! {
            <li class="step done">
                <span class="step-mark"><Icon inner=icons::CHECK/></span>
                <div class="step-body">
                    <div class="step-text"><h2><span class="vh">"Done: "</span>{step.title}</h2></div>
                    {step.action.map(|(words, href)| view! { <a class="button small quiet" href=href>{words}</a> })}
                </div>
            </li>
        }
        .into_any(),
        Standing::Open => view! {
            <li class="step">
                <span class="step-mark" aria-hidden="true">{n + 1}</span>
                <div class="step-body">
                    <div class="step-text"><h2>{step.title}</h2><p>{step.sentence}</p></div>
                    {step.action.map(|(words, href)| view! { <a class=if primary { "button primary" } else { "button" } href=href>{words}</a> })}
                </div>
            </li>
        }
        .into_any(),
        Standing::NotYours => view! {
            <li class="step locked">
                <span class="step-mark" aria-hidden="true"><Icon inner=icons::LOCK/></span>
                <div class="step-body"><div class="step-text"><h2><span class="vh">"Not yet: "</span>{step.title}</h2><p>{step.sentence}</p></div></div>
            </li>
        }
        .into_any(),
    }
}
