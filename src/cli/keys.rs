//! `org-portal keys …`: the keys by which the portal signs.

use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::{
    clock::Clock,
    config::Config,
    db::Pending,
    oauth::keys::{Rotation, rotate},
    portal::Portal,
    seal::Seal,
};

pub(super) fn command(with_options: impl Fn(Command) -> Command) -> Command {
    let rotate = with_options(Command::new("rotate").about("Replace the key that signs: the new one is published, and signs after a day"))
        .arg(Arg::new("compromised").long("compromised").action(ArgAction::SetTrue).help(
            "Somebody else has the keys: the new one signs at once, the others are gone, and what they signed is worth nothing any more",
        ));
    Command::new("keys").about("Look after the keys by which the portal signs").subcommand_required(true).subcommand(rotate)
}

#[expect(clippy::print_stdout, reason = "commands talk to people on a terminal")]
pub(super) async fn run(config: &Config, matches: &ArgMatches) -> Result<(), String> {
    if !Seal::open(config)?.is_on() {
        return Err("there is no key file: name one by ORG_PORTAL_KEY_FILE (docs/operating.md)".to_owned());
    }
    let db = super::open(config).await?;
    if !matches!(db.pending().await, Ok(Pending(0))) {
        return Err("the database is not at this program's version: run `org-portal migrate` first".to_owned());
    }
    let compromised = matches.get_flag("compromised");
    let portal = Portal::new(db.clone(), config.clone(), Clock::system());
    let done = rotate(&portal, if compromised { Rotation::InPlace } else { Rotation::Ahead }).await;
    db.close().await;
    done.map_err(|refusal| refusal.message())?;
    println!("{}", if compromised { "A new key signs, and it is the only one." } else { "A new key is published. It signs after a day." });
    Ok(())
}
