//! What travels inside every frame: publisher, time, number, and bytes that can be checked.
//!
//! ```text
//! video  17|27 01 000000  nal length(4)  nal head(1)  stamp(40)  filler ...
//! audio  AF 01                                        stamp(40)  filler ...
//! ```
//!
//! The stamp is 20 bytes written as 40 nibbles, so that no zero byte and with it no start code appears. The
//! filler is a function of the sequence number and the position: a player that compares it knows that every
//! byte arrived, in its place. A [`Body`] is fed the pieces of a frame as they come and keeps only its head.

use std::sync::OnceLock;

/// Says that a frame is ours.
const MAGIC: u16 = 0xF17E;

/// Length of a stamp, written as nibbles.
pub const STAMP_LEN: usize = 40;

/// Bytes before the stamp of a video frame: FLV tag header, NAL length, NAL header.
pub const VIDEO_HEAD_LEN: usize = 5 + 4 + 1;

/// Bytes before the stamp of an audio frame: FLV tag header.
pub const AUDIO_HEAD_LEN: usize = 2;

/// The largest frame that has a filler.
pub const BODY_LEN_MAX: usize = 4 << 20;

/// Neighbouring frames begin at different places of the filler; this many are possible.
const SALTS: usize = 4096;

/// What a publisher writes into a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Which stream.
    pub stream: u16,
    /// Which frame of that stream, from 0; counts audio and video together.
    pub seq: u32,
    /// Length of the whole FLV tag body.
    pub len: u32,
    /// When it was handed to the socket, in nanoseconds of [`crate::clock`].
    pub sent: u64,
}

impl Stamp {
    /// Writes the stamp over `nibbles`.
    pub fn write(&self, nibbles: &mut [u8; STAMP_LEN]) {
        let mut bytes = [0; STAMP_LEN / 2];
        bytes[..2].copy_from_slice(&MAGIC.to_be_bytes());
        bytes[2..4].copy_from_slice(&self.stream.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.seq.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.len.to_be_bytes());
        bytes[12..].copy_from_slice(&self.sent.to_be_bytes());
        for (pair, byte) in nibbles.chunks_exact_mut(2).zip(bytes) {
            pair[0] = 0x40 | byte >> 4;
            pair[1] = 0x40 | byte & 15;
        }
    }

    /// Reads a stamp; `None` if there is none.
    pub fn read(nibbles: &[u8; STAMP_LEN]) -> Option<Stamp> {
        if nibbles.iter().any(|nibble| nibble & 0xF0 != 0x40) {
            return None;
        }
        let mut bytes = [0; STAMP_LEN / 2];
        for (byte, pair) in bytes.iter_mut().zip(nibbles.chunks_exact(2)) {
            *byte = pair[0] << 4 | pair[1] & 15;
        }
        let (magic, rest) = bytes.split_first_chunk::<2>()?;
        let (stream, rest) = rest.split_first_chunk::<2>()?;
        let (seq, rest) = rest.split_first_chunk::<4>()?;
        let (len, rest) = rest.split_first_chunk::<4>()?;
        let (sent, _) = rest.split_first_chunk::<8>()?;
        (u16::from_be_bytes(*magic) == MAGIC).then_some(Stamp {
            stream: u16::from_be_bytes(*stream),
            seq: u32::from_be_bytes(*seq),
            len: u32::from_be_bytes(*len),
            sent: u64::from_be_bytes(*sent),
        })
    }
}

/// The bytes that stand in frame `seq` from `position` on, `len` of them.
pub fn filler(seq: u32, position: usize, len: usize) -> &'static [u8] {
    static TABLE: OnceLock<Vec<u8>> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut byte = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            // Never zero: a start code would need some.
            state.to_be_bytes()[0] | 1
        };
        (0..BODY_LEN_MAX + SALTS).map(|_| byte()).collect()
    });
    let salt = usize::try_from(seq).expect("32 bits fit") * 61 % SALTS;
    &table[salt + position..][..len]
}

/// Audio or video.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// FLV tag type and RTMP message type 8.
    Audio,
    /// FLV tag type and RTMP message type 9.
    Video,
}

/// One frame or decoder configuration as a player saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Audio or video.
    pub kind: Kind,
    /// True for a video frame that says it is a keyframe.
    pub key: bool,
    /// The stamp; `None` for decoder configurations and for what we did not send.
    pub stamp: Option<Stamp>,
    /// True if its length is what the stamp says and every byte of the filler is right.
    pub intact: bool,
}

/// An FLV tag body (the same bytes as an RTMP audio or video message) in the course of arriving.
#[derive(Debug)]
pub struct Body {
    kind: Kind,
    len: usize,
    got: usize,
    head: [u8; VIDEO_HEAD_LEN + STAMP_LEN],
    stamp: Option<Stamp>,
    intact: bool,
}

impl Body {
    /// Expects `len` bytes.
    pub fn new(kind: Kind, len: usize) -> Self {
        Body { kind, len, got: 0, head: [0; VIDEO_HEAD_LEN + STAMP_LEN], stamp: None, intact: true }
    }

    fn head_len(&self) -> usize {
        match self.kind {
            Kind::Audio => AUDIO_HEAD_LEN + STAMP_LEN,
            Kind::Video => VIDEO_HEAD_LEN + STAMP_LEN,
        }
    }

    /// Takes what belongs to this body from the front of `bytes`; `Some` when it is complete.
    pub fn push(&mut self, bytes: &mut &[u8]) -> Option<Seen> {
        let (mut piece, rest) = bytes.split_at(bytes.len().min(self.len - self.got));
        *bytes = rest;
        let head_len = self.head_len();
        if self.got < head_len {
            let (head, rest) = piece.split_at(piece.len().min(head_len - self.got));
            self.head[self.got..][..head.len()].copy_from_slice(head);
            self.got += head.len();
            piece = rest;
            if self.got == head_len {
                self.stamp = self.head[..head_len].last_chunk().and_then(Stamp::read);
            }
        }
        if let Some(stamp) = self.stamp
            && !piece.is_empty()
        {
            self.intact &=
                self.got + piece.len() <= BODY_LEN_MAX && piece == filler(stamp.seq, self.got, piece.len());
        }
        self.got += piece.len();
        (self.got == self.len).then(|| self.seen())
    }

    fn seen(&self) -> Seen {
        Seen {
            kind: self.kind,
            key: self.kind == Kind::Video && self.head[0] >> 4 == 1 && self.head[1] == 1,
            stamp: self.stamp,
            intact: self.intact && self.stamp.is_none_or(|stamp| stamp.len as usize == self.len),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp { stream: 7, seq: 0x0102_0304, len: 300, sent: 0x1122_3344_5566_7788 };

    fn frame() -> Vec<u8> {
        let mut body = vec![0xAF, 1];
        let mut nibbles = [0; STAMP_LEN];
        STAMP.write(&mut nibbles);
        body.extend_from_slice(&nibbles);
        body.extend_from_slice(filler(STAMP.seq, body.len(), 300 - body.len()));
        body
    }

    #[test]
    fn a_stamp_is_read_back_and_holds_no_zero() {
        let mut nibbles = [0; STAMP_LEN];
        STAMP.write(&mut nibbles);
        assert_eq!(Stamp::read(&nibbles), Some(STAMP));
        assert!(!nibbles.contains(&0));
    }

    #[test]
    fn a_body_is_recognised_however_it_is_cut() {
        let frame = frame();
        for cut in 1..frame.len() {
            let mut body = Body::new(Kind::Audio, frame.len());
            let mut first = &frame[..cut];
            assert_eq!(body.push(&mut first), None, "cut at {cut}");
            let mut second = &frame[cut..];
            let seen = body.push(&mut second).expect("complete");
            assert_eq!(seen, Seen { kind: Kind::Audio, key: false, stamp: Some(STAMP), intact: true });
        }
    }

    #[test]
    fn one_wrong_byte_and_a_wrong_length_are_noticed() {
        let mut frame = frame();
        frame[200] ^= 2;
        let seen = Body::new(Kind::Audio, 300).push(&mut &frame[..]).expect("complete");
        assert!(!seen.intact);
        frame[200] ^= 2;
        let seen = Body::new(Kind::Audio, 299).push(&mut &frame[..299]).expect("complete");
        assert!(!seen.intact);
    }
}
