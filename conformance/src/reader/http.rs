//! One HTTP/1.1 connection's answers, or its requests, as the bytes come (RFC 9112).
//!
//! In: one direction of a connection, however it was cut. Out: heads, pieces of bodies (by length, in
//! chunks, or until the connection ends), and where each ends. Behind a 101 everything is body: another
//! protocol's.
//!
//! Never: panics, or holds more than a head of [`HEAD_BYTES_MAX`]; bodies are passed on as they come.

use super::{Unread, Wrong};

/// Longest head, trailer or line in front of a chunk that is waited for, in bytes.
pub const HEAD_BYTES_MAX: usize = 64 << 10;

/// Names in lower case, values without space around them, in their order.
pub type Headers = Vec<(String, String)>;

/// What comes out of a server's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpEvent {
    /// An answer begins.
    Head {
        /// Its status code.
        status: u16,
        /// Its fields.
        headers: Headers,
    },
    /// Some of its body, never empty.
    Body(Vec<u8>),
    /// The answer is whole.
    End,
}

/// A request's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// As written.
    pub method: String,
    /// As written.
    pub target: String,
    /// Its fields.
    pub headers: Headers,
}

/// What comes out of a client's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestEvent {
    /// A request begins.
    Head(HttpRequest),
    /// Some of its body, never empty.
    Body(Vec<u8>),
    /// The request is whole.
    End,
}

/// The value of the first header called `name` (in lower case).
pub fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

impl HttpRequest {
    /// The value of the first header called `name` (in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// The target up to the question mark.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

/// How far a body goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// So many bytes more.
    Length(u64),
    /// A chunk's line comes next.
    ChunkLine,
    /// So many bytes of a chunk more, then an empty line.
    Chunk(u64),
    /// The empty line behind a chunk.
    ChunkEnd,
    /// Trailers, up to an empty line.
    Trailers,
    /// Until the connection ends.
    Close,
}

/// The state that both directions share.
#[derive(Clone, Debug, Default)]
struct Body {
    unread: Unread,
    /// `None` between messages: a head comes next.
    framing: Option<Framing>,
    wrong: Option<Wrong>,
}

/// What a step of reading a body gave.
enum Step {
    Piece(Vec<u8>),
    End,
    More,
    Starved,
}

impl Body {
    fn step(&mut self) -> Result<Step, Wrong> {
        let Some(framing) = self.framing else { return Ok(Step::Starved) };
        match framing {
            Framing::Length(0) => {
                self.framing = None;
                Ok(Step::End)
            }
            Framing::Length(left) => Ok(self.piece(left, Framing::Length)),
            Framing::Chunk(0) => self.next(Framing::ChunkEnd),
            Framing::Chunk(left) => Ok(self.piece(left, Framing::Chunk)),
            Framing::Close => Ok(self.piece(u64::MAX, |_| Framing::Close)),
            Framing::ChunkEnd => match self.line()? {
                None => Ok(Step::Starved),
                Some(line) if line.is_empty() => self.next(Framing::ChunkLine),
                Some(line) => Err(Wrong(format!("{line:?} behind a chunk"))),
            },
            Framing::ChunkLine => match self.line()? {
                None => Ok(Step::Starved),
                Some(line) => match chunk_size(&line)? {
                    0 => self.next(Framing::Trailers),
                    size => self.next(Framing::Chunk(size)),
                },
            },
            Framing::Trailers => match self.line()? {
                None => Ok(Step::Starved),
                Some(line) if line.is_empty() => self.next(Framing::Length(0)),
                Some(_) => Ok(Step::More),
            },
        }
    }

    fn next(&mut self, framing: Framing) -> Result<Step, Wrong> {
        self.framing = Some(framing);
        Ok(Step::More)
    }

    fn piece(&mut self, left: u64, rest: impl Fn(u64) -> Framing) -> Step {
        let piece = self.unread.take(usize::try_from(left).unwrap_or(usize::MAX));
        if piece.is_empty() {
            return Step::Starved;
        }
        self.framing = Some(rest(left.saturating_sub(piece.len() as u64)));
        Step::Piece(piece)
    }

    /// The next line without its end; `None` if it is not whole.
    fn line(&mut self) -> Result<Option<String>, Wrong> {
        let bytes = self.unread.as_slice();
        match bytes.windows(2).position(|pair| pair == b"\r\n") {
            Some(end) => {
                let line = text(&bytes[..end])?;
                self.unread.skip(end + 2);
                Ok(Some(line))
            }
            None if bytes.len() > HEAD_BYTES_MAX => Err(Wrong::new("a line without end")),
            None => Ok(None),
        }
    }

    /// The next head, as its first line and its fields; `None` if it is not whole.
    fn head(&mut self) -> Result<Option<(String, Headers)>, Wrong> {
        let bytes = self.unread.as_slice();
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            let hopeless = bytes.len() > HEAD_BYTES_MAX;
            return if hopeless { Err(Wrong::new("a head without end")) } else { Ok(None) };
        };
        let head = text(&bytes[..end])?;
        self.unread.skip(end + 4);
        let mut lines = head.split("\r\n");
        let first = lines.next().unwrap_or_default().to_owned();
        let fields = lines.map(field).collect::<Result<_, _>>()?;
        Ok(Some((first, fields)))
    }

    /// The framing that the fields of a head name: none means that there is no body in a request.
    fn named(headers: &[(String, String)]) -> Result<Option<Framing>, Wrong> {
        let lengths: Vec<&str> = values(headers, "content-length").collect();
        let codings: Vec<&str> = values(headers, "transfer-encoding").collect();
        match (lengths.as_slice(), codings.as_slice()) {
            ([], []) => Ok(None),
            ([length], []) if !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit()) => {
                let length = length.parse().map_err(|_| Wrong(format!("a body of {length} bytes")))?;
                Ok(Some(Framing::Length(length)))
            }
            ([], [coding]) if coding.eq_ignore_ascii_case("chunked") => Ok(Some(Framing::ChunkLine)),
            _ => Err(Wrong(format!("a body of length {lengths:?} with coding {codings:?}"))),
        }
    }
}

/// Reads the answers on one connection.
#[derive(Clone, Debug, Default)]
pub struct ResponseReader {
    body: Body,
    /// For each answer that has not begun: whether it has no body because of its request.
    bodiless: bool,
}

impl ResponseReader {
    /// Reads from the first byte that a server says.
    pub fn new() -> Self {
        ResponseReader::default()
    }

    /// The next answer is one to a HEAD request.
    pub fn expect_no_body(&mut self) {
        self.bodiless = true;
    }

    /// True between answers.
    pub fn is_between(&self) -> bool {
        self.body.framing.is_none() && self.body.unread.as_slice().is_empty()
    }

    /// What is malformed, once something was: nothing behind it is read.
    pub fn wrong(&self) -> Option<&Wrong> {
        self.body.wrong.as_ref()
    }

    /// What `bytes` complete.
    ///
    /// # Errors
    /// When this is not HTTP/1.1, now or before. What stood in front of the fault is given first: then
    /// this call gives it, and [`ResponseReader::wrong`] and the next call tell.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<HttpEvent>, Wrong> {
        let mut events = Vec::new();
        if self.body.wrong.is_none() {
            self.body.unread.push(bytes);
            self.body.wrong = self.read(&mut events).err();
        }
        first_events(events, self.body.wrong.as_ref())
    }

    /// The server has closed.
    ///
    /// # Errors
    /// If that cuts an answer short, or something was wrong before.
    pub fn finish(&mut self) -> Result<Vec<HttpEvent>, Wrong> {
        if let Some(wrong) = &self.body.wrong {
            return Err(wrong.clone());
        }
        match self.body.framing {
            Some(Framing::Close) => {
                self.body.framing = None;
                Ok(vec![HttpEvent::End])
            }
            Some(_) => Err(Wrong::new("the connection ended inside a body")),
            None if self.body.unread.as_slice().is_empty() => Ok(Vec::new()),
            None => Err(Wrong::new("the connection ended inside a head")),
        }
    }

    fn read(&mut self, events: &mut Vec<HttpEvent>) -> Result<(), Wrong> {
        loop {
            if self.body.framing.is_none() {
                let Some((first, headers)) = self.body.head()? else { return Ok(()) };
                let status = status(&first)?;
                self.body.framing = Some(self.framing(status, &headers)?);
                events.push(HttpEvent::Head { status, headers });
            }
            match self.body.step()? {
                Step::Piece(piece) => events.push(HttpEvent::Body(piece)),
                Step::End => events.push(HttpEvent::End),
                Step::More => {}
                Step::Starved => return Ok(()),
            }
        }
    }

    /// RFC 9112, section 6.3.
    fn framing(&mut self, status: u16, headers: &[(String, String)]) -> Result<Framing, Wrong> {
        let named = Body::named(headers)?;
        match status {
            101 => Ok(Framing::Close),
            100..200 => Ok(Framing::Length(0)),
            _ if std::mem::take(&mut self.bodiless) || status == 204 || status == 304 => {
                Ok(Framing::Length(0))
            }
            _ => Ok(named.unwrap_or(Framing::Close)),
        }
    }
}

/// Reads the requests on one connection.
#[derive(Clone, Debug, Default)]
pub struct RequestReader {
    body: Body,
}

impl RequestReader {
    /// Reads from the first byte that a client says.
    pub fn new() -> Self {
        RequestReader::default()
    }

    /// What is malformed, once something was: nothing behind it is read.
    pub fn wrong(&self) -> Option<&Wrong> {
        self.body.wrong.as_ref()
    }

    /// The server has agreed to another protocol: from here on everything is body. What already came
    /// behind the request is given.
    pub fn upgraded(&mut self) -> Vec<u8> {
        self.body.framing = Some(Framing::Close);
        self.body.unread.take(usize::MAX)
    }

    /// What `bytes` complete.
    ///
    /// # Errors
    /// When this is not HTTP/1.1, or could mean two things, now or before. What stood in front of the
    /// fault is given first: then this call gives it, and [`RequestReader::wrong`] and the next call tell.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<RequestEvent>, Wrong> {
        let mut events = Vec::new();
        if self.body.wrong.is_none() {
            self.body.unread.push(bytes);
            self.body.wrong = self.read(&mut events).err();
        }
        first_events(events, self.body.wrong.as_ref())
    }

    fn read(&mut self, events: &mut Vec<RequestEvent>) -> Result<(), Wrong> {
        loop {
            if self.body.framing.is_none() {
                let Some((first, headers)) = self.body.head()? else { return Ok(()) };
                self.body.framing = Some(Body::named(&headers)?.unwrap_or(Framing::Length(0)));
                let words: Vec<&str> = first.split(' ').collect();
                let [method, target, "HTTP/1.1" | "HTTP/1.0"] = words[..] else {
                    return Err(Wrong(format!("not a request: {:?}", start(&first))));
                };
                let (method, target) = (method.to_owned(), target.to_owned());
                events.push(RequestEvent::Head(HttpRequest { method, target, headers }));
            }
            match self.body.step()? {
                Step::Piece(piece) => events.push(RequestEvent::Body(piece)),
                Step::End => events.push(RequestEvent::End),
                Step::More => {}
                Step::Starved => return Ok(()),
            }
        }
    }
}

fn first_events<E>(events: Vec<E>, wrong: Option<&Wrong>) -> Result<Vec<E>, Wrong> {
    match wrong {
        Some(wrong) if events.is_empty() => Err(wrong.clone()),
        _ => Ok(events),
    }
}

fn status(line: &str) -> Result<u16, Wrong> {
    let code = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
    let status = code.and_then(|code| code.parse().ok()).filter(|code| (100..600).contains(code));
    status.ok_or_else(|| Wrong(format!("not a status line: {:?}", start(line))))
}

fn field(line: &str) -> Result<(String, String), Wrong> {
    let (name, value) = line.split_once(':').unwrap_or_default();
    if name.is_empty() || name.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return Err(Wrong(format!("not a header: {:?}", start(line))));
    }
    Ok((name.to_ascii_lowercase(), value.trim_matches([' ', '\t']).to_owned()))
}

fn values<'a>(headers: &'a [(String, String)], name: &'a str) -> impl Iterator<Item = &'a str> {
    headers.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
}

fn chunk_size(line: &str) -> Result<u64, Wrong> {
    let digits = line.split(';').next().unwrap_or_default().trim_end();
    let sound = (1..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let size = if sound { u64::from_str_radix(digits, 16).ok() } else { None };
    size.ok_or_else(|| Wrong(format!("not the size of a chunk: {:?}", start(line))))
}

/// Heads are ASCII; another byte, or a bare end of line, may be an attack (request smuggling).
fn text(bytes: &[u8]) -> Result<String, Wrong> {
    let bare = |at: usize| bytes[at] == b'\n' && (at == 0 || bytes[at - 1] != b'\r');
    match std::str::from_utf8(bytes) {
        Ok(text) if !(0..bytes.len()).any(bare) => Ok(text.to_owned()),
        _ => Err(Wrong::new("a head that is not lines of text")),
    }
}

/// As much of a line as is worth telling.
fn start(line: &str) -> String {
    line.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::{HttpEvent, RequestEvent, RequestReader, ResponseReader};

    /// Status codes and bodies; "|" where an answer ends.
    fn read(bytes: &[u8], cut: usize) -> String {
        let mut reader = ResponseReader::new();
        let mut told = String::new();
        for piece in bytes.chunks(cut) {
            for event in reader.push(piece).expect("good answers") {
                match event {
                    HttpEvent::Head { status, .. } => told.push_str(&format!("{status}:")),
                    HttpEvent::Body(piece) => told.push_str(&String::from_utf8_lossy(&piece)),
                    HttpEvent::End => told.push('|'),
                }
            }
        }
        told.push_str(&"|".repeat(reader.finish().expect("a good end").len()));
        told
    }

    #[test]
    fn bodies_end_by_length_by_chunks_or_with_the_connection() {
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello\
            HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n\
            HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
            3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nT: v\r\n\r\n\
            HTTP/1.1 200 OK\r\nServer: x\r\n\r\nto the end";
        for cut in [1, 2, 3, 17, bytes.len()] {
            assert_eq!(read(bytes, cut), "200:hello|100:|304:|200:abc0123456789|200:to the end|");
        }
    }

    #[test]
    fn behind_a_change_of_protocol_everything_is_body() {
        let bytes = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\nHTTP/1.1 200";
        assert_eq!(read(bytes, 1000), "101:HTTP/1.1 200|");
    }

    #[test]
    fn the_answer_to_a_head_request_has_a_length_and_no_body() {
        let mut reader = ResponseReader::new();
        reader.expect_no_body();
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n\
            HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
        let events = reader.push(bytes).expect("good answers");
        assert_eq!(events.iter().filter(|event| **event == HttpEvent::End).count(), 2);
        assert!(reader.is_between());
    }

    #[test]
    fn a_cut_or_malformed_answer_is_an_error() {
        let mut reader = ResponseReader::new();
        reader.push(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell").expect("good so far");
        reader.finish().expect_err("one byte is missing");
        for bytes in [
            "HTTP/2 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\nX: y\r\n\r\n",
        ] {
            ResponseReader::new().push(bytes.as_bytes()).expect_err(bytes);
        }
        let mut reader = ResponseReader::new();
        let events = reader.push(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n");
        assert_eq!(events.expect("the head").len(), 1);
        assert!(reader.wrong().is_some() && reader.push(b"").is_err());
        ResponseReader::new().push(&[b'a'; 70_000]).expect_err("no end of head");
    }

    #[test]
    fn requests_come_one_after_the_other_with_their_bodies() {
        let bytes =
            b"GET /live/a.flv?x=y HTTP/1.1\r\nHost: h\r\n\r\nPOST /b HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi";
        let mut reader = RequestReader::new();
        let events: Vec<_> = bytes.chunks(3).flat_map(|part| reader.push(part).expect("good")).collect();
        let heads: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                RequestEvent::Head(request) => Some((request.method.as_str(), request.path())),
                _ => None,
            })
            .collect();
        assert_eq!(heads, [("GET", "/live/a.flv"), ("POST", "/b")]);
        assert_eq!(events.last(), Some(&RequestEvent::End));
    }

    #[test]
    fn a_request_that_could_mean_two_things_is_an_error() {
        for bytes in [
            "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
            "GET  / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Length : 1\r\n\r\n",
        ] {
            RequestReader::new().push(bytes.as_bytes()).expect_err(bytes);
        }
    }
}
