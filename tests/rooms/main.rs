//! The rules of `SPEC.md` §2, §3 and §5, seen from outside: through the real server, on both databases.
#![cfg(feature = "ssr")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout,
    missing_docs,
    reason = "tests"
)]

mod accounts;
mod activity;
mod api_accounts;
mod api_clients;
mod api_data;
mod api_organizations;
mod api_servers;
mod api_wire;
mod asvs;
mod backups;
mod connections;
mod customers;
mod deploy;
mod desk;
mod generate;
mod getting_started;
mod house;
mod identities;
mod imports;
mod invitations;
mod live;
mod members;
mod oauth;
mod operator;
mod organizations;
mod passkeys;
mod pmm;
mod scim;
mod second_factor;
mod security;
mod sessions;
#[path = "../support/mod.rs"]
mod support;
mod tickets;
mod webhooks;
