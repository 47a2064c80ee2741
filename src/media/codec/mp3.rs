//! MPEG audio frame headers (ISO/IEC 11172-3, 2.4.1.3; ISO/IEC 13818-3, 2.4.1; MPEG 2.5 by convention).
//!
//! In: a frame, or several. Out: its [`Header`]. Free format, whose frame size no header tells, is refused.

use super::bits::Fault;
use super::{AudioParams, CodecError};
use crate::media::frame::Codec;

/// A parsed frame header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// MPEG 1, MPEG 2 or MPEG 2.5.
    pub version: Version,
    /// Layer, 1 to 3.
    pub layer: u8,
    /// Bits per second.
    pub bit_rate: u32,
    /// Sampling rate, in Hz.
    pub sample_rate: u32,
    /// Channels, 1 or 2.
    pub channels: u8,
    /// Length of the frame with its header, in bytes.
    pub frame_bytes: usize,
}

/// Edition of MPEG audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// 32 kHz and above.
    Mpeg1,
    /// 16 to 24 kHz.
    Mpeg2,
    /// 8 to 12 kHz, a common extension.
    Mpeg25,
}

impl Header {
    /// Parses the header at the beginning of `frame`.
    ///
    /// # Errors
    ///
    /// If there is no valid header.
    pub fn parse(frame: &[u8]) -> Result<Header, CodecError> {
        read_header(frame).map_err(|fault| fault.of(Codec::Mp3))
    }

    /// Samples per frame and channel.
    pub fn frame_samples(&self) -> u32 {
        match (self.layer, self.version) {
            (1, _) => 384,
            (3, Version::Mpeg2 | Version::Mpeg25) => 576,
            _ => 1152,
        }
    }

    /// The low four bits of the FLV audio header for such a frame (FLV 10.1, E.4.2.1): rate, sample size,
    /// channels. Rates that FLV does not have become the next lower one: decoders go by the frame anyway.
    pub fn flv_sound(&self) -> u8 {
        let rate = match self.sample_rate {
            44_100.. => 3,
            22_050.. => 2,
            11_025.. => 1,
            _ => 0,
        };
        const SIXTEEN_BITS: u8 = 2;
        rate << 2 | SIXTEEN_BITS | u8::from(self.channels == 2)
    }
}

/// Parameters from a frame.
pub fn frame_params(frame: &[u8]) -> Option<AudioParams> {
    let header = Header::parse(frame).ok()?;
    Some(AudioParams {
        sample_rate: header.sample_rate,
        channels: header.channels,
        profile: String::new(),
        frame_samples: Some(header.frame_samples()),
        // The audio object types 32 to 34 of MPEG-4 are the layers of MPEG audio.
        rfc6381: format!("mp4a.40.{}", 31 + header.layer),
    })
}

/// Bit rates in kbit/s, by index; the first row is for MPEG 1, layer I.
const BIT_RATES: [[u16; 15]; 5] = [
    [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
    [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384], // MPEG 1, layer II
    [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],  // MPEG 1, layer III
    [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256], // MPEG 2, layer I
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],      // MPEG 2, layers II and III
];

fn read_header(frame: &[u8]) -> Result<Header, Fault> {
    let [sync, kind, rates, channels, ..] = *frame else {
        return Err(Fault::Truncated);
    };
    if sync != 0xff || kind & 0xe0 != 0xe0 {
        return Err(Fault::Invalid("there is no MPEG audio sync word"));
    }
    let version = match kind >> 3 & 3 {
        0 => Version::Mpeg25,
        2 => Version::Mpeg2,
        3 => Version::Mpeg1,
        _ => return Err(Fault::Invalid("a reserved version of MPEG audio")),
    };
    let layer = match kind >> 1 & 3 {
        0 => return Err(Fault::Invalid("a reserved layer of MPEG audio")),
        code => 4 - code,
    };
    let bit_rate = read_bit_rate(rates >> 4, version, layer)?;
    let sample_rate = read_sample_rate(rates >> 2 & 3, version)?;
    let padding = rates >> 1 & 1 == 1;
    const SINGLE_CHANNEL: u8 = 3;
    let channels = if channels >> 6 == SINGLE_CHANNEL { 1 } else { 2 };
    let mut header = Header { version, layer, bit_rate, sample_rate, channels, frame_bytes: 0 };
    header.frame_bytes = frame_bytes(&header, padding);
    Ok(header)
}

fn read_bit_rate(index: u8, version: Version, layer: u8) -> Result<u32, Fault> {
    let row = match (version, layer) {
        (Version::Mpeg1, layer) => usize::from(layer) - 1,
        (_, 1) => 3,
        _ => 4,
    };
    match BIT_RATES[row].get(usize::from(index)) {
        None => Err(Fault::Invalid("a reserved bit rate")),
        Some(0) => Err(Fault::Invalid("free format is not supported")),
        Some(&kilobits) => Ok(u32::from(kilobits) * 1000),
    }
}

fn read_sample_rate(index: u8, version: Version) -> Result<u32, Fault> {
    let rate = match index {
        0 => 44_100,
        1 => 48_000,
        2 => 32_000,
        _ => return Err(Fault::Invalid("a reserved sample rate")),
    };
    Ok(match version {
        Version::Mpeg1 => rate,
        Version::Mpeg2 => rate / 2,
        Version::Mpeg25 => rate / 4,
    })
}

/// Length of a frame in slots (11172-3, 2.4.3.1): of four bytes in layer I, of one in the others.
fn frame_bytes(header: &Header, padding: bool) -> usize {
    let slot_bytes = if header.layer == 1 { 4 } else { 1 };
    let slots = header.frame_samples() / 8 / slot_bytes * header.bit_rate / header.sample_rate;
    ((slots + u32::from(padding)) * slot_bytes) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::codec::testing::{never_panics, unhex};

    #[test]
    fn headers_of_a_real_encoder_are_understood() {
        // Of packets by LAME; rates, channels and lengths by ffprobe.
        let cases = [
            ("fffb9064", Version::Mpeg1, 128_000, 44_100, 2, 417, 1152),
            ("fffb9264", Version::Mpeg1, 128_000, 44_100, 2, 418, 1152),
            ("fffb54c4", Version::Mpeg1, 64_000, 48_000, 1, 192, 1152),
            ("fff38064", Version::Mpeg2, 64_000, 22_050, 2, 208, 576),
            ("ffe318c4", Version::Mpeg25, 8_000, 8_000, 1, 72, 576),
        ];
        for (hex, version, bit_rate, sample_rate, channels, frame_bytes, samples) in cases {
            let header = Header::parse(&unhex(hex)).unwrap();
            let expected = Header { version, layer: 3, bit_rate, sample_rate, channels, frame_bytes };
            assert_eq!(header, expected, "{hex}");
            assert_eq!(header.frame_samples(), samples, "{hex}");
        }
    }

    #[test]
    fn layers_one_and_two_are_read() {
        // Layer I, 384 kbit/s, 48 kHz: 8 ms in 96 slots of four bytes.
        let first = Header::parse(&unhex("ffffc400")).unwrap();
        assert_eq!(
            (first.layer, first.bit_rate, first.frame_samples(), first.frame_bytes),
            (1, 384_000, 384, 384)
        );
        let second = Header::parse(&unhex("fffda400")).unwrap();
        assert_eq!(
            (second.layer, second.bit_rate, second.frame_samples(), second.frame_bytes),
            (2, 192_000, 1152, 576)
        );
        assert_eq!(frame_params(&unhex("fffda400")).unwrap().rfc6381, "mp4a.40.33");
    }

    #[test]
    fn a_frame_says_what_a_configuration_would() {
        let expected = AudioParams {
            sample_rate: 44_100,
            channels: 2,
            profile: String::new(),
            frame_samples: Some(1152),
            rfc6381: "mp4a.40.34".to_owned(),
        };
        assert_eq!(frame_params(&unhex("fffb9064")), Some(expected));
        assert_eq!(frame_params(&unhex("fffb")), None);
    }

    #[test]
    fn flv_calls_a_rate_by_the_nearest_that_it_knows() {
        let sound = |hex| Header::parse(&unhex(hex)).unwrap().flv_sound();
        assert_eq!(sound("fffb9064"), 0b1111); // 44.1 kHz, stereo
        assert_eq!(sound("fffb54c4"), 0b1110); // 48 kHz, mono
        assert_eq!(sound("fffb9864"), 0b1011); // 32 kHz, stereo
        assert_eq!(sound("fff38064"), 0b1011); // 22.05 kHz, stereo
        assert_eq!(sound("ffe318c4"), 0b0010); // 8 kHz, mono
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_reason() {
        let refusal = |hex| Header::parse(&unhex(hex)).unwrap_err().to_string();
        assert_eq!(refusal("fffb90"), "MP3 configuration is truncated");
        assert_eq!(refusal("49443304"), "MP3 configuration: there is no MPEG audio sync word");
        assert_eq!(refusal("ffeb9064"), "MP3 configuration: a reserved version of MPEG audio");
        assert_eq!(refusal("fff99064"), "MP3 configuration: a reserved layer of MPEG audio");
        assert_eq!(refusal("fffb0064"), "MP3 configuration: free format is not supported");
        assert_eq!(refusal("fffbf064"), "MP3 configuration: a reserved bit rate");
        assert_eq!(refusal("fffb9c64"), "MP3 configuration: a reserved sample rate");
    }

    #[test]
    fn every_header_that_is_read_has_a_frame_longer_than_itself() {
        for word in 0..=u16::MAX {
            let [kind, rates] = word.to_be_bytes();
            if let Ok(header) = Header::parse(&[0xff, kind, rates, 0]) {
                assert!(header.frame_bytes > 4, "{header:?}");
            }
        }
    }

    #[test]
    fn hostile_frames_never_panic() {
        never_panics(&[&unhex("fffb9064")], |bytes| {
            frame_params(bytes);
        });
    }
}
