//! WebSocket, server side (RFC 6455): the handshake's key, messages of clients in, frames out.
//!
//! In: the bytes after the handshake. Out: one [`Event`] at a time: a whole message or a control frame.
//! Malformed frames are refused with the close code to tell the client. Frames to clients are never masked or
//! fragmented and have a head of 2, 4 or 10 bytes. No extensions are offered, so no reserved bit may be set.

use crate::base::inbox::Inbox;
use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};
use thiserror::Error;

/// `Sec-WebSocket-Accept` for the value of `Sec-WebSocket-Key` (4.2.2). `None` if the key is not 16 bytes in
/// base64 (4.2.1).
pub fn accept_key(key: &str) -> Option<String> {
    let nonce = BASE64_STANDARD.decode(key).ok()?;
    (nonce.len() == 16).then(|| {
        let digest = Sha1::new().chain_update(key).chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
        BASE64_STANDARD.encode(digest.finalize())
    })
}

/// A message or control frame of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A whole text message.
    Text(String),
    /// A whole binary message.
    Binary(Bytes),
    /// Must be answered with a [pong](put_pong) of the same bytes (5.5.2).
    Ping(Bytes),
    /// An answer to a ping, or a heartbeat. Needs no answer.
    Pong,
    /// Must be answered with a [close](put_close) of the same code; then the connection ends (5.5.1). Holds
    /// [`code::NONE`] if the client gave no code.
    Close(u16),
}

/// Why a client's bytes are no valid WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WebSocketError {
    /// "The server MUST close the connection upon receiving a frame that is not masked" (5.1).
    #[error("client frame is not masked")]
    Unmasked,
    /// A reserved bit or opcode, though no extension was agreed.
    #[error("reserved bit or opcode")]
    Reserved,
    /// A control frame in fragments or longer than 125 bytes (5.5).
    #[error("unsound control frame")]
    Control,
    /// A continuation without a beginning, or a new message inside another (5.4).
    #[error("fragments out of order")]
    Fragment,
    /// A length that is not in its shortest form (5.2).
    #[error("length in a longer form than needed")]
    Length,
    /// A close frame with half a code, or with one that must not be sent (7.4).
    #[error("unsound close code")]
    CloseCode,
    /// Text that is not UTF-8 (8.1).
    #[error("text is not UTF-8")]
    Utf8,
    /// A message longer than the limit.
    #[error("message is too long")]
    TooLong,
}

/// Close codes (7.4.1).
pub mod code {
    /// The purpose of the connection is fulfilled.
    pub const NORMAL: u16 = 1000;
    /// The server goes down.
    pub const GOING_AWAY: u16 = 1001;
    /// The peer broke the protocol.
    pub const PROTOCOL: u16 = 1002;
    /// Never sent: stands for a close frame without code.
    pub const NONE: u16 = 1005;
    /// Text that is not UTF-8.
    pub const NOT_UTF8: u16 = 1007;
    /// A request that the server refuses.
    pub const POLICY: u16 = 1008;
    /// A message longer than the server takes.
    pub const TOO_LONG: u16 = 1009;
    /// The server failed.
    pub const INTERNAL: u16 = 1011;
}

impl WebSocketError {
    /// The close code to tell the client.
    pub fn close_code(self) -> u16 {
        match self {
            WebSocketError::Utf8 => code::NOT_UTF8,
            WebSocketError::TooLong => code::TOO_LONG,
            _ => code::PROTOCOL,
        }
    }
}

/// Reassembles the messages of a client.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reader {
    message_bytes_max: usize,
    /// Opcode and bytes so far of an unfinished message.
    partial: Option<(u8, BytesMut)>,
}

impl Reader {
    /// A reader for messages of at most `message_bytes_max` bytes. The inbox must have room for a frame of
    /// that length and its head of 14 bytes.
    pub fn new(message_bytes_max: usize) -> Self {
        Reader { message_bytes_max, partial: None }
    }

    /// The next event; `None` if more bytes are needed. Does work for one event, or for the fragments that
    /// are there.
    ///
    /// # Errors
    ///
    /// If the bytes are no valid WebSocket. Only a close frame may be sent after that.
    pub fn next(&mut self, inbox: &mut Inbox) -> Result<Option<Event>, WebSocketError> {
        loop {
            let Some(head) = FrameHead::parse(inbox.as_slice())? else { return Ok(None) };
            let known = self.partial.as_ref().map_or(0, |(_, bytes)| bytes.len());
            if head.len > (self.message_bytes_max - known) as u64 && !head.is_control() {
                return Err(WebSocketError::TooLong);
            }
            let len = head.len as usize;
            if inbox.len() < head.bytes + len {
                return Ok(None);
            }
            let mut payload = BytesMut::from(&inbox.as_slice()[head.bytes..][..len]);
            inbox.consume(head.bytes + len);
            unmask(&mut payload, head.mask);
            if let Some(event) = self.join(&head, payload)? {
                return Ok(Some(event));
            }
        }
    }

    /// Handles a control frame, or the next fragment of a message.
    fn join(&mut self, head: &FrameHead, payload: BytesMut) -> Result<Option<Event>, WebSocketError> {
        let (opcode, message) = match (head.opcode, self.partial.take()) {
            (opcode::TEXT | opcode::BINARY, None) => (head.opcode, payload),
            (opcode::CONTINUATION, Some((opcode, mut message))) => {
                message.extend_from_slice(&payload);
                (opcode, message)
            }
            (opcode::TEXT | opcode::BINARY | opcode::CONTINUATION, _) => {
                return Err(WebSocketError::Fragment);
            }
            // Control frames may come between fragments.
            (control, partial) => {
                self.partial = partial;
                return control_event(control, payload).map(Some);
            }
        };
        if !head.last {
            self.partial = Some((opcode, message));
            return Ok(None);
        }
        Ok(Some(match opcode {
            opcode::TEXT => {
                Event::Text(String::from_utf8(message.to_vec()).map_err(|_| WebSocketError::Utf8)?)
            }
            _ => Event::Binary(message.freeze()),
        }))
    }
}

/// The head of a client's frame (5.2).
struct FrameHead {
    last: bool,
    opcode: u8,
    len: u64,
    mask: [u8; 4],
    /// Length of the head, in bytes.
    bytes: usize,
}

impl FrameHead {
    fn is_control(&self) -> bool {
        self.opcode & 8 != 0
    }

    /// Parses a head; `None` if more bytes are needed. Errors are found as early as possible.
    fn parse(bytes: &[u8]) -> Result<Option<FrameHead>, WebSocketError> {
        let &[first, second, ref rest @ ..] = bytes else { return Ok(None) };
        let (last, opcode) = (first & 0x80 != 0, first & 0x0f);
        if first & 0x70 != 0 || !matches!(opcode, 0..=2 | 8..=10) {
            return Err(WebSocketError::Reserved);
        }
        if second & 0x80 == 0 {
            return Err(WebSocketError::Unmasked);
        }
        if opcode & 8 != 0 && (!last || second & 0x7f > CONTROL_BYTES_MAX) {
            return Err(WebSocketError::Control);
        }
        let (len, shortest, rest) = match second & 0x7f {
            126 => {
                let Some((len, rest)) = rest.split_first_chunk() else { return Ok(None) };
                (u64::from(u16::from_be_bytes(*len)), 126, rest)
            }
            127 => {
                let Some((len, rest)) = rest.split_first_chunk() else { return Ok(None) };
                (u64::from_be_bytes(*len), 0x1_0000, rest)
            }
            len => (u64::from(len), 0, rest),
        };
        if len < shortest {
            return Err(WebSocketError::Length);
        }
        let Some((mask, rest)) = rest.split_first_chunk() else { return Ok(None) };
        Ok(Some(FrameHead { last, opcode, len, mask: *mask, bytes: bytes.len() - rest.len() }))
    }
}

fn control_event(control: u8, payload: BytesMut) -> Result<Event, WebSocketError> {
    match (control, &payload[..]) {
        (opcode::PING, _) => Ok(Event::Ping(payload.freeze())),
        (opcode::PONG, _) => Ok(Event::Pong),
        (_, []) => Ok(Event::Close(code::NONE)),
        (_, [c0, c1, reason @ ..]) => match u16::from_be_bytes([*c0, *c1]) {
            _ if std::str::from_utf8(reason).is_err() => Err(WebSocketError::Utf8),
            // 1004 to 1006 and 1015 are never sent (7.4.1); 1012 to 1014 were registered later.
            code @ (1000..=1003 | 1007..=1014 | 3000..=4999) => Ok(Event::Close(code)),
            _ => Err(WebSocketError::CloseCode),
        },
        (_, [_]) => Err(WebSocketError::CloseCode),
    }
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    payload.iter_mut().zip(mask.into_iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
}

/// Length of the head of a binary message of `len` bytes.
pub fn head_bytes(len: usize) -> usize {
    match len {
        0..126 => 2,
        126..0x1_0000 => 4,
        _ => 10,
    }
}

/// Appends the head of a binary message of `len` bytes.
pub fn put_binary_head(out: &mut impl BufMut, len: usize) {
    put_head(out, opcode::BINARY, len);
}

/// Appends a pong with the payload of a ping, at most 125 bytes.
pub fn put_pong(out: &mut BytesMut, payload: &[u8]) {
    put_head(out, opcode::PONG, payload.len());
    out.put_slice(payload);
}

/// Appends a close frame. [`code::NONE`] gives a frame without code; a reason beyond 123 bytes is cut.
pub fn put_close(out: &mut BytesMut, code: u16, reason: &str) {
    if code == code::NONE {
        return put_head(out, opcode::CLOSE, 0);
    }
    let reason = &reason[..reason.floor_char_boundary(usize::from(CONTROL_BYTES_MAX) - 2)];
    put_head(out, opcode::CLOSE, 2 + reason.len());
    out.put_u16(code);
    out.put_slice(reason.as_bytes());
}

fn put_head(out: &mut impl BufMut, opcode: u8, len: usize) {
    out.put_u8(LAST | opcode);
    match len {
        0..126 => out.put_u8(len as u8),
        126..0x1_0000 => {
            out.put_u8(126);
            out.put_u16(len as u16);
        }
        _ => {
            out.put_u8(127);
            out.put_u64(len as u64);
        }
    }
}

const LAST: u8 = 0x80;
/// Longest payload of a control frame (5.5).
const CONTROL_BYTES_MAX: u8 = 125;

/// Opcodes (5.2).
mod opcode {
    pub const CONTINUATION: u8 = 0;
    pub const TEXT: u8 = 1;
    pub const BINARY: u8 = 2;
    pub const CLOSE: u8 = 8;
    pub const PING: u8 = 9;
    pub const PONG: u8 = 10;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn inbox(bytes: &[u8]) -> Inbox {
        let mut inbox = Inbox::new(1 << 20);
        assert!(inbox.receive(bytes));
        inbox
    }

    /// All events of `bytes`, and what was wrong at the end.
    fn events(bytes: &[u8]) -> (Vec<Event>, Option<WebSocketError>) {
        let (mut reader, mut inbox, mut events) = (Reader::new(1000), inbox(bytes), Vec::new());
        loop {
            match reader.next(&mut inbox) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => return (events, None),
                Err(error) => return (events, Some(error)),
            }
        }
    }

    /// A client's frame: `first` is the byte with the opcode.
    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut out = BytesMut::new();
        put_head(&mut out, 0, payload.len());
        out[0] = first;
        out[1] |= 0x80;
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        out.put_slice(&mask);
        let mut payload = payload.to_vec();
        unmask(&mut payload, mask);
        out.put_slice(&payload);
        out.to_vec()
    }

    #[test]
    fn the_key_of_the_specification() {
        let accept = accept_key("dGhlIHNhbXBsZSBub25jZQ==").unwrap();
        assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        for key in ["", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZQ==", "not base64 at all!!!!!!!"] {
            assert_eq!(accept_key(key), None, "{key}");
        }
    }

    #[test]
    fn the_examples_of_the_specification() {
        let hello = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
        assert_eq!(events(hello), (vec![Event::Text("Hello".into())], None));
        let ping = b"\x89\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
        assert_eq!(events(ping), (vec![Event::Ping("Hello".into())], None));
        let mut out = BytesMut::new();
        put_pong(&mut out, b"Hello");
        assert_eq!(out, &b"\x8a\x05Hello"[..]);
        out.clear();
        put_binary_head(&mut out, 256);
        assert_eq!(out, &b"\x82\x7e\x01\x00"[..]);
        out.clear();
        put_binary_head(&mut out, 65_536);
        assert_eq!(out, &b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"[..]);
    }

    #[test]
    fn a_message_in_fragments_with_a_ping_between() {
        let bytes =
            [masked(0x01, b"He"), masked(0x89, b"?"), masked(0x00, b""), masked(0x80, b"llo")].concat();
        assert_eq!(events(&bytes), (vec![Event::Ping("?".into()), Event::Text("Hello".into())], None));
    }

    #[test]
    fn a_client_that_breaks_the_rules_is_told_so() {
        use WebSocketError::*;
        for (bytes, error, code) in [
            (b"\x81\x05Hello".to_vec(), Unmasked, 1002),
            (masked(0xc1, b""), Reserved, 1002),
            (masked(0x83, b""), Reserved, 1002),
            (masked(0x8b, b""), Reserved, 1002),
            (masked(0x09, b""), Control, 1002),
            (masked(0x89, &[0; 126]), Control, 1002),
            (masked(0x80, b""), Fragment, 1002),
            ([masked(0x01, b"a"), masked(0x81, b"b")].concat(), Fragment, 1002),
            (b"\x82\xfe\x00\x7d".to_vec(), Length, 1002),
            (b"\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff".to_vec(), Length, 1002),
            (masked(0x81, b"\xff"), Utf8, 1007),
            (masked(0x88, b"\x03\xe8\xff"), Utf8, 1007),
            (masked(0x88, b"\x03"), CloseCode, 1002),
            (masked(0x88, b"\x03\xed"), CloseCode, 1002),
            (masked(0x88, b"\x13\x88"), CloseCode, 1002),
            (b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0".to_vec(), TooLong, 1009),
            ([masked(0x02, &[0; 600]), masked(0x80, &[0; 401])].concat(), TooLong, 1009),
        ] {
            assert_eq!(events(&bytes), (vec![], Some(error)), "{bytes:x?}");
            assert_eq!(error.close_code(), code);
        }
    }

    #[test]
    fn text_may_be_cut_within_a_character() {
        let bytes = [masked(0x01, b"\xc3"), masked(0x80, b"\xa9")].concat();
        assert_eq!(events(&bytes), (vec![Event::Text("é".into())], None));
    }

    #[test]
    fn a_close_has_a_code_or_none() {
        assert_eq!(events(&masked(0x88, b"")).0, [Event::Close(code::NONE)]);
        assert_eq!(events(&masked(0x88, b"\x03\xe8bye")).0, [Event::Close(code::NORMAL)]);
        let mut out = BytesMut::new();
        put_close(&mut out, code::NORMAL, "bye");
        put_close(&mut out, code::NONE, "unsaid");
        assert_eq!(out, &b"\x88\x05\x03\xe8bye\x88\x00"[..]);
        out.clear();
        put_close(&mut out, code::POLICY, &"é".repeat(100));
        assert_eq!((out[1], out.len()), (124, 126));
    }

    proptest! {
        #[test]
        fn what_a_client_writes_is_read_however_it_is_cut(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..4),
            cut in 0..400usize,
        ) {
            let bytes: Vec<u8> = payloads.iter().flat_map(|payload| masked(0x82, payload)).collect();
            let cut = cut.min(bytes.len());
            let (mut reader, mut inbox, mut read) = (Reader::new(1000), Inbox::new(4096), Vec::new());
            for part in [&bytes[..cut], &bytes[cut..]] {
                prop_assert!(inbox.receive(part));
                while let Some(event) = reader.next(&mut inbox).unwrap() {
                    let Event::Binary(payload) = event else { panic!("{event:?}") };
                    read.push(payload.to_vec());
                }
            }
            prop_assert_eq!(read, payloads);
            prop_assert!(inbox.is_empty());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            events(&bytes);
        }

        #[test]
        fn the_length_of_a_head_is_what_is_written(len in 0..200_000usize) {
            let mut out = BytesMut::new();
            put_binary_head(&mut out, len);
            prop_assert_eq!(out.len(), head_bytes(len));
        }
    }
}
