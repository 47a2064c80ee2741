//! A player over HTTP: one GET, then a file without end, plain or in chunked coding (RFC 9112, 7.1), or in
//! the frames of a WebSocket. FLV is read; of other files only the bytes are taken.

use crate::fault::Fault;
use crate::flv;
use crate::stamp::Seen;
use crate::websocket::Frames;

/// The longest response head that is read.
const HEAD_LEN_MAX: usize = 16 << 10;

/// One player.
#[derive(Debug)]
pub struct Client {
    host: String,
    path: String,
    websocket: bool,
    part: Part,
    /// `None`: not FLV.
    flv: Option<flv::Reader>,
}

#[derive(Debug)]
enum Part {
    Head(Vec<u8>),
    /// A body that lasts as long as the connection.
    Plain,
    Chunked(Chunked),
    Frames(Frames),
}

#[derive(Clone, Copy, Debug)]
enum Chunked {
    /// The line that holds the size; what it says so far, and whether an extension has begun.
    Size(usize, bool),
    /// Bytes that remain of a chunk.
    Data(usize),
    /// The end of line after a chunk.
    End,
}

impl Client {
    /// A player of `path` on `host`, which is FLV if it ends so.
    pub fn new(host: &str, path: &str) -> Self {
        Client {
            host: host.to_owned(),
            path: path.to_owned(),
            websocket: false,
            part: Part::Head(Vec::new()),
            flv: path.ends_with(".flv").then(flv::Reader::default),
        }
    }

    /// The same over a WebSocket.
    pub fn websocket(host: &str, path: &str) -> Self {
        Client { websocket: true, ..Client::new(host, path) }
    }

    /// True once the server has said that the stream comes.
    pub fn is_running(&self) -> bool {
        !matches!(self.part, Part::Head(_))
    }

    /// The request.
    pub fn hello(&self, out: &mut Vec<u8>) {
        let upgrade = match self.websocket {
            false => "",
            true => {
                "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: bG9hZCBsb2FkIGxvYWQgIQ==\r\n"
            }
        };
        let head = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: load\r\nAccept: */*\r\n{upgrade}\r\n",
            self.path, self.host
        );
        out.extend_from_slice(head.as_bytes());
    }

    /// Takes what the server sent and tells of frames.
    pub fn receive(&mut self, mut bytes: &[u8], seen: &mut dyn FnMut(Seen)) -> Result<(), Fault> {
        while !bytes.is_empty() {
            match &mut self.part {
                Part::Head(head) => {
                    let before = head.len();
                    head.extend_from_slice(bytes);
                    let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") else {
                        if head.len() > HEAD_LEN_MAX {
                            return Err(Fault::new("a response head of more than 16 KiB"));
                        }
                        return Ok(());
                    };
                    bytes = &bytes[end + 4 - before..];
                    self.part = parse_head(&head[..end], self.websocket)?;
                }
                Part::Plain => return body(&mut self.flv, bytes, seen),
                Part::Frames(frames) => body(&mut self.flv, frames.take(&mut bytes)?, seen)?,
                Part::Chunked(Chunked::Data(left)) => {
                    let (piece, rest) = bytes.split_at(bytes.len().min(*left));
                    bytes = rest;
                    *left -= piece.len();
                    if *left == 0 {
                        self.part = Part::Chunked(Chunked::End);
                    }
                    body(&mut self.flv, piece, seen)?;
                }
                Part::Chunked(state) => {
                    *state = state.step(bytes[0])?;
                    bytes = &bytes[1..];
                }
            }
        }
        Ok(())
    }
}

impl Chunked {
    /// One byte of what stands between the chunks.
    fn step(self, byte: u8) -> Result<Chunked, Fault> {
        match (self, byte) {
            (Chunked::Size(0, _), b'\n') => Err(Fault::new("end of http body")),
            (Chunked::Size(len, _), b'\n') => Ok(Chunked::Data(len)),
            (Chunked::Size(len, _), b'\r' | b';') => Ok(Chunked::Size(len, true)),
            (Chunked::Size(len, true), _) => Ok(Chunked::Size(len, true)),
            (Chunked::Size(len, false), _) => {
                let digit = char::from(byte).to_digit(16).ok_or_else(|| Fault::new("not a chunk size"))?;
                let len = len.checked_mul(16).and_then(|len| len.checked_add(digit as usize));
                Ok(Chunked::Size(len.ok_or_else(|| Fault::new("a chunk size beyond reason"))?, false))
            }
            (Chunked::End, b'\n') => Ok(Chunked::Size(0, false)),
            (Chunked::End, _) => Ok(Chunked::End),
            (Chunked::Data(_), _) => unreachable!("data is not read byte by byte"),
        }
    }
}

/// Reads what is inside of all codings.
fn body(flv: &mut Option<flv::Reader>, bytes: &[u8], seen: &mut dyn FnMut(Seen)) -> Result<(), Fault> {
    flv.as_mut().map_or(Ok(()), |flv| flv.receive(bytes, seen))
}

fn parse_head(head: &[u8], websocket: bool) -> Result<Part, Fault> {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let status = head.lines().next().unwrap_or_default();
    let wanted = if websocket { "101" } else { "200" };
    if status.split(' ').nth(1) != Some(wanted) {
        return Err(Fault(format!("refused: {status}")));
    }
    if websocket {
        return Ok(Part::Frames(Frames::default()));
    }
    let chunked = head
        .lines()
        .any(|line| line.strip_prefix("transfer-encoding:").is_some_and(|value| value.contains("chunked")));
    Ok(if chunked { Part::Chunked(Chunked::Size(0, false)) } else { Part::Plain })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;

    fn file() -> Vec<u8> {
        let mut file = flv::FILE_HEADER.to_vec();
        let mut source = Source::new(3, 100_000);
        let mut before = 0;
        for _ in 0..5 {
            let frame = source.next(5);
            before = flv::write_tag(&mut file, before, frame.kind, frame.timestamp, frame.body);
        }
        file
    }

    fn frames(response: &[u8], step: usize) -> Result<usize, Fault> {
        let mut client = Client::new("h", "/live/s.flv");
        let mut count = 0;
        for piece in response.chunks(step) {
            client.receive(piece, &mut |seen| count += usize::from(seen.intact))?;
        }
        Ok(count)
    }

    #[test]
    fn plain_and_chunked_bodies_are_read_however_they_are_cut() {
        let file = file();
        let mut plain = b"HTTP/1.1 200 OK\r\nContent-Type: video/x-flv\r\n\r\n".to_vec();
        plain.extend_from_slice(&file);
        let mut chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for piece in file.chunks(100) {
            chunked.extend_from_slice(format!("{:x};x=1\r\n", piece.len()).as_bytes());
            chunked.extend_from_slice(piece);
            chunked.extend_from_slice(b"\r\n");
        }
        for step in [1, 13, 4096] {
            assert_eq!(frames(&plain, step), Ok(5));
            assert_eq!(frames(&chunked, step), Ok(5));
        }
        chunked.extend_from_slice(b"0\r\n\r\n");
        assert_eq!(frames(&chunked, 4096), Err(Fault::new("end of http body")));
    }

    #[test]
    fn a_refusal_is_told() {
        let refused = frames(b"HTTP/1.1 404 Not Found\r\n\r\n", 99);
        assert_eq!(refused, Err(Fault::new("refused: http/1.1 404 not found")));
    }
}
