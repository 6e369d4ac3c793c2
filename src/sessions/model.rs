use serde::{Deserialize, Serialize};

use crate::words::{SessionId, Timestamp};

/// Sign-in, as it arrives.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SignInForm {
    /// The address.
    pub email: String,
    /// The password.
    pub password: String,
    /// Where one wanted to go; own paths only.
    #[serde(default)]
    pub to: String,
}

/// A session, as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionView {
    /// Its id.
    pub id: SessionId,
    /// The device in words.
    pub device: String,
    /// From where it was opened.
    pub address: String,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_seen_at: Timestamp,
    /// Whether it is the one that looks.
    pub own: bool,
}

/// Browser and system of a `User-Agent`, in words; only what people tell apart.
#[must_use]
pub fn device(user_agent: &str) -> String {
    let has = |part: &str| user_agent.contains(part);
    let browser = if has("Firefox/") {
        "Firefox"
    } else if has("Edg/") {
        "Edge"
    } else if has("OPR/") {
        "Opera"
    } else if has("Chrome/") || has("CriOS/") {
        "Chrome"
    } else if has("Safari/") {
        "Safari"
    } else {
        "A program"
    };
    let system = if has("iPhone") || has("iPad") {
        "iOS"
    } else if has("Android") {
        "Android"
    } else if has("Windows") {
        "Windows"
    } else if has("Mac OS X") {
        "macOS"
    } else if has("Linux") {
        "Linux"
    } else {
        ""
    };
    if system.is_empty() { browser.to_owned() } else { format!("{browser} on {system}") }
}

#[cfg(test)]
mod tests {
    use super::device;

    #[test]
    fn devices_are_named_in_words() {
        assert_eq!(device("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"), "Firefox on Linux");
        assert_eq!(
            device("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1"),
            "Safari on iOS"
        );
        assert_eq!(device("curl/8.0"), "A program");
    }
}
