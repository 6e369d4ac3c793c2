//! `org-portal customer …`: what the operator does where a customer's organization does not open by itself.

use clap::{Arg, ArgMatches, Command};

use crate::{
    clock::Clock,
    config::Config,
    customers::actions,
    form::Refusal,
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
    let number = text("number");
    let done = if name == "open" {
        let administrator = Email::parse(&text("administrator")).map_err(|why| format!("--administrator: {why}"))?;
        actions::open(&portal, number.clone(), administrator.clone()).await.map(|customer| {
            format!("The next time that {administrator} signs in, the organization of customer {number}, {customer}, opens, with {administrator} as Admin. It does not where they are in another organization by then.")
        })
    } else {
        let organization: OrganizationId = text("organization").parse().map_err(|_| {
            "--organization: an organization's id looks like 0192f0c1-2345-7890-abcd-ef0123456789; the console shows it in its address"
                .to_owned()
        })?;
        actions::link(&portal, number.clone(), organization).await.map(|(before, customer)| {
            format!("The organization {before} ({organization}) is that of customer {number} and is called {customer} from now on. The customer's people join it by signing in.")
        })
    };
    db.close().await;
    println!("{}", done.map_err(said)?);
    Ok(())
}

/// Why it was refused: of what was typed wrong, its own sentence.
fn said(refusal: Refusal) -> String {
    match refusal {
        Refusal::Invalid(errors) => errors.0.into_iter().map(|(_, why)| why).collect::<Vec<_>>().join("; "),
        refusal => refusal.message(),
    }
}
