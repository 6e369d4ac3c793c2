use std::net::IpAddr;

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
    /// From where it was opened, in words; may be empty.
    pub place: String,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_seen_at: Timestamp,
    /// By which factors, in words, where there was more than one; else empty.
    pub factors: String,
    /// Whether it is the one that looks.
    pub own: bool,
}

/// What browsers call themselves, the more special before what it is made of: nearly all of them say "Chrome" or "Safari".
const BROWSERS: &[(&str, &str)] = &[
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("OPT/", "Opera"),
    ("OPX/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("YaBrowser/", "Yandex Browser"),
    ("DuckDuckGo/", "DuckDuckGo"),
    ("Ddg/", "DuckDuckGo"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("HeadlessChrome/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Safari/", "Safari"),
    ("Go-http-client/", "Go-http-client"),
    ("curl/", "curl"),
];

/// The same for systems and devices.
const SYSTEMS: &[(&str, &str)] = &[
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("iPod", "iPod"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "Mac"),
    ("Macintosh", "Mac"),
    ("Linux", "Linux"),
    ("FreeBSD", "FreeBSD"),
    ("OpenBSD", "OpenBSD"),
];

/// Browser and system of a `User-Agent`, in words: "Chrome on Windows". Only what people tell apart, and nothing of the
/// text itself, which anybody can make up.
#[must_use]
pub fn device(user_agent: &str) -> String {
    let named = |table: &[(&str, &'static str)]| table.iter().find(|(part, _)| user_agent.contains(part)).map(|(_, name)| *name);
    match (named(BROWSERS), named(SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        (None, Some(system)) => format!("A program on {system}"),
        (None, None) => "A program".to_owned(),
    }
}

/// From where, in words, as seen from `here`: the same address, or the same network of IPv6, is "this network".
#[must_use]
pub fn place(address: &str, here: &str) -> String {
    if address.is_empty() {
        String::new()
    } else if network(address).is_some_and(|own| Some(own) == network(here)) {
        format!("from this network ({address})")
    } else {
        format!("from {address}")
    }
}

/// What a household or an office has to itself: an address of IPv4, the first 64 bits of IPv6.
fn network(address: &str) -> Option<(u64, u32)> {
    Some(match address.parse().ok()? {
        IpAddr::V4(v4) => (0, v4.to_bits()),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => (0, v4.to_bits()),
            None => ((v6.to_bits() >> 64) as u64, 0),
        },
    })
}

/// With what and from where, in words for a mail: "Chrome on Windows from 203.0.113.7".
#[must_use]
pub fn client(user_agent: &str, address: &str) -> String {
    let device = device(user_agent).replace("A program", "a program");
    if address.is_empty() { device } else { format!("{device} from {address}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_named_in_words() {
        let mozilla = |rest: &str| device(&format!("Mozilla/5.0 {rest}"));
        for (named, words) in [
            ("(X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", "Firefox on Linux"),
            ("(Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36", "Chrome on Windows"),
            (
                "(Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
                "Edge on Windows",
            ),
            (
                "(iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            (
                "(iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/142.0.0.0 Mobile/15E148 Safari/604.1",
                "Chrome on iPhone",
            ),
            (
                "(iPad; CPU OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/145.0 Mobile/15E148 Safari/605.1.15",
                "Firefox on iPad",
            ),
            (
                "(iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 EdgiOS/142.0 Mobile/15E148 Safari/604.1",
                "Edge on iPhone",
            ),
            ("(Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15", "Safari on Mac"),
            (
                "(Linux; Android 15; Pixel 7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
            (
                "(Linux; Android 14; SM-S901B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
                "Samsung Internet on Android",
            ),
            ("(X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 OPR/126.0.0.0", "Opera on Linux"),
            ("(X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36", "Chrome on ChromeOS"),
        ] {
            assert_eq!(mozilla(named), words, "{named}");
        }
        assert_eq!(device("curl/8.0"), "curl");
        assert_eq!(device("Go-http-client/1.1"), "Go-http-client");
        for nobody in ["", "x", "<script>alert(1)</script>", "Visit evil.example"] {
            assert_eq!(device(nobody), "A program", "{nobody}");
        }
        assert_eq!(device("Dalvik/2.1.0 (Linux; U; Android 15)"), "A program on Android");
    }

    #[test]
    fn places_are_named_as_seen_from_here() {
        assert_eq!(place("203.0.113.7", "198.51.100.1"), "from 203.0.113.7");
        assert_eq!(place("203.0.113.7", "203.0.113.7"), "from this network (203.0.113.7)");
        assert_eq!(place("::ffff:203.0.113.7", "203.0.113.7"), "from this network (::ffff:203.0.113.7)");
        assert_eq!(place("2001:db8:1:2::a", "2001:db8:1:2:3::b"), "from this network (2001:db8:1:2::a)");
        assert_eq!(place("2001:db8:1:2::a", "2001:db8:1:3::a"), "from 2001:db8:1:2::a");
        assert_eq!(place("", "203.0.113.7"), "");
        assert_eq!(place("nonsense", "203.0.113.7"), "from nonsense");
    }

    #[test]
    fn a_mail_names_both() {
        assert_eq!(client("curl/8.0", "203.0.113.7"), "curl from 203.0.113.7");
        assert_eq!(client("", ""), "a program");
    }
}
