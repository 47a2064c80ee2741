//! A plain HTTP/1.1 client. In: requests as bytes. Out: responses as status, headers and body.
//!
//! Reads bodies by length, in chunks, or up to the end of the connection, whole or as a live stream.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// An answer whose body is still to be read, through [`Read`].
pub struct Answer {
    socket: TcpStream,
    /// The status code.
    pub status: u16,
    /// Names in lower case, values as written.
    pub headers: Vec<(String, String)>,
    framing: Framing,
}

enum Framing {
    /// So many bytes are left.
    Length(usize),
    /// So many bytes of this chunk are left; `None`: the last chunk was read.
    Chunked(Option<usize>),
    /// Until the server closes.
    Close,
}

impl Answer {
    /// Reads an answer to a request that was written to `socket`.
    ///
    /// # Panics
    /// If what comes is not an HTTP/1.1 answer.
    #[track_caller]
    pub fn read_from(mut socket: TcpStream) -> Self {
        let head = head(&mut socket);
        let mut lines = head.lines();
        let first = lines.next().expect("an answer has a first line");
        let status = first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        let status = status.unwrap_or_else(|| panic!("not a status line: {first:?}"));
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
            .collect();
        let mut answer = Answer { socket, status, headers, framing: Framing::Close };
        answer.framing = answer.framing_from_headers();
        answer
    }

    fn framing_from_headers(&self) -> Framing {
        if self.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            return Framing::Chunked(Some(0));
        }
        match self.header("content-length") {
            Some(length) => Framing::Length(length.parse().expect("Content-Length is a number")),
            None if self.status == 204 || self.status == 304 => Framing::Length(0),
            None => Framing::Close,
        }
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The whole body.
    ///
    /// # Panics
    /// If the connection ends or stalls before the body is whole.
    #[track_caller]
    pub fn body(mut self) -> Vec<u8> {
        let mut body = Vec::new();
        self.read_to_end(&mut body).expect("a whole body");
        body
    }

    /// The whole body as text.
    #[track_caller]
    pub fn text(self) -> String {
        String::from_utf8(self.body()).expect("a body in UTF-8")
    }

    /// The whole body as JSON.
    #[track_caller]
    pub fn json(self) -> serde_json::Value {
        serde_json::from_str(&self.text()).expect("a body in JSON")
    }

    /// The connection, when the body was read whole.
    pub fn into_socket(self) -> TcpStream {
        self.socket
    }

    fn chunk_size(&mut self) -> std::io::Result<usize> {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") || line.len() == 2 {
            if line.len() == 2 && line == b"\r\n" {
                line.clear();
            }
            let mut byte = [0];
            self.socket.read_exact(&mut byte)?;
            line.push(byte[0]);
        }
        let digits = std::str::from_utf8(&line[..line.len() - 2]).unwrap_or_default();
        usize::from_str_radix(digits, 16).map_err(std::io::Error::other)
    }
}

impl Read for Answer {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if let Framing::Chunked(Some(0)) = self.framing {
            let size = self.chunk_size()?;
            self.framing = Framing::Chunked(Some(size).filter(|size| *size > 0));
        }
        let most = match self.framing {
            Framing::Length(left) | Framing::Chunked(Some(left)) => left.min(into.len()),
            Framing::Chunked(None) => 0,
            Framing::Close => into.len(),
        };
        if most == 0 {
            return Ok(0);
        }
        let count = self.socket.read(&mut into[..most])?;
        match &mut self.framing {
            Framing::Length(left) | Framing::Chunked(Some(left)) => {
                if count == 0 {
                    return Err(std::io::Error::new(
                        std::io::ErrorKind::UnexpectedEof,
                        "the body is cut short",
                    ));
                }
                *left -= count;
            }
            Framing::Chunked(None) | Framing::Close => {}
        }
        Ok(count)
    }
}

/// Connects, with ten seconds of patience for each read and write.
///
/// # Panics
/// If no server listens there.
#[track_caller]
pub fn dial(server: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(server).expect("the server listens");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    socket.set_write_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    socket.set_nodelay(true).expect("no delay");
    socket
}

/// Sends `request` as it is and reads the head of the answer.
#[track_caller]
pub fn exchange(server: SocketAddr, request: &str) -> Answer {
    let mut socket = dial(server);
    socket.write_all(request.as_bytes()).expect("the server takes a request");
    Answer::read_from(socket)
}

/// GETs `path` on a connection of its own.
#[track_caller]
pub fn get(server: SocketAddr, path: &str) -> Answer {
    request(server, "GET", path)
}

/// Sends a request without a body on a connection of its own.
#[track_caller]
pub fn request(server: SocketAddr, method: &str, path: &str) -> Answer {
    exchange(server, &format!("{method} {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n"))
}

/// Up to the empty line, byte by byte: what follows belongs to the body.
#[track_caller]
fn head(socket: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        let got = socket.read(&mut byte).expect("an answer comes");
        assert!(got == 1 && head.len() < 65536, "no answer: {:?}", String::from_utf8_lossy(&head));
        head.push(byte[0]);
    }
    String::from_utf8(head).expect("a head in ASCII")
}
