//! One HTTP response with a length, in the course of arriving (RFC 9112, 6.2).

use crate::fault::Fault;

/// The longest head that is read.
const HEAD_LEN_MAX: usize = 16 << 10;

/// What has come so far.
#[derive(Debug)]
pub enum Response {
    /// The head, not whole yet.
    Head(Vec<u8>),
    /// Where the body is, and how long it will be.
    Body {
        /// Bytes that have come.
        got: usize,
        /// Bytes that will.
        len: usize,
    },
}

impl Response {
    /// Nothing yet.
    pub fn new() -> Self {
        Response::Head(Vec::new())
    }

    /// Takes what belongs to it from the front of `bytes`; a piece of the body with its place in it.
    pub fn take<'a>(&mut self, bytes: &mut &'a [u8]) -> Result<(usize, &'a [u8]), Fault> {
        if let Response::Head(head) = self {
            let before = head.len();
            head.extend_from_slice(bytes);
            let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") else {
                *bytes = &[];
                return if head.len() > HEAD_LEN_MAX {
                    Err(Fault::new("too long a head"))
                } else {
                    Ok((0, &[]))
                };
            };
            *bytes = &bytes[end + 4 - before..];
            let len = length(&head[..end])?;
            *self = Response::Body { got: 0, len };
        }
        let Response::Body { got, len } = self else { unreachable!("the head is whole") };
        let (piece, rest) = bytes.split_at(bytes.len().min(*len - *got));
        *bytes = rest;
        let at = *got;
        *got += piece.len();
        Ok((at, piece))
    }

    /// True when it is whole.
    pub fn is_whole(&self) -> bool {
        matches!(self, Response::Body { got, len } if got == len)
    }
}

fn length(head: &[u8]) -> Result<usize, Fault> {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let status = head.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("200") {
        return Err(Fault(format!("refused: {status}")));
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    length
        .and_then(|length| length.trim().parse().ok())
        .ok_or_else(|| Fault::new("a response without a length"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_read_however_it_is_cut() {
        let wire = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200";
        for step in [1, 3, wire.len()] {
            let mut response = Response::new();
            let mut body = Vec::new();
            let mut left = 0;
            for mut piece in wire.chunks(step) {
                if !response.is_whole() {
                    let (at, taken) = response.take(&mut piece).expect("sound");
                    assert_eq!(at, body.len());
                    body.extend_from_slice(taken);
                }
                left += piece.len();
            }
            assert_eq!((body.as_slice(), left), (&b"hello"[..], 12));
        }
        assert!(Response::new().take(&mut &b"HTTP/1.1 404 Not Found\r\n\r\n"[..]).is_err());
    }
}
