//! `org-portal generate`: a database full of people who do not exist, to try the portal at the size that it will have; or,
//! with `--customers`, files to import.
//!
//! The same numbers, seed and day give the same rows, but for the Admin's password, which is new each time.

pub mod files;
mod names;

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command};
use names::{Dice, FIRST_WORDS, KINDS, LAST_WORDS, NAMES};

use crate::{
    accounts::store as accounts,
    actor::full_name,
    clock::Clock,
    config::Config,
    db::{Db, Pending},
    guard::Vacant,
    invitations::store as invitations,
    members::{Source, store as members},
    organizations::store as organizations,
    passwords::Hasher,
    permissions::Role,
    secrets::Random,
    words::{AccountId, DAY, Email, FirstName, HOUR, InvitationId, LastName, MemberId, OrganizationId, OrganizationName, Timestamp},
};

/// Over how many days the past is spread.
const DAYS: i64 = 730;
/// How many people are put in with one transaction; memory does not grow with their number.
const BATCH: usize = 10_000;

/// How much is generated.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How many organizations, at least one.
    pub organizations: u64,
    /// How many members the first of them has, at least one; each other has one to three.
    pub members: u64,
    /// What all that looks random is made from.
    pub seed: u64,
}

/// What was generated, and who can sign in.
#[derive(Clone, Debug)]
pub struct Generated {
    /// How many people there are.
    pub accounts: u64,
    /// How many invitations there are.
    pub invitations: u64,
    /// The address of the first organization's Admin.
    pub email: String,
    /// That one's password; nobody else has one.
    pub password: String,
}

pub(super) fn command(with_options: impl Fn(Command) -> Command) -> Command {
    let number = |name: &'static str, default: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("N").default_value(default).value_parser(clap::value_parser!(u64)).help(help)
    };
    with_options(Command::new("generate").about("Fill an empty database with people who do not exist, to try the portal at its size"))
        .arg(number("organizations", "1", "How many organizations, each with one to three members but the first"))
        .arg(number("members", "1000", "How many members the first organization has"))
        .arg(number("seed", "1", "The same seed gives the same people"))
        .arg(
            Arg::new("customers")
                .long("customers")
                .value_name("N")
                .value_parser(clap::value_parser!(u64))
                .requires("out")
                .conflicts_with_all(["organizations", "members"])
                .help("Write files of so many customers to import, and leave the database alone"),
        )
        .arg(number("tickets", "3", "With --customers: the most tickets that a customer has"))
        .arg(Arg::new("out").long("out").value_name("FOLDER").requires("customers").help("With --customers: where the files go"))
        .arg(
            Arg::new("day")
                .long("day")
                .value_name("DAY")
                .requires("customers")
                .value_parser(|text: &str| Timestamp::of_date(text).ok_or("a day like 2026-11-24 is expected"))
                .help("With --customers: the day around which entitlements begin and end [default: today]"),
        )
}

#[expect(clippy::print_stdout, reason = "commands talk to people on a terminal")]
pub(super) async fn run(config: &Config, matches: &ArgMatches) -> Result<(), String> {
    let number = |name: &str| matches.get_one::<u64>(name).copied().unwrap_or(1);
    if let (Some(customers), Some(folder)) = (matches.get_one::<u64>("customers"), matches.get_one::<String>("out")) {
        let day = matches.get_one::<Timestamp>("day").copied().unwrap_or_else(|| Clock::system().now());
        let plan = files::Plan { customers: *customers, tickets: number("tickets"), seed: number("seed") };
        let rows = files::write(&PathBuf::from(folder), plan, day)?;
        println!("{rows} rows in {folder}. Bring them in with: org-portal import customers {folder}");
        return Ok(());
    }
    let plan = Plan { organizations: number("organizations").max(1), members: number("members").max(1), seed: number("seed") };
    let db = super::open(config).await?;
    let generated = generate(&db, plan, Clock::system().now()).await;
    db.close().await;
    let generated = generated?;
    println!("{} organizations, {} members, {} invitations.", plan.organizations, generated.accounts, generated.invitations);
    println!("Sign in as {} with the password {}", generated.email, generated.password);
    Ok(())
}

/// Fills an empty database.
///
/// # Errors
/// Where the schema is not this program's, somebody is there already, or the database fails.
pub async fn generate(db: &Db, plan: Plan, now: Timestamp) -> Result<Generated, String> {
    if !matches!(db.pending().await, Ok(Pending(0))) {
        return Err("the database is not at this program's version: run `org-portal migrate` first".to_owned());
    }
    let failed = |error: sqlx::Error| format!("the database refused it: {error}. Take a fresh database to try again");
    let vacant = Vacant::find(&mut db.read().await.map_err(failed)?).await.map_err(failed)?;
    let vacant = vacant.ok_or("there are accounts in this database already: generate only fills an empty one")?;
    let mut world = World {
        dice: Dice(plan.seed),
        // The whole day gives the same rows.
        now: Timestamp(now.0.div_euclid(DAY) * DAY),
        people: 0,
        batch: Batch::default(),
    };
    let (mut accounts, mut invitations) = (0, 0);
    let password = Random.secret().expose().to_owned();
    let hash = Hasher::start(1).hash(&password).await.map_err(|_| "the password could not be hashed".to_owned())?;
    let mut admin = None;
    for n in 0..plan.organizations {
        let mut organization = world.organization(n, plan)?;
        admin = admin.or(Some(organization.creator.id));
        loop {
            world.members(&mut organization)?;
            let done = organization.members_left == 0;
            if !done || world.batch.accounts.len() >= BATCH || n + 1 == plan.organizations {
                let batch = std::mem::take(&mut world.batch);
                accounts += batch.accounts.len() as u64;
                invitations += batch.invitations.len() as u64;
                write(db, &vacant, batch).await.map_err(failed)?;
            }
            if done {
                break;
            }
        }
    }
    if let Some(admin) = admin {
        let mut tx = db.begin().await.map_err(failed)?;
        accounts::set_password(&mut tx, world.dice.id(world.now), admin, &hash, world.now).await.map_err(failed)?;
        tx.commit().await.map_err(failed)?;
    }
    Ok(Generated { accounts, invitations, email: ADMIN.to_owned(), password })
}

/// The address of the first organization's Admin.
const ADMIN: &str = "admin@portal.example";

#[derive(Default)]
struct Batch {
    accounts: Vec<accounts::New>,
    organizations: Vec<organizations::New>,
    members: Vec<members::New>,
    invitations: Vec<invitations::Past>,
}

async fn write(db: &Db, vacant: &Vacant, batch: Batch) -> Result<(), sqlx::Error> {
    let mut tx = db.begin().await?;
    accounts::insert_many(&mut tx, vacant, &batch.accounts).await?;
    organizations::insert_many(&mut tx, vacant, &batch.organizations).await?;
    members::insert_many(&mut tx, vacant, &batch.members).await?;
    invitations::insert_many(&mut tx, vacant, &batch.invitations).await?;
    tx.commit().await
}

/// An organization whose members are still to come.
struct Organization {
    id: OrganizationId,
    domain: String,
    created_at: Timestamp,
    creator: accounts::New,
    creator_joined: bool,
    members_left: u64,
}

struct World {
    dice: Dice,
    now: Timestamp,
    people: u64,
    batch: Batch,
}

impl World {
    fn organization(&mut self, n: u64, plan: Plan) -> Result<Organization, &'static str> {
        let begin = self.now.plus(-DAYS * DAY);
        let created_at = begin.plus(DAYS * DAY / i64::try_from(plan.organizations).unwrap_or(i64::MAX) * i64::try_from(n).unwrap_or(0));
        let members = if n == 0 { plan.members } else { 1 + self.dice.below(3) };
        let (first, last, kind) = (self.dice.pick(FIRST_WORDS), self.dice.pick(LAST_WORDS), self.dice.pick(KINDS));
        let domain = format!("{}-{n}.example", last.to_lowercase());
        let id = OrganizationId(self.dice.id(created_at));
        let mut creator = self.person(&domain, created_at)?;
        if n == 0 {
            creator.email = Email::parse(ADMIN)?;
        }
        let invited = if n == 0 { (plan.members / 100).clamp(4, 200) } else { u64::from(self.dice.below(10) == 0) };
        let creator_name = name(&creator);
        let invitations: Result<Vec<_>, _> =
            (0..invited).map(|i| self.invitation(id, (creator.id, &creator_name), &domain, created_at, i)).collect();
        let invitations = invitations?;
        let pending = invitations.iter().filter(|invitation| invitation.state == "pending").count();
        self.batch.invitations.extend(invitations);
        self.batch.organizations.push(organizations::New {
            id,
            name: OrganizationName::parse(&format!("{first} {last} {kind}"))?,
            created_at,
            creator: creator.id,
            creator_name,
            members_count: i64::try_from(members).unwrap_or(i64::MAX),
            invitations_count: i64::try_from(pending).unwrap_or(i64::MAX),
        });
        Ok(Organization { id, domain, created_at, creator, creator_joined: false, members_left: members })
    }

    /// The organization's next members, at most as many as go into one batch.
    fn members(&mut self, organization: &mut Organization) -> Result<(), &'static str> {
        while organization.members_left > 0 && self.batch.accounts.len() < BATCH {
            let (account, role, source) = if organization.creator_joined {
                let joined_at = self.dice.between(organization.created_at, self.now);
                let role = if self.dice.below(50) == 0 { Role::Admin } else { Role::TechnicalUser };
                (self.person(&organization.domain, joined_at)?, role, Source::Invitation)
            } else {
                organization.creator_joined = true;
                (organization.creator.clone(), Role::Admin, Source::Creation)
            };
            let joined_at = account.created_at;
            // Most were here lately, some never came back.
            let recent = self.now.plus(-30 * DAY).max(joined_at);
            let last_active_at = match self.dice.below(10) {
                0 => joined_at,
                1..=3 => self.dice.between(joined_at, self.now),
                _ => self.dice.between(recent, self.now),
            };
            self.batch.members.push(members::New {
                id: MemberId(self.dice.id(joined_at)),
                organization: organization.id,
                account: account.id,
                role,
                source,
                joined_at,
                name: name(&account),
                email: account.email.clone(),
                last_active_at,
            });
            self.batch.accounts.push(account);
            organization.members_left -= 1;
        }
        Ok(())
    }

    fn person(&mut self, domain: &str, created_at: Timestamp) -> Result<accounts::New, &'static str> {
        let names = self.dice.pick(NAMES);
        let (first, last) = (self.dice.pick(names.first), self.dice.pick(names.last));
        self.people += 1;
        Ok(accounts::New {
            id: AccountId(self.dice.id(created_at)),
            email: Email::parse(&format!("{}.{}.{}@{domain}", first.1, last.1, self.people))?,
            first_name: FirstName::parse(first.0)?,
            last_name: LastName::parse(last.0)?,
            created_at,
        })
    }

    fn invitation(
        &mut self,
        organization: OrganizationId,
        (invited_by, invited_by_name): (AccountId, &str),
        domain: &str,
        created_at: Timestamp,
        n: u64,
    ) -> Result<invitations::Past, &'static str> {
        let (state, age) = match n % 8 {
            0..=3 => ("pending", self.dice.below(6)),
            // Its time is over, and nobody has said so yet.
            4 => ("pending", 8 + self.dice.below(60)),
            5 => ("expired", 40 + self.dice.below(300)),
            6 => ("declined", 10 + self.dice.below(300)),
            _ => ("revoked", 10 + self.dice.below(300)),
        };
        let sent_at = self.now.plus(-i64::try_from(age).unwrap_or(0) * DAY - HOUR).max(created_at);
        let person = self.person(domain, sent_at)?;
        let role = if self.dice.below(20) == 0 { Role::Admin } else { Role::TechnicalUser };
        let new = invitations::New {
            id: InvitationId(self.dice.id(sent_at)),
            email: person.email,
            role,
            token_hash: (0..4).flat_map(|_| self.dice.next().to_be_bytes()).collect(),
            invited_by,
            invited_by_name: invited_by_name.to_owned(),
            expires_at: sent_at.plus(7 * DAY),
        };
        let settled_at = (state != "pending").then(|| sent_at.plus(2 * DAY));
        Ok(invitations::Past { new, organization, state, sent_at, settled_at })
    }
}

fn name(account: &accounts::New) -> String {
    full_name(account.first_name.as_str(), account.last_name.as_str())
}
