//! The commands: `serve`, `migrate`, `backup`, `restore`, `verify`, `health`, `import`, `account`, `customer`, `operator`,
//! `keys`, `doctor`, `generate`, `config`, `openapi`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "commands talk to people on a terminal")]

mod account;
mod backup;
mod customer;
mod doctor;
pub mod generate;
mod health;
pub mod import;
mod keys;
mod operator;
mod serve;

use std::{collections::BTreeMap, path::Path};

use clap::{Arg, ArgMatches, Command};

use crate::{
    config::{Config, OPTIONS},
    db::Db,
};

/// Where the reader of what is printed has gone (`org-portal config reference | head`), a program ends without a word, as if
/// by SIGPIPE; Rust's `println!` panics.
fn end_where_nobody_reads() {
    let as_ever = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let said = panic.payload_as_str().unwrap_or_default();
        if said.starts_with("failed printing to std") && said.contains("Broken pipe") {
            std::process::exit(128 + 13);
        }
        as_ever(panic);
    }));
}

/// Parses the command line and runs the command; gives the exit code.
#[must_use]
pub fn run() -> u8 {
    end_where_nobody_reads();
    let matches = command().get_matches();
    let Some((name, options)) = matches.subcommand() else { return 2 };
    if name == "config" {
        print!("{}", Config::reference());
        return 0;
    }
    if name == "openapi" {
        print!("{}", crate::api::openapi::text());
        return 0;
    }
    // The options stand behind the last word of the command.
    let (under, options) = options.subcommand().unwrap_or((name, options));
    let config = match read(options) {
        Ok(config) => config,
        Err(wrong) => {
            for line in wrong {
                eprintln!("org-portal: {line}");
            }
            return 2;
        }
    };
    log(&config, matches!(name, "backup" | "restore" | "verify"));
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("org-portal: {error}");
            return 1;
        }
    };
    let outcome = runtime.block_on(async {
        match name {
            "serve" => serve::run(config).await,
            "migrate" => migrate(&config).await,
            "backup" => backup::backup(&config, options).await,
            "restore" => backup::restore(&config, options).await,
            "verify" => backup::verify(&config, options).await,
            "health" => health::run(&config).await,
            "generate" => generate::run(&config, options).await,
            "import" => import::run(&config, under, options).await,
            "account" => account::run(&config, options).await,
            "customer" => customer::run(&config, under, options).await,
            "keys" => keys::run(&config, options).await,
            "operator" => operator::run(&config, under, options).await,
            _ => doctor::run(&config).await,
        }
    });
    match outcome {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("org-portal: {error}");
            1
        }
    }
}

fn command() -> Command {
    let with_options = |command: Command| {
        let file = Arg::new("config").long("config").value_name("FILE").help("A TOML file with options [env: ORG_PORTAL_CONFIG]");
        OPTIONS.iter().fold(command.arg(file), |command, option| {
            let default = if option.default.is_empty() { String::new() } else { format!(" [default: {}]", option.default) };
            command.arg(
                Arg::new(option.key)
                    .long(option.flag())
                    .value_name("VALUE")
                    .help(format!("{} [env: {}]{default}", option.help, option.env)),
            )
        })
    };
    Command::new("org-portal")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A self-hosted portal in which a software vendor's customers gather their team")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(with_options(Command::new("serve").about("Serve the portal, migrating its database first")))
        .subcommand(with_options(Command::new("migrate").about("Bring the database's schema up to this version, and stop")))
        .subcommands(backup::commands(with_options))
        .subcommand(with_options(Command::new("doctor").about("Say what is wrong with a deployment and what to do")))
        .subcommand(with_options(
            Command::new("health").about("Say by the exit code whether the portal on this machine answers, for containers' health checks"),
        ))
        .subcommand(import::command(with_options))
        .subcommand(account::command(with_options))
        .subcommand(customer::command(with_options))
        .subcommand(operator::command(with_options))
        .subcommand(keys::command(with_options))
        .subcommand(generate::command(with_options))
        .subcommand(Command::new("openapi").about("Print the OpenAPI document of /v1"))
        .subcommand(
            Command::new("config")
                .about("About the configuration")
                .subcommand_required(true)
                .subcommand(Command::new("reference").about("Print the reference of all options as Markdown")),
        )
}

/// A flag goes before the environment, the environment before the file.
fn read(matches: &ArgMatches) -> Result<Config, Vec<String>> {
    let environment = |name: &str| {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
        std::env::var(name).ok()
    };
    let mut given = BTreeMap::new();
    if let Some(path) = matches.get_one::<String>("config").cloned().or_else(|| environment("ORG_PORTAL_CONFIG")) {
        given = read_file(Path::new(&path)).map_err(|e| vec![format!("{path}: {e}")])?;
    }
    for option in OPTIONS {
        if let Some(value) = matches.get_one::<String>(option.key).cloned().or_else(|| environment(option.env)) {
            given.insert(option.key.to_owned(), value);
            if let Some((key, env)) = option.file() {
                // It goes before a file that the configuration's file names. Of two in the environment neither goes before.
                given.remove(&key);
                if !matches.contains_id(option.key)
                    && let Some(path) = environment(&env)
                {
                    given.insert(key, path);
                }
            }
        } else if let Some((key, env)) = option.file()
            && let Some(path) = environment(&env)
        {
            given.remove(option.key);
            given.insert(key, path);
        }
    }
    Config::read(&given)
}

fn read_file(path: &Path) -> Result<BTreeMap<String, String>, String> {
    let text = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
    let table: toml::Table = text.parse().map_err(|e: toml::de::Error| e.to_string())?;
    table
        .into_iter()
        .map(|(key, value)| match value {
            toml::Value::String(text) => Ok((key, text)),
            toml::Value::Integer(n) => Ok((key, n.to_string())),
            toml::Value::Boolean(b) => Ok((key, b.to_string())),
            toml::Value::Array(items) => {
                let texts: Option<Vec<&str>> = items.iter().map(toml::Value::as_str).collect();
                texts.map(|texts| (key.clone(), texts.join(","))).ok_or_else(|| format!("{key}: a list of texts is expected"))
            }
            _ => Err(format!("{key}: a text or a number is expected")),
        })
        .collect()
}

/// Where statements take as long as the database is large, none of them is called slow.
fn log(config: &Config, large: bool) {
    use tracing_subscriber::{EnvFilter, fmt};
    let directives = format!("{}{}", config.log, if large { ",sqlx::query=error" } else { "" });
    let filter = EnvFilter::try_new(directives).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    // A second start in one process, as in tests, keeps the first one's log.
    let _ = if config.log_format == "json" { builder.json().try_init() } else { builder.compact().try_init() };
}

async fn migrate(config: &Config) -> Result<(), String> {
    let db = open(config).await?;
    db.migrate().await.map_err(|e| format!("the database could not be migrated: {e}"))?;
    println!("The database is at this program's version.");
    db.close().await;
    Ok(())
}

async fn open(config: &Config) -> Result<Db, String> {
    Db::open(&config.database_url).await.map_err(|e| format!("the database cannot be opened: {e}"))
}
