//! Every option, once: as a flag, as an environment variable, as a key of the TOML file. The reference in
//! `docs/configuration.md` is generated from this table.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use url::Url;

use crate::{limits::Rate, logo::Logo, outgoing, words::Email};

/// What an option is called in its three forms, and what it means.
#[derive(Clone, Copy, Debug)]
pub struct OptionSpec {
    /// The key in the TOML file; the flag is this with dashes.
    pub key: &'static str,
    /// The environment variable.
    pub env: &'static str,
    /// What holds where nothing is said.
    pub default: &'static str,
    /// What it does, in a sentence or two.
    pub help: &'static str,
    /// Whether its value is never to be shown.
    pub secret: bool,
}

impl OptionSpec {
    /// The flag, without its dashes.
    #[must_use]
    pub fn flag(&self) -> String {
        self.key.replace('_', "-")
    }

    /// The key and the environment variable that name a file which holds the value, where it is a secret that has no option
    /// for that of its own.
    #[must_use]
    pub fn file(&self) -> Option<(String, String)> {
        let (key, env) = (format!("{}_file", self.key), format!("{}_FILE", self.env));
        let own = self.key.ends_with("_file") || OPTIONS.iter().any(|option| option.key == key);
        (self.secret && !own).then_some((key, env))
    }
}

macro_rules! options {
    ($($field:ident : $type:ty = $env:literal, $default:expr, $help:literal, $read:expr $(, $secret:ident)?;)*) => {
        /// The operator's settings, read and right.
        #[derive(Clone, Debug)]
        pub struct Config { $(#[doc = $help] pub $field: $type),* }

        /// Every option.
        pub const OPTIONS: &[OptionSpec] = &[$(OptionSpec { key: stringify!($field), env: $env, default: $default, help: $help, secret: options!(@secret $($secret)?) }),*];

        impl Config {
            /// Reads the options from their texts; what is missing has its default.
            ///
            /// # Errors
            /// A sentence for every option that is wrong.
            pub fn read(given: &BTreeMap<String, String>) -> Result<Self, Vec<String>> {
                let mut wrong = Vec::new();
                $(let $field: Option<$type> = {
                    let read: fn(&str) -> Result<$type, String> = $read;
                    let text = held(stringify!($field), given);
                    let value = text.and_then(|text| read(text.as_deref().unwrap_or($default)));
                    value.map_err(|e| wrong.push(format!("{} ({}): {e}", stringify!($field), $env))).ok()
                };)*
                for key in given.keys() {
                    if !OPTIONS.iter().any(|o| o.key == key || o.file().is_some_and(|(file, _)| file == *key)) { wrong.push(format!("{key}: there is no such option")); }
                }
                match ($($field,)*) {
                    ($(Some($field),)*) if wrong.is_empty() => Ok(Self { $($field),* }),
                    _ => Err(wrong),
                }
            }
        }
    };
    (@secret) => { false };
    (@secret secret) => { true };
}

/// What is given for an option: itself or, for a secret, by a file.
fn held(key: &str, given: &BTreeMap<String, String>) -> Result<Option<String>, String> {
    let file = OPTIONS.iter().find(|option| option.key == key).and_then(OptionSpec::file);
    let path = file.and_then(|(file, _)| given.get(&file)).filter(|path| !path.is_empty());
    match (given.get(key), path) {
        (Some(_), Some(_)) => Err("give it, or a file that holds it, and not both".to_owned()),
        (None, Some(path)) => secret_file(path).map(Some).map_err(|error| format!("the file that holds it: {error}")),
        (text, None) => Ok(text.cloned()),
    }
}

fn text(text: &str) -> Result<String, String> {
    Ok(text.trim().to_owned())
}
fn maybe<T>(given: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, String> {
    if given.trim().is_empty() { Ok(None) } else { read(given.trim()).map(Some) }
}
fn parsed<T: std::str::FromStr>(text: &str) -> Result<T, String>
where
    T::Err: std::fmt::Display,
{
    text.trim().parse().map_err(|e: T::Err| format!("{text:?}: {e}"))
}
fn range(text: &str, min: i64, max: i64) -> Result<i64, String> {
    let n: i64 = parsed(text)?;
    if (min..=max).contains(&n) { Ok(n) } else { Err(format!("{n} is not between {min} and {max}")) }
}
fn public_url(text: &str) -> Result<Url, String> {
    let url: Url = parsed(text)?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(format!("{text:?} is not an http or https address"));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err("the portal has a host name of its own: no path, query or fragment".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("everybody sees it: no user name or password".to_owned());
    }
    Ok(url)
}
fn smtp_url(text: &str) -> Result<Url, String> {
    let url: Url = parsed(text)?;
    if matches!(url.scheme(), "smtp" | "smtp+starttls" | "smtps") && url.host_str().is_some() {
        Ok(url)
    } else {
        Err("it begins with smtp://, smtp+starttls:// or smtps:// and names a host".to_owned())
    }
}
fn colour(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || (text.len() == 7 && text.starts_with('#') && text[1..].chars().all(|c| c.is_ascii_hexdigit())) {
        Ok(text.to_owned())
    } else {
        Err(format!("{text:?} is not a colour like #2f6fde"))
    }
}

fn instance(text: &str) -> Result<Url, String> {
    let url = outgoing::address(text)?;
    if url.path() == "/" && url.query().is_none() { Ok(url) } else { Err("it is an instance's address without a path".to_owned()) }
}
fn secret_file(path: &str) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{path}: {e}"))?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(format!("{path} is empty")),
        secret => Ok(secret.to_owned()),
    }
}
fn long_token(text: &str) -> Result<String, String> {
    let right = text.len() >= 32 && text.bytes().all(|byte| byte.is_ascii_graphic());
    if right { Ok(text.to_owned()) } else { Err("it is at least 32 letters, digits and signs of ASCII, without spaces".to_owned()) }
}
fn webhook_secret(text: &str) -> Result<Vec<u8>, String> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let key = STANDARD.decode(text.strip_prefix("whsec_").unwrap_or(text)).unwrap_or_default();
    if (24..=64).contains(&key.len()) {
        Ok(key)
    } else {
        Err("it is whsec_ and 24 to 64 random bytes in Base64: make one with `echo whsec_$(openssl rand -base64 32)`".to_owned())
    }
}
/// An issuer as it is compared, to the letter.
fn issuer(text: &str) -> Result<String, String> {
    let url = outgoing::address(text)?;
    if url.query().is_none() { Ok(text.trim().to_owned()) } else { Err("an issuer has no query".to_owned()) }
}
fn scopes(text: &str) -> Result<String, String> {
    let all: Vec<&str> = text.split([' ', ',']).filter(|scope| !scope.is_empty()).collect();
    if all.contains(&"openid") { Ok(all.join(" ")) } else { Err("openid is one of them".to_owned()) }
}
/// A domain as mail servers write it, whatever its letters.
fn domain(text: &str) -> Result<String, String> {
    match url::Host::parse(text.trim_start_matches('@')) {
        Ok(url::Host::Domain(domain)) => Ok(domain),
        _ => Err(format!("{text:?} is not a domain")),
    }
}
/// From whom the operator asks a second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Required {
    /// From nobody: whoever wants one has one.
    Nobody,
    /// From operators and from the Admins of organizations.
    Admins,
    /// From everyone.
    Everyone,
}

impl std::str::FromStr for Required {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "nobody" => Ok(Self::Nobody),
            "admins" => Ok(Self::Admins),
            "everyone" => Ok(Self::Everyone),
            _ => Err("it is nobody, admins or everyone".to_owned()),
        }
    }
}

/// A table of ServiceNow's; none where empty.
fn table(text: &str) -> Result<Option<String>, String> {
    maybe(text, |name| {
        if name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') {
            Ok(name.to_owned())
        } else {
            Err(format!("{name:?} is not a table's name"))
        }
    })
}

/// Whom to tell of a vulnerability, as `security.txt` writes it.
fn contact(text: &str) -> Result<String, String> {
    if text.starts_with("https://") {
        return parsed::<Url>(text).map(|url| url.to_string());
    }
    Email::parse(text.strip_prefix("mailto:").unwrap_or(text)).map(|email| format!("mailto:{email}")).map_err(str::to_owned)
}

/// An address, or all that begin alike: `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    /// Whether an address is of it.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        let (of, is, width) = match (self.address, address) {
            (IpAddr::V4(of), IpAddr::V4(is)) => (u128::from(of.to_bits()), u128::from(is.to_bits()), 32),
            (IpAddr::V6(of), IpAddr::V6(is)) => (of.to_bits(), is.to_bits(), 128),
            _ => return false,
        };
        (of ^ is).checked_shr(width - self.bits).unwrap_or(0) == 0
    }
}

impl std::str::FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address = parsed::<IpAddr>(address)?.to_canonical();
        let width: u32 = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(width), parsed)?;
        if bits <= width { Ok(Self { address, bits }) } else { Err(format!("{text:?}: a network has at most {width} bits")) }
    }
}

/// Which field of a record elsewhere is which of the portal's: pairs such as `domain=u_mail_domain`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields(BTreeMap<String, String>);

impl Fields {
    /// Reads pairs separated by commas; what they do not name is as in `default`, which names all there are.
    ///
    /// # Errors
    /// Where a name is none of the portal's, or the other side none of a field.
    pub fn read(text: &str, default: &str) -> Result<Self, String> {
        let pairs = |text: &str| -> Result<Vec<(String, String)>, String> {
            let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
            pairs
                .map(|pair| {
                    pair.split_once('=')
                        .map(|(k, v)| (k.trim().to_owned(), v.trim().to_owned()))
                        .ok_or_else(|| format!("{pair:?} is not like name=field"))
                })
                .collect()
        };
        let mut fields: BTreeMap<String, String> = pairs(default)?.into_iter().collect();
        for (name, field) in pairs(text)? {
            if !field.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '.') {
                return Err(format!("{field:?} is not a field's name"));
            }
            let names = fields.keys().cloned().collect::<Vec<_>>().join(", ");
            *fields.get_mut(&name).ok_or_else(|| format!("{name:?} is none of {names}"))? = field;
        }
        Ok(Self(fields))
    }

    /// The field that stands for one of the portal's; empty where there is none.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// All that there are.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(String::as_str).filter(|field| !field.is_empty())
    }
}

const ACCOUNT_FIELDS: &str = "number=number, name=name, administrator=primary_contact.email, domain=";
const CONTACT_FIELDS: &str = "email=email, account=account, role=, active=active";
const ENTITLEMENT_FIELDS: &str = "number=number, account=account, name=name, tier=, products=product.name, support_level=, start=start_date, end=end_date, units_total=total_units, units_left=remaining_units";

const CASE_FIELDS: &str = "account=account, contact=contact, product=product.name, subject=short_description, description=description, priority=priority, state=state, department=assignment_group.name, category=category, opened=opened_at";
const CASE_STATES: &str = "open=10, waiting=18, resolved=6, closed=3";

options! {
    database_url: String = "DATABASE_URL", "sqlite:org-portal.db", "The database: `sqlite:PATH` or `postgres://USER:PASSWORD@HOST/NAME`.", text, secret;
    listen: SocketAddr = "ORG_PORTAL_LISTEN", "127.0.0.1:3000", "The address and port to listen on.", parsed;
    public_url: Url = "ORG_PORTAL_PUBLIC_URL", "http://127.0.0.1:3000", "The address that people type, without a path. Links in mails are made from it; with https, cookies are sent over TLS alone.", public_url;
    tls_cert: Option<PathBuf> = "ORG_PORTAL_TLS_CERT", "", "A PEM file with the certificate of the public address and the chain that leads to its authority. With it and the key the portal itself speaks TLS on the listen address, and takes up both files again when they change.", |t| maybe(t, parsed);
    tls_key: Option<PathBuf> = "ORG_PORTAL_TLS_KEY", "", "A PEM file with the certificate's private key, not encrypted.", |t| maybe(t, parsed);
    smtp_url: Option<Url> = "ORG_PORTAL_SMTP_URL", "", "The mail server: `smtp://` (plain), `smtp+starttls://` or `smtps://`, with `USER:PASSWORD@` where it asks for them. Without it the portal starts only where everything is on loopback, and keeps mails at /dev/mail.", |t| maybe(t, smtp_url), secret;
    smtp_ca: Option<PathBuf> = "ORG_PORTAL_SMTP_CA", "", "A PEM file with the certificate authority of the mail server, where it is not a public one.", |t| maybe(t, parsed);
    mail_from: String = "ORG_PORTAL_MAIL_FROM", "Org Portal <portal@localhost>", "The sender of every mail: an address, or `Name <address>`.", |t| mailbox(t).map(|_| t.trim().to_owned());
    portal_name: String = "ORG_PORTAL_NAME", "Org Portal", "The portal's name, on every page and in every mail.", text;
    support_email: Option<Email> = "ORG_PORTAL_SUPPORT_EMAIL", "", "Where people can ask for help; shown on error pages and in mails.", |t| maybe(t, |t| Email::parse(t).map_err(str::to_owned));
    security_contact: Option<String> = "ORG_PORTAL_SECURITY_CONTACT", "", "Where a vulnerability is reported: an address, or an https page. It stands in /.well-known/security.txt; where it is not given, the support address does.", |t| maybe(t, contact);
    accent_colour: String = "ORG_PORTAL_ACCENT_COLOUR", "", "The accent colour, like `#2f6fde`; empty for the portal's own.", colour;
    logo: Option<Logo> = "ORG_PORTAL_LOGO", "", "A picture file (SVG, PNG or WebP, at most 100 KiB) that takes the place of the portal's mark on every page. It is shown 24 to 32 pixels high; an SVG that does more than draw is refused.", |t| maybe(t, Logo::read);
    trusted_proxies: Vec<Network> = "ORG_PORTAL_TRUSTED_PROXIES", "", "The addresses of the reverse proxies before the portal, or networks of them like `10.0.0.0/8`, separated by commas. Only they are believed when they name the client's address in X-Forwarded-For.", |t| t.split(',').map(str::trim).filter(|t| !t.is_empty()).map(parsed).collect();
    metrics_listen: Option<SocketAddr> = "ORG_PORTAL_METRICS_LISTEN", "", "An address and port of their own for Prometheus' metrics at /metrics; off where empty.", |t| maybe(t, parsed);
    log: String = "ORG_PORTAL_LOG", "info", "What is logged: a level (error, warn, info, debug, trace) or a filter like `info,org_portal=debug`.", text;
    log_format: String = "ORG_PORTAL_LOG_FORMAT", "text", "How it is logged: `text` or `json`.", |t| if matches!(t, "text" | "json") { Ok(t.to_owned()) } else { Err("it is text or json".to_owned()) };
    key_file: Option<PathBuf> = "ORG_PORTAL_KEY_FILE", "", "The file with the key that secrets in the database are sealed with. Beside SQLite it is made at the first start, under the database's name with the ending .key; with PostgreSQL it has to be named, the same for all replicas (docs/operating.md).", |t| maybe(t, parsed);
    signing_key_days: i64 = "ORG_PORTAL_SIGNING_KEY_DAYS", "90", "After so many days the key by which ID tokens are signed is replaced.", |t| range(t, 1, 3650);
    session_idle_minutes: i64 = "ORG_PORTAL_SESSION_IDLE_MINUTES", "1440", "After so many minutes without a request a session ends.", |t| range(t, 1, 525_600);
    session_days: i64 = "ORG_PORTAL_SESSION_DAYS", "30", "After so many days a session ends in any case.", |t| range(t, 1, 365);
    invitation_days: i64 = "ORG_PORTAL_INVITATION_DAYS", "7", "For so many days an invitation can be accepted.", |t| range(t, 1, 90);
    sign_in_rate: Rate = "ORG_PORTAL_SIGN_IN_RATE", "10/60", "Sign-ins to one account from browsers that have not signed in to it before: ten at once, then one each 60 seconds. Browsers that have are counted apart, each by itself.", parsed;
    sign_in_address_rate: Rate = "ORG_PORTAL_SIGN_IN_ADDRESS_RATE", "60/2", "Sign-ins from one address.", parsed;
    second_factor: Required = "ORG_PORTAL_SECOND_FACTOR", "nobody", "Who has to have a second factor: `nobody`, `admins` (operators and the Admins of organizations), or `everyone`. Who has none is led to set one up, and can do nothing else until then.", parsed;
    second_factor_rate: Rate = "ORG_PORTAL_SECOND_FACTOR_RATE", "10/300", "Codes in the second step of a sign-in to one account, counted after a right password: ten at once, then one each 300 seconds. Browsers that have signed in to it before are counted apart.", parsed;
    mail_rate: Rate = "ORG_PORTAL_MAIL_RATE", "5/900", "Mails to one address that anybody can cause without being signed in: sign-up and forgotten password.", parsed;
    mail_address_rate: Rate = "ORG_PORTAL_MAIL_ADDRESS_RATE", "20/60", "Such mails caused from one address.", parsed;
    token_rate: Rate = "ORG_PORTAL_TOKEN_RATE", "20/10", "Requests for a token that are refused, of one PMM server from one address.", parsed;
    token_address_rate: Rate = "ORG_PORTAL_TOKEN_ADDRESS_RATE", "100/2", "Requests for a token that are refused, and requests as the identity system with a wrong token, from one address.", parsed;
    invitation_rate: Rate = "ORG_PORTAL_INVITATION_RATE", "100/20", "Invitations sent by one organization.", parsed;
    invitation_recipient_rate: Rate = "ORG_PORTAL_INVITATION_RECIPIENT_RATE", "5/3600", "Invitations to one address, from whomever.", parsed;
    api_rate: Rate = "ORG_PORTAL_API_RATE", "1000/1", "Calls of /v1 with one session or token, and requests of the identity system, counted by each process for itself.", parsed;
    api_address_rate: Rate = "ORG_PORTAL_API_ADDRESS_RATE", "300/1", "Calls of /v1 from one address without a session or token that is good, counted by each process for itself.", parsed;
    hashing_threads: usize = "ORG_PORTAL_HASHING_THREADS", "0", "Threads that hash passwords; 0 for one a processor.", |t| range(t, 0, 64).map(|n| usize::try_from(n).unwrap_or(0));
    servicenow_url: Option<Url> = "ORG_PORTAL_SERVICENOW_URL", "", "The ServiceNow instance from which customers come, like `https://acme.service-now.com` (docs/servicenow.md).", |t| maybe(t, instance);
    servicenow_user: String = "ORG_PORTAL_SERVICENOW_USER", "", "The user there as whom the portal asks.", text;
    servicenow_password: String = "ORG_PORTAL_SERVICENOW_PASSWORD", "", "That user's password.", |t| Ok(t.to_owned()), secret;
    servicenow_password_file: Option<String> = "ORG_PORTAL_SERVICENOW_PASSWORD_FILE", "", "A file that holds the password, in place of it.", |t| maybe(t, secret_file), secret;
    servicenow_client_id: String = "ORG_PORTAL_SERVICENOW_CLIENT_ID", "", "With it and its secret the portal asks with a token (OAuth, client credentials) in place of user and password.", text;
    servicenow_client_secret: String = "ORG_PORTAL_SERVICENOW_CLIENT_SECRET", "", "The secret of that client.", |t| Ok(t.to_owned()), secret;
    servicenow_minutes: i64 = "ORG_PORTAL_SERVICENOW_MINUTES", "5", "So many minutes lie between two synchronizations by `serve`, where there is an instance; 0 for none by itself.", |t| range(t, 0, 10_080);
    servicenow_accounts: Option<String> = "ORG_PORTAL_SERVICENOW_ACCOUNTS", "customer_account", "The table of accounts, each a customer.", table;
    servicenow_account_fields: Fields = "ORG_PORTAL_SERVICENOW_ACCOUNT_FIELDS", ACCOUNT_FIELDS, "Which of its fields are which of a customer's; only those that differ need to be named. A field of a record that it refers to is written with a dot.", |t| Fields::read(t, ACCOUNT_FIELDS);
    servicenow_contacts: Option<String> = "ORG_PORTAL_SERVICENOW_CONTACTS", "customer_contact", "The table of contacts, each one of a customer's people; none where empty.", table;
    servicenow_contact_fields: Fields = "ORG_PORTAL_SERVICENOW_CONTACT_FIELDS", CONTACT_FIELDS, "Which of its fields are which of a person's.", |t| Fields::read(t, CONTACT_FIELDS);
    servicenow_entitlements: Option<String> = "ORG_PORTAL_SERVICENOW_ENTITLEMENTS", "service_entitlement", "The table of entitlements; none where empty.", table;
    servicenow_entitlement_fields: Fields = "ORG_PORTAL_SERVICENOW_ENTITLEMENT_FIELDS", ENTITLEMENT_FIELDS, "Which of its fields are which of an entitlement's.", |t| Fields::read(t, ENTITLEMENT_FIELDS);
    oidc_issuer: Option<String> = "ORG_PORTAL_OIDC_ISSUER", "", "The issuer of the OpenID provider by which people can sign in, exactly as its discovery document has it, like `https://login.example.com` (docs/operating.md). It gets this portal's address with `/sign-in/provider/callback` as the redirect address.", |t| maybe(t, issuer);
    oidc_client_id: String = "ORG_PORTAL_OIDC_CLIENT_ID", "", "The portal's client id there.", text;
    oidc_client_secret: String = "ORG_PORTAL_OIDC_CLIENT_SECRET", "", "The secret of that client.", |t| Ok(t.to_owned()), secret;
    oidc_client_secret_file: Option<String> = "ORG_PORTAL_OIDC_CLIENT_SECRET_FILE", "", "A file that holds the secret, in place of it.", |t| maybe(t, secret_file), secret;
    oidc_name: String = "ORG_PORTAL_OIDC_NAME", "single sign-on", "What people call the provider: the button says `Continue with` and this.", |t| if t.trim().is_empty() { Err("it stands on a button".to_owned()) } else { text(t) };
    oidc_scopes: String = "ORG_PORTAL_OIDC_SCOPES", "openid email profile", "The scopes that it is asked for.", scopes;
    oidc_domains: Vec<String> = "ORG_PORTAL_OIDC_DOMAINS", "", "The domains, separated by commas, for whose addresses the provider is the authority: they sign in by it and not with a password, and it links to accounts that are there.", |t| t.split(',').map(str::trim).filter(|t| !t.is_empty()).map(domain).collect();
    oidc_group_claim: String = "ORG_PORTAL_OIDC_GROUP_CLAIM", "groups", "The claim that holds somebody's groups: a list, or one text. Where it stands inside of another claim, the way to it is written with dots.", text;
    oidc_operator_group: String = "ORG_PORTAL_OIDC_OPERATOR_GROUP", "", "Who is in this group is an operator of the portal, from their next sign-in by the provider on, until one at which they are not.", text;
    oidc_seconds: i64 = "ORG_PORTAL_OIDC_SECONDS", "8", "So many seconds the provider may take for an answer.", |t| range(t, 1, 10);
    scim_token: Option<String> = "ORG_PORTAL_SCIM_TOKEN", "", "The token by which the operator's identity system keeps accounts (SCIM 2.0 at `/scim/v2`, docs/operating.md): at least 32 characters, such as `openssl rand -hex 32` gives. Without it there is nothing at that address.", |t| maybe(t, long_token), secret;
    scim_token_file: Option<String> = "ORG_PORTAL_SCIM_TOKEN_FILE", "", "A file that holds the token, in place of it.", |t| maybe(t, |path| long_token(&secret_file(path)?)), secret;
    ticket_reopen_days: i64 = "ORG_PORTAL_TICKET_REOPEN_DAYS", "14", "For so many days after it was solved a reply opens a ticket again.", |t| range(t, 0, 3650);
    ticket_rate: Rate = "ORG_PORTAL_TICKET_RATE", "30/60", "Tickets and replies of one account.", parsed;
    servicenow_cases: Option<String> = "ORG_PORTAL_SERVICENOW_CASES", "sn_customerservice_case", "The table of cases, each a ticket; where empty, tickets stay in the portal.", table;
    servicenow_case_fields: Fields = "ORG_PORTAL_SERVICENOW_CASE_FIELDS", CASE_FIELDS, "Which of its fields are which of a ticket's.", |t| Fields::read(t, CASE_FIELDS);
    servicenow_case_states: Fields = "ORG_PORTAL_SERVICENOW_CASE_STATES", CASE_STATES, "What a case's state is set to when its ticket comes to another stage in the portal; nothing where empty.", |t| Fields::read(t, CASE_STATES);
    servicenow_case_url: String = "ORG_PORTAL_SERVICENOW_CASE_URL", "/csm?id=csm_ticket&table=sn_customerservice_case&sys_id={sys_id}", "Where customers see a case in the instance; empty where they do not.", text;
    webhook_url: Option<Url> = "ORG_PORTAL_WEBHOOK_URL", "", "Where events are posted to, such as a ticket that was raised (docs/webhooks.md).", |t| maybe(t, outgoing::address);
    webhook_secret: Option<Vec<u8>> = "ORG_PORTAL_WEBHOOK_SECRET", "", "The secret by which they are signed: `whsec_` and 24 to 64 random bytes in Base64.", |t| maybe(t, webhook_secret), secret;
    webhook_seconds: i64 = "ORG_PORTAL_WEBHOOK_SECONDS", "15", "So many seconds the receiver may take for an answer.", |t| range(t, 1, 30);
    audit_days: i64 = "ORG_PORTAL_AUDIT_DAYS", "365", "For so many days the audit log and the reports of imports are kept.", |t| range(t, 1, 36_500);
    outbox_days: i64 = "ORG_PORTAL_OUTBOX_DAYS", "30", "For so many days it is kept that a mail or an event was delivered or given up, and every attempt to post an event.", |t| range(t, 1, 3650);
    leftover_hours: i64 = "ORG_PORTAL_LEFTOVER_HOURS", "24", "For so many hours what serves a moment is kept beyond it: links that have expired, keys of forms, files of forms that were not accepted, the log from which open pages hear of changes.", |t| range(t, 1, 8760);
}

/// Reads a mailbox: `address` or `Name <address>`.
///
/// # Errors
/// Where it is neither.
pub fn mailbox(text: &str) -> Result<lettre::message::Mailbox, String> {
    text.trim().parse().map_err(|e| format!("{text:?}: {e}"))
}

/// Whether a URL leads to this machine itself.
fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        // Addresses stand here, too, where the URL is none of the web's.
        Some(url::Host::Domain(name)) => {
            name == "localhost" || name.ends_with(".localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }
        None => false,
    }
}

impl Config {
    /// Whether a cookie goes over TLS alone, and so gets the `__Host-` prefix.
    #[must_use]
    pub fn secure(&self) -> bool {
        self.public_url.scheme() == "https"
    }

    /// Whether both the listen address and the public address are on loopback: what trusts loopback (kept mails, a
    /// cookie without TLS) may be on then. A request with a forwarding header is not trusted even so.
    #[must_use]
    pub fn on_loopback(&self) -> bool {
        is_this_machine(&self.public_url) && self.listen.ip().is_loopback()
    }

    /// What goes to another machine in the clear, or to one that nobody vouches for, and what to do about it (ASVS 5.0.0,
    /// 12.3.1 and 12.3.2).
    #[must_use]
    pub fn in_the_clear(&self) -> Vec<(&'static str, &'static str)> {
        let mut found = Vec::new();
        if self.smtp_url.as_ref().is_some_and(|url| url.scheme() == "smtp" && !is_this_machine(url)) {
            found.push((
                "Mails go to another machine without TLS, and the links in them are as good as passwords.",
                "Begin ORG_PORTAL_SMTP_URL with smtp+starttls:// or smtps://.",
            ));
        }
        if let Ok(url) = Url::parse(&self.database_url)
            && matches!(url.scheme(), "postgres" | "postgresql")
        {
            let of = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
            let by_socket = of("host").map_or_else(|| url.host_str().is_none(), |host| host.starts_with('/'));
            let checked = of("sslmode").or_else(|| of("ssl-mode")).is_some_and(|mode| mode.starts_with("verify-"));
            if !by_socket && !checked && !is_this_machine(&url) {
                found.push((
                    "The database is on another machine, and no certificate of it is asked for.",
                    "Add sslmode=verify-full to DATABASE_URL, and sslrootcert where its authority is none of the public ones.",
                ));
            }
        }
        found
    }

    /// Whether mails are kept and shown at `/dev/mail` instead of being sent.
    #[must_use]
    pub fn keeps_mail(&self) -> bool {
        self.smtp_url.is_none() && self.on_loopback()
    }

    /// The public address without a slash at its end.
    #[must_use]
    pub fn base(&self) -> String {
        self.public_url.as_str().trim_end_matches('/').to_owned()
    }

    /// The contrast of white text on the accent colour as it was given: from 1 to 21 (WCAG 2.2, 1.4.3); nothing where
    /// none was given. Pages derive their steps from the colour, each dark or light enough in both themes whatever was
    /// given (a test tries hundreds); but one that is far from doing by itself does not look like itself any more.
    #[must_use]
    pub fn accent_contrast(&self) -> Option<f64> {
        let channel = |at: usize| {
            let value = u8::from_str_radix(self.accent_colour.get(at..at + 2)?, 16).ok()?;
            let value = f64::from(value) / 255.0;
            Some(if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) })
        };
        let luminance = 0.2126 * channel(1)? + 0.7152 * channel(3)? + 0.0722 * channel(5)?;
        Some(1.05 / (luminance + 0.05))
    }

    /// Whether tickets are answered at a desk elsewhere.
    #[must_use]
    pub fn has_desk(&self) -> bool {
        self.servicenow_url.is_some() && self.servicenow_cases.is_some()
    }

    /// Whether an address is a proxy's whose word on the client's address is taken.
    #[must_use]
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(address))
    }

    /// Whom to tell of a vulnerability, as a URI; nothing where nobody is named.
    #[must_use]
    pub fn security_contact(&self) -> Option<String> {
        self.security_contact.clone().or_else(|| self.support_email.as_ref().map(|email| format!("mailto:{email}")))
    }

    /// What the OpenID provider is called that is the authority for an address, where it is.
    #[must_use]
    pub fn provider_of(&self, email: &Email) -> Option<&str> {
        self.oidc_issuer.as_ref()?;
        let domain = domain(email.as_str().rsplit_once('@')?.1).ok()?;
        self.oidc_domains.contains(&domain).then_some(&self.oidc_name)
    }

    /// The token of the operator's identity system, where it has one.
    #[must_use]
    pub fn identity_system_token(&self) -> Option<&str> {
        self.scim_token_file.as_deref().or(self.scim_token.as_deref())
    }

    /// The sender of mails.
    #[must_use]
    pub fn sender(&self) -> Option<lettre::message::Mailbox> {
        mailbox(&self.mail_from).ok()
    }

    /// What keeps the portal from starting with these settings.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.smtp_url.is_none() && !self.on_loopback() {
            problems.push("No mail server is configured (ORG_PORTAL_SMTP_URL). Without one the portal starts only where both ORG_PORTAL_LISTEN and ORG_PORTAL_PUBLIC_URL are on loopback, and keeps mails at /dev/mail.".to_owned());
        }
        if !self.secure() && !self.on_loopback() {
            problems.push("ORG_PORTAL_PUBLIC_URL must begin with https:// except where both it and ORG_PORTAL_LISTEN are on loopback: without TLS anybody on the way could take a session.".to_owned());
        }
        if self.tls_cert.is_some() != self.tls_key.is_some() {
            problems.push(
                "ORG_PORTAL_TLS_CERT and ORG_PORTAL_TLS_KEY belong together: give both, or neither where a proxy does TLS.".to_owned(),
            );
        }
        if self.second_factor != Required::Nobody && crate::seal::path(self).is_none() {
            problems.push("ORG_PORTAL_SECOND_FACTOR needs ORG_PORTAL_KEY_FILE: without a key file nobody can set one up.".to_owned());
        }
        if self.webhook_url.is_some() && self.webhook_secret.is_none() {
            problems.push(
                "ORG_PORTAL_WEBHOOK_URL needs ORG_PORTAL_WEBHOOK_SECRET: without a signature the receiver could not tell who posts."
                    .to_owned(),
            );
        }
        if self.servicenow_url.is_some() {
            let (basic, token) = (!self.servicenow_user.is_empty(), !self.servicenow_client_id.is_empty());
            if !basic && !token {
                problems.push("ORG_PORTAL_SERVICENOW_URL needs a user and a password (ORG_PORTAL_SERVICENOW_USER, ORG_PORTAL_SERVICENOW_PASSWORD), or a client (ORG_PORTAL_SERVICENOW_CLIENT_ID, ORG_PORTAL_SERVICENOW_CLIENT_SECRET).".to_owned());
            }
            if self.servicenow_accounts.is_none() {
                problems
                    .push("ORG_PORTAL_SERVICENOW_ACCOUNTS names the table of accounts, without which there are no customers.".to_owned());
            }
        }
        if self.oidc_issuer.is_some() {
            if self.oidc_client_id.is_empty() || (self.oidc_client_secret.is_empty() && self.oidc_client_secret_file.is_none()) {
                problems.push("ORG_PORTAL_OIDC_ISSUER needs the portal's client there: ORG_PORTAL_OIDC_CLIENT_ID, and ORG_PORTAL_OIDC_CLIENT_SECRET or ORG_PORTAL_OIDC_CLIENT_SECRET_FILE.".to_owned());
            }
        } else if !self.oidc_domains.is_empty() || !self.oidc_operator_group.is_empty() {
            problems
                .push("ORG_PORTAL_OIDC_DOMAINS and ORG_PORTAL_OIDC_OPERATOR_GROUP mean nothing without ORG_PORTAL_OIDC_ISSUER.".to_owned());
        }
        if self.tls_cert.is_some() && !self.secure() {
            problems.push("ORG_PORTAL_PUBLIC_URL must begin with https:// where the portal has a certificate.".to_owned());
        }
        problems
    }

    /// The reference of all options, as Markdown.
    #[must_use]
    pub fn reference() -> String {
        let mut page = String::from(
            "# Configuration\n\n<!-- Generated by `org-portal config reference`; change src/config.rs instead. -->\n\nEvery option can be given as a flag, as an environment variable, or as a key of a TOML file named by `--config FILE` or `ORG_PORTAL_CONFIG`. A flag goes before the environment, the environment before the file.\n\n| Flag | Environment | File | Default | Meaning |\n| --- | --- | --- | --- | --- |\n",
        );
        for o in OPTIONS {
            let default = if o.default.is_empty() { "–".to_owned() } else { format!("`{}`", o.default) };
            let file = o.file().map(|(key, env)| format!(" Or a file that holds it: `{env}`, `{key}`.")).unwrap_or_default();
            page.push_str(&format!("| `--{}` | `{}` | `{}` | {default} | {}{file} |\n", o.flag(), o.env, o.key, o.help));
        }
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pairs: &[(&str, &str)]) -> Result<Config, Vec<String>> {
        Config::read(&pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn the_reference_is_as_it_is_printed() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
        let kept = std::fs::read_to_string(file).expect("docs/configuration.md");
        assert!(
            kept == Config::reference(),
            "docs/configuration.md is not what `org-portal config reference` prints: make it again with `make docs`"
        );
    }

    #[test]
    fn the_defaults_are_right_and_on_loopback() {
        let config = config(&[]).expect("defaults");
        assert!(config.on_loopback() && config.keeps_mail() && !config.secure());
        assert_eq!(config.problems(), Vec::<String>::new());
    }

    #[test]
    fn mails_are_kept_on_loopback_alone() {
        for (listen, url) in [
            ("0.0.0.0:3000", "http://127.0.0.1:3000"),
            ("127.0.0.1:3000", "https://portal.example.com"),
            ("[::]:3000", "http://localhost:3000"),
        ] {
            let config = config(&[("listen", listen), ("public_url", url)]).expect("read");
            assert!(!config.keeps_mail(), "{listen} {url}");
            assert!(!config.problems().is_empty(), "{listen} {url}");
        }
    }

    #[test]
    fn a_second_factor_that_is_asked_for_can_be_set_up() {
        let with = |pairs: &[(&str, &str)]| config(pairs).expect("read").problems();
        assert_eq!(with(&[("second_factor", "everyone")]), Vec::<String>::new(), "beside SQLite the key file is made");
        let postgres = ("database_url", "postgres://a@b/c");
        assert_eq!(with(&[postgres, ("second_factor", "admins")]).len(), 1);
        assert_eq!(with(&[postgres, ("second_factor", "admins"), ("key_file", "/etc/portal.key")]), Vec::<String>::new());
        assert!(config(&[("second_factor", "somebody")]).is_err());
    }

    #[test]
    fn the_contrast_of_white_on_the_accent_is_wcags() {
        let contrast = |colour: &str| config(&[("accent_colour", colour)]).expect("read").accent_contrast();
        assert_eq!(contrast(""), None);
        for (colour, expected) in [("#000000", 21.0), ("#ffffff", 1.0), ("#767676", 4.54), ("#0969da", 5.19), ("#ffee00", 1.19)] {
            let is = contrast(colour).expect("a colour");
            assert!((is - expected).abs() < 0.02, "{colour}: {is}");
        }
    }

    #[test]
    fn networks_hold_what_begins_alike() {
        let holds =
            |network: &str, address: &str| network.parse::<Network>().expect("a network").contains(address.parse().expect("an address"));
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("192.0.2.4/31", "192.0.2.5", "192.0.2.6"),
            ("fd00::/8", "fdff::1", "fe00::1"),
            ("::1", "::1", "::2"),
            ("0.0.0.0/0", "203.0.113.9", "::1"),
            ("::/0", "2001:db8::1", "10.0.0.1"),
        ] {
            assert!(holds(network, inside) && !holds(network, outside), "{network}");
        }
        for wrong in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/-1", "10.0.0.0/x", "example.com"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn vulnerabilities_are_reported_to_an_address_or_a_page() {
        let contact = |pairs: &[(&str, &str)]| config(pairs).map(|config| config.security_contact());
        assert_eq!(contact(&[]), Ok(None));
        assert_eq!(contact(&[("support_email", "help@example.com")]), Ok(Some("mailto:help@example.com".to_owned())));
        let both = [("support_email", "help@example.com"), ("security_contact", "security@example.com")];
        assert_eq!(contact(&both), Ok(Some("mailto:security@example.com".to_owned())));
        assert_eq!(contact(&[("security_contact", "https://example.com/report")]), Ok(Some("https://example.com/report".to_owned())));
        for wrong in ["http://example.com/", "https://", "nobody", "a@example.com\r\nContact: x"] {
            assert!(contact(&[("security_contact", wrong)]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn addresses_of_the_providers_domains_are_told_whatever_their_letters() {
        let given = [("oidc_issuer", "https://login.example.com"), ("oidc_domains", "Example.com, bücher.example")];
        let config = config(&given).expect("read");
        let of = |email: &str| config.provider_of(&Email::parse(email).expect("an address")).is_some();
        for inside in ["a@example.com", "a@EXAMPLE.com", "a@bücher.example", "a@xn--bcher-kva.example", "a@BÜCHER.example"] {
            assert!(of(inside), "{inside}");
        }
        for outside in ["a@sub.example.com", "a@example.com.evil.example", "a@notexample.com"] {
            assert!(!of(outside), "{outside}");
        }
        assert_eq!(config.problems().len(), 1, "the client is missing");
        for wrong in [
            ("oidc_domains", "a b"),
            ("oidc_domains", "10.0.0.1"),
            ("oidc_issuer", "http://login.example.com"),
            ("oidc_issuer", "https://login.example.com/?a=b"),
            ("oidc_scopes", "email"),
            ("oidc_name", " "),
            ("oidc_seconds", "11"),
        ] {
            assert!(super::tests::config(&[wrong]).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn secrets_are_read_from_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).expect("written");
            path.display().to_string()
        };
        let url = file("url", "postgres://portal:secret@localhost/portal\n");
        assert_eq!(config(&[("database_url_file", &url)]).expect("read").database_url, "postgres://portal:secret@localhost/portal");
        for secret in OPTIONS.iter().filter(|option| option.secret && !option.key.ends_with("_file")) {
            let own = OPTIONS.iter().any(|option| option.key == format!("{}_file", secret.key));
            assert!(own || secret.file().is_some(), "{}", secret.key);
        }
        assert!(config(&[("listen_file", &url)]).is_err(), "it is no secret");
        for wrong in [
            &[("database_url_file", &url), ("database_url", &url)][..],
            &[("smtp_url_file", &file("empty", "\n"))],
            &[("smtp_url_file", &url)],
        ] {
            let wrong: Vec<(&str, &str)> = wrong.iter().map(|(key, value)| (*key, value.as_str())).collect();
            let said = config(&wrong).expect_err("wrong");
            assert!(!said.concat().contains("secret@"), "{said:?}");
        }
        assert!(config(&[("smtp_url_file", "/nowhere")]).is_err_and(|said| said[0].contains("/nowhere")));
    }

    #[test]
    fn the_identity_systems_token_is_long_and_may_stand_in_a_file() {
        let token = "0123456789abcdef0123456789abcdef";
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(&file, format!("{token}\n")).expect("written");
        let path = file.path().to_str().expect("a path");
        let of = |pair| config(&[pair]).map(|config| config.identity_system_token().map(str::to_owned));
        assert_eq!(config(&[]).expect("read").identity_system_token(), None);
        assert_eq!(of(("scim_token", token)), Ok(Some(token.to_owned())));
        assert_eq!(of(("scim_token_file", path)), Ok(Some(token.to_owned())));
        std::fs::write(&file, "short").expect("written");
        for wrong in [
            ("scim_token", &token[1..]),
            ("scim_token", "a token with spaces that is long enough"),
            ("scim_token_file", path),
            ("scim_token_file", "/no/such/file"),
        ] {
            assert!(of(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_goes_to_another_machine_in_the_clear_is_told() {
        for (key, value, told) in [
            ("smtp_url", "smtp://mail.example.com", 1),
            ("smtp_url", "smtp://192.0.2.1:25", 1),
            ("smtp_url", "smtp://127.0.0.1:25", 0),
            ("smtp_url", "smtp://localhost", 0),
            ("smtp_url", "smtp+starttls://mail.example.com", 0),
            ("smtp_url", "smtps://mail.example.com", 0),
            ("database_url", "sqlite:portal.db", 0),
            ("database_url", "postgres://portal@db.example.com/portal", 1),
            ("database_url", "postgresql://portal@192.0.2.1/portal?sslmode=require", 1),
            ("database_url", "postgres://portal@db.example.com/portal?sslmode=verify-full", 0),
            ("database_url", "postgres://portal@127.0.0.1/portal", 0),
            ("database_url", "postgres://portal@localhost/portal?host=/run/postgresql", 0),
            ("database_url", "postgres:///portal", 0),
        ] {
            assert_eq!(config(&[(key, value)]).expect(value).in_the_clear().len(), told, "{value}");
        }
    }

    #[test]
    fn every_wrong_option_is_named() {
        let wrong = config(&[
            ("listen", "x"),
            ("public_url", "https://a.example/path"),
            ("public_url", "https://user:secret@a.example"),
            ("sesion_days", "3"),
            ("mail_from", "<"),
            ("smtp_url", "http://a"),
        ])
        .expect_err("wrong");
        assert_eq!(wrong.len(), 5, "{wrong:?}");
    }
}
