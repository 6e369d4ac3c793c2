//! One-time codes by time (RFC 6238), as authenticator apps make them: SHA-1, six digits, 30 seconds.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use qrcodegen::{QrCode, QrCodeEcc};
use totp_rs::{Algorithm, Builder, Secret, Totp};

use super::DIGITS;
use crate::{
    secrets::Random,
    words::{SECOND, Timestamp},
};

/// How many bytes the secret of an app has: what HMAC-SHA-1 gives (RFC 4226 §4).
pub const SECRET: usize = 20;
/// How long a code is shown, in seconds.
const STEP: u64 = 30;
/// So many steps before and after the one of now are good, too: clocks differ, and people type.
const SKEW: u16 = 1;

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Bytes in Base32 (RFC 4648 §6), in small letters and without padding.
#[must_use]
pub fn base32(bytes: &[u8]) -> String {
    let (mut out, mut held, mut bits) = (String::new(), 0_u32, 0);
    for byte in bytes {
        held = (held << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            out.push(char::from(ALPHABET[(held >> bits) as usize & 31]));
        }
        held &= (1 << bits) - 1;
    }
    if bits > 0 {
        out.push(char::from(ALPHABET[(held << (5 - bits)) as usize & 31]));
    }
    out
}

/// A text in groups of four, to be read and typed.
#[must_use]
pub fn grouped(text: &str, between: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    chars.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(between)
}

/// A new recovery code: 80 random bits, with dashes.
#[must_use]
pub fn recovery_code(random: Random) -> String {
    grouped(&base32(&random.bytes::<15>()), "-")
}

/// The address by which an app takes over a secret, as QR codes hold it.
#[must_use]
pub fn address(portal_name: &str, email: &str, secret: &[u8]) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    // A colon would divide the label.
    let issuer = encoded(&portal_name.replace(':', " "));
    format!("otpauth://totp/{issuer}:{}?secret={}&issuer={issuer}", encoded(email), base32(secret).to_uppercase())
}

/// A QR code: how many modules it is wide, its margin included, and the path that draws the dark ones. Nothing where the
/// text is too long for one.
#[must_use]
pub fn qr(text: &str) -> Option<(i32, String)> {
    const MARGIN: i32 = 4;
    let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
    let size = code.size();
    let mut path = String::new();
    for y in 0..size {
        let mut x = 0;
        while x < size {
            let from = x;
            while x < size && code.get_module(x, y) {
                x += 1;
            }
            if x > from {
                path.push_str(&format!("M{} {}h{}v1h-{}z", from + MARGIN, y + MARGIN, x - from, x - from));
            }
            x += 1;
        }
    }
    Some((size + 2 * MARGIN, path))
}

fn totp(secret: &[u8]) -> Option<Totp> {
    let (secret, digits) = (secret.try_into().ok()?, u8::try_from(DIGITS).ok()?);
    let builder = Builder::new().with_algorithm(Algorithm::SHA1).with_digits(digits).with_skew(SKEW).with_step_duration(STEP);
    builder.with_secret(Secret::new_stack(secret)).build().ok()
}

fn seconds(now: Timestamp) -> u64 {
    u64::try_from(now.0.div_euclid(SECOND)).unwrap_or(0)
}

/// The step of time whose code this is; nothing for a wrong one.
#[must_use]
pub fn check(secret: &[u8], code: &str, now: Timestamp) -> Option<i64> {
    totp(secret)?.check(code, seconds(now)).and_then(|step| i64::try_from(step).ok())
}

/// The code of a moment, as an app shows it.
#[must_use]
pub fn code(secret: &[u8], now: Timestamp) -> String {
    totp(secret).map(|totp| totp.generate(seconds(now)).to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last six digits of the values of RFC 6238, appendix B.
    #[test]
    fn codes_are_the_standards() {
        let secret = b"12345678901234567890";
        for (seconds, step, six) in [
            (59, 1, "287082"),
            (1_111_111_109, 37_037_036, "081804"),
            (1_234_567_890, 41_152_263, "005924"),
            (20_000_000_000, 666_666_666, "353130"),
        ] {
            let at = Timestamp(seconds * SECOND);
            assert_eq!(code(secret, at), six);
            assert_eq!(check(secret, six, at), Some(step));
            for beside in [-30, 30] {
                assert_eq!(check(secret, six, at.plus(beside * SECOND)), Some(step), "{seconds} {beside}");
            }
            // Before 1970 there are no steps.
            for beyond in [-61, 61].into_iter().filter(|beyond| seconds + beyond >= 0) {
                assert_eq!(check(secret, six, at.plus(beyond * SECOND)), None, "{seconds} {beyond}");
            }
            assert_eq!(check(secret, "000000", at), None);
        }
    }

    /// RFC 4648 §10.
    #[test]
    fn base32_is_the_standards() {
        for (text, encoded) in
            [("", ""), ("f", "my"), ("fo", "mzxq"), ("foo", "mzxw6"), ("foob", "mzxw6yq"), ("fooba", "mzxw6ytb"), ("foobar", "mzxw6ytboi")]
        {
            assert_eq!(base32(text.as_bytes()), encoded);
        }
        assert_eq!(grouped("abcdefghi", "-"), "abcd-efgh-i");
        let code = recovery_code(Random);
        assert_eq!((code.len(), code.matches('-').count()), (29, 5), "{code}");
        assert_ne!(code, recovery_code(Random));
    }

    #[test]
    fn apps_are_told_whose_the_secret_is() {
        let address = address("A: Portal & more", "ada+x@example.com", b"12345678901234567890");
        assert_eq!(
            address,
            "otpauth://totp/A%20%20Portal%20%26%20more:ada%2Bx%40example%2Ecom?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=A%20%20Portal%20%26%20more"
        );
        let (size, path) = qr(&address).expect("it fits");
        assert!(size > 40 && path.starts_with("M4 4h7v1h-7z"), "{size} {path}");
        assert!(qr(&"x".repeat(5000)).is_none());
    }
}
