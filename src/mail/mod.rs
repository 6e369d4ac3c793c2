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
    },
    /// One of a customer's people waits for its administrator.
    CustomerWaits {
        /// The customer's name.
        organization: String,
        /// Who waits.
        by: String,
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
    EmailChanged { first_name: String, email: String, at: String, by: String },
    "email_changed/subject.txt",
    "email_changed/body.txt",
    "email_changed/body.html"
);
message!(
    AccountDeleted { first_name: String, at: String, by: String, organization: Option<String>, link: String },
    "account_deleted/subject.txt",
    "account_deleted/body.txt",
    "account_deleted/body.html"
);
message!(
    CustomerWaits { organization: String, by: String, link: String },
    "customer_waits/subject.txt",
    "customer_waits/body.txt",
    "customer_waits/body.html"
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
            Self::EmailChanged { first_name, email, at, by } => {
                EmailChanged { brand, first_name, email: email.to_string(), at: at.date_time(), by }.render()
            }
            Self::AccountDeleted { first_name, at, by, organization } => {
                AccountDeleted { brand, first_name, at: at.date_time(), by, organization, link: format!("{base}/sign-up") }.render()
            }
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
