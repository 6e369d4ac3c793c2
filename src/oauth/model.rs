use serde::{Deserialize, Serialize};

use crate::words::{PmmServerId, Timestamp};

/// Whether a server may know who somebody is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct AllowForm {
    /// What the server asked for: the query of the authorization request, as it came.
    pub request: String,
    /// `allow`, or anything else for no.
    #[serde(default)]
    pub answer: String,
}

/// A server that knows somebody, as they see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownServer {
    /// Its id.
    pub id: PmmServerId,
    /// What it is called.
    pub name: String,
    /// Where it is: host, and port where it is a special one.
    pub host: String,
    /// Since when it knows them.
    pub allowed_at: Timestamp,
    /// When they last signed in to it.
    pub signed_in_at: Option<Timestamp>,
}

/// What a server asks for and what it gets: of the scopes that there are, those that were named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// An ID token.
    pub openid: bool,
    /// The person's name.
    pub profile: bool,
    /// The address.
    pub email: bool,
    /// A refresh token.
    pub offline_access: bool,
    /// The API.
    pub percona: bool,
}

impl Scope {
    /// The names of all of them.
    pub const NAMES: [&'static str; 5] = ["openid", "profile", "email", "offline_access", "percona"];

    /// Reads a list of names; what nobody knows is left out (RFC 6749 §3.3, OpenID Connect Core §3.1.2.1).
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let named = |name| text.split(' ').any(|word| word == name);
        let [openid, profile, email, offline_access, percona] = Self::NAMES.map(named);
        Self { openid, profile, email, offline_access, percona }
    }

    /// The names.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        let has = [self.openid, self.profile, self.email, self.offline_access, self.percona];
        Self::NAMES.into_iter().zip(has).filter(|(_, has)| *has).map(|(name, _)| name).collect()
    }

    /// Whether it asks for no more than another one.
    #[must_use]
    pub fn is_within(self, other: Self) -> bool {
        let others = other.names();
        self.names().iter().all(|name| others.contains(name))
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.names().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::Scope;

    #[test]
    fn scopes_are_read_and_written_alike() {
        let all = Scope::parse("openid profile email offline_access percona");
        assert_eq!(all.to_string(), "openid profile email offline_access percona");
        assert_eq!(Scope::parse("percona admin  OPENID email openid").to_string(), "openid email percona");
        assert_eq!(Scope::parse("").to_string(), "");
        assert!(Scope::parse("email").is_within(all) && !all.is_within(Scope::parse("email")));
    }
}
