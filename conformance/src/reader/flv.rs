//! FLV files (Adobe FLV 10.1, annex E): tags in, tags out.
//!
//! [`TagReader`] takes a file or a live stream in pieces of any size. What is inside a tag's body, old
//! layouts and enhanced ones, is taken apart in [`flv_body`](super::flv_body). [`Flv`] and [`Reader`] are
//! for tests, which end over what is not well-formed.

pub use super::flv_body::{AUDIO, Codec, DATA, Packet, VIDEO, What, packets};

use super::Wrong;
use std::io::{ErrorKind, Read};

/// A tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// 8 audio, 9 video, 18 data: the message types of RTMP.
    pub kind: u8,
    /// In milliseconds.
    pub timestamp: u32,
    /// What follows the tag's header.
    pub body: Vec<u8>,
}

impl Tag {
    /// What it holds, by track. See [`packets`].
    pub fn packets(&self) -> Result<Vec<Packet>, Wrong> {
        packets(self.kind, &self.body)
    }

    /// True for a decoder configuration, in the legacy layout of AVC and AAC or the enhanced one.
    pub fn is_config(&self) -> bool {
        self.any(|packet| packet.what == What::Config)
    }

    /// True for coded pictures and sound: neither configuration nor end of sequence nor colour information.
    pub fn is_media(&self) -> bool {
        self.any(|packet| packet.what == What::Coded)
    }

    /// True for a picture that decoding may begin at.
    pub fn is_key(&self) -> bool {
        self.kind == VIDEO && self.any(|packet| packet.what == What::Coded && packet.key)
    }

    fn any(&self, says: impl Fn(&Packet) -> bool) -> bool {
        self.packets().is_ok_and(|packets| packets.iter().any(says))
    }

    /// Its bytes in a file, the size of the tag behind it included.
    pub fn bytes(&self) -> Vec<u8> {
        let [top, time @ ..] = self.timestamp.to_be_bytes();
        let length = u32::try_from(self.body.len()).expect("a tag is shorter than 4 GiB");
        let mut bytes = vec![self.kind];
        bytes.extend(&length.to_be_bytes()[1..]);
        bytes.extend(time);
        bytes.extend([top, 0, 0, 0]);
        bytes.extend(&self.body);
        bytes.extend((length + 11).to_be_bytes());
        bytes
    }
}

/// Reads a file or a live stream that comes in pieces.
///
/// It holds one tag at most, which cannot be longer than 16 MiB.
#[derive(Clone, Debug, Default)]
pub struct TagReader {
    flags: Option<u8>,
    held: Vec<u8>,
    wrong: Option<Wrong>,
}

impl TagReader {
    /// Stands at the first byte of the file.
    pub fn new() -> Self {
        TagReader::default()
    }

    /// Takes the next bytes, gives the tags that they complete.
    ///
    /// # Errors
    /// If they are not FLV. All later calls fail too, since the beginning of the next tag is not known.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Tag>, Wrong> {
        if let Some(wrong) = &self.wrong {
            return Err(wrong.clone());
        }
        self.held.extend_from_slice(bytes);
        let mut tags = Vec::new();
        let mut at = 0;
        let read = self.read(&mut at, &mut tags);
        self.held.drain(..at);
        self.wrong = read.as_ref().err().cloned();
        read.map(|()| tags)
    }

    fn read(&mut self, at: &mut usize, tags: &mut Vec<Tag>) -> Result<(), Wrong> {
        if self.flags.is_none() {
            let Some(bytes) = self.held.first_chunk() else { return Ok(()) };
            self.flags = Some(head(bytes)?);
            *at = HEAD_BYTES;
        }
        while let Some((tag, length)) = tag(&self.held[*at..])? {
            *at += length;
            tags.push(tag);
        }
        Ok(())
    }

    /// What the file's head says it has, when it has come: bit 0 video, bit 2 audio.
    pub fn flags(&self) -> Option<u8> {
        self.flags
    }

    /// How many bytes more there have to be until something can be read.
    pub fn wants(&self) -> usize {
        let whole = match (self.flags, self.held.as_slice()) {
            (None, _) => HEAD_BYTES,
            (_, [_, a, b, c, ..]) => TAG_HEAD_BYTES + number([*a, *b, *c]) + SIZE_BYTES,
            _ => TAG_HEAD_BYTES,
        };
        whole.saturating_sub(self.held.len())
    }

    /// Whether the file may end here.
    ///
    /// # Errors
    /// In the middle of a tag or of the head.
    pub fn finish(&self) -> Result<(), Wrong> {
        match (&self.wrong, self.flags, self.held.len()) {
            (Some(wrong), ..) => Err(wrong.clone()),
            (None, Some(_), 0) => Ok(()),
            (None, _, held) => Err(Wrong(format!("FLV ends after {held} bytes of a tag or of the head"))),
        }
    }
}

/// The file's head with the size of no tag behind it: its flags.
fn head(bytes: &[u8; HEAD_BYTES]) -> Result<u8, Wrong> {
    let [b'F', b'L', b'V', 1, flags, 0, 0, 0, 9, 0, 0, 0, 0] = *bytes else {
        return Err(Wrong(format!("not the head of an FLV file: {bytes:02x?}")));
    };
    if flags & !5 != 0 {
        return Err(Wrong(format!("reserved flags of an FLV head are set: {flags:#04x}")));
    }
    Ok(flags)
}

/// The first tag in `bytes` and how many bytes it takes, if it is whole.
fn tag(bytes: &[u8]) -> Result<Option<(Tag, usize)>, Wrong> {
    let Some((&[kind, a, b, c, t1, t2, t3, top, s1, s2, s3], rest)) = bytes.split_first_chunk() else {
        return Ok(None);
    };
    let length = number([a, b, c]);
    if ![AUDIO, VIDEO, DATA].contains(&kind) {
        return Err(Wrong(format!("a tag of type {kind}")));
    }
    if [s1, s2, s3] != [0; 3] {
        return Err(Wrong("the stream id of a tag is not zero".to_owned()));
    }
    let Some((body, rest)) = rest.split_at_checked(length) else { return Ok(None) };
    let Some(size) = rest.first_chunk() else { return Ok(None) };
    if u32::from_be_bytes(*size) as usize != length + TAG_HEAD_BYTES {
        return Err(Wrong(format!("the size behind a tag of {length} bytes is wrong: {size:02x?}")));
    }
    let timestamp = u32::from_be_bytes([top, t1, t2, t3]);
    let tag = Tag { kind, timestamp, body: body.to_vec() };
    Ok(Some((tag, TAG_HEAD_BYTES + length + SIZE_BYTES)))
}

fn number([a, b, c]: [u8; 3]) -> usize {
    usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)
}

/// The head of a file and the size of the tag before the first.
const HEAD_BYTES: usize = 13;
/// What stands before the body of a tag.
const TAG_HEAD_BYTES: usize = 11;
/// What stands behind it.
const SIZE_BYTES: usize = 4;

/// A file: its flags and its tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flv {
    /// Bit 0: it has video; bit 2: it has audio.
    pub flags: u8,
    /// In order.
    pub tags: Vec<Tag>,
}

impl Flv {
    /// Reads a whole file.
    ///
    /// # Panics
    /// If it is not a well-formed FLV file, or ends in the middle of a tag.
    #[track_caller]
    pub fn parse(bytes: &[u8]) -> Self {
        let mut reader = TagReader::new();
        let tags = reader.push(bytes).unwrap_or_else(|wrong| panic!("{wrong}"));
        reader.finish().unwrap_or_else(|wrong| panic!("{wrong}"));
        Flv { flags: reader.flags().expect("the head was read"), tags }
    }

    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let head = [b'F', b'L', b'V', 1, self.flags, 0, 0, 0, 9, 0, 0, 0, 0];
        head.into_iter().chain(self.tags.iter().flat_map(Tag::bytes)).collect()
    }

    /// Coded pictures and sound only.
    pub fn media(&self) -> impl Iterator<Item = &Tag> {
        self.tags.iter().filter(|tag| tag.is_media())
    }
}

/// Reads a file or a live stream tag by tag from where it comes, and never more than is needed.
pub struct Reader<R> {
    source: R,
    tags: TagReader,
}

impl<R: Read> Reader<R> {
    /// Reads from `source`, which stands at the first byte of the file.
    pub fn new(source: R) -> Self {
        Reader { source, tags: TagReader::new() }
    }

    /// The file's head: its flags.
    ///
    /// # Panics
    /// If it is not an FLV head.
    #[track_caller]
    pub fn head(&mut self) -> u8 {
        while self.tags.flags().is_none() {
            let (_, ended) = self.read();
            assert!(!ended, "an FLV head comes");
        }
        self.tags.flags().expect("it came")
    }

    /// The next tag; `None` at the end.
    ///
    /// # Panics
    /// If it is not well-formed, or the source ends in the middle of it.
    #[track_caller]
    pub fn tag(&mut self) -> Option<Tag> {
        loop {
            match self.read() {
                (Some(tag), _) => return Some(tag),
                (None, true) => {
                    self.tags.finish().unwrap_or_else(|wrong| panic!("{wrong}"));
                    return None;
                }
                (None, false) => {}
            }
        }
    }

    /// Reads no more than what lacks: there is never more than one tag. True at the source's end.
    #[track_caller]
    fn read(&mut self) -> (Option<Tag>, bool) {
        let mut bytes = vec![0; self.tags.wants().min(0x1_0000)];
        let count = match self.source.read(&mut bytes) {
            Ok(count) => count,
            Err(e) if e.kind() == ErrorKind::Interrupted => return (None, false),
            Err(e) => panic!("no tag came: {e}"),
        };
        let tags = self.tags.push(&bytes[..count]).unwrap_or_else(|wrong| panic!("{wrong}"));
        (tags.into_iter().next(), count == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::{AUDIO, Flv, Reader, Tag, TagReader, VIDEO};

    fn film() -> Flv {
        let key = Tag { kind: VIDEO, timestamp: 0x1234_5678, body: vec![0x17, 1, 0, 0, 0, 9] };
        let config = Tag { kind: AUDIO, timestamp: 0, body: vec![0xaf, 0, 0x12, 0x10] };
        assert!(key.is_key() && key.is_media() && config.is_config() && !config.is_media());
        Flv { flags: 5, tags: vec![config, key] }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let flv = film();
        assert_eq!(Flv::parse(&flv.bytes()), flv);
    }

    #[test]
    fn pieces_of_any_size_make_the_same_tags() {
        let (flv, bytes) = (film(), film().bytes());
        for size in 1..bytes.len() {
            let mut reader = TagReader::new();
            let pieces = bytes.chunks(size).map(|piece| reader.push(piece).expect("it is FLV"));
            let tags: Vec<Tag> = pieces.collect::<Vec<_>>().concat();
            assert_eq!(tags, flv.tags, "in pieces of {size}");
            assert_eq!((reader.flags(), reader.finish()), (Some(5), Ok(())));
        }
        let mut reader = Reader::new(bytes.as_slice());
        assert_eq!(reader.head(), 5);
        let tags: Vec<Tag> = std::iter::from_fn(|| reader.tag()).collect();
        assert_eq!(tags, flv.tags);
    }

    #[test]
    fn what_is_broken_stays_broken() {
        let mut bytes = film().bytes();
        bytes[13] = 7;
        let mut reader = TagReader::new();
        assert!(reader.push(&bytes).is_err());
        assert!(reader.push(&[]).is_err() && reader.finish().is_err());
        let mut reader = TagReader::new();
        bytes[13] = AUDIO;
        bytes.pop();
        assert_eq!(reader.push(&bytes).expect("so far it is").len(), 1);
        assert!(reader.finish().is_err(), "it ends in the middle of a tag");
        let last = bytes.len();
        bytes[last - 1] ^= 1;
        assert!(TagReader::new().push(&[&bytes[..], &[0]].concat()).is_err(), "the size is wrong");
    }
}
