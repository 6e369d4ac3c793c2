//! `org-portal customer …`: what the operator does where a customer's organization does not open by itself.

use clap::{Arg, ArgMatches, Command};

use crate::{
    clock::Clock,
    config::Config,
    customers::actions,
    portal::Portal,
    words::{Email, OrganizationId},
};

pub(super) fn command(with_options: impl Fn(Command) -> Command) -> Command {
    let number = || Arg::new("number").value_name("NUMBER").required(true).help("The customer's number");
    let open = with_options(Command::new("open").about("Name another administrator: their next sign-in opens the organization"))
        .arg(number())
        .arg(Arg::new("administrator").long("administrator").value_name("EMAIL").required(true).help("Whose sign-in opens it"));
    let link = with_options(Command::new("link").about("Join a customer with an organization that is there"))
        .arg(number())
        .arg(Arg::new("organization").long("organization").value_name("ID").required(true).help("The organization, by its id"));
    Command::new("customer")
        .about("Help a customer whose organization does not open by itself")
        .subcommand_required(true)
        .subcommand(open)
        .subcommand(link)
}

#[expect(clippy::print_stdout, reason = "commands talk to people on a terminal")]
pub(super) async fn run(config: &Config, name: &str, matches: &ArgMatches) -> Result<(), String> {
    let text = |name: &str| matches.get_one::<String>(name).cloned().unwrap_or_default();
    let db = super::open(config).await?;
    let portal = Portal::new(db.clone(), config.clone(), Clock::system());
    let done = if name == "open" {
        let administrator = Email::parse(&text("administrator")).map_err(str::to_owned)?;
        actions::open(&portal, text("number"), administrator).await
    } else {
        let organization: OrganizationId = text("organization").parse().map_err(|_| "an organization's id is a uuid".to_owned())?;
        actions::link(&portal, text("number"), organization).await
    };
    db.close().await;
    done.map_err(|refusal| refusal.message())?;
    println!("Done.");
    Ok(())
}
