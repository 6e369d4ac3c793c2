//! Org Portal: a self-hosted web portal in which a software vendor's customers gather their team.
//!
//! `docs/architecture.md` tells how the parts work together.
#![recursion_limit = "256"]

// The house, both sides
/// Forms, refusals, and the door through which plain forms reach server functions.
pub mod form;
/// Lists: what is asked for, and how it stands in the URL.
pub mod list;
/// What open pages are told.
pub mod live;
/// The permission table.
pub mod permissions;
/// Components without a domain.
pub mod ui;
/// Newtypes: addresses, names, ids, moments.
pub mod words;

// The rooms
/// Accounts: sign-up, verification, names, passwords.
pub mod accounts;
/// The Activity tab: an organization's audit log.
pub mod activity;
/// `/v1`: what programs call.
#[cfg(feature = "ssr")]
pub mod api;
/// Customers of the operator: imported, recreated as organizations, with entitlements and contacts.
pub mod customers;
/// The operator's desk elsewhere: ServiceNow, from which customers come.
#[cfg(feature = "ssr")]
pub mod desk;
/// Second factors: one-time codes, recovery codes, the second step of a sign-in.
pub mod factors;
/// The first page after sign-in.
pub mod getting_started;
/// Signing in by the operator's OpenID provider.
pub mod identities;
/// Invitations: sent, sent again, revoked, accepted, declined.
pub mod invitations;
/// Members of an organization and their roles.
pub mod members;
/// Signing in to PMM servers: the OpenID provider.
pub mod oauth;
/// The operator's side: operators and their console.
pub mod operator;
/// Organizations.
pub mod organizations;
/// PMM servers and the tokens that connect them.
pub mod pmm;
/// Accounts kept by the operator's identity system: SCIM 2.0.
#[cfg(feature = "ssr")]
pub mod scim;
/// Sessions: signing in and out.
pub mod sessions;
/// Tickets: what people ask the operator's support, and what is answered.
pub mod tickets;

// The house, the server's side
/// Who asks, and how.
#[cfg(feature = "ssr")]
pub mod actor;
/// The browser's files, embedded.
#[cfg(feature = "ssr")]
pub mod assets;
/// The audit log.
#[cfg(feature = "ssr")]
pub mod audit;
/// Backups: every row of every table, in one file that either engine is restored from.
#[cfg(feature = "ssr")]
pub mod backup;
/// The commands.
#[cfg(feature = "ssr")]
pub mod cli;
/// The one clock.
#[cfg(feature = "ssr")]
pub mod clock;
/// Every option, once.
#[cfg(feature = "ssr")]
pub mod config;
/// Connections: how many, and how long they may keep the server waiting.
#[cfg(feature = "ssr")]
pub mod connections;
/// The one way to the database.
#[cfg(feature = "ssr")]
pub mod db;
/// Kept mails, on loopback.
#[cfg(feature = "ssr")]
pub mod dev_mail;
/// Every component in every state, in debug builds.
#[cfg(all(feature = "ssr", debug_assertions))]
pub mod gallery;
/// The one guard.
#[cfg(feature = "ssr")]
pub mod guard;
/// Rate limits.
#[cfg(feature = "ssr")]
pub mod limits;
/// The operator's logo.
#[cfg(feature = "ssr")]
pub mod logo;
/// Mails and the worker that sends them.
#[cfg(feature = "ssr")]
pub mod mail;
/// What is done from time to time: forgetting what is over.
#[cfg(feature = "ssr")]
pub mod maintenance;
/// Every metric, once.
#[cfg(feature = "ssr")]
pub mod measures;
/// The operator's OpenID provider: what it says, and whether that is to be believed.
#[cfg(feature = "ssr")]
pub mod openid;
/// What is to be done outside the database.
#[cfg(feature = "ssr")]
pub mod outbox;
/// Requests to servers of others.
#[cfg(feature = "ssr")]
pub mod outgoing;
/// Hashing and judging passwords.
#[cfg(feature = "ssr")]
pub mod passwords;
/// The portal as one value.
#[cfg(feature = "ssr")]
pub mod portal;
/// The table of routes.
#[cfg(feature = "ssr")]
pub mod routes;
/// Secrets at rest, and the key file.
#[cfg(feature = "ssr")]
pub mod seal;
/// Randomness and secrets.
#[cfg(feature = "ssr")]
pub mod secrets;
/// The server: its layers in their order.
#[cfg(feature = "ssr")]
pub mod server;
/// The document around every page.
#[cfg(feature = "ssr")]
pub mod shell;
/// TLS in the process.
#[cfg(feature = "ssr")]
pub mod tls;
/// A visit to a page: who, where, with what.
#[cfg(feature = "ssr")]
pub mod visit;
/// Events that are posted to the operator's address, signed.
#[cfg(feature = "ssr")]
pub mod webhook;

/// Hydrates the islands of the page.
#[cfg(feature = "hydrate")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate() {
    #[cfg(debug_assertions)]
    console_error_panic_hook::set_once();
    leptos::mount::hydrate_islands();
}
