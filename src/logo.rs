//! The operator's logo: read and judged once, with the other options.

use std::sync::Arc;

/// The largest file, in bytes: every visitor loads it.
const MAX: usize = 100 * 1024;

/// A picture that may stand on every page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logo {
    /// The file.
    pub bytes: Arc<[u8]>,
    /// Its media type.
    pub kind: &'static str,
    /// A fingerprint of its contents, for its address.
    pub version: String,
}

impl Logo {
    /// Reads a file.
    ///
    /// # Errors
    /// Where it cannot be read, is too large, or is no picture that may be shown.
    pub fn read(path: &str) -> Result<Self, String> {
        let bytes = std::fs::read(path).map_err(|e| format!("{path}: {e}"))?;
        Self::of(bytes).map_err(|e| format!("{path}: {e}"))
    }

    fn of(bytes: Vec<u8>) -> Result<Self, String> {
        if bytes.len() > MAX {
            return Err(format!("it has {} bytes; every visitor loads it, so {MAX} are allowed", bytes.len()));
        }
        let kind = match &bytes[..] {
            [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => "image/png",
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "image/webp",
            _ => match std::str::from_utf8(&bytes) {
                Ok(text) if text.contains("<svg") => {
                    harmless(text)?;
                    "image/svg+xml; charset=utf-8"
                }
                _ => return Err("it is neither PNG nor WebP nor SVG".to_owned()),
            },
        };
        let version = crate::secrets::fingerprint(&bytes);
        Ok(Self { bytes: bytes.into(), kind, version })
    }
}

/// Whether an SVG draws and does nothing else. It is refused and not mended: whoever made it can export it again, and
/// what is left out by a mender is what attackers look for. Browsers run nothing in an `<img>` anyway, and the file is
/// served with a policy that allows nothing: this is the third lock.
fn harmless(svg: &str) -> Result<(), String> {
    let folded = svg.to_lowercase();
    for (bad, what) in [
        ("<!entity", "it declares entities"),
        ("<script", "it holds a script"),
        ("<foreignobject", "it holds foreign content"),
        ("<iframe", "it holds a frame"),
        ("<handler", "it holds a handler"),
        ("<set", "it changes itself"),
        ("<animate", "it is animated"),
        ("javascript:", "it holds a script"),
        ("@import", "it loads styles"),
        ("<?xml-stylesheet", "it loads styles"),
    ] {
        if folded.contains(bad) {
            return Err(format!("{what}; export it as a plain drawing"));
        }
    }
    // Attributes: `onload=` and the like, and addresses of anything but its own parts and pictures inside it.
    let mut before = ' ';
    for (at, c) in folded.char_indices() {
        let attribute = before.is_whitespace() || matches!(before, '"' | '\'' | '/');
        let rest = &folded[at..];
        let name = if attribute { name_before_equals(rest) } else { None };
        if name.is_some_and(|name| name.len() > 2 && name.starts_with("on")) {
            return Err("it holds a handler; export it as a plain drawing".to_owned());
        }
        if matches!(name, Some("href" | "xlink:href" | "src")) {
            let value = rest.split_once('=').map_or("", |(_, value)| value.trim_start().trim_start_matches(['"', '\'']));
            if !value.starts_with('#') && !value.starts_with("data:image/png") && !value.starts_with("data:image/jpeg") {
                return Err("it refers to something outside itself".to_owned());
            }
        }
        before = c;
    }
    for (at, _) in folded.match_indices("url(") {
        if !folded[at + 4..].trim_start_matches(['"', '\'', ' ']).starts_with('#') {
            return Err("it refers to something outside itself".to_owned());
        }
    }
    Ok(())
}

/// The name of an attribute that begins here, where an equals sign follows it.
fn name_before_equals(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '-' || c == ':' || c == '_'))?;
    text[end..].trim_start().starts_with('=').then_some(&text[..end])
}

#[cfg(test)]
mod tests {
    use super::Logo;

    fn of(bytes: &[u8]) -> Result<&'static str, String> {
        Logo::of(bytes.to_vec()).map(|logo| logo.kind)
    }

    #[test]
    fn plain_pictures_are_known_by_their_contents() {
        assert_eq!(of(b"\x89PNG\r\n\x1a\n..."), Ok("image/png"));
        assert_eq!(of(b"RIFF\0\0\0\0WEBPVP8 "), Ok("image/webp"));
        let svg = r##"<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 9 9"><defs><linearGradient id="a"/></defs><use xlink:href="#b"/><path id="b" fill="url(#a)" d="M0 0"/><text>on = off, once</text></svg>"##;
        assert_eq!(of(svg.as_bytes()), Ok("image/svg+xml; charset=utf-8"));
        for (bytes, why) in [(&b"GIF89a"[..], "neither"), (b"<html>", "neither"), (b"", "neither"), (&[0xff; 200_000], "bytes")] {
            assert!(of(bytes).is_err_and(|e| e.contains(why)), "{why}");
        }
    }

    #[test]
    fn an_svg_that_does_more_than_draw_is_refused() {
        for inside in [
            "<script>alert(1)</script>",
            "<SCRIPT href='#a'/>",
            "<g onload=\"alert(1)\"/>",
            "<g\nonclick = 'x'/>",
            "<g id='a'onmouseover='x'/>",
            "<a href='javascript:alert(1)'/>",
            "<a xlink:href=\"https://evil.example\"/>",
            "<image href='//evil.example/x.png'/>",
            "<image href='data:image/svg+xml,x'/>",
            "<foreignObject/>",
            "<style>@import 'x';</style>",
            "<path fill=\"url(https://evil.example/#a)\"/>",
            "<animate attributeName='href'/>",
            "<set attributeName='onload'/>",
        ] {
            assert!(of(format!("<svg xmlns='http://www.w3.org/2000/svg'>{inside}</svg>").as_bytes()).is_err(), "{inside}");
        }
        assert!(of(b"<!DOCTYPE svg [<!ENTITY a 'b'>]><svg>&a;</svg>").is_err());
    }
}
