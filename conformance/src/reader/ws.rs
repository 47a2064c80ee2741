//! WebSocket frames (RFC 6455, section 5), as the bytes come.
//!
//! In: what one side says behind the 101, however it was cut. Out: its messages, fragments joined. Beside
//! that a writer of frames, for clients that mask and for those that forget to.
//!
//! Never: panics, or holds more than [`MESSAGE_BYTES_MAX`] and one frame's head.

use super::{Unread, Wrong};

/// Longest message, in bytes: a picture of 16 MiB with room for what is around it.
pub const MESSAGE_BYTES_MAX: usize = 32 << 20;

/// What a frame is.
pub mod opcode {
    /// The next fragment of a message.
    pub const CONTINUATION: u8 = 0;
    /// Text in UTF-8.
    pub const TEXT: u8 = 1;
    /// Bytes.
    pub const BINARY: u8 = 2;
    /// The sender says goodbye.
    pub const CLOSE: u8 = 8;
    /// The sender wants a pong.
    pub const PING: u8 = 9;
    /// The answer to a ping.
    pub const PONG: u8 = 10;
}

/// A message, or a control frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WsMessage {
    /// As in [`opcode`]; never a continuation.
    pub kind: u8,
    /// Unmasked.
    pub body: Vec<u8>,
}

impl WsMessage {
    /// The code of a Close, if it has one.
    pub fn close_code(&self) -> Option<u16> {
        self.body.first_chunk().map(|code| u16::from_be_bytes(*code))
    }
}

/// Reads one side's frames.
#[derive(Clone, Debug)]
pub struct WsReader {
    unread: Unread,
    /// Clients mask, servers do not.
    masked: bool,
    /// The fragments of a message so far.
    partial: Option<WsMessage>,
    closed: bool,
    wrong: Option<Wrong>,
}

impl Default for WsReader {
    fn default() -> Self {
        WsReader::new()
    }
}

impl WsReader {
    /// Reads what a server says.
    pub fn new() -> Self {
        WsReader { unread: Unread::default(), masked: false, partial: None, closed: false, wrong: None }
    }

    /// Reads what a client says.
    pub fn of_client() -> Self {
        WsReader { masked: true, ..WsReader::new() }
    }

    /// What is malformed, once something was: nothing behind it is read.
    pub fn wrong(&self) -> Option<&Wrong> {
        self.wrong.as_ref()
    }

    /// True between messages.
    pub fn is_between(&self) -> bool {
        self.partial.is_none() && self.unread.as_slice().is_empty()
    }

    /// The messages that `bytes` complete.
    ///
    /// # Errors
    /// When framing is broken, now or before. What stood in front of the fault is given first: then this
    /// call gives it, and [`WsReader::wrong`] and the next call tell.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<WsMessage>, Wrong> {
        let mut messages = Vec::new();
        if self.wrong.is_none() {
            self.unread.push(bytes);
            self.wrong = self.read(&mut messages).err();
        }
        match &self.wrong {
            Some(wrong) if messages.is_empty() => Err(wrong.clone()),
            _ => Ok(messages),
        }
    }

    fn read(&mut self, messages: &mut Vec<WsMessage>) -> Result<(), Wrong> {
        while let Some((last, kind, body)) = self.frame()? {
            if self.closed {
                return Err(Wrong::new("a frame behind the Close"));
            }
            if let Some(message) = self.join(last, kind, body)? {
                self.closed = message.kind == opcode::CLOSE;
                messages.push(message);
            }
        }
        Ok(())
    }

    /// The next frame, when it is whole: whether it is the last of its message, its opcode, its payload.
    fn frame(&mut self) -> Result<Option<(bool, u8, Vec<u8>)>, Wrong> {
        let bytes = self.unread.as_slice();
        let [first, second, rest @ ..] = bytes else { return Ok(None) };
        let (last, kind, short) = (first & 0x80 != 0, first & 0x0f, second & 0x7f);
        if first & 0x70 != 0 {
            return Err(Wrong::new("reserved bits without an extension"));
        }
        if (second & 0x80 != 0) != self.masked {
            return Err(Wrong::new(if self.masked { "an unmasked client" } else { "a masked server" }));
        }
        if kind >= opcode::CLOSE && (!last || short > 125) {
            return Err(Wrong::new("a control frame that is long or in fragments"));
        }
        let (length, head) = match short {
            126 => match rest.first_chunk::<2>() {
                Some(length) => (u64::from(u16::from_be_bytes(*length)), 4),
                None => return Ok(None),
            },
            127 => match rest.first_chunk::<8>() {
                Some(length) => (u64::from_be_bytes(*length), 10),
                None => return Ok(None),
            },
            short => (u64::from(short), 2),
        };
        if length < [0, 126, 65_536][head / 4] {
            return Err(Wrong::new("a length in more bytes than it needs"));
        }
        let held = self.partial.as_ref().map_or(0, |partial| partial.body.len());
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > MESSAGE_BYTES_MAX - held {
            return Err(Wrong(format!("a message of {length} bytes")));
        }
        let mask_bytes = if self.masked { 4 } else { 0 };
        let start = head + mask_bytes;
        let Some(body) = bytes.get(start..start + length) else { return Ok(None) };
        let mask = &bytes[head..start];
        let unmask = |(at, byte): (usize, &u8)| byte ^ mask.get(at & 3).copied().unwrap_or(0);
        let body = body.iter().enumerate().map(unmask).collect();
        self.unread.skip(start + length);
        Ok(Some((last, kind, body)))
    }

    fn join(&mut self, last: bool, kind: u8, body: Vec<u8>) -> Result<Option<WsMessage>, Wrong> {
        match (kind, self.partial.take()) {
            (opcode::CLOSE | opcode::PING | opcode::PONG, partial) => {
                self.partial = partial;
                return Ok(Some(WsMessage { kind, body }));
            }
            (opcode::TEXT | opcode::BINARY, None) => self.partial = Some(WsMessage { kind, body }),
            (opcode::CONTINUATION, Some(mut partial)) => {
                partial.body.extend(body);
                self.partial = Some(partial);
            }
            (opcode::CONTINUATION, None) => return Err(Wrong::new("a fragment of nothing")),
            (opcode::TEXT | opcode::BINARY, Some(_)) => return Err(Wrong::new("a message inside another")),
            _ => return Err(Wrong(format!("a frame of kind {kind}"))),
        }
        Ok(if last { self.partial.take() } else { None })
    }
}

/// A whole message as one frame; a good client gives a mask.
pub fn frame(kind: u8, body: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let masked = if mask.is_some() { 0x80 } else { 0 };
    let mut bytes = vec![0x80 | kind];
    match (u8::try_from(body.len()), u16::try_from(body.len())) {
        (Ok(length), _) if length < 126 => bytes.push(masked | length),
        (_, Ok(length)) => {
            bytes.push(masked | 126);
            bytes.extend(length.to_be_bytes());
        }
        _ => {
            bytes.push(masked | 127);
            bytes.extend((body.len() as u64).to_be_bytes());
        }
    }
    let key = mask.unwrap_or_default();
    bytes.extend(mask.into_iter().flatten());
    bytes.extend(body.iter().enumerate().map(|(at, byte)| byte ^ key[at & 3]));
    bytes
}

#[cfg(test)]
mod tests {
    use super::{WsMessage, WsReader, frame, opcode};

    #[test]
    fn frames_of_all_lengths_come_out_however_they_are_cut() {
        for mask in [None, Some([1, 2, 3, 4])] {
            let sizes = [0, 1, 125, 126, 65_535, 65_536];
            let messages: Vec<WsMessage> =
                sizes.iter().map(|size| WsMessage { kind: opcode::BINARY, body: vec![7; *size] }).collect();
            let bytes: Vec<u8> = messages.iter().flat_map(|m| frame(m.kind, &m.body, mask)).collect();
            for cut in [1, 5, 1000, bytes.len()] {
                let mut reader = if mask.is_some() { WsReader::of_client() } else { WsReader::new() };
                let read: Vec<_> =
                    bytes.chunks(cut).flat_map(|part| reader.push(part).expect("good")).collect();
                assert_eq!(read, messages);
                assert!(reader.is_between());
            }
        }
    }

    #[test]
    fn fragments_are_joined_with_control_frames_between_them() {
        let bytes = [&[0x02, 1, b'a'][..], &[0x89, 0], &[0x00, 1, b'b'], &[0x80, 1, b'c']].concat();
        let messages = WsReader::new().push(&bytes).expect("good");
        let seen: Vec<_> = messages.iter().map(|m| (m.kind, &m.body[..])).collect();
        assert_eq!(seen, [(opcode::PING, &b""[..]), (opcode::BINARY, b"abc")]);
    }

    #[test]
    fn broken_frames_are_errors() {
        let broken: [(&str, &[u8]); 9] = [
            ("masked by a server", &[0x82, 0x80, 0, 0, 0, 0]),
            ("reserved bits", &[0xc2, 0]),
            ("unknown opcode", &[0x83, 0]),
            ("a long ping", &[0x89, 126, 0, 200]),
            ("a ping in fragments", &[0x09, 0]),
            ("a fragment of nothing", &[0x80, 0]),
            ("a message inside another", &[0x02, 0, 0x82, 0]),
            ("a wasteful length", &[0x82, 126, 0, 5, 0, 0, 0, 0, 0]),
            ("a giant", &[0x82, 127, 0x7f, 0, 0, 0, 0, 0, 0, 0]),
        ];
        for (what, bytes) in broken {
            WsReader::new().push(bytes).expect_err(what);
        }
        WsReader::of_client().push(&[0x82, 0]).expect_err("an unmasked client");
        let close = frame(opcode::CLOSE, &1001_u16.to_be_bytes(), None);
        let mut reader = WsReader::new();
        assert_eq!(reader.push(&close).expect("good")[0].close_code(), Some(1001));
        reader.push(&[0x82, 0]).expect_err("a frame behind the Close");
    }
}
