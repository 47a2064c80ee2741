//! FLV (Adobe Flash Video File Format 10.1, annex E): writing tags, and reading them as they stream in.
//!
//! The reader never holds a frame: bodies are checked piece by piece and forgotten.

use crate::fault::Fault;
use crate::stamp::{Body, Kind, Seen};

/// Length of the file header.
pub const FILE_HEADER_LEN: usize = 9;

/// PreviousTagSize and the tag header, which always come together.
pub const TAG_HEAD_LEN: usize = 4 + 11;

/// File header that announces audio and video.
pub const FILE_HEADER: &[u8; FILE_HEADER_LEN] = b"FLV\x01\x05\0\0\0\x09";

/// Writes a tag. `before` is the length of the tag before it, 0 for the first.
pub fn write_tag(out: &mut Vec<u8>, before: usize, kind: Kind, timestamp: u32, body: &[u8]) -> usize {
    let be24 = |n: usize| u32::try_from(n).expect("a frame is shorter than 16 MiB").to_be_bytes();
    let [upper, time @ ..] = timestamp.to_be_bytes();
    out.extend_from_slice(&be24(before));
    out.push(tag_type(kind));
    out.extend_from_slice(&be24(body.len())[1..]);
    out.extend_from_slice(&time);
    out.extend_from_slice(&[upper, 0, 0, 0]);
    out.extend_from_slice(body);
    11 + body.len()
}

/// Type of a tag, and of an RTMP message.
pub fn tag_type(kind: Kind) -> u8 {
    match kind {
        Kind::Audio => 8,
        Kind::Video => 9,
    }
}

/// What stands before a body: the kind (`None` for what is neither audio nor video) and its length.
pub fn parse_tag_head(head: &[u8; TAG_HEAD_LEN]) -> (Option<Kind>, usize) {
    let kind = match head[4] {
        8 => Some(Kind::Audio),
        9 => Some(Kind::Video),
        _ => None,
    };
    (kind, usize::from(head[5]) << 16 | usize::from(head[6]) << 8 | usize::from(head[7]))
}

/// Reads an FLV file without end.
#[derive(Debug)]
pub struct Reader {
    part: Part,
    /// An incomplete header.
    carry: Vec<u8>,
}

#[derive(Debug)]
enum Part {
    FileHeader,
    TagHead,
    Body(Body),
    Skip(usize),
}

impl Default for Reader {
    fn default() -> Self {
        Reader { part: Part::FileHeader, carry: Vec::with_capacity(TAG_HEAD_LEN) }
    }
}

impl Reader {
    /// Takes all of `bytes` and tells what became complete.
    pub fn receive(&mut self, mut bytes: &[u8], seen: &mut dyn FnMut(Seen)) -> Result<(), Fault> {
        while !bytes.is_empty() {
            match &mut self.part {
                Part::FileHeader => {
                    let Some(header) = gather::<FILE_HEADER_LEN>(&mut self.carry, &mut bytes) else { break };
                    if !header.starts_with(b"FLV\x01") {
                        return Err(Fault::new("not an FLV file"));
                    }
                    self.part = Part::TagHead;
                }
                Part::TagHead => {
                    let Some(head) = gather::<TAG_HEAD_LEN>(&mut self.carry, &mut bytes) else { break };
                    self.part = match parse_tag_head(&head) {
                        (Some(kind), len) if len > 0 => Part::Body(Body::new(kind, len)),
                        (_, 0) => Part::TagHead,
                        (_, len) => Part::Skip(len),
                    };
                }
                Part::Body(body) => {
                    if let Some(complete) = body.push(&mut bytes) {
                        self.part = Part::TagHead;
                        seen(complete);
                    }
                }
                Part::Skip(left) => {
                    let len = bytes.len().min(*left);
                    bytes = &bytes[len..];
                    *left -= len;
                    if *left == 0 {
                        self.part = Part::TagHead;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Takes `N` bytes from what was carried over and the front of `bytes`; carries over what is too short.
fn gather<const N: usize>(carry: &mut Vec<u8>, bytes: &mut &[u8]) -> Option<[u8; N]> {
    if carry.is_empty()
        && let Some((whole, rest)) = bytes.split_first_chunk::<N>()
    {
        *bytes = rest;
        return Some(*whole);
    }
    let (taken, rest) = bytes.split_at(bytes.len().min(N - carry.len()));
    *bytes = rest;
    carry.extend_from_slice(taken);
    let whole = carry.first_chunk::<N>().copied();
    if whole.is_some() {
        carry.clear();
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{AUDIO_CONFIG, Source};

    #[test]
    fn what_is_written_is_read_however_it_is_cut() {
        let mut file = FILE_HEADER.to_vec();
        let mut before = write_tag(&mut file, 0, Kind::Audio, 0, AUDIO_CONFIG);
        let mut source = Source::new(3, 100_000);
        for _ in 0..20 {
            let frame = source.next(5);
            before = write_tag(&mut file, before, frame.kind, frame.timestamp, frame.body);
        }
        for step in [1, 7, 100, file.len()] {
            let mut reader = Reader::default();
            let mut all = Vec::new();
            for piece in file.chunks(step) {
                reader.receive(piece, &mut |seen| all.push(seen)).expect("sound");
            }
            assert_eq!(all.len(), 21);
            assert!(all.iter().all(|seen| seen.intact));
            let seqs: Vec<u32> = all.iter().filter_map(|seen| seen.stamp).map(|stamp| stamp.seq).collect();
            assert_eq!(seqs, (0..20).collect::<Vec<u32>>());
        }
    }
}
