//! Chunks to messages.
//!
//! In: the unread bytes of a connection, however they were split. Out: messages in the order in which
//! they became complete, and the acknowledgements that fall between them. The chunk layer's own messages
//! (Set Chunk Size, Abort, Window Acknowledgement Size) are obeyed here and do not come out.
//!
//! Never: allocates by an announced length. A buffer grows as its bytes arrive, all buffers together
//! have a limit, and so has the number of chunk streams.

use super::ack::AckCounter;
use super::error::{ChunkError, Limits};
use super::header::{Basic, Fields, Shape, repeats_extended};
use super::message::{CHUNK_SIZE_DEFAULT, MESSAGE_BYTES_MAX, Message, type_id};
use crate::base::inbox::Inbox;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Most chunk streams of one connection. Clients use fewer than ten; each costs some fifty bytes for good.
pub const CHUNK_STREAMS_MAX: usize = 64;

/// A buffer begins with this size, in bytes, or that of its message if it is less.
const BUFFER_BYTES_MIN: usize = 64 << 10;

/// What comes out of the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A message is complete.
    Message(Message),
    /// So many bytes (modulo 2^32) arrived, which the peer wants to know now.
    Acknowledge(u32),
}

/// A chunk in the middle of its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// Its chunk stream.
    pub chunk_stream: u32,
    /// Payload bytes of its message that have come, in earlier chunks too.
    pub before: usize,
    /// Payload bytes of the chunk that have not come yet.
    pub left: usize,
}

/// Puts the messages of one peer together.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reader {
    limits: Limits,
    /// What the peer announced.
    chunk_size: usize,
    /// In the order of first use; few enough to search.
    streams: Vec<ChunkStream>,
    /// The chunk whose header was read and whose payload is not yet complete.
    open: Option<OpenChunk>,
    /// What all buffers in `streams` may take, in bytes.
    partial_bytes: usize,
    acks: AckCounter,
}

/// What is remembered of a chunk stream.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct ChunkStream {
    cid: u32,
    /// Of the message that is being read, or of the last one.
    timestamp: u32,
    /// What a new message that comes without a header adds to it.
    delta: u32,
    /// The extended timestamp of the last header, if it had one.
    extended: Option<u32>,
    shape: Shape,
    stream_id: u32,
    /// A message has begun and is not complete.
    unfinished: bool,
    buffer: Vec<u8>,
    /// What the buffer may take, in bytes. Not its capacity, which is the allocator's to say and not the
    /// same in a copy: what a peer may send must not depend on that.
    granted: usize,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct OpenChunk {
    /// Place in `streams`.
    index: usize,
    /// Payload bytes of this chunk that have not come yet.
    left: usize,
}

impl Reader {
    /// Reads chunks from the end of the handshake on. The handshake's `received` bytes count for
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

    /// Sets other limits, when a peer has earned more trust, or less. Fails if it holds more already.
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

    /// The chunk streams that are in the middle of a message, and the types of these.
    pub fn unfinished(&self) -> impl Iterator<Item = (u32, u8)> {
        let unfinished = self.streams.iter().filter(|stream| stream.unfinished);
        unfinished.map(|stream| (stream.cid, stream.shape.type_id))
    }

    /// The next item; `None` if more bytes are needed. Consumes whatever it can use. After an error
    /// the position in the byte stream is lost and the reader must not be called again.
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

    /// Reads one chunk header and opens its chunk. Gives the header's length, or `None` (and changes
    /// nothing) if it is not complete.
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
        // librtmp begins a chunk stream with format 1 for its first ping; formats 2 and 3 say too little.
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

    /// Appends payload to the message of a chunk stream. The buffer never grows beyond the message, so
    /// that a complete one has no memory to spare.
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

    /// A chunk is complete; gives the message if that is complete too and not for this layer.
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

    /// Ends the message of a chunk stream and gives what came of it.
    fn take_buffer(&mut self, index: usize) -> Vec<u8> {
        let stream = &mut self.streams[index];
        stream.unfinished = false;
        self.partial_bytes -= std::mem::take(&mut stream.granted);
        std::mem::take(&mut stream.buffer)
    }

    /// Does what a message says to the chunk layer, and gives back every other one.
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

    /// Section 5.4.1: the first bit is zero, and all sizes beyond that of the longest message are alike.
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
    /// A chunk with a header: the start of a message, or, with formats 1 and 2, the rest of one from
    /// a sender that repeats what it said.
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
                // Section 5.3.1.2.4: a message without header that follows takes the timestamp as its
                // delta; FFmpeg relies on it. One of hours would be a leap that nobody means.
                self.delta = if fields.extended { 0 } else { fields.time };
            }
            None => {
                self.timestamp = self.timestamp.wrapping_add(fields.time);
                self.delta = fields.time;
            }
        }
        Ok(())
    }

    /// A chunk of format 3: the rest of a message, or a new one like the last (FMLE sends sound so).
    /// Gives the length of the extended timestamp that stands here (0 or 4); `None` if that is not clear yet.
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

/// The first 32 bits of a control message, which is all that most of them have.
fn control_field(message: &Message) -> Result<u32, ChunkError> {
    let field = message.payload.first_chunk().ok_or(ChunkError::ShortControl(message.type_id))?;
    Ok(u32::from_be_bytes(*field))
}
