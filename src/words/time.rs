use serde::{Deserialize, Serialize};

/// A second, in microseconds.
pub const SECOND: i64 = 1_000_000;
/// A minute, in microseconds.
pub const MINUTE: i64 = 60 * SECOND;
/// An hour, in microseconds.
pub const HOUR: i64 = 60 * MINUTE;
/// A day of 24 hours, in microseconds.
pub const DAY: i64 = 24 * HOUR;

/// A moment: microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(sqlx::Type), sqlx(transparent))]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Later than every moment: what lasts until then has no end.
    pub const NEVER: Self = Self(i64::MAX);

    /// The moment so many microseconds later (or earlier, where negative).
    #[must_use]
    pub fn plus(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros))
    }

    /// Milliseconds since the epoch, as JavaScript counts.
    #[must_use]
    pub fn millis(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Year, month (1–12), day (1–31), hour, minute, second in UTC.
    ///
    /// Days to a civil date after Howard Hinnant's `civil_from_days`; here so that no calendar goes to the browser.
    #[must_use]
    pub fn civil(self) -> (i64, u8, u8, u8, u8, u8) {
        let seconds = self.0.div_euclid(SECOND);
        let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let z = days + 719_468;
        let era = z.div_euclid(146_097);
        let doe = z.rem_euclid(146_097);
        let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let mp = (5 * doy + 2) / 153;
        let day = doy - (153 * mp + 2) / 5 + 1;
        let month = if mp < 10 { mp + 3 } else { mp - 9 };
        let year = yoe + era * 400 + i64::from(month <= 2);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "each is bounded by the calendar")]
        (year, month as u8, day as u8, (rest / 3600) as u8, (rest / 60 % 60) as u8, (rest % 60) as u8)
    }

    /// The beginning in UTC of a day that is written as `2026-11-24`; nothing for what is no day.
    #[cfg(feature = "ssr")]
    #[must_use]
    pub fn of_date(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '-');
        let mut number = |digits: usize| {
            let part = parts.next().filter(|part| part.len() == digits && part.bytes().all(|b| b.is_ascii_digit()))?;
            part.parse::<i64>().ok()
        };
        let (year, month, day) = (number(4)?, number(2)?, number(2)?);
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return None;
        }
        // `days_from_civil`, after Howard Hinnant, the inverse of what is above.
        let y = if month <= 2 { year - 1 } else { year };
        let (era, yoe) = (y.div_euclid(400), y.rem_euclid(400));
        let doy = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
        let days = era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468;
        let date = Self(days * DAY);
        // The 31st of a month that has 30 days comes out as another day.
        (date.iso_date() == text).then_some(date)
    }

    /// A moment of RFC 3339, such as `2026-11-24T14:05:00Z` or `2026-11-24T15:05:00.5+01:00`; nothing for what is none.
    #[cfg(feature = "ssr")]
    #[must_use]
    pub fn of_rfc3339(text: &str) -> Option<Self> {
        let day = Self::of_date(text.get(..10)?)?;
        let rest = text.get(10..)?.strip_prefix(['T', 't', ' '])?;
        let number = |text: &str, most: i64| {
            let is_right = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<i64>().ok().filter(|n| is_right && *n <= most)
        };
        let time = |text: &str| {
            let hour = number(text.get(..2)?, 23)?;
            Some((hour * 60 + number(text.get(2..)?.strip_prefix(':')?, 59)?) * MINUTE)
        };
        let minutes = time(rest.get(..5)?)?;
        // A leap second is the last one again.
        let seconds = number(rest.get(5..)?.strip_prefix(':')?.get(..2)?, 60)?.min(59) * SECOND;
        let rest = rest.get(8..)?;
        let end = rest.find(['Z', 'z', '+', '-'])?;
        let (fraction, zone) = rest.split_at(end);
        let micros = match fraction.strip_prefix('.') {
            None if fraction.is_empty() => 0,
            Some(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                format!("{digits:0<6}").get(..6)?.parse().ok()?
            }
            _ => return None,
        };
        let offset = match zone.as_bytes().first()? {
            b'+' => time(zone.get(1..)?)?,
            b'-' => -time(zone.get(1..)?)?,
            _ if zone.len() == 1 => 0,
            _ => return None,
        };
        // In UTC it may be of another year, for which there have to be four digits as well.
        Some(day.plus(minutes + seconds + micros - offset)).filter(|moment| (0..10_000).contains(&moment.civil().0))
    }

    /// The day in UTC, as `2026-11-24`: for the address and for `<input type="date">`.
    #[must_use]
    pub fn iso_date(self) -> String {
        let (year, month, day, ..) = self.civil();
        format!("{year:04}-{month:02}-{day:02}")
    }

    /// RFC 3339 in UTC, to the second: for `<time datetime>`.
    #[must_use]
    pub fn rfc3339(self) -> String {
        let (year, month, day, hour, minute, second) = self.civil();
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }

    /// RFC 3339 in UTC, to the microsecond: for programs that compare moments.
    #[cfg(feature = "ssr")]
    #[must_use]
    pub fn rfc3339_micros(self) -> String {
        let seconds = self.rfc3339();
        format!("{}.{:06}Z", seconds.trim_end_matches('Z'), self.0.rem_euclid(SECOND))
    }

    /// The date as people read it where no script can put it into their own zone: `24 November 2026`.
    #[must_use]
    pub fn date(self) -> String {
        let (year, month, day, ..) = self.civil();
        format!("{day} {} {year}", MONTHS[usize::from(month - 1) % 12])
    }

    /// The same, short enough for a table: `24 Nov 2026`.
    #[must_use]
    pub fn short_date(self) -> String {
        let (year, month, day, ..) = self.civil();
        format!("{day} {} {year}", &MONTHS[usize::from(month - 1) % 12][..3])
    }

    /// Date and time in UTC, said so: `24 November 2026, 14:05 UTC`.
    #[must_use]
    pub fn date_time(self) -> String {
        format!("{}, {}", self.date(), self.time())
    }

    /// The time alone, in UTC, said so: `14:05 UTC`.
    #[must_use]
    pub fn time(self) -> String {
        let (_, _, _, hour, minute, _) = self.civil();
        format!("{hour:02}:{minute:02} UTC")
    }
}

const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right_at_the_edges() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(Timestamp(seconds * SECOND).rfc3339(), text);
        }
        for text in ["1970-01-01", "2000-02-29", "2024-02-29", "2100-02-28", "2026-12-31", "0001-01-01"] {
            assert_eq!(Timestamp::of_date(text).map(|at| at.rfc3339()), Some(format!("{text}T00:00:00Z")));
        }
        for text in ["", "2026-02-29", "2026-13-01", "2026-00-10", "2026-11-31", "2026-1-1", "26-11-24", "2026-11-24T00", "+026-11-24", "x"]
        {
            assert_eq!(Timestamp::of_date(text), None, "{text}");
        }
        for (text, same) in [
            ("2026-11-24T14:05:09Z", "2026-11-24T14:05:09Z"),
            ("2026-11-24t14:05:09.75z", "2026-11-24T14:05:09Z"),
            ("2026-11-24 00:05:09+01:00", "2026-11-23T23:05:09Z"),
            ("2026-12-31T23:59:60-00:30", "2027-01-01T00:29:59Z"),
        ] {
            assert_eq!(Timestamp::of_rfc3339(text).map(Timestamp::rfc3339).as_deref(), Some(same), "{text}");
        }
        assert_eq!(Timestamp::of_rfc3339("1970-01-01T00:00:00.0123456789Z"), Some(Timestamp(12_345)));
        for text in [
            "",
            "2026-11-24",
            "2026-11-24T14:05:09",
            "2026-02-30T00:00:00Z",
            "2026-11-24T24:00:00Z",
            "2026-11-24T14:05Z",
            "2026-11-24T14:05:09.Z",
            "2026-11-24T14:05:09+1:00",
            "2026-11-24T14:05:09Zx",
            "2026-11-24T14:05:09+01:00x",
            "2026-11-2€T14:05:09Z",
            "2026-11-24T1€:05:09Z",
            "2026-11-24T+1:05:09Z",
            "9999-12-31T23:59:59-00:01",
            "0000-01-01T00:00:00+00:01",
        ] {
            assert_eq!(Timestamp::of_rfc3339(text), None, "{text}");
        }
        assert_eq!(Timestamp(951_782_400 * SECOND).date_time(), "29 February 2000, 00:00 UTC");
    }
}
