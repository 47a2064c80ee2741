//! Content negotiation: ranges, validators and codings.

use crate::wire::http1::Headers;
use std::ops::Range;

/// What a `Range` header means for a body of known length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ByteRange {
    /// The whole body: no range, or one that is ignored.
    Whole,
    /// These bytes; never empty.
    Part(Range<usize>),
    /// A range outside of the body: 416.
    Unsatisfiable,
}

/// Parses a `Range` value (RFC 9110, 14.2). Anything but one well-formed byte range means the whole body: "A
/// server MAY ignore the Range header field"; several ranges would need a multipart body, which no player
/// requests.
pub fn byte_range(value: Option<&str>, len: usize) -> ByteRange {
    let Some((unit, ranges)) = value.and_then(|value| value.split_once('=')) else {
        return ByteRange::Whole;
    };
    let Some((first, last)) = ranges.trim().split_once('-') else {
        return ByteRange::Whole;
    };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return ByteRange::Whole;
    }
    match (position(first), position(last)) {
        (Some(Some(first)), Some(last)) => {
            let last = last.unwrap_or(usize::MAX);
            if last < first {
                ByteRange::Whole
            } else if first >= len {
                ByteRange::Unsatisfiable
            } else {
                ByteRange::Part(first..last.min(len - 1) + 1)
            }
        }
        (Some(None), Some(Some(suffix))) => {
            if suffix == 0 || len == 0 {
                ByteRange::Unsatisfiable
            } else {
                ByteRange::Part(len.saturating_sub(suffix)..len)
            }
        }
        _ => ByteRange::Whole,
    }
}

/// A position in a range: `None` if it is not a number, `Some(None)` if it is left out. Numbers beyond
/// `usize` saturate.
fn position(text: &str) -> Option<Option<usize>> {
    let text = text.trim();
    if text.is_empty() {
        return Some(None);
    }
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| Some(text.parse().unwrap_or(usize::MAX)))
}

/// True if a list of entity tags (`If-None-Match`) names `etag` (quoted), by weak comparison (RFC 9110,
/// 8.8.3.2).
pub fn matches_etag<'a>(mut list: impl Iterator<Item = &'a str>, etag: &str) -> bool {
    list.any(|item| item == "*" || item.strip_prefix("W/").unwrap_or(item) == etag)
}

/// True if gzip may be sent (RFC 9110, 12.5.3): named, or covered by `*`, with a weight above zero.
pub fn accepts_gzip(headers: &Headers) -> bool {
    let mut any = false;
    for item in headers.list("accept-encoding") {
        let (coding, params) = item.split_once(';').unwrap_or((item, ""));
        let weight = params.trim().strip_prefix("q=").unwrap_or("1");
        let wanted = weight.bytes().any(|byte| matches!(byte, b'1'..=b'9'));
        match coding.trim() {
            coding if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip") => {
                return wanted;
            }
            "*" => any = wanted,
            _ => {}
        }
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_range_is_honoured_and_all_else_means_the_whole() {
        let range = |value| byte_range(Some(value), 100);
        assert_eq!(range("bytes=0-0"), ByteRange::Part(0..1));
        assert_eq!(range("bytes=10-"), ByteRange::Part(10..100));
        assert_eq!(range("Bytes = 90-999"), ByteRange::Part(90..100));
        assert_eq!(range("bytes=-30"), ByteRange::Part(70..100));
        assert_eq!(range("bytes=-300"), ByteRange::Part(0..100));
        assert_eq!(range("bytes=0-99999999999999999999999"), ByteRange::Part(0..100));
        assert_eq!(range("bytes=100-"), ByteRange::Unsatisfiable);
        assert_eq!(range("bytes=99999999999999999999999-"), ByteRange::Unsatisfiable);
        assert_eq!(range("bytes=-0"), ByteRange::Unsatisfiable);
        for odd in [
            "bytes=0-1,4-5",
            "bytes=5-4",
            "bytes=-",
            "bytes=a-b",
            "bytes=1",
            "items=0-1",
            "0-1",
            "bytes=+1-2",
        ] {
            assert_eq!(range(odd), ByteRange::Whole, "{odd}");
        }
        assert_eq!(byte_range(None, 100), ByteRange::Whole);
        assert_eq!(byte_range(Some("bytes=0-"), 0), ByteRange::Unsatisfiable);
        assert_eq!(byte_range(Some("bytes=-1"), 0), ByteRange::Unsatisfiable);
    }

    #[test]
    fn entity_tags_are_compared_weakly() {
        assert!(matches_etag(["\"a\"", "W/\"b\""].into_iter(), "\"b\""));
        assert!(matches_etag(["*"].into_iter(), "\"b\""));
        assert!(!matches_etag(["\"a\"", "b"].into_iter(), "\"b\""));
    }

    #[test]
    fn gzip_is_sent_only_to_those_who_take_it() {
        let accepts = |value: &str| {
            let mut headers = Headers::default();
            headers.push("accept-encoding", value.as_bytes());
            accepts_gzip(&headers)
        };
        assert!(accepts("gzip"));
        assert!(accepts("br, GZIP;q=0.5"));
        assert!(accepts("*"));
        assert!(!accepts("gzip;q=0"));
        assert!(!accepts("gzip; q=0.000, *"));
        assert!(!accepts("identity"));
        assert!(!accepts_gzip(&Headers::default()));
    }
}
