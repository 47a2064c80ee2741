//! HTTP dates.

use crate::base::calendar::{DAY_SECS, civil};

/// `Sun, 06 Nov 1994 08:49:37 GMT`: the IMF-fixdate (RFC 9110, 5.6.7) of `unix_secs` seconds after 1970.
/// Written without `format!`, since it stands in every response.
pub fn http_date(unix_secs: u64) -> [u8; 29] {
    const WEEKDAYS: [&[u8]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
    const MONTHS: [&[u8]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    // The grammar has four digits for the year; a later time is shown as its last second.
    let secs = unix_secs.min(YEAR_10000_UNIX_SECS - 1);
    let (days, of_day) = (secs / DAY_SECS, secs % DAY_SECS);
    let (year, month, day) = civil(days);
    let mut date = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    date[..3].copy_from_slice(WEEKDAYS[usize::try_from(days % 7).expect("less than seven")]);
    date[8..11].copy_from_slice(MONTHS[usize::try_from(month - 1).expect("less than twelve")]);
    let numbers = [
        (5..7, day),
        (12..16, year),
        (17..19, of_day / 3600),
        (20..22, of_day / 60 % 60),
        (23..25, of_day % 60),
    ];
    for (place, mut number) in numbers {
        for digit in date[place].iter_mut().rev() {
            *digit = b'0' + u8::try_from(number % 10).expect("a digit");
            number /= 10;
        }
    }
    date
}

const YEAR_10000_UNIX_SECS: u64 = 253_402_300_800;

#[cfg(test)]
mod tests {
    use super::http_date;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(&http_date(0), b"Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(&http_date(784_111_777), b"Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(&http_date(951_782_399), b"Mon, 28 Feb 2000 23:59:59 GMT");
        assert_eq!(&http_date(951_782_400), b"Tue, 29 Feb 2000 00:00:00 GMT");
        assert_eq!(&http_date(951_868_800), b"Wed, 01 Mar 2000 00:00:00 GMT");
        assert_eq!(&http_date(1_795_392_000), b"Mon, 23 Nov 2026 00:00:00 GMT");
        assert_eq!(&http_date(4_107_542_400), b"Mon, 01 Mar 2100 00:00:00 GMT");
        assert_eq!(&http_date(4_107_542_399), b"Sun, 28 Feb 2100 23:59:59 GMT");
        assert_eq!(&http_date(u64::MAX), b"Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
