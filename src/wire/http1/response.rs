//! Response heads.

use crate::wire::http1::http_date;
use std::io::Write;

/// Initial capacity: enough for the head of a file or a playlist.
const HEAD_BYTES: usize = 512;

/// A status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Status(u16);

#[allow(missing_docs, reason = "the reason phrases say it")]
impl Status {
    pub const SWITCHING_PROTOCOLS: Status = Status(101);
    pub const OK: Status = Status(200);
    pub const NO_CONTENT: Status = Status(204);
    pub const PARTIAL_CONTENT: Status = Status(206);
    pub const NOT_MODIFIED: Status = Status(304);
    pub const BAD_REQUEST: Status = Status(400);
    pub const UNAUTHORIZED: Status = Status(401);
    pub const FORBIDDEN: Status = Status(403);
    pub const NOT_FOUND: Status = Status(404);
    pub const METHOD_NOT_ALLOWED: Status = Status(405);
    pub const NOT_ACCEPTABLE: Status = Status(406);
    pub const REQUEST_TIMEOUT: Status = Status(408);
    pub const CONTENT_TOO_LARGE: Status = Status(413);
    pub const URI_TOO_LONG: Status = Status(414);
    pub const RANGE_NOT_SATISFIABLE: Status = Status(416);
    pub const EXPECTATION_FAILED: Status = Status(417);
    pub const UPGRADE_REQUIRED: Status = Status(426);
    pub const HEADERS_TOO_LARGE: Status = Status(431);
    pub const INTERNAL_ERROR: Status = Status(500);
    pub const NOT_IMPLEMENTED: Status = Status(501);
    pub const UNAVAILABLE: Status = Status(503);
    pub const VERSION_NOT_SUPPORTED: Status = Status(505);
}

impl Status {
    /// The number.
    pub fn code(self) -> u16 {
        self.0
    }

    /// The reason phrase (RFC 9110, 15; RFC 6585).
    pub fn reason(self) -> &'static str {
        match self.0 {
            101 => "Switching Protocols",
            200 => "OK",
            204 => "No Content",
            206 => "Partial Content",
            304 => "Not Modified",
            400 => "Bad Request",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            406 => "Not Acceptable",
            408 => "Request Timeout",
            413 => "Content Too Large",
            414 => "URI Too Long",
            416 => "Range Not Satisfiable",
            417 => "Expectation Failed",
            426 => "Upgrade Required",
            431 => "Request Header Fields Too Large",
            500 => "Internal Server Error",
            501 => "Not Implemented",
            503 => "Service Unavailable",
            505 => "HTTP Version Not Supported",
            _ => "",
        }
    }

    /// True if a response with this status has neither a body nor a `Content-Length` (RFC 9110, 6.4.1 and
    /// 8.6). A 304 may have the length, but need not.
    pub fn is_bodiless(self) -> bool {
        matches!(self.0, 101 | 204 | 304)
    }
}

/// A response head under construction. Always HTTP/1.1, for clients of HTTP/1.0 too (RFC 9112, 2.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseHead(Vec<u8>);

impl ResponseHead {
    /// The interim response for clients that wait before they send their body (RFC 9110, 15.2.1).
    pub const CONTINUE: &'static [u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

    /// The status line, `Server` and `Date`.
    pub fn new(status: Status, unix_secs: u64) -> Self {
        let mut head = ResponseHead(Vec::with_capacity(HEAD_BYTES));
        head.0.extend_from_slice(b"HTTP/1.1 ");
        head.push_number(status.code().into());
        head.0.push(b' ');
        head.0.extend_from_slice(status.reason().as_bytes());
        head.0.extend_from_slice(b"\r\nServer: Dacapo\r\nDate: ");
        head.0.extend_from_slice(&http_date(unix_secs));
        head.0.extend_from_slice(b"\r\n");
        head
    }

    /// Appends a header. Control characters in `value` are left out: a line break would begin another header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b": ");
        match value.bytes().any(|byte| byte.is_ascii_control()) {
            false => self.0.extend_from_slice(value.as_bytes()),
            true => self.0.extend(value.bytes().filter(|byte| !byte.is_ascii_control())),
        }
        self.0.extend_from_slice(b"\r\n");
        self
    }

    /// Appends a header whose value is a number.
    pub fn number(mut self, name: &str, value: usize) -> Self {
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b": ");
        self.push_number(value);
        self.0.extend_from_slice(b"\r\n");
        self
    }

    fn push_number(&mut self, value: usize) {
        write!(self.0, "{value}").expect("a vector takes every byte");
    }

    /// Ends the head with the empty line.
    pub fn finish(mut self) -> Vec<u8> {
        self.0.extend_from_slice(b"\r\n");
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_written_line_by_line() {
        let head = ResponseHead::new(Status::NOT_FOUND, 784_111_777).header("Content-Length", "0").finish();
        assert_eq!(
            String::from_utf8(head).unwrap(),
            "HTTP/1.1 404 Not Found\r\nServer: Dacapo\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
             Content-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn a_value_cannot_begin_another_header() {
        let head = ResponseHead::new(Status::OK, 0).header("X", "a\r\nSet-Cookie: b").finish();
        assert!(String::from_utf8(head).unwrap().ends_with("\r\nX: aSet-Cookie: b\r\n\r\n"));
    }

    #[test]
    fn every_status_has_a_reason_and_an_independent_parser_reads_it() {
        for code in [
            101, 200, 204, 206, 304, 400, 403, 404, 405, 406, 408, 413, 414, 416, 417, 426, 431, 500, 501,
            503, 505,
        ] {
            let head = ResponseHead::new(Status(code), 0).finish();
            let mut lines = [httparse::EMPTY_HEADER; 4];
            let mut parsed = httparse::Response::new(&mut lines);
            assert_eq!(parsed.parse(&head), Ok(httparse::Status::Complete(head.len())));
            assert_eq!(parsed.code, Some(code));
            assert!(parsed.reason.is_some_and(|reason| !reason.is_empty()), "{code}");
        }
    }
}
