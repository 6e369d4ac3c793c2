//! `org-portal operator …`: who runs the portal itself.

use clap::{Arg, ArgMatches, Command};

use crate::{clock::Clock, config::Config, db::Pending, form::Refusal, operator::actions, portal::Portal, words::Email};

pub(super) fn command(with_options: impl Fn(Command) -> Command) -> Command {
    let email = || Arg::new("email").value_name("EMAIL").required(true).help("The address of the account");
    let create = with_options(
        Command::new("create").about("Make an account an operator's; where there is none, make it and print its password, once"),
    )
    .arg(email())
    .arg(Arg::new("name").long("name").value_name("NAME").help("First and last name, for an account that is made"));
    let list = with_options(Command::new("list").about("List the operators"));
    let remove = with_options(Command::new("remove").about("Take an operator's rights away; the account stays")).arg(email());
    Command::new("operator")
        .about("Say who runs the portal itself")
        .subcommand_required(true)
        .subcommand(create)
        .subcommand(list)
        .subcommand(remove)
}

#[expect(clippy::print_stdout, reason = "commands talk to people on a terminal")]
pub(super) async fn run(config: &Config, name: &str, matches: &ArgMatches) -> Result<(), String> {
    let db = super::open(config).await?;
    if !matches!(db.pending().await, Ok(Pending(0))) {
        return Err("the database is not at this program's version: run `org-portal migrate` first".to_owned());
    }
    let portal = Portal::new(db.clone(), config.clone(), Clock::system());
    let email = || {
        let text = matches.get_one::<String>("email").cloned().unwrap_or_default();
        Email::parse(&text).map_err(str::to_owned)
    };
    let said = |refusal: Refusal| match &refusal {
        Refusal::Invalid(errors) => errors.0.iter().map(|(field, why)| format!("{field}: {why}")).collect::<Vec<_>>().join("; "),
        Refusal::NotFound => "no operator has this address".to_owned(),
        Refusal::Conflict(_) => "this account is an operator's already".to_owned(),
        refusal => refusal.message(),
    };
    let done = match name {
        "create" => {
            let email = email()?;
            let made = actions::create(&portal, email.clone(), matches.get_one::<String>("name").cloned()).await;
            made.map(|password| match password {
                Some(password) => {
                    println!("{email} is an operator. The account is new; its password, shown only here, is");
                    println!("{password}");
                    println!("Sign in at {}/sign-in and choose another one.", config.base());
                }
                None => println!("{email} is an operator."),
            })
        }
        "list" => actions::list(&portal).await.map(|operators| {
            if operators.is_empty() {
                println!("There is no operator. `org-portal operator create EMAIL` makes one.");
            }
            for operator in operators {
                println!("{}\t{}\tsince {}", operator.email, operator.name, operator.since.rfc3339());
            }
        }),
        _ => {
            let email = email()?;
            actions::remove(&portal, email.clone()).await.map(|()| println!("{email} is an operator no more."))
        }
    };
    db.close().await;
    done.map_err(said)
}
