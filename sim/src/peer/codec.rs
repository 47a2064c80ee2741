//! Encodes video and audio frames as bodies of RTMP messages.
//!
//! In: the kind of a frame and its text content. Out: bodies of media messages: AVC and AAC in the old layout
//! of FLV; HEVC, AV1 and Opus in that of Enhanced RTMP. Configurations are real ones, made by x264, x265 and
//! SVT-AV1; the content is text in the framing of the codec.

/// How pictures are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VideoCodec {
    /// H.264.
    Avc,
    /// H.265.
    Hevc,
    /// AV1.
    Av1,
}

/// How sound is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AudioCodec {
    /// AAC-LC.
    Aac,
    /// Opus.
    Opus,
}

impl VideoCodec {
    /// The body that configures a decoder; an odd `edition` has another picture size, where there is one.
    pub fn config(self, edition: u32) -> Vec<u8> {
        match self {
            VideoCodec::Avc => [&[0x17, 0, 0, 0, 0][..], AVCC[edition as usize % 2]].concat(),
            VideoCodec::Hevc => [&[0x90][..], b"hvc1", HVCC].concat(),
            VideoCodec::Av1 => [&[0x90][..], b"av01", AV1C].concat(),
        }
    }

    /// The body of a picture that is shown `composition_ms` after its timestamp. `content` has no zeros.
    pub fn picture(self, key: bool, composition_ms: u32, content: &[u8]) -> Vec<u8> {
        let frame_type: u8 = if key { 1 } else { 2 };
        let composition = &composition_ms.to_be_bytes()[1..];
        let length = |head: usize| u32::try_from(content.len() + head).expect("short").to_be_bytes();
        match self {
            VideoCodec::Avc => {
                let nal: u8 = if key { 0x65 } else { 0x41 };
                [&[frame_type << 4 | 7, 1], composition, &length(1), &[nal], content].concat()
            }
            VideoCodec::Hevc => {
                let nal: [u8; 2] = if key { [0x26, 1] } else { [0x02, 1] };
                let head = [0x80 | frame_type << 4 | 1];
                [&head, &b"hvc1"[..], composition, &length(2), &nal, content].concat()
            }
            VideoCodec::Av1 => {
                let head = [0x80 | frame_type << 4 | 1];
                [&head, &b"av01"[..], &[OBU_FRAME], &leb128(content.len()), content].concat()
            }
        }
    }

    /// True if pictures may be shown in another order than they are sent.
    pub fn reorders(self) -> bool {
        self != VideoCodec::Av1
    }
}

impl AudioCodec {
    /// The body that configures a decoder; an odd `edition` has another sampling rate, where there is one.
    pub fn config(self, edition: u32) -> Vec<u8> {
        match self {
            // AAC-LC, stereo, 44100 Hz or 48000 Hz.
            AudioCodec::Aac => {
                [&[0xaf, 0][..], [&[0x12, 0x10], &[0x11, 0x90]][edition as usize % 2]].concat()
            }
            AudioCodec::Opus => [&[0x90][..], b"Opus", OPUS_HEAD].concat(),
        }
    }

    /// The body of a frame of sound.
    pub fn sound(self, content: &[u8]) -> Vec<u8> {
        match self {
            AudioCodec::Aac => [&[0xaf, 1], content].concat(),
            AudioCodec::Opus => [&[0x91][..], b"Opus", &[OPUS_TOC], content].concat(),
        }
    }

    /// How long a frame sounds, in microseconds.
    pub fn frame_us(self, edition: u32) -> u64 {
        match (self, edition % 2) {
            (AudioCodec::Aac, 0) => 1024 * 1_000_000 / 44_100,
            (AudioCodec::Aac, _) => 1024 * 1_000_000 / 48_000,
            (AudioCodec::Opus, _) => 20_000,
        }
    }
}

/// AV1's variable-length number.
fn leb128(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).expect("seven bits");
        number >>= 7;
        bytes.push(if number > 0 { 0x80 | low } else { low });
        if number == 0 {
            return bytes;
        }
    }
}

/// An OBU of type OBU_FRAME that says its size.
const OBU_FRAME: u8 = 0x32;

/// One frame of 20 ms, CELT, stereo.
const OPUS_TOC: u8 = 0xfc;

const OPUS_HEAD: &[u8] = b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0";

/// Baseline 320x180, and High 640x360.
const AVCC: [&[u8]; 2] = [
    b"\x01\x42\xc0\x0c\xff\xe1\x00\x19\x67\x42\xc0\x0c\xd9\x01\x41\x9f\x9f\x01\x10\x00\x00\x03\x00\x10\
      \x00\x00\x03\x03\x20\xf1\x42\xa4\x80\x01\x00\x05\x68\xcb\x83\xcb\x20",
    b"\x01\x64\x00\x1e\xff\xe1\x00\x1a\x67\x64\x00\x1e\xac\xd9\x40\xa0\x2f\xf9\x70\x11\x00\x00\x03\x00\
      \x01\x00\x00\x03\x00\x32\x0f\x16\x2d\x96\x01\x00\x06\x68\xeb\xe3\xcb\x22\xc0\xfd\xf8\xf8\x00",
];

/// Main 320x180.
const HVCC: &[u8] =
    b"\x01\x01\x60\x00\x00\x00\x90\x00\x00\x00\x00\x00\x3c\xf0\x00\xfc\xfd\xf8\xf8\x00\x00\x0f\x03\x20\
      \x00\x01\x00\x18\x40\x01\x0c\x01\xff\xff\x01\x60\x00\x00\x03\x00\x90\x00\x00\x03\x00\x00\x03\x00\
      \x3c\x95\x98\x09\x21\x00\x01\x00\x2b\x42\x01\x01\x01\x60\x00\x00\x03\x00\x90\x00\x00\x03\x00\x00\
      \x03\x00\x3c\xa0\x0a\x08\x0b\x9f\x79\x65\x66\x92\x4c\xaf\x01\x68\x08\x00\x00\x03\x00\x08\x00\x00\
      \x03\x00\xc8\x40\x22\x00\x01\x00\x07\x44\x01\xc1\x72\xb4\x62\x40";

/// Main 320x180.
const AV1C: &[u8] = b"\x81\x00\x0c\x00\x0a\x0b\x00\x00\x00\x04\x3c\xfe\xcc\x02\xf8\x00\x40";

#[cfg(test)]
mod tests {
    use super::{AudioCodec, VideoCodec};
    use conformance::reader::flv::{AUDIO, Codec, VIDEO, What, packets};

    #[test]
    fn bodies_are_what_an_independent_reader_takes_them_for() {
        let codecs =
            [(VideoCodec::Avc, Codec::AVC), (VideoCodec::Hevc, Codec::HEVC), (VideoCodec::Av1, Codec::AV1)];
        for (ours, theirs) in codecs {
            let config = packets(VIDEO, &ours.config(0)).expect("a configuration");
            assert_eq!((config[0].what, config[0].codec), (What::Config, theirs));
            let body = ours.picture(true, 80, b"content");
            let picture = packets(VIDEO, &body).expect("a picture");
            assert!(picture[0].key && picture[0].what == What::Coded && picture[0].codec == theirs);
            assert_eq!(picture[0].composition_ms, if ours.reorders() { 80 } else { 0 });
            assert!(body[picture[0].payload.clone()].ends_with(b"content"));
        }
        for (ours, theirs) in [(AudioCodec::Aac, Codec::AAC), (AudioCodec::Opus, Codec::OPUS)] {
            let config = packets(AUDIO, &ours.config(1)).expect("a configuration");
            assert_eq!((config[0].what, config[0].codec), (What::Config, theirs));
            let sound = packets(AUDIO, &ours.sound(b"content")).expect("a sound");
            assert_eq!((sound[0].what, sound[0].codec), (What::Coded, theirs));
        }
    }
}
