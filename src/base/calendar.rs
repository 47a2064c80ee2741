//! Dates of the Gregorian calendar in UTC, from seconds or milliseconds since 1970.

use std::fmt;

/// Seconds per day; Unix time has no leap seconds.
pub const DAY_SECS: u64 = 86_400;

/// Milliseconds since 1970, displayed as RFC 3339: `2026-11-22T18:40:01.123Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rfc3339(pub u64);

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (secs, millis) = (self.0 / 1000, self.0 % 1000);
        let (year, month, day) = civil(secs / DAY_SECS);
        let (hour, minute, second) = (secs / 3600 % 24, secs / 60 % 60, secs % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
}

/// Year, month (1 to 12) and day (1 to 31) of the day that lies `days` after 1970-01-01.
///
/// Counts in eras of 400 years that begin on the first of March, so that a leap day is the last of its year.
pub fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::Rfc3339;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let date = |unix_ms| Rfc3339(unix_ms).to_string();
        assert_eq!(date(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(date(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(date(1_709_251_199_999), "2024-02-29T23:59:59.999Z");
        assert_eq!(date(1_709_251_199_999), "2024-02-29T23:59:59.999Z");
        assert_eq!(date(1_795_372_801_123), "2026-11-22T18:40:01.123Z");
        assert_eq!(date(4_107_542_400_000), "2100-03-01T00:00:00.000Z");
        assert!(date(u64::MAX).starts_with("584556019-"));
    }
}
