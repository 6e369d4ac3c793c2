use serde::{Deserialize, Serialize};

use crate::{
    form::FieldErrors,
    words::{DAY, MINUTE, Timestamp, is_forbidden_in_names},
};

/// The most characters of a server's address.
pub const MAX_ADDRESS: usize = 1000;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scope {
    /// Connecting PMM servers.
    Connect,
    /// Reading what its maker may read.
    Read,
    /// Everything that its maker may.
    Full,
}

impl Scope {
    /// Every scope, the narrowest first.
    pub const ALL: [Self; 3] = [Self::Connect, Self::Read, Self::Full];

    /// Its name in the database and in forms.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "pmm:connect",
            Self::Read => "read",
            Self::Full => "full",
        }
    }

    /// Its name on pages.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Connect => "Connect PMM servers",
            Self::Read => "Read only",
            Self::Full => "Full access",
        }
    }

    /// What it allows, in a sentence.
    #[must_use]
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Connect => "For PMM. It connects servers to your organization and does nothing else.",
            Self::Read => "For programs that read what you may read.",
            Self::Full => "For programs that do what you may do. They make no tokens.",
        }
    }

    /// Reads the name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }
}

/// For how long a token can be made: what pages call it, in microseconds.
pub const LIVES: [(&str, i64); 6] =
    [("30 minutes", 30 * MINUTE), ("1 day", DAY), ("7 days", 7 * DAY), ("30 days", 30 * DAY), ("90 days", 90 * DAY), ("1 year", 365 * DAY)];
/// The one that is chosen where nothing is: long enough to paste it in PMM.
pub const LIFE: &str = LIVES[0].0;

/// Make a token, as it arrives.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TokenForm {
    /// What its maker calls it.
    #[serde(default)]
    pub name: String,
    /// One of [`Scope`], by its name; empty for the narrowest.
    #[serde(default)]
    pub scope: String,
    /// One of [`LIVES`]; empty for the shortest.
    #[serde(default)]
    pub life: String,
}

/// A token that can be made.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// What its maker calls it.
    pub name: String,
    /// What it is for.
    pub scope: Scope,
    /// For how long, in microseconds.
    pub life: i64,
}

impl TokenForm {
    /// The most characters of a name.
    pub const MAX_NAME: usize = 100;

    /// Reads the form.
    ///
    /// # Errors
    /// What is wrong, by field.
    pub fn parse(&self) -> Result<NewToken, FieldErrors> {
        let mut errors = FieldErrors::default();
        let name = errors.take("name", check_name(&self.name, Self::MAX_NAME, "Enter a name: what the token is for"));
        let scope = if self.scope.is_empty() { Scope::Connect.name() } else { self.scope.as_str() };
        let scope = errors.take("scope", Scope::parse(scope).ok_or("Choose what the token is for"));
        let life = if self.life.is_empty() { LIFE } else { self.life.as_str() };
        let life = LIVES.iter().find(|(title, _)| *title == life).map(|(_, life)| *life);
        let life = errors.take("life", life.ok_or("Choose how long the token lasts"));
        match (name, scope, life) {
            (Some(name), Some(scope), Some(life)) => Ok(NewToken { name, scope, life }),
            _ => Err(errors),
        }
    }
}

fn check_name(text: &str, max: usize, empty: &str) -> Result<String, String> {
    let text = text.trim();
    if text.chars().any(is_forbidden_in_names) {
        Err("Leave out control characters and characters that change the direction of text".to_owned())
    } else if text.is_empty() {
        Err(empty.to_owned())
    } else if text.chars().count() > max {
        Err(format!("Use at most {max} characters"))
    } else {
        Ok(text.to_owned())
    }
}

/// A token that was just made. Its secret is in no other place, and comes with the first answer alone.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// What its maker calls it.
    pub name: String,
    /// What it is for.
    pub scope: Scope,
    /// Until when it may be used.
    pub expires_at: Timestamp,
    /// What the program sends; nothing where the same form had made it before.
    pub secret: Option<String>,
}

/// Connect a PMM server, as it asks for it.
#[derive(Clone, Debug, Default)]
pub struct ConnectForm {
    /// What the server calls itself.
    pub server_id: String,
    /// What people call it.
    pub name: String,
    /// Its address.
    pub url: String,
    /// Where people who sign in to it are sent back to.
    pub callback_url: String,
}

/// A PMM server that can be connected.
#[cfg(feature = "ssr")]
#[derive(Clone, Debug)]
pub struct Server {
    /// What the server calls itself.
    pub server_id: String,
    /// What people call it.
    pub name: String,
    /// By which it is sorted and found: the name, and behind it the host and what the server calls itself.
    pub name_key: String,
    /// Its address, as it came.
    pub url: String,
    /// Where people who sign in to it are sent back to, as it came: it is compared with what the server asks for.
    pub callback_url: String,
}

#[cfg(feature = "ssr")]
impl ConnectForm {
    /// The most characters of a name.
    pub const MAX_NAME: usize = 255;
    /// The most characters of what a server calls itself.
    pub const MAX_ID: usize = 100;

    /// Reads the form.
    ///
    /// # Errors
    /// What is wrong, by field.
    pub fn parse(&self) -> Result<Server, FieldErrors> {
        let mut errors = FieldErrors::default();
        let server_id = errors.take("server_id", check_id(&self.server_id));
        let name = errors.take("name", check_name(&self.name, Self::MAX_NAME, "Enter a name for the PMM server"));
        let url = errors.take("url", check_address(&self.url));
        let callback = errors.take("callback_url", check_address(&self.callback_url));
        if let (Some((_, url)), Some((_, callback))) = (&url, &callback) {
            if url.origin() != callback.origin() {
                let own = url.origin().ascii_serialization();
                errors.take::<(), _>("callback_url", Err(format!("It has to be on the server's own address, {own}")));
            } else if callback.fragment().is_some() {
                errors.take::<(), _>("callback_url", Err("Leave out the part behind #"));
            }
        }
        let (Some(server_id), Some(name), Some((url, parsed)), Some((callback_url, _)), true) =
            (server_id, name, url, callback, errors.0.is_empty())
        else {
            return Err(errors);
        };
        let host = parsed.host_str().unwrap_or_default();
        let host = parsed.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        // A line break stands before everything that a name may hold, so the order is that of the names.
        let name_key = crate::words::fold(&format!("{name}\n{host}\n{server_id}")).chars().take(600).collect();
        Ok(Server { server_id, name, name_key, url, callback_url })
    }
}

#[cfg(feature = "ssr")]
fn check_id(text: &str) -> Result<String, String> {
    let text = text.trim();
    match text.len() {
        0 => Err("Enter the id of the PMM server".to_owned()),
        n if n > ConnectForm::MAX_ID => Err(format!("Use at most {} characters", ConnectForm::MAX_ID)),
        _ if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) => Ok(text.to_owned()),
        _ => Err("Use letters, digits, hyphens, underscores and dots".to_owned()),
    }
}

/// An address of http or https, as it came and as it is read: any host, any port.
#[cfg(feature = "ssr")]
fn check_address(text: &str) -> Result<(String, url::Url), &'static str> {
    const UNREADABLE: &str = "Enter a whole address, such as https://pmm.example.com/graph";
    let text = text.trim();
    if text.is_empty() {
        return Err(UNREADABLE);
    }
    if text.chars().count() > MAX_ADDRESS {
        return Err("Use at most 1000 characters");
    }
    // What a browser would read otherwise than it is written.
    if text.chars().any(|c| c.is_whitespace() || c == '\\' || is_forbidden_in_names(c)) {
        return Err("Leave out spaces, backslashes and control characters");
    }
    let (scheme, rest) = text.split_once("://").ok_or(UNREADABLE)?;
    if !["http", "https"].contains(&scheme.to_ascii_lowercase().as_str()) {
        return Err("Use an address that begins with http:// or https://");
    }
    if rest.starts_with('/') {
        return Err(UNREADABLE);
    }
    let url = url::Url::parse(text).map_err(|_| UNREADABLE)?;
    if !url.username().is_empty() || url.password().is_some() || rest.split(['/', '?', '#']).next().is_some_and(|host| host.contains('@')) {
        return Err("Leave out the user name and the password");
    }
    if let Some(url::Host::Domain(name)) = url.host()
        && !is_host_name(name)
    {
        return Err("Use a host name of letters, digits, hyphens, underscores and dots, or an IP address");
    }
    if url.port() == Some(0) {
        return Err("Use a port from 1 to 65535");
    }
    Ok((text.to_owned(), url))
}

/// Whether a host can be one of DNS (RFC 1035, 2.3.4), as browsers read it: small letters, names of other scripts already as
/// `xn--`. Underscores are in names that container networks give. It ends up in the page's policy (CSP), where other
/// characters would say something.
#[cfg(feature = "ssr")]
fn is_host_name(name: &str) -> bool {
    let whole = name.strip_suffix('.').unwrap_or(name);
    whole.len() <= 253
        && whole.split('.').all(|label| {
            matches!(label.len(), 1..=63)
                && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte))
        })
}

#[cfg(test)]
#[cfg(feature = "ssr")]
mod tests {
    use super::*;

    fn form(url: &str, callback: &str) -> ConnectForm {
        ConnectForm { server_id: "a-1".to_owned(), name: "PMM".to_owned(), url: url.to_owned(), callback_url: callback.to_owned() }
    }

    #[test]
    fn any_http_address_does_and_the_way_back_is_on_the_same_one() {
        for (url, callback) in [
            ("https://pmm.example.com/graph", "https://pmm.example.com/graph/login/generic_oauth"),
            ("https://pmm.example.com", "https://pmm.example.com:443/graph/login/generic_oauth"),
            ("http://127.0.0.1:8080/graph", "http://127.0.0.1:8080/graph/login/generic_oauth"),
            ("http://localhost", "http://localhost/x"),
            ("https://[2001:db8::1]:8443/graph", "https://[2001:db8::1]:8443/graph/login/generic_oauth"),
            ("HTTPS://PMM.example.com/graph", "https://pmm.example.com/graph/login/generic_oauth"),
            ("https://pmm-server/graph", "https://pmm-server/graph/login?x=1"),
            ("https://pmm_server:8443/graph", "https://pmm_server:8443/graph/login"),
            ("https://pmm.example.com./graph", "https://pmm.example.com./graph/login"),
            ("https://bücher.example/graph", "https://xn--bcher-kva.example/graph/login"),
        ] {
            let server = form(url, callback).parse().unwrap_or_else(|errors| panic!("{url} {callback}: {errors:?}"));
            assert_eq!((server.url.as_str(), server.callback_url.as_str()), (url, callback), "kept as they came");
        }
    }

    #[test]
    fn what_is_no_address_or_leads_elsewhere_is_refused_beside_its_field() {
        let right = "https://pmm.example.com/graph";
        for wrong in [
            "",
            "pmm.example.com",
            "//pmm.example.com",
            "https:pmm.example.com",
            "https:///graph",
            "https://",
            "ftp://pmm.example.com",
            "javascript://alert(1)",
            "https://pmm.example.com/a b",
            "https://pmm.example.com\\@evil.example",
            "https://a@pmm.example.com/graph",
            "https://@pmm.example.com/graph",
            "https://a:b@pmm.example.com/graph",
            "https://pmm.example.com:99999/graph",
            "https://pmm.example.com:0/graph",
            "https://*/graph",
            "https://*.example/graph",
            "https://'none'/graph",
            "https://a;sandbox/graph",
            "https://a%3bb/graph",
            "https://a,b.example/graph",
            "https://a\"b.example/graph",
            "https://./graph",
            "https://a..b/graph",
            "https://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example/graph",
            "https://pmm\u{202E}.example.com/graph",
        ] {
            let errors = form(wrong, right).parse().expect_err(wrong);
            assert!(errors.of("url").is_some(), "{wrong}: {errors:?}");
            assert!(form(right, wrong).parse().expect_err(wrong).of("callback_url").is_some(), "{wrong}");
        }
        for elsewhere in [
            "http://pmm.example.com/graph",
            "https://pmm.example.com:8443/graph",
            "https://evil.example/graph",
            "https://pmm.example.com.evil.example/graph",
            "https://x.pmm.example.com/",
            "https://pmm.example.com/graph#x",
        ] {
            let errors = form(right, elsewhere).parse().expect_err(elsewhere);
            assert_eq!((errors.0.len(), errors.of("callback_url").is_some()), (1, true), "{elsewhere}: {errors:?}");
        }
        let errors = ConnectForm::default().parse().expect_err("empty");
        assert_eq!(errors.0.len(), 4, "{errors:?}");
        for id in ["a/b", "a b", "a:b", "é", &"a".repeat(101)] {
            let errors = ConnectForm { server_id: id.to_owned(), ..form(right, right) }.parse().expect_err(id);
            assert!(errors.of("server_id").is_some(), "{id}");
        }
        for name in ["", " ", "a\u{202E}b", "a\nb", &"é".repeat(256)] {
            let errors = ConnectForm { name: name.to_owned(), ..form(right, right) }.parse().expect_err(name);
            assert!(errors.of("name").is_some(), "{name}");
        }
    }

    #[test]
    fn a_token_is_for_connecting_and_lasts_half_an_hour_where_nothing_is_chosen() {
        let token = TokenForm { name: " PMM ".to_owned(), ..TokenForm::default() }.parse().expect("right");
        assert_eq!((token.name.as_str(), token.scope, token.life), ("PMM", Scope::Connect, 30 * MINUTE));
        let errors = TokenForm { scope: "all".to_owned(), life: "2 years".to_owned(), ..TokenForm::default() }.parse().expect_err("wrong");
        assert_eq!(errors.0.len(), 3, "{errors:?}");
        for scope in Scope::ALL {
            assert_eq!(Scope::parse(scope.name()), Some(scope));
        }
    }
}
