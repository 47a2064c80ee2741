//! Undoes HTTP/1.1 and WebSocket framing: what is in the responses that a client was sent.
//!
//! In: the bytes of both directions of one connection. Out: for each response its request's target, status
//! and type, then its content. What makes no sense ends the reading, quietly: what was read so far stands.

use std::collections::VecDeque;

/// Longer heads are not looked at.
const HEAD_BYTES_MAX: usize = 1 << 20;

/// A part of a response.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A response begins.
    Begin {
        /// What was asked for: path and query.
        target: String,
        /// Status.
        status: u16,
        /// Its type without parameters; `websocket` for what comes in a WebSocket's messages.
        kind: String,
    },
    /// Content.
    Content(&'a [u8]),
    /// The response has ended as it should.
    End,
}

/// One connection.
#[derive(Debug, Default)]
pub struct Http {
    /// Of the client's bytes, what is no whole head yet.
    asking: Vec<u8>,
    /// Bytes of a request's content that are still to come.
    asking_left: usize,
    /// Method and target of what was asked for and not answered.
    asked: VecDeque<(String, String)>,
    /// Of the server's bytes, what could not be used yet.
    rest: Vec<u8>,
    state: State,
}

/// What comes next from the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Head,
    /// Content, and whether it is a chunk's.
    Content {
        left: u64,
        chunked: bool,
    },
    /// The line break after a chunk.
    ChunkEnd,
    ChunkSize,
    /// Lines after the last chunk.
    Trailer,
    /// Content up to the end of the connection.
    Endless,
    /// The head of a WebSocket frame.
    Frame,
    /// The content of one, and whether it is media.
    FrameContent {
        left: u64,
        media: bool,
    },
    /// It made no sense.
    Lost,
}

impl Http {
    /// The client sent these bytes.
    pub fn asked(&mut self, bytes: &[u8]) {
        let skipped = self.asking_left.min(bytes.len());
        self.asking_left -= skipped;
        self.asking.extend_from_slice(&bytes[skipped..]);
        while let Some(len) = head_len(&self.asking) {
            let head: Vec<u8> = self.asking.drain(..len).collect();
            let head = String::from_utf8_lossy(&head);
            let mut words = head.lines().next().unwrap_or_default().split(' ');
            let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            self.asked.push_back((method.to_owned(), target.to_owned()));
            let content = field(&head, "content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
            let skipped = self.asking.len().min(content);
            self.asking.drain(..skipped);
            self.asking_left = content - skipped;
        }
        if self.asking.len() > HEAD_BYTES_MAX {
            self.asking.clear();
        }
    }

    /// The server sent these bytes.
    pub fn answered(&mut self, bytes: &[u8], out: &mut dyn FnMut(Piece<'_>)) {
        let mut held = std::mem::take(&mut self.rest);
        let all = if held.is_empty() {
            bytes
        } else {
            held.extend_from_slice(bytes);
            &held
        };
        let mut at = 0;
        while let Some(used) = self.step(&all[at..], out) {
            at += used;
        }
        self.rest = all[at..].to_vec();
    }

    /// Uses bytes from the front: how many, or `None` if more are needed.
    fn step(&mut self, bytes: &[u8], out: &mut dyn FnMut(Piece<'_>)) -> Option<usize> {
        match self.state {
            State::Head => self.head(bytes, out),
            State::Content { left: 0, chunked } => {
                if chunked {
                    self.state = State::ChunkEnd;
                } else {
                    self.state = State::Head;
                    out(Piece::End);
                }
                Some(0)
            }
            State::FrameContent { left: 0, .. } => {
                self.state = State::Frame;
                Some(0)
            }
            _ if bytes.is_empty() => None,
            State::Content { left, chunked } => {
                let len = take(left, bytes);
                out(Piece::Content(&bytes[..len]));
                self.state = State::Content { left: left - len as u64, chunked };
                Some(len)
            }
            State::FrameContent { left, media } => {
                let len = take(left, bytes);
                if media {
                    out(Piece::Content(&bytes[..len]));
                }
                self.state = State::FrameContent { left: left - len as u64, media };
                Some(len)
            }
            State::ChunkEnd => {
                let len = line(bytes)?.1;
                self.state = State::ChunkSize;
                Some(len)
            }
            State::ChunkSize => {
                let (text, len) = line(bytes)?;
                let digits = text.split(';').next().unwrap_or_default().trim();
                self.state = match u64::from_str_radix(digits, 16) {
                    Ok(0) => State::Trailer,
                    Ok(left) => State::Content { left, chunked: true },
                    Err(_) => State::Lost,
                };
                Some(len)
            }
            State::Trailer => {
                let (text, len) = line(bytes)?;
                if text.is_empty() {
                    self.state = State::Head;
                    out(Piece::End);
                }
                Some(len)
            }
            State::Endless => {
                out(Piece::Content(bytes));
                Some(bytes.len())
            }
            State::Frame => self.frame(bytes),
            State::Lost => Some(bytes.len()),
        }
    }

    fn head(&mut self, bytes: &[u8], out: &mut dyn FnMut(Piece<'_>)) -> Option<usize> {
        let Some(len) = head_len(bytes) else {
            if bytes.len() > HEAD_BYTES_MAX {
                self.state = State::Lost;
            }
            return None;
        };
        let head = String::from_utf8_lossy(&bytes[..len]);
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
        if !head.starts_with("HTTP/1.") || status == 0 {
            self.state = State::Lost;
            return Some(len);
        }
        if (100..200).contains(&status) && status != 101 {
            return Some(len);
        }
        let (method, target) = self.asked.pop_front().unwrap_or_default();
        let kind = field(&head, "content-type").unwrap_or_default();
        let kind =
            if status == 101 { "websocket" } else { kind.split(';').next().unwrap_or_default().trim() };
        out(Piece::Begin { target, status, kind: kind.to_owned() });
        let length = field(&head, "content-length").and_then(|value| value.parse().ok());
        let chunked = field(&head, "transfer-encoding").is_some_and(|value| value.contains("chunked"));
        self.state = match length {
            _ if status == 101 => State::Frame,
            _ if method == "HEAD" || status == 204 || status == 304 => {
                State::Content { left: 0, chunked: false }
            }
            _ if chunked => State::ChunkSize,
            Some(left) => State::Content { left, chunked: false },
            None => State::Endless,
        };
        Some(len)
    }

    /// The head of a frame (RFC 6455, 5.2). A server does not mask.
    fn frame(&mut self, bytes: &[u8]) -> Option<usize> {
        let (first, second) = (*bytes.first()?, *bytes.get(1)?);
        let (left, len) = match second & 0x7f {
            126 => (u64::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?)), 4),
            127 => (u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?), 10),
            short => (u64::from(short), 2),
        };
        // Continuations and binary messages; here texts, pings and goodbyes mean nothing.
        self.state = State::FrameContent { left, media: matches!(first & 0x0f, 0 | 2) };
        Some(len)
    }
}

fn take(left: u64, bytes: &[u8]) -> usize {
    usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len())
}

/// Length of the head at the front, with the empty line that ends it.
fn head_len(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

/// The line at the front and its length with the line break.
fn line(bytes: &[u8]) -> Option<(String, usize)> {
    let at = bytes.windows(2).position(|window| window == b"\r\n")?;
    Some((String::from_utf8_lossy(&bytes[..at]).into_owned(), at + 2))
}

/// A header field of a head.
fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let mut fields = fields.filter(|(other, _)| other.trim().eq_ignore_ascii_case(name));
    fields.next().map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::{Http, Piece};

    /// What the responses hold, one line for each, whatever way the bytes come in.
    fn responses(asked: &str, answered: &[u8]) -> Vec<String> {
        let read = |step: usize| {
            let mut http = Http::default();
            let mut lines: Vec<String> = Vec::new();
            asked.as_bytes().chunks(step).for_each(|bytes| http.asked(bytes));
            for bytes in answered.chunks(step) {
                http.answered(bytes, &mut |piece| match piece {
                    Piece::Begin { target, status, kind } => {
                        lines.push(format!("{target} {status} {kind}: "))
                    }
                    Piece::Content(bytes) => {
                        lines.last_mut().expect("one began").push_str(&String::from_utf8_lossy(bytes));
                    }
                    Piece::End => lines.last_mut().expect("one began").push('.'),
                });
            }
            lines
        };
        let whole = read(usize::MAX);
        assert_eq!(read(1), whole);
        assert_eq!(read(7), whole);
        whole
    }

    #[test]
    fn lengths_chunks_and_heads_alone_are_told_apart() {
        let asked =
            "HEAD /a HTTP/1.1\r\n\r\nPOST /b HTTP/1.1\r\nContent-Length: 3\r\n\r\nxyzGET /c HTTP/1.1\r\n\r\n";
        let answered = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n\
            HTTP/1.1 100 Continue\r\n\r\n\
            HTTP/1.1 200 OK\r\ncontent-length: 2\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nhi\
            HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1;x=y\r\nd\r\n0\r\n\r\n";
        assert_eq!(responses(asked, answered), ["/a 200 : .", "/b 200 text/plain: hi.", "/c 200 : abcd."]);
    }

    #[test]
    fn messages_of_a_websocket_are_put_together() {
        let asked = "GET /live/a.flv HTTP/1.1\r\nUpgrade: websocket\r\n\r\n";
        let mut answered =
            b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x82\x03FLV\x89\x01p\x82\x7e\x00\x80".to_vec();
        answered.extend([b'x'; 128]);
        let told = responses(asked, &answered);
        assert_eq!(told, [format!("/live/a.flv 101 websocket: FLV{}", "x".repeat(128))]);
    }

    #[test]
    fn a_body_without_a_length_goes_on() {
        let answered = b"HTTP/1.0 200 OK\r\nContent-Type: video/mp2t\r\n\r\nGGG";
        assert_eq!(responses("GET /a.ts HTTP/1.0\r\n\r\n", answered), ["/a.ts 200 video/mp2t: GGG"]);
    }
}
