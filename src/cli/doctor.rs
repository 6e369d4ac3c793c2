use crate::{
    clock::Clock,
    config::Config,
    db::{Db, Pending},
    mail::Transport,
    outbox, tls,
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
                    &format!("Mails: {waiting} wait, {dead} could not be delivered."),
                    "Look at Outbox in the operators' console, which can send them again, and at the mail server's log.",
                );
            }
            db.close().await;
        }
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
