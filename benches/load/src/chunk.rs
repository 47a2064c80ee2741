//! RTMP chunk streams (RTMP 1.0, section 5.3): writing messages, and reading them as they stream in.
//!
//! The reader keeps commands and control messages; of audio and video it keeps nothing but the verdict.

use crate::fault::Fault;
use crate::stamp::{Body, Kind, Seen};

/// Chunk size before a peer sets another.
pub const CHUNK_SIZE_DEFAULT: usize = 128;

/// The longest command or control message that is kept.
const KEPT_LEN_MAX: usize = 64 << 10;

/// A message towards the server.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// Chunk stream, 2 to 63.
    pub csid: u8,
    /// Message type.
    pub kind: u8,
    /// Message stream.
    pub msid: u32,
    /// Milliseconds.
    pub timestamp: u32,
    /// Content.
    pub payload: &'a [u8],
}

/// Timestamps from here on stand behind the header of every chunk (section 5.3.1.3).
const TIMESTAMP_EXTENDED: u32 = 0xFF_FFFF;

/// Writes a message with a full header, in chunks of `chunk_size`.
pub fn write(out: &mut Vec<u8>, chunk_size: usize, message: Outgoing<'_>) {
    let len = u32::try_from(message.payload.len()).expect("messages are short").to_be_bytes();
    let time = message.timestamp.min(TIMESTAMP_EXTENDED).to_be_bytes();
    let time_extended = message.timestamp.to_be_bytes();
    let extended = if message.timestamp < TIMESTAMP_EXTENDED { &[][..] } else { &time_extended };
    out.push(message.csid);
    out.extend_from_slice(&time[1..]);
    out.extend_from_slice(&len[1..]);
    out.push(message.kind);
    out.extend_from_slice(&message.msid.to_le_bytes());
    out.extend_from_slice(extended);
    for (i, piece) in message.payload.chunks(chunk_size).enumerate() {
        if i > 0 {
            out.push(0xC0 | message.csid);
            out.extend_from_slice(extended);
        }
        out.extend_from_slice(piece);
    }
}

/// What arrived.
#[derive(Debug)]
pub enum Incoming {
    /// Audio or video.
    Media(Seen),
    /// A command or control message: type and content.
    Kept(u8, Vec<u8>),
}

/// Reads chunks.
#[derive(Debug)]
pub struct Reader {
    /// Bytes of payload per chunk; the server sets it by a message that the reader obeys itself.
    chunk_size: usize,
    streams: Vec<ChunkStream>,
    /// Index in `streams` and bytes that remain of the chunk that is being read.
    open: Option<(usize, usize)>,
    /// An incomplete chunk header.
    carry: Vec<u8>,
}

/// What the headers of one chunk stream said last.
#[derive(Debug)]
struct ChunkStream {
    csid: u32,
    kind: u8,
    len: usize,
    extended: bool,
    left: usize,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Media(Body),
    Kept(Vec<u8>),
    Skipped,
}

impl Default for Reader {
    fn default() -> Self {
        Reader { chunk_size: CHUNK_SIZE_DEFAULT, streams: Vec::new(), open: None, carry: Vec::new() }
    }
}

impl Reader {
    /// Takes all of `bytes` and tells what became complete.
    pub fn receive(
        &mut self,
        mut bytes: &[u8],
        arrived: &mut dyn FnMut(Incoming) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        while !bytes.is_empty() {
            let Some((index, left)) = self.open else {
                self.read_header(&mut bytes)?;
                continue;
            };
            let (piece, rest) = bytes.split_at(bytes.len().min(left));
            bytes = rest;
            self.open = (piece.len() < left).then_some((index, left - piece.len()));
            if let Some(incoming) = self.streams[index].push(piece) {
                self.obey(&incoming)?;
                arrived(incoming)?;
            }
        }
        Ok(())
    }

    fn obey(&mut self, incoming: &Incoming) -> Result<(), Fault> {
        if let Incoming::Kept(1, payload) = incoming {
            let size = payload.first_chunk::<4>().map_or(0, |bytes| u32::from_be_bytes(*bytes));
            if size == 0 || size > 0x7FFF_FFFF {
                return Err(Fault::new("a chunk size of 0 or above 2^31"));
            }
            self.chunk_size = usize::try_from(size).expect("31 bits fit");
        }
        Ok(())
    }

    /// Reads a chunk header from what was carried over and the front of `bytes`.
    fn read_header(&mut self, bytes: &mut &[u8]) -> Result<(), Fault> {
        if self.carry.is_empty() {
            match self.parse_header(bytes)? {
                Some(used) => *bytes = &bytes[used..],
                None => {
                    self.carry.extend_from_slice(bytes);
                    *bytes = &[];
                }
            }
            return Ok(());
        }
        let mut carry = std::mem::take(&mut self.carry);
        while let Some((byte, rest)) = bytes.split_first() {
            carry.push(*byte);
            *bytes = rest;
            if self.parse_header(&carry)?.is_some() {
                carry.clear();
                break;
            }
        }
        self.carry = carry;
        Ok(())
    }

    /// Opens the chunk whose header begins `bytes`; its length, or `None` if there are not enough.
    fn parse_header(&mut self, bytes: &[u8]) -> Result<Option<usize>, Fault> {
        let Some((csid, basic_len)) = parse_basic(bytes) else { return Ok(None) };
        let format = bytes[0] >> 6;
        let message_len = [11, 7, 3, 0][usize::from(format)];
        let Some(message) = bytes.get(basic_len..basic_len + message_len) else { return Ok(None) };
        let index = self.streams.iter().position(|stream| stream.csid == csid);
        let extended = match index {
            _ if format < 3 => message[..3] == [0xFF; 3],
            Some(index) => self.streams[index].extended,
            None => return Err(Fault::new("a chunk continues what never began")),
        };
        let header_len = basic_len + message_len + if extended { 4 } else { 0 };
        if bytes.len() < header_len {
            return Ok(None);
        }
        let index = index.unwrap_or_else(|| {
            self.streams.push(ChunkStream::new(csid));
            self.streams.len() - 1
        });
        let stream = &mut self.streams[index];
        stream.extended = extended;
        if format < 2 {
            stream.len =
                usize::from(message[3]) << 16 | usize::from(message[4]) << 8 | usize::from(message[5]);
            stream.kind = message[6];
        }
        if stream.left == 0 {
            stream.begin()?;
        } else if format < 3 {
            return Err(Fault::new("a message begins inside another of its chunk stream"));
        }
        let chunk_len = stream.left.min(self.chunk_size);
        self.open = (chunk_len > 0).then_some((index, chunk_len));
        Ok(Some(header_len))
    }
}

/// Chunk stream id and length of the basic header.
fn parse_basic(bytes: &[u8]) -> Option<(u32, usize)> {
    match bytes.first()? & 63 {
        0 => Some((64 + u32::from(*bytes.get(1)?), 2)),
        1 => Some((64 + u32::from(*bytes.get(1)?) + 256 * u32::from(*bytes.get(2)?), 3)),
        small => Some((u32::from(small), 1)),
    }
}

impl ChunkStream {
    fn new(csid: u32) -> Self {
        ChunkStream { csid, kind: 0, len: 0, extended: false, left: 0, content: Content::Skipped }
    }

    fn begin(&mut self) -> Result<(), Fault> {
        self.left = self.len;
        self.content = match self.kind {
            8 if self.len > 0 => Content::Media(Body::new(Kind::Audio, self.len)),
            9 if self.len > 0 => Content::Media(Body::new(Kind::Video, self.len)),
            1..=6 | 20 if self.len > KEPT_LEN_MAX => return Err(Fault::new("a command of more than 64 KiB")),
            1..=6 | 20 => Content::Kept(Vec::with_capacity(self.len)),
            _ => Content::Skipped,
        };
        Ok(())
    }

    fn push(&mut self, mut piece: &[u8]) -> Option<Incoming> {
        self.left -= piece.len();
        match &mut self.content {
            Content::Media(body) => body.push(&mut piece).map(Incoming::Media),
            Content::Kept(kept) => {
                kept.extend_from_slice(piece);
                (self.left == 0).then(|| Incoming::Kept(self.kind, std::mem::take(kept)))
            }
            Content::Skipped => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;

    #[test]
    fn what_is_written_is_read_however_it_is_cut() {
        let mut bytes = Vec::new();
        let set = Outgoing { csid: 2, kind: 1, msid: 0, timestamp: 0, payload: &[0, 0, 1, 0] };
        write(&mut bytes, CHUNK_SIZE_DEFAULT, set);
        let mut source = Source::new(3, 100_000);
        for _ in 0..20 {
            let frame = source.next(5);
            let csid = if frame.key { 6 } else { 4 };
            let kind = crate::flv::tag_type(frame.kind);
            let timestamp = frame.timestamp;
            write(&mut bytes, 256, Outgoing { csid, kind, msid: 1, timestamp, payload: frame.body });
        }
        for step in [1, 7, 100, bytes.len()] {
            let mut reader = Reader::default();
            let mut seqs = Vec::new();
            for piece in bytes.chunks(step) {
                let arrived = &mut |incoming| {
                    match incoming {
                        Incoming::Kept(kind, payload) => {
                            assert_eq!((kind, &payload[..]), (1, &[0, 0, 1, 0][..]))
                        }
                        Incoming::Media(seen) => {
                            assert!(seen.intact);
                            seqs.push(seen.stamp.expect("stamped").seq);
                        }
                    }
                    Ok(())
                };
                reader.receive(piece, arrived).expect("sound");
            }
            assert_eq!(seqs, (0..20).collect::<Vec<u32>>());
        }
    }

    #[test]
    fn timestamps_beyond_24_bits_follow_every_header() {
        let mut bytes = Vec::new();
        let payload = [7; 5];
        write(
            &mut bytes,
            4,
            Outgoing { csid: 3, kind: 20, msid: 1, timestamp: 0x0102_0304, payload: &payload },
        );
        let head = [3, 0xFF, 0xFF, 0xFF, 0, 0, 5, 20, 1, 0, 0, 0, 1, 2, 3, 4, 7, 7, 7, 7];
        assert_eq!(bytes, [&head[..], &[0xC3, 1, 2, 3, 4, 7]].concat());
        let mut reader = Reader { chunk_size: 4, ..Reader::default() };
        let mut got = None;
        let arrived = &mut |incoming| {
            got = Some(incoming);
            Ok(())
        };
        reader.receive(&bytes, arrived).expect("sound");
        assert!(matches!(got, Some(Incoming::Kept(20, kept)) if kept == payload));
    }

    #[test]
    fn messages_of_two_chunk_streams_may_interleave() {
        // Two commands of 130 bytes on chunk streams 3 and 5: 128 of one, 128 of the other, 2 and 2.
        let mut bytes = Vec::new();
        for csid in [3, 5] {
            bytes.extend_from_slice(&[csid, 0, 0, 0, 0, 0, 130, 20, 0, 0, 0, 0]);
            bytes.extend_from_slice(&[csid; 128]);
        }
        for csid in [3, 5] {
            bytes.extend_from_slice(&[0xC0 | csid, csid, csid]);
        }
        let mut all = Vec::new();
        let arrived = &mut |incoming| {
            if let Incoming::Kept(20, payload) = incoming {
                all.push(payload);
            }
            Ok(())
        };
        Reader::default().receive(&bytes, arrived).expect("sound");
        assert_eq!(all, [vec![3; 130], vec![5; 130]]);
    }
}
