//! The head of a request: request line and headers.
//!
//! Parsed only when it is complete, so that the outcome does not depend on how its bytes were split.

use crate::wire::http1::{BodyLength, Headers, HttpError, Target};
use memchr::{memchr_iter, memchr2_iter};
use serde::{Deserialize, Serialize};
use std::mem::MaybeUninit;

/// Limits of a request head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Longest request line and headers together, in bytes.
    pub head_bytes_max: usize,
    /// Most header lines.
    pub headers_max: usize,
}

/// A supported method; others get 501.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "their names say it: RFC 9110, 9.3 and RFC 5789")]
pub enum Method {
    Get,
    Head,
    Options,
    Post,
    Put,
    Delete,
    Patch,
}

impl Method {
    fn parse(name: &str) -> Result<Method, HttpError> {
        Ok(match name {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "OPTIONS" => Method::Options,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            "DELETE" => Method::Delete,
            "PATCH" => Method::Patch,
            _ => return Err(HttpError::Method),
        })
    }

    /// Name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Options => "OPTIONS",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
            Method::Patch => "PATCH",
        }
    }
}

/// Version of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// A valid request head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Method.
    pub method: Method,
    /// Target.
    pub target: Target,
    /// Version.
    pub version: Version,
    /// Headers.
    pub headers: Headers,
    /// Length of the body that follows.
    pub body: BodyLength,
}

impl Request {
    /// True if the connection may stay open after the response (RFC 9112, 9.3).
    pub fn keep_alive(&self) -> bool {
        match self.version {
            Version::Http11 => !self.headers.has_token("connection", "close"),
            Version::Http10 => {
                self.headers.has_token("connection", "keep-alive")
                    && !self.headers.has_token("connection", "close")
            }
        }
    }

    /// True if the client sends its body only after `100 Continue` (RFC 9110, 10.1.1).
    pub fn expects_continue(&self) -> bool {
        // "A server that receives a 100-continue expectation in an HTTP/1.0 request MUST ignore" it.
        self.version == Version::Http11
            && self.body != BodyLength::None
            && self.headers.has_token("expect", "100-continue")
    }

    /// True if the client offers to switch to `protocol` (RFC 9110, 7.8).
    pub fn upgrades_to(&self, protocol: &str) -> bool {
        self.version == Version::Http11
            && self.headers.has_token("connection", "upgrade")
            && self.headers.has_token("upgrade", protocol)
    }

    /// Parses a complete head.
    fn parse(head: &[u8], limits: &HeadLimits) -> Result<Request, HttpError> {
        check_line_ends(head)?;
        let mut few = [const { MaybeUninit::uninit() }; LINES_ON_STACK];
        let mut many = Vec::new();
        let lines = match few.get_mut(..limits.headers_max) {
            Some(lines) => lines,
            // Room on the heap only for heads that could have so many lines.
            None if memchr_iter(b'\n', head).count() > LINES_ON_STACK => {
                many.resize_with(limits.headers_max, MaybeUninit::uninit);
                &mut many
            }
            None => &mut few[..],
        };
        let mut parsed = httparse::Request::new(&mut []);
        match parsed.parse_with_uninit_headers(head, lines) {
            Ok(httparse::Status::Complete(len)) if len == head.len() => {}
            Ok(_) => return Err(HttpError::Malformed("it does not end where it seems to")),
            Err(error) => return Err(refusal(error)),
        }
        let incomplete = HttpError::Malformed("the request line is incomplete");
        let (Some(method), Some(path), Some(version)) = (parsed.method, parsed.path, parsed.version) else {
            return Err(incomplete);
        };
        let method = Method::parse(method)?;
        let version = if version == 0 { Version::Http10 } else { Version::Http11 };
        let mut headers = Headers::with_capacity(parsed.headers.len(), head.len());
        for line in parsed.headers.iter() {
            headers.push(line.name, line.value);
        }
        check_host(&headers, version)?;
        if version == Version::Http11
            && headers.list("expect").any(|what| !what.eq_ignore_ascii_case("100-continue"))
        {
            return Err(HttpError::Expectation);
        }
        if path == "*" && method != Method::Options {
            return Err(HttpError::Target("an asterisk is for OPTIONS alone"));
        }
        let body = BodyLength::of(&headers, version)?;
        Ok(Request { method, target: Target::parse(path)?, version, headers, body })
    }
}

/// Header lines that are parsed without heap memory: browsers send a dozen.
const LINES_ON_STACK: usize = 32;

/// Parses the request head at the front of `bytes`: the request and the length of the head in bytes; `None`
/// if it is not complete.
///
/// # Errors
///
/// If it is no head, beyond `limits`, or ambiguous.
pub fn parse_head(bytes: &[u8], limits: &HeadLimits) -> Result<Option<(Request, usize)>, HttpError> {
    HeadScan::default().parse(bytes, limits)
}

/// [`parse_head`] for a head that arrives in pieces. Remembers how far it looked for the end, so that a head
/// that arrives byte by byte costs no more than one that arrives at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadScan {
    seen: usize,
}

impl HeadScan {
    /// As [`parse_head`]; `bytes` must begin with those of the last call.
    ///
    /// # Errors
    ///
    /// As [`parse_head`].
    pub fn parse(
        &mut self,
        bytes: &[u8],
        limits: &HeadLimits,
    ) -> Result<Option<(Request, usize)>, HttpError> {
        match bytes.first() {
            None => return Ok(None),
            Some(TLS_HANDSHAKE) => return Err(HttpError::Tls),
            Some(byte) if !byte.is_ascii_alphabetic() => return Err(HttpError::NotHttp),
            Some(_) => {}
        }
        let window = &bytes[..bytes.len().min(limits.head_bytes_max)];
        if let Some(len) = head_end(window, self.seen) {
            return Request::parse(&bytes[..len], limits).map(|request| Some((request, len)));
        }
        if window.len() == limits.head_bytes_max {
            let whole_line = window.contains(&b'\n');
            return Err(if whole_line { HttpError::HeadTooLarge } else { HttpError::TargetTooLong });
        }
        // The end may have begun in the last two bytes of the last call.
        self.seen = window.len().saturating_sub(2);
        Ok(None)
    }
}

/// The type of a TLS record that carries a handshake (RFC 8446, 5.1).
const TLS_HANDSHAKE: &u8 = &0x16;

/// End of the empty line, searched from `from` on. Bare line feeds count, so that a head that has them is
/// complete, and then refused.
fn head_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut feeds = memchr_iter(b'\n', bytes.get(from..).unwrap_or_default()).map(|at| from + at);
    feeds.find_map(|at| match bytes[at + 1..] {
        [b'\n', ..] => Some(at + 2),
        [b'\r', b'\n', ..] => Some(at + 3),
        _ => None,
    })
}

/// Refuses bare line feeds and carriage returns. RFC 9112, 2.2 lets a server accept bare line feeds; proxies
/// differ there, which makes smuggling possible.
fn check_line_ends(head: &[u8]) -> Result<(), HttpError> {
    let sound = memchr2_iter(b'\r', b'\n', head).all(|at| match head[at] {
        b'\r' => head.get(at + 1) == Some(&b'\n'),
        _ => at > 0 && head[at - 1] == b'\r',
    });
    if sound { Ok(()) } else { Err(HttpError::LineEnd) }
}

/// "A server MUST respond with a 400 to any HTTP/1.1 request message that lacks a Host header field and to
/// any request message that contains more than one" (RFC 9112, 3.2).
fn check_host(headers: &Headers, version: Version) -> Result<(), HttpError> {
    match (headers.all("host").count(), version) {
        (1, _) | (0, Version::Http10) => Ok(()),
        _ => Err(HttpError::Host),
    }
}

fn refusal(error: httparse::Error) -> HttpError {
    match error {
        httparse::Error::HeaderName => HttpError::Malformed("a header's name"),
        httparse::Error::HeaderValue => HttpError::Malformed("a header's value"),
        httparse::Error::NewLine => HttpError::LineEnd,
        httparse::Error::TooManyHeaders => HttpError::TooManyHeaders,
        httparse::Error::Version => HttpError::Version,
        httparse::Error::Token | httparse::Error::Status => HttpError::Malformed("the request line"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: HeadLimits = HeadLimits { head_bytes_max: 1024, headers_max: 8 };

    fn parse(head: &str) -> Result<Request, HttpError> {
        match parse_head(head.as_bytes(), &LIMITS) {
            Ok(Some((request, len))) => {
                assert_eq!(len, head.len());
                Ok(request)
            }
            Ok(None) => panic!("incomplete: {head:?}"),
            Err(error) => Err(error),
        }
    }

    #[test]
    fn a_browsers_request_is_read() {
        let request = parse(
            "GET /live/a%20b.flv?token=x HTTP/1.1\r\nHost: h:8080\r\nUser-Agent:  Mozilla/5.0 \r\n\
             Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n",
        )
        .unwrap();
        assert_eq!(request.method, Method::Get);
        assert_eq!(request.target.segments, ["live", "a b.flv"]);
        assert_eq!(request.target.query, "token=x");
        assert_eq!(request.version, Version::Http11);
        assert_eq!(request.headers.get("user-agent"), Some("Mozilla/5.0"));
        assert_eq!(request.body, BodyLength::None);
        assert!(request.keep_alive());
        assert!(request.upgrades_to("websocket"));
        assert!(!request.upgrades_to("h2c"));
    }

    #[test]
    fn keep_alive_depends_on_version_and_connection() {
        let keeps = |version, lines| {
            parse(&format!("GET / HTTP/{version}\r\nHost: h\r\n{lines}\r\n")).unwrap().keep_alive()
        };
        assert!(keeps("1.1", ""));
        assert!(!keeps("1.1", "Connection: Close\r\n"));
        assert!(!keeps("1.0", ""));
        assert!(keeps("1.0", "Connection: keep-alive\r\n"));
    }

    #[test]
    fn a_head_that_two_readers_could_take_differently_is_refused() {
        let refused = |lines: &str| parse(&format!("POST / HTTP/1.1\r\nHost: h\r\n{lines}\r\n")).unwrap_err();
        let framing = |lines: &str| assert!(matches!(refused(lines), HttpError::Framing(_)), "{lines}");
        framing("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n");
        framing("Content-Length: 5\r\nContent-Length: 5\r\n");
        framing("Content-Length: 5\r\nContent-Length: 6\r\n");
        framing("Content-Length: 5, 5\r\n");
        framing("Content-Length: +5\r\n");
        framing("Content-Length: 0x5\r\n");
        framing("Content-Length: -1\r\n");
        framing("Content-Length: 99999999999999999999\r\n");
        assert_eq!(refused("Transfer-Encoding: gzip, chunked\r\n"), HttpError::Coding);
        assert_eq!(
            refused("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
            HttpError::Coding
        );
        assert_eq!(refused("Transfer-Encoding: \x0bchunked\r\n"), HttpError::Malformed("a header's value"));
        assert_eq!(refused("Transfer-Encoding : chunked\r\n"), HttpError::Malformed("a header's name"));
        assert_eq!(refused("X: a\r\n folded\r\n"), HttpError::Malformed("a header's name"));
        assert_eq!(refused("X: a\nY: b\r\n"), HttpError::LineEnd);
        assert_eq!(refused("X: a\rY: b\r\n"), HttpError::LineEnd);
        assert_eq!(refused("Host: other\r\n"), HttpError::Host);
        assert_eq!(refused("Expect: 200-maybe\r\n"), HttpError::Expectation);
        assert_eq!(parse("GET / HTTP/1.1\n\n"), Err(HttpError::LineEnd));
        assert_eq!(parse("GET / HTTP/1.1\r\n\r\n"), Err(HttpError::Host));
        assert!(matches!(
            parse("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
            Err(HttpError::Framing(_))
        ));
    }

    #[test]
    fn other_protocols_are_told_so() {
        assert_eq!(parse_head(b"\x16\x03\x01", &LIMITS), Err(HttpError::Tls));
        assert_eq!(parse_head(b"\x03", &LIMITS), Err(HttpError::NotHttp));
        assert_eq!(parse("PRI * HTTP/2.0\r\n\r\n"), Err(HttpError::Version));
        assert!(matches!(parse("GET * HTTP/1.1\r\nHost: h\r\n\r\n"), Err(HttpError::Target(_))));
        assert_eq!(parse("CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n"), Err(HttpError::Method));
        assert_eq!(parse("get / HTTP/1.1\r\nHost: h\r\n\r\n"), Err(HttpError::Method));
    }

    #[test]
    fn a_head_has_limits_in_bytes_and_lines() {
        let lines = "X: y\r\n".repeat(8);
        let many = format!("GET / HTTP/1.1\r\nHost: h\r\n{lines}\r\n");
        assert_eq!(parse(&many), Err(HttpError::TooManyHeaders));
        let long = format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "y".repeat(1024));
        assert_eq!(parse(&long), Err(HttpError::HeadTooLarge));
        assert_eq!(parse_head(&long.as_bytes()[..1024], &LIMITS), Err(HttpError::HeadTooLarge));
        assert_eq!(parse_head(&long.as_bytes()[..1023], &LIMITS), Ok(None));
        let target = format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "y".repeat(1024));
        assert_eq!(parse(&target), Err(HttpError::TargetTooLong));
    }

    fn emit(request: &Request) -> Vec<u8> {
        let version = if request.version == Version::Http10 { "1.0" } else { "1.1" };
        let (path, query) = (&request.target.path, &request.target.query);
        let mut head = format!("{} {path}", request.method.as_str());
        if !query.is_empty() {
            head += &format!("?{}", &**query);
        }
        head += &format!(" HTTP/{version}\r\n");
        for (name, value) in request.headers.iter() {
            head += &format!("{name}: {value}\r\n");
        }
        (head + "\r\n").into_bytes()
    }

    prop_compose! {
        fn a_request()(
            method in prop::sample::select(vec![Method::Get, Method::Head, Method::Options, Method::Post,
                                                Method::Put, Method::Delete, Method::Patch]),
            path in "(/[a-z0-9._~%A-F-]{0,8}){1,4}"
                .prop_filter("a sound path", |path| Target::parse(path).is_ok()),
            query in "[a-z0-9=&%]{0,12}",
            old in any::<bool>(),
            lines in prop::collection::vec(("x-[a-z]{1,6}", "[!-~]([ -~]{0,10}[!-~])?"), 0..5),
            body in prop_oneof![
                Just(BodyLength::None),
                (1u64..).prop_map(BodyLength::Fixed),
                Just(BodyLength::Chunked),
            ],
        ) -> Request {
            let version = if old { Version::Http10 } else { Version::Http11 };
            let body = if old && body == BodyLength::Chunked { BodyLength::None } else { body };
            let mut headers = Headers::default();
            headers.push("host", b"example.org");
            for (name, value) in &lines {
                headers.push(name, value.as_bytes());
            }
            match body {
                BodyLength::None => {}
                BodyLength::Fixed(length) => headers.push("content-length", length.to_string().as_bytes()),
                BodyLength::Chunked => headers.push("transfer-encoding", b"chunked"),
            }
            let target = if query.is_empty() { path } else { format!("{path}?{query}") };
            let target = Target::parse(&target).unwrap();
            Request { method, target, version, headers, body }
        }
    }

    proptest! {
        #[test]
        fn what_is_emitted_is_parsed_to_the_same(
            request in a_request(),
            tail in prop::collection::vec(any::<u8>(), 0..8),
        ) {
            let mut bytes = emit(&request);
            let len = bytes.len();
            bytes.extend_from_slice(&tail);
            prop_assert_eq!(parse_head(&bytes, &LIMITS), Ok(Some((request, len))));
        }

        #[test]
        fn a_head_in_pieces_is_the_same_head(
            request in a_request(),
            cuts in prop::collection::vec(1usize..20, 1..30),
        ) {
            let bytes = emit(&request);
            let (mut scan, mut to) = (HeadScan::default(), 0);
            for cut in cuts.iter().cycle() {
                to = (to + cut).min(bytes.len());
                let parsed = scan.parse(&bytes[..to], &LIMITS).unwrap();
                if to == bytes.len() {
                    prop_assert_eq!(parsed, Some((request, to)));
                    break;
                }
                prop_assert_eq!(parsed, None);
            }
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut head = b"GET / HTTP/1.1\r\n".to_vec();
            let _ = parse_head(&bytes, &LIMITS);
            head.extend_from_slice(&bytes);
            head.extend_from_slice(b"\r\n\r\n");
            let _ = parse_head(&head, &LIMITS);
        }
    }
}
