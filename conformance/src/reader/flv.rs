//! FLV files (Adobe FLV 10.1, annex E): tags in, tags out.

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

/// Type of audio tags and messages.
pub const AUDIO: u8 = 8;
/// Type of video tags and messages.
pub const VIDEO: u8 = 9;
/// Type of data tags and messages.
pub const DATA: u8 = 18;

impl Tag {
    /// True for a decoder configuration, in the legacy layout of AVC and AAC or the enhanced one.
    pub fn is_config(&self) -> bool {
        match (self.kind, self.body.as_slice()) {
            (VIDEO, [first, ..]) if first & 0x80 != 0 => first & 0x0f == 0,
            (VIDEO, [first, packet, ..]) => first & 0x0f == 7 && *packet == 0,
            (AUDIO, [first, ..]) if first >> 4 == 9 => first & 0x0f == 0,
            (AUDIO, [first, packet, ..]) => first >> 4 == 10 && *packet == 0,
            _ => false,
        }
    }

    /// True for coded pictures and sound: neither configuration nor end of sequence nor colour information.
    pub fn is_media(&self) -> bool {
        match (self.kind, self.body.as_slice()) {
            (VIDEO, [first, _, ..]) if first & 0x80 != 0 => matches!(first & 0x0f, 1 | 3),
            (VIDEO, [first, packet, ..]) => first & 0x0f != 7 || *packet == 1,
            (AUDIO, [first, _, ..]) if first >> 4 == 9 => first & 0x0f == 1,
            (AUDIO, [first, packet, ..]) => first >> 4 != 10 || *packet == 1,
            _ => false,
        }
    }

    /// True for a picture that decoding may begin at.
    pub fn is_key(&self) -> bool {
        self.kind == VIDEO && self.is_media() && self.body[0] >> 4 & 7 == 1
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
        let mut reader = Reader::new(bytes);
        let flags = reader.head();
        let mut tags = Vec::new();
        while let Some(tag) = reader.tag() {
            tags.push(tag);
        }
        Flv { flags, tags }
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

/// Reads a file or a live stream tag by tag.
pub struct Reader<R> {
    source: R,
}

impl<R: Read> Reader<R> {
    /// Reads from `source`, which stands at the first byte of the file.
    pub fn new(source: R) -> Self {
        Reader { source }
    }

    /// The file's head: its flags.
    ///
    /// # Panics
    /// If it is not an FLV head.
    #[track_caller]
    pub fn head(&mut self) -> u8 {
        let mut head = [0; 13];
        self.source.read_exact(&mut head).expect("an FLV head comes");
        assert_eq!((&head[..4], &head[5..]), (&b"FLV\x01"[..], &[0, 0, 0, 9, 0, 0, 0, 0][..]), "an FLV head");
        assert_eq!(head[4] & !5, 0, "reserved flags are zero");
        head[4]
    }

    /// The next tag; `None` at the end.
    ///
    /// # Panics
    /// If it is not well-formed, or the source ends in the middle of it.
    #[track_caller]
    pub fn tag(&mut self) -> Option<Tag> {
        let mut first = [0];
        match self.source.read(&mut first) {
            Ok(1) => {}
            Err(e) if e.kind() == ErrorKind::Interrupted => return self.tag(),
            Ok(_) => return None,
            Err(e) => panic!("no tag came: {e}"),
        }
        let mut head = [0; 10];
        self.source.read_exact(&mut head).expect("the rest of a tag's head");
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let timestamp = u32::from_be_bytes([head[6], head[3], head[4], head[5]]);
        assert_eq!(&head[7..], [0, 0, 0], "the stream id of a tag is zero");
        let mut body = vec![0; length as usize];
        self.source.read_exact(&mut body).expect("a whole tag");
        let mut size = [0; 4];
        self.source.read_exact(&mut size).expect("the size of the tag behind it");
        assert_eq!(u32::from_be_bytes(size), length + 11, "the size behind a tag is its size");
        assert!([AUDIO, VIDEO, DATA].contains(&first[0]), "tag type {}", first[0]);
        Some(Tag { kind: first[0], timestamp, body })
    }
}

#[cfg(test)]
mod tests {
    use super::{AUDIO, Flv, Tag, VIDEO};

    #[test]
    fn what_is_written_is_read_again() {
        let key = Tag { kind: VIDEO, timestamp: 0x1234_5678, body: vec![0x17, 1, 0, 0, 0, 9] };
        let config = Tag { kind: AUDIO, timestamp: 0, body: vec![0xaf, 0, 0x12, 0x10] };
        assert!(key.is_key() && key.is_media() && config.is_config() && !config.is_media());
        let flv = Flv { flags: 5, tags: vec![config, key] };
        assert_eq!(Flv::parse(&flv.bytes()), flv);
    }
}
