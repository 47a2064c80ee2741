//! RTMP chunks to messages (Adobe RTMP 1.0, section 5.3), as the bytes come.
//!
//! In: one direction of a connection, however it was cut. Out: every message when it is whole, control
//! messages too; Set Chunk Size and Abort are obeyed as well.
//!
//! Never: panics, or holds more than [`PARTIAL_BYTES_MAX`] of unfinished messages and the chunk header
//! that is under way.

use super::amf::Amf;
use super::flv::{self, Tag};
use super::{Unread, Wrong};
use std::collections::BTreeMap;

/// Types of messages.
pub mod kind {
    /// Payload bytes per chunk from here on.
    pub const SET_CHUNK_SIZE: u8 = 1;
    /// Forget the message under way on a chunk stream.
    pub const ABORT: u8 = 2;
    /// Bytes received so far.
    pub const ACKNOWLEDGEMENT: u8 = 3;
    /// Stream events, pings.
    pub const USER_CONTROL: u8 = 4;
    /// How often to acknowledge.
    pub const WINDOW_SIZE: u8 = 5;
    /// A command in AMF0.
    pub const COMMAND: u8 = 20;
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its type, as in [`kind`] and, for media, in [`flv`].
    pub kind: u8,
    /// Its message stream.
    pub stream: u32,
    /// In milliseconds.
    pub timestamp: u32,
    /// Its payload.
    pub body: Vec<u8>,
}

impl Message {
    /// A command on message stream `stream`.
    pub fn command(stream: u32, values: &[Amf]) -> Self {
        let mut body = Vec::new();
        values.iter().for_each(|value| value.write(&mut body));
        Message { kind: kind::COMMAND, stream, timestamp: 0, body }
    }

    /// A coded picture, sound or data on message stream 1.
    pub fn media(tag: &Tag) -> Self {
        Message { kind: tag.kind, stream: 1, timestamp: tag.timestamp, body: tag.body.clone() }
    }

    /// A request for chunks of `size` from here on.
    pub fn set_chunk_size(size: u32) -> Self {
        Message { kind: kind::SET_CHUNK_SIZE, stream: 0, timestamp: 0, body: size.to_be_bytes().to_vec() }
    }

    /// The peer has read `received` bytes so far.
    pub fn acknowledgement(received: u64) -> Self {
        let count = u32::try_from(received & 0xffff_ffff).expect("masked");
        let body = count.to_be_bytes().to_vec();
        Message { kind: kind::ACKNOWLEDGEMENT, stream: 0, timestamp: 0, body }
    }

    /// The values of a command.
    pub fn values(&self) -> Vec<Amf> {
        Amf::read_all(&self.body)
    }

    /// The same as a tag of an FLV file.
    pub fn tag(&self) -> Tag {
        Tag { kind: self.kind, timestamp: self.timestamp, body: self.body.clone() }
    }

    /// Its bytes in chunks of `size`: a full header, then continuations.
    pub fn chunks(&self, size: usize) -> Vec<u8> {
        let chunk_stream = match self.kind {
            1..=6 => 2,
            flv::AUDIO => 4,
            flv::VIDEO => 6,
            _ => 3,
        };
        let extended = self.timestamp >= 0x00ff_ffff;
        let mut bytes = vec![chunk_stream];
        bytes.extend(&self.timestamp.min(0x00ff_ffff).to_be_bytes()[1..]);
        bytes.extend(&u32::try_from(self.body.len()).expect("a short message").to_be_bytes()[1..]);
        bytes.push(self.kind);
        bytes.extend(self.stream.to_le_bytes());
        let full_time = if extended { &self.timestamp.to_be_bytes()[..] } else { &[] };
        bytes.extend(full_time);
        for (at, piece) in self.body.chunks(size).enumerate() {
            if at > 0 {
                bytes.push(0xc0 | chunk_stream);
                bytes.extend(full_time);
            }
            bytes.extend(piece);
        }
        bytes
    }
}

/// Most bytes of unfinished messages, all chunk streams together. The longest message has 16 MiB.
pub const PARTIAL_BYTES_MAX: usize = 64 << 20;

/// Most chunk streams. Real programs use fewer than ten.
pub const CHUNK_STREAMS_MAX: usize = 1024;

/// Version, time and noise, and the echo of the other's: the same length in both directions.
pub const HANDSHAKE_BYTES: usize = 1 + 1536 + 1536;

/// A timestamp of these 24 bits is followed by the real one in 32.
const EXTENDED: u32 = 0x00ff_ffff;

/// Puts the messages of one direction together.
#[derive(Clone, Debug)]
pub struct ChunkReader {
    unread: Unread,
    /// Bytes of the handshake that are still to come.
    handshake: usize,
    lenient: bool,
    chunk_size: usize,
    streams: BTreeMap<u32, Stream>,
    partial_bytes: usize,
    /// The chunk stream whose payload is being read, and how much of this chunk is missing.
    open: Option<(u32, usize)>,
    wrong: Option<Wrong>,
}

/// What the next header of a chunk stream may leave out, and the message that is under way.
#[derive(Clone, Debug, Default)]
struct Stream {
    kind: u8,
    stream: u32,
    length: usize,
    timestamp: u32,
    /// What a message without a header adds to the timestamp.
    delta: u32,
    /// The extended timestamp of the last header that had one.
    extended: Option<u32>,
    body: Vec<u8>,
    unfinished: bool,
}

/// One chunk's header, as it stands on the wire.
struct Header {
    format: u8,
    id: u32,
    time: u32,
    extended: bool,
    shape: Option<(usize, u8)>,
    stream: Option<u32>,
    bytes: usize,
}

impl Default for ChunkReader {
    fn default() -> Self {
        ChunkReader::new()
    }
}

impl ChunkReader {
    /// Reads from behind the handshake, to the letter of the specification.
    pub fn new() -> Self {
        ChunkReader {
            unread: Unread::default(),
            handshake: 0,
            lenient: false,
            chunk_size: 128,
            streams: BTreeMap::new(),
            partial_bytes: 0,
            open: None,
            wrong: None,
        }
    }

    /// Reads from the first byte of a connection: passes over the handshake.
    pub fn with_handshake() -> Self {
        ChunkReader { handshake: HANDSHAKE_BYTES, ..ChunkReader::new() }
    }

    /// Takes what real clients do as well: extended timestamps that are not repeated in continuations, a
    /// header that says again what is known, a first header without a message stream.
    pub fn lenient(self) -> Self {
        ChunkReader { lenient: true, ..self }
    }

    /// Bytes of the handshake that have not come.
    pub fn handshake_left(&self) -> usize {
        self.handshake
    }

    /// What is malformed, once something was: nothing behind it is read.
    pub fn wrong(&self) -> Option<&Wrong> {
        self.wrong.as_ref()
    }

    /// True between messages: nothing is under way.
    pub fn is_between(&self) -> bool {
        self.handshake == 0
            && self.unread.as_slice().is_empty()
            && self.streams.values().all(|stream| !stream.unfinished)
    }

    /// The messages that `bytes` complete.
    ///
    /// # Errors
    /// When chunking is broken, now or before. Messages in front of the fault are given first: then this
    /// call gives them, and [`ChunkReader::wrong`] and the next call tell.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Message>, Wrong> {
        let mut messages = Vec::new();
        let part = self.handshake.min(bytes.len());
        self.handshake -= part;
        if self.wrong.is_none() {
            self.unread.push(&bytes[part..]);
            self.wrong = self.read(&mut messages).err();
        }
        match &self.wrong {
            Some(wrong) if messages.is_empty() => Err(wrong.clone()),
            _ => Ok(messages),
        }
    }

    fn read(&mut self, messages: &mut Vec<Message>) -> Result<(), Wrong> {
        loop {
            match self.open {
                None => {
                    let Some(header) = self.header()? else { return Ok(()) };
                    self.unread.skip(header.bytes);
                    self.begin(&header)?;
                }
                Some((id, left)) => {
                    let piece = self.unread.take(left);
                    self.append(id, &piece)?;
                    if piece.len() < left {
                        self.open = Some((id, left - piece.len()));
                        return Ok(());
                    }
                    self.open = None;
                    if let Some(message) = self.complete(id) {
                        self.obey(&message)?;
                        messages.push(message);
                    }
                }
            }
        }
    }

    /// The next header, when all of it is there.
    fn header(&self) -> Result<Option<Header>, Wrong> {
        let mut rest = self.unread.as_slice();
        let all = rest.len();
        let Some(first) = number(&mut rest, 1) else { return Ok(None) };
        let format = u8::try_from(first >> 6).expect("two bits");
        let id = match first & 0x3f {
            0 => number(&mut rest, 1).map(|id| id + 64),
            1 => number(&mut rest, 2).map(|id| u32::from(u16::try_from(id).expect("16").swap_bytes()) + 64),
            id => Some(id),
        };
        let Some(id) = id else { return Ok(None) };
        let known = self.streams.get(&id);
        if known.is_none() && format > 0 && !(self.lenient && format == 1) {
            return Err(Wrong(format!("chunk stream {id} begins with format {format}")));
        }
        let mut header = Header { format, id, time: 0, extended: false, shape: None, stream: None, bytes: 0 };
        let whole = if format == 3 {
            let stream = known.expect("format 3 of an unknown chunk stream is refused above");
            self.repeated_time(stream, &mut rest, &mut header)?
        } else {
            fields(&mut rest, &mut header)
        };
        header.bytes = all - rest.len();
        Ok(whole.map(|()| header))
    }

    /// The extended timestamp before a continuation chunk. The specification repeats it; a lenient reader
    /// takes other bytes there as payload.
    fn repeated_time(
        &self,
        stream: &Stream,
        rest: &mut &[u8],
        header: &mut Header,
    ) -> Result<Option<()>, Wrong> {
        let Some(extended) = stream.extended else { return Ok(Some(())) };
        let expected = [extended, stream.timestamp, stream.timestamp.wrapping_add(stream.delta)];
        let known = rest.len().min(4);
        let fits = expected.iter().any(|time| rest[..known] == time.to_be_bytes()[..known]);
        match (fits, known) {
            (true, 4) => {
                header.extended = true;
                Ok(number(rest, 4).map(|_| ()))
            }
            (true, _) => Ok(None),
            (false, _) if self.lenient => Ok(Some(())),
            _ => Err(Wrong(format!("a continuation on chunk stream {} lacks its timestamp", header.id))),
        }
    }

    /// Applies a header to its chunk stream and opens its chunk.
    fn begin(&mut self, header: &Header) -> Result<(), Wrong> {
        let id = header.id;
        if self.streams.len() == CHUNK_STREAMS_MAX && !self.streams.contains_key(&id) {
            return Err(Wrong::new("too many chunk streams"));
        }
        let stream = self.streams.entry(id).or_default();
        if stream.unfinished {
            let again = header.shape.is_none_or(|shape| shape == (stream.length, stream.kind));
            let allowed = header.format == 3 || self.lenient && header.format > 0 && again;
            if !allowed {
                return Err(Wrong(format!("a message begins inside another one on chunk stream {id}")));
            }
        } else {
            stream.start(header);
        }
        self.open = Some((id, (stream.length - stream.body.len()).min(self.chunk_size)));
        Ok(())
    }

    fn append(&mut self, id: u32, piece: &[u8]) -> Result<(), Wrong> {
        self.partial_bytes += piece.len();
        if self.partial_bytes > PARTIAL_BYTES_MAX {
            return Err(Wrong::new("unfinished messages hold too many bytes"));
        }
        self.streams.entry(id).or_default().body.extend_from_slice(piece);
        Ok(())
    }

    /// The message of a chunk stream, when its last chunk was read.
    fn complete(&mut self, id: u32) -> Option<Message> {
        let stream = self.streams.get_mut(&id)?;
        if stream.body.len() < stream.length {
            return None;
        }
        stream.unfinished = false;
        let body = std::mem::take(&mut stream.body);
        self.partial_bytes -= body.len();
        Some(Message { kind: stream.kind, stream: stream.stream, timestamp: stream.timestamp, body })
    }

    /// Does what a message says to this layer.
    fn obey(&mut self, message: &Message) -> Result<(), Wrong> {
        if message.kind != kind::SET_CHUNK_SIZE && message.kind != kind::ABORT {
            return Ok(());
        }
        let field = message.body.first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
        let value = field.ok_or_else(|| Wrong(format!("a control message of {}", message.body.len())))?;
        if message.kind == kind::ABORT {
            if let Some(stream) = self.streams.get_mut(&value) {
                self.partial_bytes -= stream.body.len();
                stream.body = Vec::new();
                stream.unfinished = false;
            }
            return Ok(());
        }
        if value == 0 || value > 0x7fff_ffff {
            return Err(Wrong(format!("a chunk size of {value}")));
        }
        self.chunk_size = (value as usize).min(EXTENDED as usize);
        Ok(())
    }
}

impl Stream {
    /// A new message: with its own header, or like the last one.
    fn start(&mut self, header: &Header) {
        self.unfinished = true;
        if let Some((length, kind)) = header.shape {
            (self.length, self.kind) = (length, kind);
        }
        if header.format < 3 {
            self.extended = header.extended.then_some(header.time);
            self.delta = header.time;
        }
        match header.stream {
            Some(stream) => {
                self.stream = stream;
                self.timestamp = header.time;
                // Section 5.3.1.2.4 makes the timestamp the delta of what follows without a header. FFmpeg
                // counts on it for small ones; of hours it can only be a program that forgot.
                if header.extended {
                    self.delta = 0;
                }
            }
            None => self.timestamp = self.timestamp.wrapping_add(self.delta),
        }
    }
}

/// The fields of formats 0, 1 and 2; `None` if not all of them are there.
fn fields(rest: &mut &[u8], header: &mut Header) -> Option<()> {
    header.time = number(rest, 3)?;
    if header.format < 2 {
        let length = number(rest, 3)? as usize;
        header.shape = Some((length, u8::try_from(number(rest, 1)?).expect("one byte")));
    }
    if header.format == 0 {
        header.stream = Some(number(rest, 4)?.swap_bytes());
    }
    if header.time == EXTENDED {
        header.extended = true;
        header.time = number(rest, 4)?;
    }
    Some(())
}

/// A big-endian number of `bytes` bytes.
fn number(rest: &mut &[u8], bytes: usize) -> Option<u32> {
    let (head, tail) = rest.split_at_checked(bytes)?;
    *rest = tail;
    Some(head.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::ChunkReader;
    use crate::reader::flv::VIDEO;
    use crate::reader::rtmp::{self, Message, kind};

    fn video(timestamp: u32, length: usize) -> Message {
        Message { kind: VIDEO, stream: 1, timestamp, body: (0..length).map(|at| (at % 251) as u8).collect() }
    }

    #[test]
    fn messages_come_out_however_the_bytes_are_cut() {
        let sent = [
            Message::set_chunk_size(100),
            rtmp::connect("live"),
            video(5, 1000),
            video(0x0100_0000, 333),
            video(u32::MAX, 0),
        ];
        let mut bytes = rtmp::handshake();
        for (message, size) in sent.iter().zip([128, 100, 100, 100, 100]) {
            bytes.extend(message.chunks(size));
        }
        for cut in [1, 2, 7, 128, bytes.len()] {
            let mut reader = ChunkReader::with_handshake();
            let pieces = bytes.chunks(cut).flat_map(|piece| reader.push(piece).expect("good chunks"));
            assert!(pieces.eq(sent.iter().cloned()), "cut at every {cut}");
            assert!(reader.is_between());
        }
    }

    #[test]
    fn headers_leave_out_what_is_known() {
        let mut bytes = vec![4, 0, 0, 10, 0, 0, 1, 8, 1, 0, 0, 0, b'a'];
        bytes.extend([0x44, 0, 0, 20, 0, 0, 2, 9, b'b', b'c']);
        bytes.extend([0x84, 0, 0, 5, b'd', b'e']);
        bytes.extend([0xc4, b'f', b'g']);
        let messages = ChunkReader::new().push(&bytes).expect("good chunks");
        let seen: Vec<_> = messages.iter().map(|m| (m.timestamp, m.kind, m.stream, &m.body[..])).collect();
        let expected: [(u32, u8, u32, &[u8]); 4] =
            [(10, 8, 1, b"a"), (30, 9, 1, b"bc"), (35, 9, 1, b"de"), (40, 9, 1, b"fg")];
        assert_eq!(seen, expected);
    }

    #[test]
    fn three_forms_name_a_chunk_stream_and_messages_interleave() {
        let mut bytes = vec![0x00, 6, 0, 0, 0, 0, 0, 130, 8, 1, 0, 0, 0];
        bytes.extend([1; 128]);
        bytes.extend([0x01, 6, 1, 0, 0, 0, 0, 0, 1, 9, 1, 0, 0, 0, 7]);
        bytes.extend([0xc0, 6, 2, 2]);
        let messages = ChunkReader::new().push(&bytes).expect("good chunks");
        assert_eq!(messages.iter().map(|m| m.body.len()).collect::<Vec<_>>(), [1, 130]);
    }

    #[test]
    fn only_the_lenient_take_a_continuation_without_its_timestamp() {
        let message = video(0x0123_4567, 200);
        let mut bytes = message.chunks(128);
        let repeated = 12 + 4 + 128 + 1;
        bytes.drain(repeated..repeated + 4);
        assert_eq!(ChunkReader::new().lenient().push(&bytes).expect("as some do"), [message]);
        ChunkReader::new().push(&bytes).expect_err("not to the letter");
    }

    #[test]
    fn an_abort_forgets_half_a_message() {
        let mut bytes = video(1, 200).chunks(128);
        bytes.truncate(12 + 128);
        let abort = Message { kind: kind::ABORT, stream: 0, timestamp: 0, body: vec![0, 0, 0, 6] };
        bytes.extend(abort.chunks(128));
        bytes.extend(video(2, 3).chunks(128));
        assert_eq!(ChunkReader::new().push(&bytes).expect("good chunks"), [abort, video(2, 3)]);
    }

    #[test]
    fn what_came_before_a_fault_is_given_first() {
        let bytes = [video(1, 3).chunks(128), vec![0xc9]].concat();
        let mut reader = ChunkReader::new();
        assert_eq!(reader.push(&bytes).expect("the good one"), [video(1, 3)]);
        assert!(reader.wrong().is_some());
        reader.push(&video(2, 3).chunks(128)).expect_err("nothing behind a fault");
        ChunkReader::new().push(&Message::set_chunk_size(0).chunks(128)).expect_err("a chunk size of 0");
    }
}
