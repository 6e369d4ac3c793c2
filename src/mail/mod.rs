//! Mails: what can be said, how it reads, and the worker that sends it.

mod transport;
mod worker;

use askama::Template;
use serde::{Deserialize, Serialize};
pub use transport::{Error as TransportError, Transport};
pub use worker::{deliver_due, run};

use crate::{
    config::Config,
    permissions::Role,
    words::{Email, Timestamp},
};

/// A mail, as it waits in the outbox.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Mail {
    /// To whom.
    pub to: Email,
    /// What it says.
    pub message: Message,
}

/// Everything that a mail can say.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Message {
    /// Show that the address is yours.
    VerifyEmail {
        /// Of whoever signed up.
        first_name: String,
        /// The link's secret.
        token: String,
        /// Whether a password is still to be chosen.
        #[serde(default)]
        chooses_password: bool,
    },
    /// Somebody signed up with an address that has an account.
    AccountExists,
    /// Choose a new password.
    ResetPassword {
        /// The account's.
        first_name: String,
        /// The link's secret.
        token: String,
    },
    /// Somebody asked for a new password for an address without an account.
    NoAccount,
    /// The password was changed.
    PasswordChanged {
        /// The account's.
        first_name: String,
        /// When.
        at: Timestamp,
        /// Whether by a link from a mail, which ends every session.
        reset: bool,
        /// With what and from where, in words; mails of earlier versions say nothing of it.
        #[serde(default)]
        by: String,
    },
    /// Show that the address that your account is to have is yours.
    ConfirmEmail {
        /// The account's.
        first_name: String,
        /// The link's secret.
        token: String,
    },
    /// Somebody wanted the address for their account, and it has one.
    AddressInUse,
    /// Somebody who knows the password asked for another address; to the address of now.
    EmailChangeAsked {
        /// The account's.
        first_name: String,
        /// The address that was asked for.
        email: Email,
        /// When.
        at: Timestamp,
        /// With what and from where, in words.
        by: String,
    },
    /// Somebody signed in with a browser in which the account had not been.
    NewBrowser {
        /// The account's.
        first_name: String,
        /// When.
        at: Timestamp,
        /// With what and from where, in words.
        by: String,
    },
    /// The address was changed; to the one that it was.
    EmailChanged {
        /// The account's.
        first_name: String,
        /// The address of now.
        email: Email,
        /// When.
        at: Timestamp,
        /// With what and from where, in words.
        by: String,
        /// The secret of the link that undoes it; mails of earlier versions have none.
        #[serde(default)]
        undo: String,
    },
    /// Something about the account's second factors was changed, or a recovery code was used.
    SecondFactor {
        /// The account's.
        first_name: String,
        /// What.
        change: FactorChange,
        /// When.
        at: Timestamp,
        /// With what and from where, in words.
        by: String,
        /// The secret of the link that undoes it, where something was added.
        #[serde(default)]
        undo: String,
    },
    /// The account was deleted.
    AccountDeleted {
        /// The account's.
        first_name: String,
        /// When.
        at: Timestamp,
        /// With what and from where, in words.
        by: String,
        /// The organization that was deleted with it, if one was.
        organization: Option<String>,
        /// Whether it was not its owner who did it, but whoever runs the portal.
        #[serde(default)]
        by_others: bool,
    },
    /// A sign-in service was linked to the account, or unlinked from it.
    Identity {
        /// The account's.
        first_name: String,
        /// What the operator calls the service.
        provider: String,
        /// Linked, or unlinked.
        linked: bool,
        /// When.
        at: Timestamp,
        /// With what and from where, in words.
        by: String,
    },
    /// One of a customer's people waits for its administrator.
    CustomerWaits {
        /// The customer's name.
        organization: String,
        /// Who waits.
        by: String,
    },
    /// The organization that one of a customer's people waited for is there.
    CustomerOpened {
        /// The customer's name.
        organization: String,
    },
    /// Something was said or done in a ticket.
    Ticket {
        /// The ticket's number.
        number: String,
        /// Its subject.
        subject: String,
        /// Who did what, in words.
        headline: String,
        /// What was written; may be empty.
        body: String,
        /// What else there is to say; may be empty.
        #[serde(default)]
        note: String,
        /// Whose ticket it is: said to the operator's support alone.
        organization: Option<String>,
    },
    /// An invitation.
    Invitation {
        /// To what.
        organization: String,
        /// As what.
        role: Role,
        /// By whom.
        inviter: String,
        /// The link's secret.
        token: String,
        /// How long.
        expires_at: Timestamp,
    },
}

/// What happened to somebody's second factors.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum FactorChange {
    /// An authenticator app was set up.
    AppAdded {
        /// What its owner calls it.
        name: String,
        /// Whether it is the first.
        first: bool,
    },
    /// An app or a passkey was removed.
    Removed {
        /// What its owner called it.
        name: String,
        /// Whether it was the last.
        last: bool,
    },
    /// A passkey was added.
    PasskeyAdded {
        /// What its owner calls it.
        name: String,
        /// Whether it is the first factor.
        first: bool,
    },
    /// Recovery codes were made in place of those that there were.
    RecoveryCodesMade,
    /// The operator removed all of them.
    AllRemoved,
    /// A recovery code was used to sign in.
    RecoveryCodeUsed {
        /// How many are left.
        left: i64,
    },
}

impl FactorChange {
    /// The heading, and what it means, in sentences.
    fn words(&self) -> (&'static str, String) {
        match self {
            Self::AppAdded { name, first } => {
                let then = if *first { " All other sessions of your account were ended." } else { "" };
                ("An authenticator app was set up", format!("The authenticator app {name} was set up. A code of it is asked for when you sign in.{then}"))
            }
            Self::Removed { name, last: false } => ("A second factor was removed", format!("{name} was removed from your account. It signs nobody in any more.")),
            Self::Removed { name, last: true } => (
                "Two-step sign-in is off",
                format!("{name} was removed from your account. It was the last second factor: your password alone signs you in now."),
            ),
            Self::PasskeyAdded { name, first } => {
                let then = if *first { " All other sessions of your account were ended." } else { "" };
                ("A passkey was added", format!("The passkey {name} was added. Whoever holds it and unlocks it can sign in to your account.{then}"))
            }
            Self::RecoveryCodesMade => ("New recovery codes", "New recovery codes were made. Those from before do not work any more.".to_owned()),
            Self::AllRemoved => (
                "Two-step sign-in is off",
                "The support of this portal removed the apps, the passkeys and the recovery codes of your account, and ended its sessions. Your password alone signs you in now. Set an app up again as soon as you can."
                    .to_owned(),
            ),
            Self::RecoveryCodeUsed { left } => (
                "A recovery code was used",
                match left {
                    0 => "A recovery code was used to sign in. None is left: make new ones on the page Account.".to_owned(),
                    1 => "A recovery code was used to sign in. One is left.".to_owned(),
                    n => format!("A recovery code was used to sign in. {n} are left."),
                },
            ),
        }
    }
}

/// A mail as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The subject, one line.
    pub subject: String,
    /// As plain text.
    pub text: String,
    /// As HTML.
    pub html: String,
}

/// What the operator's own marks are.
struct Brand {
    name: String,
    base: String,
    support: Option<String>,
}

// The three parts of a message are three templates with the same fields; a macro cannot join their paths, so they are
// written out.
macro_rules! message {
    ($name:ident { $($field:ident : $type:ty),* $(,)? }, $subject:literal, $text:literal, $html:literal) => {
        struct $name<'a> { brand: &'a Brand, $($field: $type),* }
        impl $name<'_> {
            fn render(self) -> Result<Rendered, askama::Error> {
                #[derive(Template)]
                #[template(path = $subject, escape = "none")]
                #[allow(dead_code, reason = "a subject does not use every field")]
                struct Subject<'b> { brand: &'b Brand, $($field: &'b $type),* }
                #[derive(Template)]
                #[template(path = $text, escape = "none")]
                #[allow(dead_code, reason = "the parts share their fields")]
                struct Text<'b> { brand: &'b Brand, $($field: &'b $type),* }
                #[derive(Template)]
                #[template(path = $html, escape = "html")]
                #[allow(dead_code, reason = "the parts share their fields")]
                struct Html<'b> { brand: &'b Brand, subject: &'b str, $($field: &'b $type),* }
                let brand = self.brand;
                let subject = Subject { brand, $($field: &self.$field),* }.render()?.trim().to_owned();
                let text = Text { brand, $($field: &self.$field),* }.render()?;
                let html = Html { brand, subject: &subject, $($field: &self.$field),* }.render()?;
                Ok(Rendered { subject, text, html })
            }
        }
    };
}
message!(
    VerifyEmail { first_name: String, link: String, chooses_password: bool },
    "verify_email/subject.txt",
    "verify_email/body.txt",
    "verify_email/body.html"
);
message!(AccountExists { link: String }, "account_exists/subject.txt", "account_exists/body.txt", "account_exists/body.html");
message!(
    ResetPassword { first_name: String, link: String },
    "reset_password/subject.txt",
    "reset_password/body.txt",
    "reset_password/body.html"
);
message!(NoAccount { link: String }, "no_account/subject.txt", "no_account/body.txt", "no_account/body.html");
message!(
    PasswordChanged { first_name: String, at: String, reset: bool, by: String, link: String },
    "password_changed/subject.txt",
    "password_changed/body.txt",
    "password_changed/body.html"
);
message!(
    ConfirmEmail { first_name: String, link: String },
    "confirm_email/subject.txt",
    "confirm_email/body.txt",
    "confirm_email/body.html"
);
message!(AddressInUse { link: String }, "address_in_use/subject.txt", "address_in_use/body.txt", "address_in_use/body.html");
message!(
    EmailChangeAsked { first_name: String, email: String, at: String, by: String, link: String },
    "email_change_asked/subject.txt",
    "email_change_asked/body.txt",
    "email_change_asked/body.html"
);
message!(
    EmailChanged { first_name: String, email: String, at: String, by: String, link: String },
    "email_changed/subject.txt",
    "email_changed/body.txt",
    "email_changed/body.html"
);
message!(
    NewBrowser { first_name: String, at: String, by: String, link: String },
    "new_browser/subject.txt",
    "new_browser/body.txt",
    "new_browser/body.html"
);
message!(
    SecondFactor { first_name: String, headline: &'static str, sentences: String, at: String, by: String, link: String, undoes: bool },
    "second_factor/subject.txt",
    "second_factor/body.txt",
    "second_factor/body.html"
);
message!(
    AccountDeleted { first_name: String, at: String, by: String, organization: Option<String>, by_others: bool, link: String },
    "account_deleted/subject.txt",
    "account_deleted/body.txt",
    "account_deleted/body.html"
);
message!(
    Identity { first_name: String, provider: String, linked: bool, at: String, by: String, link: String },
    "identity/subject.txt",
    "identity/body.txt",
    "identity/body.html"
);
message!(
    CustomerWaits { organization: String, by: String, link: String },
    "customer_waits/subject.txt",
    "customer_waits/body.txt",
    "customer_waits/body.html"
);
message!(
    CustomerOpened { organization: String, link: String },
    "customer_opened/subject.txt",
    "customer_opened/body.txt",
    "customer_opened/body.html"
);
message!(
    Ticket { number: String, about: String, headline: String, body: String, note: String, organization: Option<String>, link: String },
    "ticket/subject.txt",
    "ticket/body.txt",
    "ticket/body.html"
);
message!(Invitation { organization: String, role: &'static str, inviter: String, link: String, until: String }, "invitation/subject.txt", "invitation/body.txt", "invitation/body.html");

impl Message {
    /// Writes the message with the operator's marks.
    ///
    /// # Errors
    /// Only a template's own.
    pub fn render(&self, config: &Config) -> Result<Rendered, askama::Error> {
        let base = config.base();
        let brand = &Brand {
            name: config.portal_name.clone(),
            base: base.clone(),
            support: config.support_email.as_ref().map(ToString::to_string),
        };
        match self.clone() {
            Self::VerifyEmail { first_name, token, chooses_password } => {
                VerifyEmail { brand, first_name, link: format!("{base}/verify-email?token={token}"), chooses_password }.render()
            }
            Self::AccountExists => AccountExists { brand, link: format!("{base}/sign-in") }.render(),
            Self::ResetPassword { first_name, token } => {
                ResetPassword { brand, first_name, link: format!("{base}/reset-password?token={token}") }.render()
            }
            Self::NoAccount => NoAccount { brand, link: format!("{base}/sign-up") }.render(),
            Self::PasswordChanged { first_name, at, reset, by } => {
                PasswordChanged { brand, first_name, at: at.date_time(), reset, by, link: format!("{base}/forgot-password") }.render()
            }
            Self::ConfirmEmail { first_name, token } => {
                ConfirmEmail { brand, first_name, link: format!("{base}/confirm-email?token={token}") }.render()
            }
            Self::AddressInUse => AddressInUse { brand, link: format!("{base}/sign-in") }.render(),
            Self::EmailChangeAsked { first_name, email, at, by } => EmailChangeAsked {
                brand,
                first_name,
                email: email.to_string(),
                at: at.date_time(),
                by,
                link: format!("{base}/.well-known/change-password"),
            }
            .render(),
            Self::NewBrowser { first_name, at, by } => {
                NewBrowser { brand, first_name, at: at.date_time(), by, link: format!("{base}/account") }.render()
            }
            Self::EmailChanged { first_name, email, at, by, undo } => {
                let link = if undo.is_empty() { String::new() } else { format!("{base}/undo?token={undo}") };
                EmailChanged { brand, first_name, email: email.to_string(), at: at.date_time(), by, link }.render()
            }
            Self::SecondFactor { first_name, change, at, by, undo } => {
                let (headline, sentences) = change.words();
                let undoes = !undo.is_empty();
                let link = if undoes { format!("{base}/undo?token={undo}") } else { format!("{base}/forgot-password") };
                SecondFactor { brand, first_name, headline, sentences, at: at.date_time(), by, link, undoes }.render()
            }
            Self::AccountDeleted { first_name, at, by, organization, by_others } => {
                AccountDeleted { brand, first_name, at: at.date_time(), by, organization, by_others, link: format!("{base}/sign-up") }
                    .render()
            }
            Self::Identity { first_name, provider, linked, at, by } => {
                Identity { brand, first_name, provider, linked, at: at.date_time(), by, link: format!("{base}/account") }.render()
            }
            Self::CustomerOpened { organization } => CustomerOpened { brand, organization, link: format!("{base}/sign-in") }.render(),
            Self::CustomerWaits { organization, by } => CustomerWaits { brand, organization, by, link: format!("{base}/sign-in") }.render(),
            Self::Ticket { number, subject, headline, body, note, organization } => {
                let page = if organization.is_some() { "operator" } else { "organization" };
                let link = format!("{base}/{page}/tickets/{number}");
                Ticket { brand, link, number, about: subject, headline, body, note, organization }.render()
            }
            Self::Invitation { organization, role, inviter, token, expires_at } => Invitation {
                brand,
                organization,
                role: role.name(),
                inviter,
                link: format!("{base}/invitation?token={token}"),
                until: expires_at.date_time(),
            }
            .render(),
        }
    }
}
