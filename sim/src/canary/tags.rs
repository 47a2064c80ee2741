//! Canary: the FLV tags for one HTTP player, and a change of one of them.

use super::Fault;
use dacapo::record::rolling_hash::RollingHash;

/// Tags of a player that are let through before one is tampered with.
const TAGS_BEFORE: u64 = 40;

/// A picky canary waits for one tag of so many, by what is in it.
const PICKY: u64 = 211;

/// Bytes of an FLV file before its first tag.
const FILE_HEAD: usize = 13;

/// Bytes of a tag's own head.
const TAG_HEAD: usize = 11;

/// Bytes of a picture before its content: what it is, when it is shown, and the length of its first part.
const PICTURE_HEAD: usize = 9;

/// The FLV tags of one player.
#[derive(Debug, Default)]
pub(super) struct Tags {
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
    /// The configuration that the player has.
    config: Option<Vec<u8>>,
    /// A picture and what came behind it, kept back until the next one.
    held: Vec<Vec<u8>>,
}

impl Tags {
    /// What leaves for a player instead of `bytes`; `None`: just those.
    pub(super) fn pass(
        &mut self,
        conn_no: u32,
        bytes: impl Iterator<Item = u8>,
        hand: &mut Hand,
    ) -> Option<Vec<u8>> {
        if self.foreign {
            return None;
        }
        let (mut out, mut payload) = (Vec::new(), Vec::new());
        self.raw.extend(bytes);
        if !self.headed {
            let Some(end) = self.raw.windows(4).position(|window| window == b"\r\n\r\n") else {
                self.foreign = !self.raw.starts_with(b"HTTP/");
                return self.foreign.then(|| std::mem::take(&mut self.raw)).or(Some(out));
            };
            let head = String::from_utf8_lossy(&self.raw[..end]).to_lowercase();
            if !head.contains("video/x-flv") {
                self.foreign = true;
                return Some(std::mem::take(&mut self.raw));
            }
            self.headed = true;
            self.chunked = head.contains("chunked");
            out.extend(self.raw.drain(..end + 4));
        }
        let ended = self.unwrap();
        if !self.begun && self.bytes.len() >= FILE_HEAD {
            self.begun = true;
            payload.extend(self.bytes.drain(..FILE_HEAD));
        }
        while self.begun
            && let Some(tag) = next_tag(&mut self.bytes)
        {
            self.seen += 1;
            hand.tamper(conn_no, self, tag, &mut payload);
        }
        if self.chunked && !payload.is_empty() {
            out.extend(format!("{:x}\r\n", payload.len()).bytes());
            payload.extend(b"\r\n");
        }
        out.extend(payload);
        if ended {
            out.extend(b"0\r\n\r\n");
        }
        Some(out)
    }

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

/// Does something wrong, once.
#[derive(Debug, Default)]
pub(super) struct Hand {
    fault: Fault,
    /// It waits for a tag of its liking instead of any behind the first.
    picky: bool,
    done: bool,
    /// The newest picture of some player, and whose.
    other: Option<(u32, Vec<u8>)>,
}

impl Hand {
    pub(super) fn new(fault: Fault) -> Self {
        Hand { fault, ..Hand::default() }
    }

    pub(super) fn picky(fault: Fault) -> Self {
        Hand { picky: true, ..Hand::new(fault) }
    }

    /// Puts a tag out, or does something wrong with it.
    fn tamper(&mut self, conn_no: u32, tags: &mut Tags, mut tag: Vec<u8>, out: &mut Vec<u8>) {
        let (video, first, second) = (tag[0] == 9, tag[TAG_HEAD], tag.get(TAG_HEAD + 1).copied());
        let key = video && first == 0x17 && second == Some(1);
        let config = video && first == 0x17 && second == Some(0);
        let inter = video && first == 0x27 && tag.len() > TAG_HEAD + PICTURE_HEAD + 4;
        let due = !self.done && if self.picky { is_liked(&tag) } else { tags.seen > TAGS_BEFORE };
        let news = config && tags.config.as_ref().is_some_and(|config| *config != content(&tag));
        if config {
            tags.config = Some(content(&tag).to_vec());
        }
        match self.fault {
            Fault::HeaderMissing if news && !self.done => self.done = true,
            Fault::BoundarySkipped if due && key => self.done = true,
            Fault::Panics if due && inter => panic!("a frame leaves, and the canary cries"),
            Fault::FrameTwice if due && inter => {
                self.done = true;
                out.extend_from_slice(&tag);
                // A moment later, so that it is nothing but a repetition.
                let again = behind(&tag);
                set_time(&mut tag, again);
                out.extend(tag);
            }
            Fault::FramesSwapped if key && !tags.held.is_empty() => {
                self.done = true;
                // A moment behind the keyframe, so that time goes on.
                set_time(&mut tags.held[0], behind(&tag));
                out.extend(tag);
                out.extend(tags.held.drain(..).flatten());
            }
            Fault::FramesSwapped if due && inter => {
                out.extend(tags.held.drain(..).flatten());
                tags.held.push(tag);
            }
            Fault::FramesSwapped if !tags.held.is_empty() => tags.held.push(tag),
            Fault::StepBack if due && inter => {
                self.done = true;
                set_time(&mut tag, 1);
                out.extend(tag);
            }
            Fault::PayloadChanged if due && inter => {
                self.done = true;
                let end = tag.len() - 4;
                tag[end - 1] ^= 1;
                out.extend(tag);
            }
            Fault::CrossStream if inter => match &self.other {
                Some((other, body)) if due && *other != conn_no => {
                    self.done = true;
                    out.extend(with_content(&tag, body));
                }
                _ => {
                    self.other = Some((conn_no, content(&tag).to_vec()));
                    out.extend(tag);
                }
            },
            _ => out.extend(tag),
        }
    }
}

fn next_tag(bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    let len = bytes.get(1..4)?;
    let len = usize::from(len[0]) << 16 | usize::from(len[1]) << 8 | usize::from(len[2]);
    let whole = TAG_HEAD + len + 4;
    (bytes.len() >= whole).then(|| bytes.drain(..whole).collect())
}

/// What a tag holds.
fn content(tag: &[u8]) -> &[u8] {
    &tag[TAG_HEAD..tag.len() - 4]
}

/// A moment behind a tag, in milliseconds.
fn behind(tag: &[u8]) -> u32 {
    u32::from_be_bytes([tag[7], tag[4], tag[5], tag[6]]).wrapping_add(1)
}

/// Gives a tag another time, in milliseconds; its highest byte stands last.
fn set_time(tag: &mut [u8], ms: u32) {
    let [high, low @ ..] = ms.to_be_bytes();
    tag[4..7].copy_from_slice(&low);
    tag[7] = high;
}

/// The same tag with something else in it.
fn with_content(tag: &[u8], content: &[u8]) -> Vec<u8> {
    let len = u32::try_from(content.len()).expect("it was in a tag").to_be_bytes();
    let whole = u32::try_from(TAG_HEAD + content.len()).expect("it was in a tag").to_be_bytes();
    [&tag[..1], &len[1..], &tag[4..TAG_HEAD], content, &whole].concat()
}

/// Whether what is in a tag is one of few.
fn is_liked(tag: &[u8]) -> bool {
    RollingHash::of(content(tag)).parts().0.is_multiple_of(PICKY)
}
