//! Parses the bodies of FLV tags and RTMP messages: Adobe FLV 10.1, E.4.2 and E.4.3, and Enhanced RTMP v2
//! (ExAudioTagHeader, ExVideoTagHeader).
//!
//! In: the type and the body of a tag. Out: for each track that it speaks of, what it says and where in
//! the body the codec's own bytes are. Never looks at these bytes.

use super::Wrong;
use std::fmt;
use std::ops::Range;

/// Type of audio tags and messages.
pub const AUDIO: u8 = 8;
/// Type of video tags and messages.
pub const VIDEO: u8 = 9;
/// Type of data tags and messages.
pub const DATA: u8 = 18;

/// What a body says about a track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Number of the track among those of its kind; 0 where the body names none.
    pub track: u8,
    /// How it is coded.
    pub codec: Codec,
    /// What it is.
    pub what: What,
    /// Decoding may begin here. True for all sound.
    pub key: bool,
    /// How much later than its timestamp it is presented, in milliseconds.
    pub composition_ms: i32,
    /// What is to be added to the timestamp, in nanoseconds; less than a millisecond.
    pub nanos: u32,
    /// The codec's own bytes within the body.
    pub payload: Range<usize>,
}

/// What a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The decoder's configuration.
    Config,
    /// Pictures or sound.
    Coded,
    /// The track ends.
    End,
    /// Colour information, or which channel is which.
    Info,
}

/// A codec: the FourCC that enhanced RTMP has for it, or `[0, 0, 0, number]` for the codecs that only have a
/// number in FLV.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Codec(pub [u8; 4]);

impl Codec {
    /// H.264.
    pub const AVC: Codec = Codec(*b"avc1");
    /// H.265.
    pub const HEVC: Codec = Codec(*b"hvc1");
    /// AV1.
    pub const AV1: Codec = Codec(*b"av01");
    /// VP8.
    pub const VP8: Codec = Codec(*b"vp08");
    /// VP9.
    pub const VP9: Codec = Codec(*b"vp09");
    /// AAC.
    pub const AAC: Codec = Codec(*b"mp4a");
    /// MP3.
    pub const MP3: Codec = Codec(*b".mp3");
    /// Opus.
    pub const OPUS: Codec = Codec(*b"Opus");
    /// FLAC.
    pub const FLAC: Codec = Codec(*b"fLaC");
    /// AC-3.
    pub const AC3: Codec = Codec(*b"ac-3");
    /// Enhanced AC-3.
    pub const EAC3: Codec = Codec(*b"ec-3");
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [0, 0, 0, number] => write!(f, "codec {number}"),
            fourcc => write!(f, "{}", fourcc.escape_ascii()),
        }
    }
}

impl fmt::Debug for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What the body of a tag of type `kind` says. Nothing for data, for commands of a server to a player, and
/// for the empty bodies that stand for silence.
///
/// # Errors
/// If it ends too early, or says what the specifications do not know.
pub fn packets(kind: u8, body: &[u8]) -> Result<Vec<Packet>, Wrong> {
    let mut rest = Rest { body, at: 0 };
    match kind {
        _ if body.is_empty() => Ok(Vec::new()),
        AUDIO => audio(&mut rest),
        VIDEO => video(&mut rest),
        _ => Ok(Vec::new()),
    }
}

fn audio(rest: &mut Rest<'_>) -> Result<Vec<Packet>, Wrong> {
    let first = rest.byte()?;
    let (codec, what) = match first >> 4 {
        9 => return extended(rest, AUDIO, true, first & 0x0f),
        10 => match rest.byte()? {
            0 => (Codec::AAC, What::Config),
            1 => (Codec::AAC, What::Coded),
            other => return Err(Wrong(format!("AACPacketType {other}"))),
        },
        2 | 14 => (Codec::MP3, What::Coded),
        number => (Codec([0, 0, 0, number]), What::Coded),
    };
    Ok(vec![rest.packet(codec, what, true)])
}

fn video(rest: &mut Rest<'_>) -> Result<Vec<Packet>, Wrong> {
    let first = rest.byte()?;
    if first & 0x80 != 0 {
        let (frame_type, packet_type) = (first >> 4 & 7, first & 0x0f);
        return video_extended(rest, frame_type, packet_type);
    }
    let (frame_type, number) = (first >> 4, first & 0x0f);
    let key = frame_type == KEY || frame_type == GENERATED_KEY;
    if frame_type == COMMAND {
        return Ok(Vec::new());
    }
    let codec = match number {
        7 => Codec::AVC,
        // Of no specification, but encoders and networks in China have used it for years.
        12 => Codec::HEVC,
        _ => return Ok(vec![rest.packet(Codec([0, 0, 0, number]), What::Coded, key)]),
    };
    let what = match rest.byte()? {
        0 => What::Config,
        1 => What::Coded,
        2 => return Ok(vec![Packet { payload: 0..0, ..rest.packet(codec, What::End, key) }]),
        other => return Err(Wrong(format!("AVCPacketType {other}"))),
    };
    let composition_ms = rest.signed_24()?;
    let composition_ms = if what == What::Config { 0 } else { composition_ms };
    Ok(vec![Packet { composition_ms, ..rest.packet(codec, what, key) }])
}

fn video_extended(rest: &mut Rest<'_>, frame_type: u8, packet_type: u8) -> Result<Vec<Packet>, Wrong> {
    let key = frame_type == KEY || frame_type == GENERATED_KEY;
    // "If videoFrameType is a command and videoPacketType is not Metadata, the payload is a command."
    if frame_type == COMMAND && packet_type != METADATA {
        return Ok(Vec::new());
    }
    extended(rest, VIDEO, key, packet_type)
}

/// Modifiers, then one track or several of them.
fn extended(rest: &mut Rest<'_>, kind: u8, key: bool, mut packet_type: u8) -> Result<Vec<Packet>, Wrong> {
    let mut nanos = 0;
    while packet_type == MODIFIER {
        let mut size = usize::from(rest.byte()?) + 1;
        if size == 256 {
            size = usize::from(rest.byte()?) << 8 | usize::from(rest.byte()?);
            size += 1;
        }
        let data = rest.take(size)?;
        let next = rest.byte()?;
        packet_type = next & 0x0f;
        if let (0, [a, b, c, ..]) = (next >> 4, data) {
            nanos = u32::from_be_bytes([0, *a, *b, *c]).min(999_999);
        }
    }
    let several = if kind == VIDEO { VIDEO_TRACKS } else { AUDIO_TRACKS };
    let head = Head { kind, key, nanos };
    if packet_type != several {
        let codec = rest.codec()?;
        return Ok(vec![head.packet(rest, 0, codec, packet_type)?]);
    }
    let mode = rest.byte()?;
    let (mode, packet_type) = (mode >> 4, mode & 0x0f);
    let shared = match mode {
        ONE_TRACK | MANY_TRACKS => Some(rest.codec()?),
        MANY_CODECS => None,
        _ => return Err(Wrong(format!("AvMultitrackType {mode}"))),
    };
    let mut found = Vec::new();
    loop {
        let codec = shared.map_or_else(|| rest.codec(), Ok)?;
        let track = rest.byte()?;
        let end = match mode {
            ONE_TRACK => rest.body.len(),
            _ => rest.unsigned_24()? + rest.at,
        };
        let Some(body) = rest.body.get(..end) else { return Err(rest.short()) };
        let mut own = Rest { body, at: rest.at };
        found.push(head.packet(&mut own, track, codec, packet_type)?);
        rest.at = end;
        if rest.at == rest.body.len() {
            return Ok(found);
        }
    }
}

/// What all tracks of a body have in common.
struct Head {
    kind: u8,
    key: bool,
    nanos: u32,
}

impl Head {
    /// What `rest`, all of it of one track, says.
    fn packet(&self, rest: &mut Rest<'_>, track: u8, codec: Codec, packet_type: u8) -> Result<Packet, Wrong> {
        let mut composition_ms = 0;
        let video = self.kind == VIDEO;
        let what = match packet_type {
            0 => What::Config,
            1 => What::Coded,
            2 => What::End,
            3 if video => What::Coded,
            4 => What::Info,
            // A descriptor of MPEG-2 TS instead of the decoder's configuration record.
            5 if video => What::Config,
            other => return Err(Wrong(format!("packet type {other} of {codec}"))),
        };
        if packet_type == 1 && (codec == Codec::AVC || codec == Codec::HEVC) {
            composition_ms = rest.signed_24()?;
        }
        if packet_type == 0 && video && matches!(codec, Codec::VP8 | Codec::VP9) {
            // FFmpeg, and the reference player, count version and flags of the box `vpcC` to the record.
            rest.skip_if(&[1, 0, 0, 0]);
        }
        let packet = rest.packet(codec, what, self.key);
        Ok(Packet { track, composition_ms, nanos: self.nanos, ..packet })
    }
}

/// What of a body has not been read.
struct Rest<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Wrong> {
        let end = self.at.saturating_add(count);
        let taken = self.body.get(self.at..end).ok_or_else(|| self.short())?;
        self.at = end;
        Ok(taken)
    }

    fn short(&self) -> Wrong {
        Wrong(format!("a body of {} bytes ends too early", self.body.len()))
    }

    fn byte(&mut self) -> Result<u8, Wrong> {
        Ok(self.take(1)?[0])
    }

    fn unsigned_24(&mut self) -> Result<usize, Wrong> {
        Ok(self.take(3)?.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }

    fn signed_24(&mut self) -> Result<i32, Wrong> {
        let bytes = self.take(3)?;
        Ok(i32::from_be_bytes([bytes[0], bytes[1], bytes[2], 0]) >> 8)
    }

    fn codec(&mut self) -> Result<Codec, Wrong> {
        let bytes = self.take(4)?;
        Ok(Codec([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn skip_if(&mut self, bytes: &[u8]) {
        if self.body[self.at..].starts_with(bytes) {
            self.at += bytes.len();
        }
    }

    /// A packet whose payload is all that is left.
    fn packet(&self, codec: Codec, what: What, key: bool) -> Packet {
        Packet { track: 0, codec, what, key, composition_ms: 0, nanos: 0, payload: self.at..self.body.len() }
    }
}

// Frame types of pictures (E.4.3.1).
const KEY: u8 = 1;
const GENERATED_KEY: u8 = 4;
const COMMAND: u8 = 5;

// Packet types of enhanced RTMP that say what follows them.
const METADATA: u8 = 4;
const AUDIO_TRACKS: u8 = 5;
const VIDEO_TRACKS: u8 = 6;
const MODIFIER: u8 = 7;

// How several tracks share a body (AvMultitrackType).
const ONE_TRACK: u8 = 0;
const MANY_TRACKS: u8 = 1;
const MANY_CODECS: u8 = 2;

#[cfg(test)]
mod tests {
    use super::{Codec, Packet, What, packets};
    use crate::reader::flv::{AUDIO, VIDEO};

    #[track_caller]
    fn one(kind: u8, body: &[u8]) -> Packet {
        let found = packets(kind, body).expect("it is well-formed");
        let [packet] = &found[..] else { panic!("one packet: {found:?}") };
        packet.clone()
    }

    #[test]
    fn old_layouts() {
        let key = one(VIDEO, &[0x17, 1, 0xff, 0xff, 0xfe, 1, 2, 3]);
        assert_eq!((key.codec, key.what, key.key), (Codec::AVC, What::Coded, true));
        assert_eq!((key.composition_ms, key.payload), (-2, 5..8));
        let config = one(VIDEO, &[0x17, 0, 0, 0, 9, 1]);
        assert_eq!((config.what, config.composition_ms, config.payload), (What::Config, 0, 5..6));
        assert_eq!(one(VIDEO, &[0x27, 2, 0, 0, 0]).what, What::End);
        let sound = one(AUDIO, &[0xaf, 1, 7]);
        assert_eq!((sound.codec, sound.what, sound.payload), (Codec::AAC, What::Coded, 2..3));
        assert_eq!(one(AUDIO, &[0x2f, 0xff, 0xfb]).codec, Codec::MP3);
        assert_eq!(one(VIDEO, &[0x22, 0]).codec.to_string(), "codec 2");
        assert_eq!(packets(VIDEO, &[0x52, 0]), Ok(vec![]), "a command to the player");
        assert!(packets(VIDEO, &[0x17, 1, 0]).is_err() && packets(AUDIO, &[0xaf, 2]).is_err());
    }

    #[test]
    fn enhanced_layouts() {
        let key = one(VIDEO, b"\x91hvc1\0\0\x28pay");
        assert_eq!((key.codec, key.what, key.key), (Codec::HEVC, What::Coded, true));
        assert_eq!((key.composition_ms, key.payload), (40, 8..11));
        let x = one(VIDEO, b"\xa3hvc1pay");
        assert_eq!((x.key, x.composition_ms, x.payload), (false, 0, 5..8));
        let config = one(VIDEO, b"\x90vp09\x01\0\0\0rec");
        assert_eq!((config.what, config.payload), (What::Config, 9..12));
        let opus = one(AUDIO, b"\x91Opuspay");
        assert_eq!((opus.codec, opus.key, opus.payload), (Codec::OPUS, true, 5..8));
        assert_eq!(one(VIDEO, b"\xd4av01colour").what, What::Info);
    }

    #[test]
    fn modifiers_and_several_tracks() {
        // A nanosecond offset of 3 bytes, then coded sound.
        let late = one(AUDIO, b"\x97\x02\x00\x01\x00\x01Opuspay");
        assert_eq!((late.nanos, late.what, late.payload), (256, What::Coded, 10..13));
        let one_track = one(VIDEO, b"\x96\x01avc1\x05\0\0\x01pay");
        assert_eq!((one_track.track, one_track.composition_ms, one_track.payload), (5, 1, 10..13));
        let many = packets(AUDIO, b"\x95\x21mp4a\x01\0\0\x02abOpus\x02\0\0\x01c").expect("two tracks");
        let facts: Vec<_> = many.iter().map(|p| (p.track, p.codec, p.payload.clone())).collect();
        assert_eq!(facts, [(1, Codec::AAC, 10..12), (2, Codec::OPUS, 20..21)]);
        assert!(packets(AUDIO, b"\x95\x21mp4a\x01\xff\xff\xffab").is_err(), "a track longer than the body");
    }
}
