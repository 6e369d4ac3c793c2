use crate::{
    clock::Clock,
    config::Config,
    db::{Db, Pending},
    desk::{client::Client, model, store as desk, sync},
    factors::actions as factors,
    mail::Transport,
    oauth::keys,
    openid::Provider,
    outbox,
    outgoing::Patience,
    seal::{self, Seal},
    secrets::Random,
    tls,
    words::Timestamp,
};

/// Looks at a deployment and says what is wrong and what to do.
pub async fn run(config: &Config) -> Result<(), String> {
    let mut wrong = 0;
    let mut say = |ok: bool, what: &str, then: &str| {
        if ok {
            println!("ok      {what}");
        } else {
            wrong += 1;
            println!("WRONG   {what}\n        {then}");
        }
    };
    for problem in config.problems() {
        say(false, &problem, "Set the options named, or listen on loopback while trying things out.");
    }
    for (what, then) in config.in_the_clear() {
        say(false, what, then);
    }
    for (right, what) in tls::examine(config, Clock::system().now()).await {
        say(
            right,
            &what,
            "Check ORG_PORTAL_TLS_CERT and ORG_PORTAL_TLS_KEY: the certificate of the public address with its chain, its own key, and renewal well before the end.",
        );
    }
    if let Some(contrast) = config.accent_contrast() {
        say(
            contrast >= 4.5,
            &format!("White text on the accent colour {} has a contrast of {contrast:.1} to 1.", config.accent_colour),
            "It needs 4.5 to 1 (WCAG 2.2, 1.4.3), so pages show a darker colour than you chose. Set ORG_PORTAL_ACCENT_COLOUR to a darker one.",
        );
    }
    match Seal::open(config) {
        Err(error) => say(
            false,
            &error,
            "Check ORG_PORTAL_KEY_FILE: the same file for all replicas, readable by the portal's user (docs/operating.md).",
        ),
        Ok(seal) if seal.is_on() => {
            let file = seal::path(config).unwrap_or_default();
            say(
                !seal::is_open_to_all(&file),
                &format!("The key file is {}.", file.display()),
                "Everybody on this machine may read it, and so what is sealed with it. Take that away: `chmod o-rwx` on it.",
            );
        }
        Ok(_) if Db::file(&config.database_url).is_some() => {
            say(true, "There is no key file yet: the first start makes one beside the database.", "");
        }
        Ok(_) => say(
            false,
            "There is no key file, so no PMM server can be connected, nobody can sign in to one, and nobody can set up a second factor.",
            "Make one and name it by ORG_PORTAL_KEY_FILE, the same for all replicas (docs/operating.md).",
        ),
    }
    match Db::open(&config.database_url).await {
        Err(error) => say(
            false,
            &format!("The database cannot be opened: {error}"),
            "Check DATABASE_URL, that the server runs or the folder exists, and that this user may use it.",
        ),
        Ok(db) => {
            say(true, "The database answers.", "");
            match db.pending().await {
                Ok(Pending(0)) => say(true, "Its schema is this program's.", ""),
                Ok(Pending(n)) => say(
                    false,
                    &format!("Its schema lacks {n} migration(s)."),
                    "Run `org-portal migrate`, or `org-portal serve`, which migrates first.",
                ),
                Err(error) => say(false, &format!("Its schema cannot be read: {error}"), "Run `org-portal migrate`."),
            }
            if let Ok(mut reader) = db.read().await
                && let Ok((waiting, dead)) = outbox::backlog(&mut reader).await
            {
                say(
                    dead == 0,
                    &format!("Mails and events: {waiting} wait, {dead} could not be delivered."),
                    "Look at Outbox in the operators' console, which can send them again, and at the log of the mail server or the receiver.",
                );
            }
            if let Ok(seal) = Seal::open(config)
                && let Ok(mut reader) = db.read().await
                && let Ok(foreign) = keys::count_foreign(&mut reader, &seal).await
            {
                // Where there is no file yet, and what was sealed with one that is lost.
                let told = |foreign: usize| seal.is_on() || foreign > 0;
                if told(foreign) {
                    say(
                        foreign == 0,
                        &format!("Keys by which the portal signs that this key file does not open: {foreign}."),
                        "Each replica needs the same key file, and a new one keeps the old one's line (docs/operating.md). Those keys go by themselves.",
                    );
                }
                if let Ok(foreign) = factors::count_foreign(&mut reader, &seal).await
                    && told(foreign)
                {
                    say(
                        foreign == 0,
                        &format!("Authenticator apps whose secret this key file does not open: {foreign}."),
                        "Put the key file back, or the line of the old one into this one. Until then their owners sign in with a recovery code.",
                    );
                }
            }
            if config.servicenow_url.is_some()
                && let Ok(mut reader) = db.read().await
                && let (Ok(lease), Ok(refused)) = (desk::lease(&mut reader, sync::WORK).await, desk::count_refused(&mut reader).await)
            {
                let last = lease.as_ref().and_then(|lease| lease.ended_at).map_or_else(|| "never".to_owned(), Timestamp::date_time);
                let error = lease.map(|lease| lease.error).unwrap_or_default();
                say(
                    error.is_empty(),
                    &format!("ServiceNow was last read: {last}{}{error}.", if error.is_empty() { "" } else { ", not to its end: " }),
                    "Look at the instance, at the user's rights there (docs/servicenow.md), and at the log.",
                );
                say(
                    refused == 0,
                    &format!("{refused} of its records are refused."),
                    "Look at reason in the table desk_refused, and mend the records in ServiceNow.",
                );
            }
            db.close().await;
        }
    }
    match Client::open(config, Patience::default(), Clock::system(), Random) {
        Ok(None) => {}
        Err(error) => say(false, &format!("ServiceNow cannot be asked: {error}"), "Set ORG_PORTAL_SERVICENOW_URL."),
        Ok(Some(client)) => {
            for source in model::sources(config) {
                match client.page(&source, "ORDERBYsys_updated_on^ORDERBYsys_id", 0, 1).await {
                    Ok(page) => say(
                        !page.rows.is_empty(),
                        &format!("ServiceNow gives {} of {}.", if page.rows.is_empty() { "no record" } else { "records" }, source.table),
                        "The table is empty, or the user may not read it: ServiceNow does not say which (docs/servicenow.md).",
                    ),
                    Err(error) => say(
                        false,
                        &format!("ServiceNow does not give {}: {error}", source.table),
                        "Check ORG_PORTAL_SERVICENOW_URL, the user and the password there, and the user's rights (docs/servicenow.md).",
                    ),
                }
            }
        }
    }
    match Provider::of(config) {
        Ok(None) => {}
        Ok(Some(provider)) => match provider.examine(Clock::system().now()).await {
            Ok(()) => say(true, "The OpenID provider answers.", ""),
            Err(error) => say(
                false,
                &format!("The OpenID provider does not answer as it should: {error}"),
                "Check ORG_PORTAL_OIDC_ISSUER: it is exactly what stands as issuer in its /.well-known/openid-configuration.",
            ),
        },
        Err(error) => say(false, &format!("The OpenID provider cannot be asked: {error}"), "Set ORG_PORTAL_OIDC_ISSUER."),
    }
    match Transport::open(config) {
        Ok(Transport::Kept) => say(true, "Mails are kept at /dev/mail: no mail server is configured, and everything is on loopback.", ""),
        Ok(transport) => match transport.test().await {
            Ok(true) => say(true, "The mail server answers.", ""),
            Ok(false) => say(false, "The mail server does not take mails.", "Look at its log."),
            Err(error) => say(
                false,
                &format!("The mail server does not answer: {error}"),
                "Check ORG_PORTAL_SMTP_URL: scheme, host, port, user and password.",
            ),
        },
        Err(error) => say(false, &format!("Mails cannot leave: {error}"), "Set ORG_PORTAL_SMTP_URL."),
    }
    if config.sender().is_some_and(|sender| sender.email.domain() != "localhost") || config.on_loopback() {
        say(true, "Mails have a sender.", "");
    } else {
        say(
            false,
            "Mails are sent from an address at localhost, which other mail servers refuse.",
            "Set ORG_PORTAL_MAIL_FROM to an address of yours.",
        );
    }
    if wrong == 0 { Ok(()) } else { Err(format!("{wrong} thing(s) to mend")) }
}
