//! Undoes RTMP: what a player was sent, as an FLV file.
//!
//! In: the server's bytes from the first on. Out: an FLV file, once it is known whether it has sound and
//! pictures. What makes no sense ends the reading, quietly: what was read so far stands.

use bytes::BytesMut;
use dacapo::base::inbox::Inbox;
use dacapo::wire::flv::{FileHead, put_tag};
use dacapo::wire::rtmp::chunk::{Item, Limits, Message, Reader};

/// S0, S1 and S2 (RTMP 1.0, section 5.2).
const HANDSHAKE_BYTES: usize = 1 + 2 * 1536;

/// After so many tags of one kind alone the other is not waited for any more.
const TAGS_MAX: usize = 100;

const AUDIO: u8 = 8;
const VIDEO: u8 = 9;
const DATA: u8 = 18;

/// One connection.
#[derive(Debug)]
pub struct Rtmp {
    /// Bytes of the handshake that are still to come.
    handshake_left: usize,
    inbox: Inbox,
    /// `None` once its bytes made no sense.
    reader: Option<Reader>,
    /// Tags that wait for the head of the file.
    waiting: BytesMut,
    tags: usize,
    kinds: FileHead,
    head_given: bool,
}

impl Rtmp {
    /// A connection that has just come.
    pub fn new() -> Self {
        let most = 32 << 20;
        let limits = Limits { chunk_size_max: 1 << 24, message_bytes_max: most, partial_bytes_max: 2 * most };
        Rtmp {
            handshake_left: HANDSHAKE_BYTES,
            inbox: Inbox::new(usize::MAX),
            reader: Some(Reader::new(limits, 0, u32::MAX)),
            waiting: BytesMut::new(),
            tags: 0,
            kinds: FileHead { audio: false, video: false },
            head_given: false,
        }
    }

    /// The server sent these bytes; gives what joins the file.
    pub fn sent(&mut self, bytes: &[u8]) -> BytesMut {
        let skipped = self.handshake_left.min(bytes.len());
        self.handshake_left -= skipped;
        let fits = self.inbox.receive(&bytes[skipped..]);
        assert!(fits, "this inbox has no limit");
        while let Some(reader) = &mut self.reader {
            match reader.next(&mut self.inbox) {
                Ok(Some(Item::Message(message))) => self.message(&message),
                Ok(Some(Item::Acknowledge(_))) => {}
                Ok(None) => break,
                Err(_) => self.reader = None,
            }
        }
        let known = self.kinds.audio && self.kinds.video || self.tags >= TAGS_MAX;
        if self.head_given || known { self.take() } else { BytesMut::new() }
    }

    /// Gives what still waits: the connection is over.
    pub fn take(&mut self) -> BytesMut {
        let tags = std::mem::take(&mut self.waiting);
        if self.head_given || tags.is_empty() {
            return tags;
        }
        self.head_given = true;
        let mut out = BytesMut::from(&self.kinds.emit()[..]);
        out.unsplit(tags);
        out
    }

    fn message(&mut self, message: &Message) {
        match message.type_id {
            AUDIO => self.kinds.audio = true,
            VIDEO => self.kinds.video = true,
            // AMF0's marker and length in front, then the name: other data is between client and server.
            DATA if message.payload.get(3..).is_some_and(|rest| rest.starts_with(b"onMetaData")) => {}
            _ => return,
        }
        self.tags += 1;
        put_tag(&mut self.waiting, message.type_id, message.timestamp, &[&message.payload]);
    }
}
