//! Chunks to messages.
//!
//! In: the unread bytes of a connection, however they were split. Out: messages in the order in which they
//! became complete, and the acknowledgements that are due between them. Messages of the chunk layer itself
//! (Set Chunk Size, Abort, Window Acknowledgement Size) are handled here and do not come out.
//!
//! Never: allocates by an announced length. A buffer grows as its bytes arrive; all buffers together and the
//! number of chunk streams are limited.

use super::ack::AckCounter;
use super::error::{ChunkError, Limits};
use super::header::{Basic, Fields, Shape, repeats_extended};
use super::message::{CHUNK_SIZE_DEFAULT, MESSAGE_BYTES_MAX, Message, type_id};
use crate::base::inbox::Inbox;
use crate::base::secret::{mark, marked};
use bytes::Bytes;
use serde::{Deserialize, Serialize, Serializer};

/// Most chunk streams of one connection. Clients use fewer than ten; each costs some fifty bytes until the
/// end.
pub const CHUNK_STREAMS_MAX: usize = 64;

/// Initial size of a buffer, in bytes, unless its message is shorter.
const BUFFER_BYTES_MIN: usize = 64 << 10;

/// What the reader returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A complete message.
    Message(Message),
    /// An acknowledgement is due, with this number of received bytes (modulo 2^32).
    Acknowledge(u32),
}

/// A chunk whose payload is incomplete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// Its chunk stream.
    pub chunk_stream: u32,
    /// Payload bytes of its message that have come, in earlier chunks too.
    pub before: usize,
    /// Payload bytes of the chunk that are still to come.
    pub left: usize,
}

/// Reassembles the messages of one peer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reader {
    limits: Limits,
    /// The chunk size that the peer announced.
    chunk_size: usize,
    /// Chunk streams in the order of first use; few enough for a linear search.
    streams: Vec<ChunkStream>,
    /// The chunk whose header was read and whose payload is incomplete.
    open: Option<OpenChunk>,
    /// Capacity of all buffers in `streams`, as accounted, in bytes.
    partial_bytes: usize,
    acks: AckCounter,
}

/// State of a chunk stream.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct ChunkStream {
    cid: u32,
    /// Header fields of the current or the last message.
    timestamp: u32,
    /// Added to the timestamp of a new message without header.
    delta: u32,
    /// The extended timestamp of the last header, if it had one.
    extended: Option<u32>,
    shape: Shape,
    stream_id: u32,
    /// True while a message is incomplete.
    unfinished: bool,
    #[serde(serialize_with = "partial")]
    buffer: Vec<u8>,
    /// Size of the buffer as accounted, in bytes. Not its capacity, which the allocator decides and which
    /// differs in a copy: how much a peer may send must not depend on that.
    granted: usize,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct OpenChunk {
    /// Index in `streams`.
    index: usize,
    /// Payload bytes of this chunk that are still to come.
    left: usize,
}

impl Reader {
    /// A reader from the end of the handshake on. The `received` bytes of the handshake count for
    /// acknowledgements; `ack_window` is assumed until the peer sends its own.
    pub fn new(limits: Limits, received: u64, ack_window: u32) -> Self {
        Reader {
            limits,
            chunk_size: CHUNK_SIZE_DEFAULT as usize,
            streams: Vec::new(),
            open: None,
            partial_bytes: 0,
            acks: AckCounter::new(received, ack_window),
        }
    }

    /// Changes the limits, when a peer is trusted more or less.
    ///
    /// # Errors
    ///
    /// If unfinished messages hold more already.
    pub fn set_limits(&mut self, limits: Limits) -> Result<(), ChunkError> {
        self.limits = limits;
        if self.partial_bytes > limits.partial_bytes_max {
            return Err(ChunkError::TooMuchUnfinished);
        }
        Ok(())
    }

    /// Bytes consumed so far, those of the handshake included.
    pub fn received(&self) -> u64 {
        self.acks.received()
    }

    /// Memory that unfinished messages hold, in bytes.
    pub fn partial_bytes(&self) -> usize {
        self.partial_bytes
    }

    /// The chunk whose payload comes next, if its header has been read.
    pub fn open_chunk(&self) -> Option<Open> {
        let OpenChunk { index, left } = self.open?;
        let stream = &self.streams[index];
        Some(Open { chunk_stream: stream.cid, before: stream.buffer.len(), left })
    }

    /// True if its numbers fit its buffers. Loaded bytes may say anything.
    pub fn is_sound(&self) -> bool {
        let fits = |stream: &ChunkStream| {
            let held = stream.buffer.len();
            held <= stream.granted && (if stream.unfinished { held <= stream.shape.len } else { held == 0 })
        };
        let open = self.open.is_none_or(|OpenChunk { index, left }| {
            let stream = self.streams.get(index).filter(|stream| stream.unfinished);
            stream.is_some_and(|stream| stream.buffer.len() + left <= stream.shape.len)
        });
        let granted: usize = self.streams.iter().map(|stream| stream.granted).sum();
        self.streams.iter().all(fits) && open && granted == self.partial_bytes && self.acks.is_sound()
    }

    /// All chunk streams, and how many bytes of an unfinished message each holds.
    pub fn held(&self) -> impl Iterator<Item = (u32, usize)> {
        self.streams.iter().map(|stream| (stream.cid, stream.buffer.len()))
    }

    /// The chunk streams with an unfinished message, and its type.
    pub fn unfinished(&self) -> impl Iterator<Item = (u32, u8)> {
        let unfinished = self.streams.iter().filter(|stream| stream.unfinished);
        unfinished.map(|stream| (stream.cid, stream.shape.type_id))
    }

    /// The next item; `None` if more bytes are needed. Consumes whatever it can use.
    ///
    /// # Errors
    ///
    /// If the chunks are malformed or beyond the limits. The position in the byte stream is lost then, and
    /// the reader must not be called again.
    pub fn next(&mut self, inbox: &mut Inbox) -> Result<Option<Item>, ChunkError> {
        loop {
            if let Some(sequence) = self.acks.take_due() {
                return Ok(Some(Item::Acknowledge(sequence)));
            }
            match self.open {
                None => {
                    let Some(len) = self.read_header(inbox.as_slice())? else { return Ok(None) };
                    inbox.consume(len);
                    self.acks.advance(len);
                }
                Some(OpenChunk { index, left: 0 }) => {
                    self.open = None;
                    if let Some(message) = self.finish_chunk(index)? {
                        return Ok(Some(Item::Message(message)));
                    }
                }
                Some(OpenChunk { index, left }) => {
                    let len = left.min(inbox.len());
                    if len == 0 {
                        return Ok(None);
                    }
                    self.append(index, &inbox.as_slice()[..len])?;
                    self.open = Some(OpenChunk { index, left: left - len });
                    inbox.consume(len);
                    self.acks.advance(len);
                }
            }
        }
    }

    /// Reads one chunk header and opens its chunk. Returns the length of the header, or `None`, without an
    /// effect, if it is not complete.
    fn read_header(&mut self, bytes: &[u8]) -> Result<Option<usize>, ChunkError> {
        let Some(basic) = Basic::parse(bytes) else { return Ok(None) };
        let rest = &bytes[basic.len..];
        let known = self.streams.iter().position(|stream| stream.cid == basic.cid);
        let (index, len) = if basic.format == 3 {
            let index = known.ok_or(ChunkError::NoHeaderYet(basic.cid))?;
            let Some(len) = self.streams[index].continue_or_repeat(rest) else { return Ok(None) };
            (index, len)
        } else {
            let Some(fields) = Fields::parse(basic.format, rest) else {
                reached!("a chunk header was split across reads");
                return Ok(None);
            };
            let index = match known {
                Some(index) => index,
                None => self.add_stream(basic)?,
            };
            self.streams[index].apply(fields)?;
            (index, fields.len)
        };
        let stream = &mut self.streams[index];
        if !stream.unfinished && stream.shape.len > self.limits.message_bytes_max {
            return Err(ChunkError::MessageTooLong(stream.shape.len));
        }
        stream.unfinished = true;
        let left = self.chunk_size.min(stream.shape.len - stream.buffer.len());
        self.open = Some(OpenChunk { index, left });
        Ok(Some(basic.len + len))
    }

    fn add_stream(&mut self, basic: Basic) -> Result<usize, ChunkError> {
        // librtmp begins a chunk stream with format 1 for its first ping; formats 2 and 3 lack too much.
        if basic.format > 1 {
            return Err(ChunkError::NoHeaderYet(basic.cid));
        }
        if self.streams.len() == CHUNK_STREAMS_MAX {
            return Err(ChunkError::TooManyChunkStreams);
        }
        self.streams.push(ChunkStream {
            cid: basic.cid,
            timestamp: 0,
            delta: 0,
            extended: None,
            shape: Shape::default(),
            stream_id: 0,
            unfinished: false,
            buffer: Vec::new(),
            granted: 0,
        });
        Ok(self.streams.len() - 1)
    }

    /// Appends payload to the message of a chunk stream. The buffer never grows beyond the message, so that a
    /// complete message wastes no memory.
    fn append(&mut self, index: usize, bytes: &[u8]) -> Result<(), ChunkError> {
        let stream = &mut self.streams[index];
        let granted = stream.granted;
        let needed = stream.buffer.len() + bytes.len();
        if needed > granted {
            let wanted = needed.max(granted * 2).max(BUFFER_BYTES_MIN).min(stream.shape.len);
            let total = self.partial_bytes - granted + wanted;
            if total > self.limits.partial_bytes_max {
                return Err(ChunkError::TooMuchUnfinished);
            }
            stream.granted = wanted;
            self.partial_bytes = total;
        }
        stream.buffer.reserve_exact(stream.granted - stream.buffer.len());
        stream.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// A chunk is complete: returns the message if that is complete too and not for this layer.
    fn finish_chunk(&mut self, index: usize) -> Result<Option<Message>, ChunkError> {
        let stream = &mut self.streams[index];
        if stream.buffer.len() < stream.shape.len {
            return Ok(None);
        }
        let payload = self.take_buffer(index);
        let stream = &self.streams[index];
        let message = Message {
            timestamp: stream.timestamp,
            type_id: stream.shape.type_id,
            stream_id: stream.stream_id,
            payload: Bytes::from(payload),
        };
        self.obey(message)
    }

    /// Ends the message of a chunk stream and returns its bytes so far.
    fn take_buffer(&mut self, index: usize) -> Vec<u8> {
        let stream = &mut self.streams[index];
        stream.unfinished = false;
        self.partial_bytes -= std::mem::take(&mut stream.granted);
        std::mem::take(&mut stream.buffer)
    }

    /// Handles a message of the chunk layer; returns every other one.
    fn obey(&mut self, message: Message) -> Result<Option<Message>, ChunkError> {
        match message.type_id {
            type_id::SET_CHUNK_SIZE => self.set_chunk_size(control_field(&message)?)?,
            type_id::ABORT => {
                reached!("a message was aborted");
                let cid = control_field(&message)?;
                if let Some(index) = self.streams.iter().position(|stream| stream.cid == cid) {
                    self.take_buffer(index);
                }
            }
            type_id::WINDOW_ACK_SIZE => self.acks.set_window(control_field(&message)?),
            _ => return Ok(Some(message)),
        }
        Ok(None)
    }

    /// Section 5.4.1: the first bit is zero, and sizes beyond the longest message are equivalent.
    fn set_chunk_size(&mut self, size: u32) -> Result<(), ChunkError> {
        let effective = (size as usize).min(MESSAGE_BYTES_MAX);
        if size == 0 || size > i32::MAX as u32 || effective > self.limits.chunk_size_max as usize {
            return Err(ChunkError::ChunkSize(size));
        }
        self.chunk_size = effective;
        Ok(())
    }
}

impl ChunkStream {
    /// A chunk with a header: the start of a message, or, with formats 1 and 2, the rest of one from a sender
    /// that repeats the header.
    fn apply(&mut self, fields: Fields) -> Result<(), ChunkError> {
        if self.unfinished {
            let same_shape = fields.shape.is_none_or(|shape| shape == self.shape);
            if fields.stream_id.is_some() || !same_shape {
                return Err(ChunkError::MessageInsideMessage(self.cid));
            }
            return Ok(());
        }
        self.extended = fields.extended.then_some(fields.time);
        self.shape = fields.shape.unwrap_or(self.shape);
        match fields.stream_id {
            Some(stream_id) => {
                self.stream_id = stream_id;
                self.timestamp = fields.time;
                // Section 5.3.1.2.4: a message without header that follows takes the timestamp as its delta;
                // FFmpeg relies on it. A delta of hours would be an accident.
                self.delta = if fields.extended { 0 } else { fields.time };
            }
            None => {
                self.timestamp = self.timestamp.wrapping_add(fields.time);
                self.delta = fields.time;
            }
        }
        Ok(())
    }

    /// A chunk of format 3: the rest of a message, or a new one like the last (FMLE sends audio so). Returns
    /// the length of the extended timestamp (0 or 4); `None` if more bytes are needed to tell.
    fn continue_or_repeat(&mut self, bytes: &[u8]) -> Option<usize> {
        let next = if self.unfinished { self.timestamp } else { self.timestamp.wrapping_add(self.delta) };
        let len = match self.extended {
            Some(extended) if repeats_extended(bytes, &[extended, self.timestamp, next])? => {
                reached!("an extended timestamp was repeated");
                4
            }
            _ => 0,
        };
        self.timestamp = next;
        Some(len)
    }
}

/// The first 32 bits of a control message: all fields that most of them have.
fn control_field(message: &Message) -> Result<u32, ChunkError> {
    let field = message.payload.first_chunk().ok_or(ChunkError::ShortControl(message.type_id))?;
    Ok(u32::from_be_bytes(*field))
}

fn partial<S: Serializer>(buffer: &[u8], to: S) -> Result<S::Ok, S::Error> {
    marked(mark::PARTIAL, buffer, to)
}
