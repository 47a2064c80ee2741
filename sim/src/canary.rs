//! A shell that breaks the contract on purpose, so that it is known that the checkers would notice.
//!
//! Some canaries break what the shell tells the server; the others change what leaves for one player, as
//! whole FLV tags. Each does it once, or until it is noticed. The tests name the invariant that must notice.

use dacapo::base::digest::Digest;
use dacapo::base::time::Instant;
use std::collections::BTreeMap;
use std::io::IoSlice;

/// What a shell does wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// A tick that is due is not given: the server hears of the time later.
    TickLost,
    /// No tick is ever given: whoever is silent stays.
    TimerLost,
    /// The server is told that fewer bytes were written than were.
    SentMisreported,
    /// The server is told that more bytes were written than it had shown.
    SentPastTheLimit,
    /// The socket of a closed connection stays open.
    SocketKeptOpen,
    /// A frame reaches a player twice.
    FrameTwice,
    /// Two frames reach a player in the wrong order.
    FramesSwapped,
    /// A keyframe does not reach a player, and what depends on it does.
    BoundarySkipped,
    /// A configuration does not reach a player.
    HeaderMissing,
    /// A frame reaches a player with an earlier time.
    StepBack,
    /// A frame of another stream reaches a player.
    CrossStream,
    /// A byte of a frame is another.
    PayloadChanged,
    /// The server panics when a frame leaves.
    Panics,
}

/// Everything that can go wrong on purpose.
pub const ALL: [Fault; 13] = [
    Fault::TickLost,
    Fault::TimerLost,
    Fault::SentMisreported,
    Fault::SentPastTheLimit,
    Fault::SocketKeptOpen,
    Fault::FrameTwice,
    Fault::FramesSwapped,
    Fault::BoundarySkipped,
    Fault::HeaderMissing,
    Fault::StepBack,
    Fault::CrossStream,
    Fault::PayloadChanged,
    Fault::Panics,
];

/// Tags of a player that are let through before one is tampered with.
const TAGS_BEFORE: u64 = 40;

/// A picky canary waits for one tag of so many, by what is in it.
const PICKY: u64 = 211;

/// Writes that are reported rightly before one is not.
const WRITES_BEFORE: u64 = 60;

/// A canary: by default it does nothing wrong.
#[derive(Debug, Default)]
pub struct Canary {
    fault: Fault,
    /// It waits for a tag of its liking instead of any behind the first.
    picky: bool,
    /// How often what it waits for has come.
    count: u64,
    /// What was done; once is enough.
    done: bool,
    streams: BTreeMap<u32, Tags>,
}

/// The FLV tags of one player.
#[derive(Debug, Default)]
struct Tags {
    /// As they come.
    raw: Vec<u8>,
    /// Without the chunks of the transfer.
    bytes: Vec<u8>,
    /// True once the head of the response has gone by, and whether what follows comes in chunks.
    headed: bool,
    chunked: bool,
    /// True once the head of the file has gone by.
    begun: bool,
    /// True for anything that is no FLV.
    foreign: bool,
    seen: u64,
    held: Option<Vec<u8>>,
}

impl Canary {
    /// A canary with this fault.
    pub fn new(fault: Fault) -> Self {
        Canary { fault, ..Canary::default() }
    }

    /// A canary that tampers with the first tag whose content it likes, so that it takes a long run to make
    /// it cry, and little of that run to make it cry again.
    pub fn picky(fault: Fault) -> Self {
        Canary { fault, picky: true, ..Canary::default() }
    }

    /// Whether the server gets the tick that is due.
    pub fn lets_tick(&mut self, now: Instant) -> bool {
        match self.fault {
            Fault::TickLost if now.as_micros() > 1_000_000 => self.count_to(500),
            Fault::TimerLost => false,
            _ => true,
        }
    }

    /// False for the first `count` calls.
    fn count_to(&mut self, count: u64) -> bool {
        self.count += 1;
        self.count > count
    }

    /// Whether a socket is closed when the server wants it closed.
    pub fn lets_close(&mut self) -> bool {
        self.fault != Fault::SocketKeptOpen || std::mem::replace(&mut self.done, true)
    }

    /// What the server is told that was written, instead of what was.
    pub fn reports(&mut self, len: usize, room: bool) -> (usize, bool) {
        let wrong = match self.fault {
            Fault::SentMisreported => len.checked_sub(1),
            Fault::SentPastTheLimit => Some(len + 1),
            _ => None,
        };
        match wrong {
            Some(wrong) if len > 100 && !self.done && self.count_to(WRITES_BEFORE) => {
                self.done = true;
                (wrong, room)
            }
            _ => (len, room),
        }
    }

    /// What leaves for the connection with this seat, instead of what should.
    pub fn tampers(&mut self, seat: u32, slices: &[IoSlice<'_>]) -> Option<Vec<u8>> {
        let tampers = matches!(
            self.fault,
            Fault::FrameTwice
                | Fault::FramesSwapped
                | Fault::BoundarySkipped
                | Fault::HeaderMissing
                | Fault::StepBack
                | Fault::CrossStream
                | Fault::PayloadChanged
                | Fault::Panics
        );
        if !tampers {
            return None;
        }
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        let tags = self.streams.entry(seat).or_default();
        if tags.foreign {
            return None;
        }
        let (mut out, mut payload) = (Vec::new(), Vec::new());
        tags.raw.extend(bytes);
        if !tags.headed {
            let Some(end) = tags.raw.windows(4).position(|window| window == b"\r\n\r\n") else {
                tags.foreign = !tags.raw.starts_with(b"HTTP/");
                return tags.foreign.then(|| std::mem::take(&mut tags.raw)).or(Some(out));
            };
            let head = String::from_utf8_lossy(&tags.raw[..end]).to_lowercase();
            if !head.contains("video/x-flv") {
                tags.foreign = true;
                return Some(std::mem::take(&mut tags.raw));
            }
            tags.headed = true;
            tags.chunked = head.contains("chunked");
            out.extend(tags.raw.drain(..end + 4));
        }
        let ended = tags.unwrap();
        if !tags.begun && tags.bytes.len() >= FILE_HEAD {
            tags.begun = true;
            payload.extend(tags.bytes.drain(..FILE_HEAD));
        }
        while tags.begun
            && let Some(tag) = next_tag(&mut tags.bytes)
        {
            tags.seen += 1;
            let likes = if self.picky { is_liked(&tag) } else { tags.seen > TAGS_BEFORE };
            let due = !self.done && likes;
            self.done |= tamper(self.fault, due, &mut tags.held, tag, &mut payload);
        }
        if tags.chunked && !payload.is_empty() {
            out.extend(format!("{:x}\r\n", payload.len()).bytes());
            payload.extend(b"\r\n");
        }
        out.extend(payload);
        if ended {
            out.extend(b"0\r\n\r\n");
        }
        Some(out)
    }
}

impl Tags {
    /// Takes the chunks of the transfer off. True if the last one has come.
    fn unwrap(&mut self) -> bool {
        if !self.chunked {
            self.bytes.append(&mut self.raw);
            return false;
        }
        while let Some(line) = self.raw.windows(2).position(|window| window == b"\r\n") {
            let digits = String::from_utf8_lossy(&self.raw[..line]).into_owned();
            let len = usize::from_str_radix(digits.trim(), 16).unwrap_or(0);
            if self.raw.len() < line + 2 + len + 2 {
                return false;
            }
            self.bytes.extend_from_slice(&self.raw[line + 2..line + 2 + len]);
            self.raw.drain(..line + 2 + len + 2);
            if len == 0 {
                return true;
            }
        }
        false
    }
}

/// Bytes of an FLV file before its first tag.
const FILE_HEAD: usize = 13;

/// Bytes of a tag's own head.
const TAG_HEAD: usize = 11;

fn next_tag(bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    let len = bytes.get(1..4)?;
    let len = usize::from(len[0]) << 16 | usize::from(len[1]) << 8 | usize::from(len[2]);
    let whole = TAG_HEAD + len + 4;
    (bytes.len() >= whole).then(|| bytes.drain(..whole).collect())
}

/// Whether what is in a tag is one of few.
fn is_liked(tag: &[u8]) -> bool {
    let mut digest = Digest::default();
    digest.extend(&tag[TAG_HEAD..tag.len() - 4]);
    digest.parts().0.is_multiple_of(PICKY)
}

/// Puts a tag out, or does something wrong with it. True if that is done.
fn tamper(fault: Fault, due: bool, held: &mut Option<Vec<u8>>, tag: Vec<u8>, out: &mut Vec<u8>) -> bool {
    let (video, first, second) = (tag[0] == 9, tag[TAG_HEAD], tag.get(TAG_HEAD + 1).copied());
    let key = video && first == 0x17 && second == Some(1);
    let config = video && first == 0x17 && second == Some(0);
    let inter = video && first == 0x27;
    match fault {
        // The first configuration is the one that a player cannot do without.
        Fault::HeaderMissing if config => true,
        Fault::BoundarySkipped if due && key => true,
        Fault::Panics if due && inter => panic!("a frame leaves, and the canary cries"),
        Fault::FrameTwice if due && inter => {
            out.extend_from_slice(&tag);
            // A moment later, so that it is nothing but a repetition.
            let time = [0, tag[4], tag[5], tag[6]];
            let [_, time @ ..] = (u32::from_be_bytes(time) + 1).to_be_bytes();
            out.extend_from_slice(&tag[..4]);
            out.extend(time);
            out.extend_from_slice(&tag[7..]);
            true
        }
        Fault::FramesSwapped if due && inter && held.is_none() => {
            *held = Some(tag);
            false
        }
        Fault::FramesSwapped if inter && held.is_some() => {
            out.extend_from_slice(&tag);
            out.extend(held.take().into_iter().flatten());
            true
        }
        Fault::StepBack if due && inter => {
            let mut tag = tag;
            // The lowest bytes of the time: half a minute back, at most to the beginning.
            tag[4..7].copy_from_slice(&[0, 0, 1]);
            out.extend(tag);
            true
        }
        Fault::CrossStream | Fault::PayloadChanged if due && inter => {
            let mut tag = tag;
            let end = tag.len() - 4;
            if fault == Fault::PayloadChanged {
                tag[end - 1] ^= 1;
            } else {
                // What nobody published here.
                tag[TAG_HEAD + 9..end].fill(b'!');
            }
            out.extend(tag);
            true
        }
        _ => {
            out.extend(tag);
            false
        }
    }
}
