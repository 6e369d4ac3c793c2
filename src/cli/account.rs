//! `org-portal account …`: what the operator does for somebody who cannot get in any more.

use clap::{Arg, ArgMatches, Command};

use crate::{
    clock::Clock,
    config::Config,
    db::Pending,
    form::Refusal,
    operator::{Reason, actions},
    portal::Portal,
    words::Email,
};

pub(super) fn command(with_options: impl Fn(Command) -> Command) -> Command {
    let remove = with_options(
        Command::new("remove-factors")
            .about("Remove the second factors of an account whose owner has lost them: its password alone signs in again"),
    )
    .arg(Arg::new("email").value_name("EMAIL").required(true).help("The address of the account"))
    .arg(
        Arg::new("reason")
            .long("reason")
            .value_name("TEXT")
            .required(true)
            .help("Why, and how it was made sure who asks; for the audit log"),
    );
    Command::new("account").about("Help somebody who cannot sign in any more").subcommand_required(true).subcommand(remove)
}

#[expect(clippy::print_stdout, reason = "commands talk to people on a terminal")]
pub(super) async fn run(config: &Config, matches: &ArgMatches) -> Result<(), String> {
    let text = |name: &str| matches.get_one::<String>(name).cloned().unwrap_or_default();
    let email = Email::parse(&text("email"))?;
    let reason = Reason::parse(&text("reason")).map_err(|why| format!("--reason: {why}"))?;
    let db = super::open(config).await?;
    if !matches!(db.pending().await, Ok(Pending(0))) {
        return Err("the database is not at this program's version: run `org-portal migrate` first".to_owned());
    }
    let portal = Portal::new(db.clone(), config.clone(), Clock::system());
    let done = actions::remove_factors_of(&portal, email.clone(), reason).await;
    db.close().await;
    done.map_err(|refusal| match refusal {
        Refusal::NotFound => "no account has this address".to_owned(),
        Refusal::Conflict(_) => "this account has no second factor".to_owned(),
        refusal => refusal.message(),
    })?;
    println!("{email} has no second factor any more. Every session was ended, and a mail tells the owner.");
    Ok(())
}
