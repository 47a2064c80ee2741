//! The length of a request body, and skipping it.
//!
//! In: the headers of a request, then the bytes of its body. Out: how many bytes to drop. No route needs a
//! body: it is checked and dropped, so that the next request begins where its sender thinks it does.

use crate::wire::http1::{Headers, HttpError, Version};
use serde::{Deserialize, Serialize};

/// What follows the head of a request (RFC 9112, 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BodyLength {
    /// No body.
    None,
    /// This many bytes, at least one.
    Fixed(u64),
    /// Chunks, then a trailer.
    Chunked,
}

impl BodyLength {
    /// Determines the length from the head.
    ///
    /// # Errors
    ///
    /// If two readers could take the head differently, which is what request smuggling needs.
    pub(super) fn of(headers: &Headers, version: Version) -> Result<BodyLength, HttpError> {
        let mut codings = headers.all("transfer-encoding");
        let mut lengths = headers.all("content-length");
        match (codings.next(), lengths.next()) {
            (None, None) => Ok(BodyLength::None),
            // "A server MAY reject a request that contains both Content-Length and Transfer-Encoding" (6.1).
            (Some(_), Some(_)) => Err(HttpError::Framing("Content-Length and Transfer-Encoding together")),
            (Some(_), None) if version == Version::Http10 => {
                Err(HttpError::Framing("HTTP/1.0 has no Transfer-Encoding"))
            }
            (Some(coding), None) => {
                let known = coding.eq_ignore_ascii_case("chunked") && codings.next().is_none();
                if known { Ok(BodyLength::Chunked) } else { Err(HttpError::Coding) }
            }
            (None, Some(length)) => {
                if lengths.next().is_some() {
                    return Err(HttpError::Framing("more than one Content-Length"));
                }
                match decimal(length) {
                    Some(0) => Ok(BodyLength::None),
                    Some(length) => Ok(BodyLength::Fixed(length)),
                    None => Err(HttpError::Framing("Content-Length is not a number")),
                }
            }
        }
    }
}

/// Digits only: `str::parse` would accept a plus sign.
fn decimal(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// Skips one body, however its bytes are split into reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BodySkip {
    step: Step,
    /// Most bytes that may still come, framing included.
    left_max: usize,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Step {
    /// Content; in chunks if `chunked`.
    Content { left: usize, chunked: bool },
    /// The line break after a chunk's content.
    ChunkEnd,
    /// A line with a chunk's size.
    ChunkSize,
    /// A line of the trailer; an empty one ends the body.
    Trailer,
    /// The body is over.
    Done,
}

impl BodySkip {
    /// Longest body, chunk framing included, in bytes.
    pub const BYTES_MAX: usize = 64 << 10;

    /// Longest line of chunk framing, in bytes with its CR LF.
    const LINE_BYTES_MAX: usize = 256;

    /// Begins to skip a body of this length.
    ///
    /// # Errors
    ///
    /// If the length is beyond [`BodySkip::BYTES_MAX`].
    pub fn new(length: BodyLength) -> Result<BodySkip, HttpError> {
        let step = match length {
            BodyLength::None => Step::Done,
            BodyLength::Fixed(length) => match usize::try_from(length) {
                Ok(left) if left <= BodySkip::BYTES_MAX => Step::Content { left, chunked: false },
                _ => return Err(HttpError::BodyTooLarge),
            },
            BodyLength::Chunked => Step::ChunkSize,
        };
        Ok(BodySkip { step, left_max: BodySkip::BYTES_MAX })
    }

    /// True at the end of the body.
    pub fn is_done(&self) -> bool {
        self.step == Step::Done
    }

    /// Skips bytes at the front of `bytes` and returns how many. Stops at the end of the body, and before a
    /// line that is not complete.
    ///
    /// # Errors
    ///
    /// If the chunk framing is malformed or the body too long.
    pub fn consume(&mut self, bytes: &[u8]) -> Result<usize, HttpError> {
        let mut taken = 0;
        while !self.is_done() {
            let len = self.step(&bytes[taken..])?;
            if len == 0 {
                break;
            }
            self.left_max = self.left_max.checked_sub(len).ok_or(HttpError::BodyTooLarge)?;
            taken += len;
        }
        Ok(taken)
    }

    /// Skips one step; returns 0 if it is not complete.
    fn step(&mut self, bytes: &[u8]) -> Result<usize, HttpError> {
        if let Step::Content { left, chunked } = self.step {
            let len = left.min(bytes.len());
            self.step = match left - len {
                0 if chunked => Step::ChunkEnd,
                0 => Step::Done,
                left => Step::Content { left, chunked },
            };
            return Ok(len);
        }
        let Some(line) = line(bytes)? else {
            return Ok(0);
        };
        self.step = match self.step {
            Step::ChunkSize => match chunk_size(line)? {
                0 => Step::Trailer,
                left if left > self.left_max => return Err(HttpError::BodyTooLarge),
                left => Step::Content { left, chunked: true },
            },
            Step::ChunkEnd if line.is_empty() => Step::ChunkSize,
            Step::ChunkEnd => return Err(HttpError::Framing("a chunk is longer than it says")),
            Step::Trailer if line.is_empty() => Step::Done,
            Step::Trailer | Step::Done | Step::Content { .. } => Step::Trailer,
        };
        Ok(line.len() + 2)
    }
}

/// The first line without its CR LF, if it is complete.
fn line(bytes: &[u8]) -> Result<Option<&[u8]>, HttpError> {
    let window = &bytes[..bytes.len().min(BodySkip::LINE_BYTES_MAX)];
    match window.iter().position(|byte| *byte == b'\n') {
        Some(at) => match window[..at].strip_suffix(b"\r") {
            Some(line) if !line.contains(&b'\r') => Ok(Some(line)),
            _ => Err(HttpError::Framing("a line of chunk framing does not end in CR LF")),
        },
        None if window.len() == BodySkip::LINE_BYTES_MAX => {
            Err(HttpError::Framing("a line of chunk framing is too long"))
        }
        None => Ok(None),
    }
}

/// A hexadecimal chunk size; extensions after a semicolon are ignored (RFC 9112, 7.1.1).
fn chunk_size(line: &[u8]) -> Result<usize, HttpError> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii_end();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(HttpError::Framing("a chunk size is not a hexadecimal number"));
    }
    let text = std::str::from_utf8(digits).expect("hexadecimal digits are ASCII");
    usize::from_str_radix(text, 16).map_err(|_| HttpError::BodyTooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chunked() -> BodySkip {
        BodySkip::new(BodyLength::Chunked).unwrap()
    }

    #[test]
    fn a_chunked_body_ends_after_its_trailer() {
        let body = b"4\r\nWiki\r\n5;ext=\"a\"\r\npedia\r\n0 \r\nX-Sum: 1\r\n\r\nGET /";
        let mut skip = chunked();
        assert_eq!(skip.consume(body), Ok(body.len() - 5));
        assert!(skip.is_done());
    }

    #[test]
    fn a_fixed_body_ends_at_its_length() {
        let mut skip = BodySkip::new(BodyLength::Fixed(3)).unwrap();
        assert_eq!(skip.consume(b"ab"), Ok(2));
        assert!(!skip.is_done());
        assert_eq!(skip.consume(b"cGET"), Ok(1));
        assert!(skip.is_done());
    }

    #[test]
    fn too_much_is_refused_before_it_comes() {
        assert_eq!(BodySkip::new(BodyLength::Fixed(65_537)), Err(HttpError::BodyTooLarge));
        assert_eq!(BodySkip::new(BodyLength::Fixed(u64::MAX)), Err(HttpError::BodyTooLarge));
        assert_eq!(chunked().consume(b"ffffffffffffffff\r\n"), Err(HttpError::BodyTooLarge));
        assert_eq!(chunked().consume(b"fffffffffffffffff\r\n"), Err(HttpError::BodyTooLarge));
        let endless = b"1\r\na\r\n".repeat(BodySkip::BYTES_MAX);
        assert_eq!(chunked().consume(&endless), Err(HttpError::BodyTooLarge));
    }

    #[test]
    fn doubtful_chunk_framing_is_refused() {
        for body in
            [&b"4\nWiki"[..], b"4\r\nWikis\r\n", b"-1\r\n", b"0x4\r\n", b"\r\n", b"4 4\r\n", b"4\rx\r\n"]
        {
            assert!(matches!(chunked().consume(body), Err(HttpError::Framing(_))), "{body:?}");
        }
        assert!(matches!(chunked().consume(&[b'1'; 256]), Err(HttpError::Framing(_))));
        assert_eq!(chunked().consume(&[b'1'; 255]), Ok(0));
    }

    proptest! {
        #[test]
        fn any_split_consumes_the_same(cuts in prop::collection::vec(1usize..9, 1..40),
                                       tail in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut bytes = b"3\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: v\r\n\r\n".to_vec();
            bytes.extend_from_slice(&tail);
            let mut whole = chunked();
            let expected = whole.consume(&bytes).unwrap();
            let (mut skip, mut from, mut to) = (chunked(), 0, 0);
            for cut in cuts.iter().cycle() {
                to = (to + cut).min(bytes.len());
                from += skip.consume(&bytes[from..to]).unwrap();
                if to == bytes.len() { break; }
            }
            prop_assert_eq!(from, expected);
            prop_assert!(skip.is_done());
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let _ = chunked().consume(&bytes);
        }
    }
}
