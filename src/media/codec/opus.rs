//! Opus: the identification header (RFC 7845, 5.1) and the duration of packets.
//!
//! In: an OpusHead, or packets. Out: [`OpusHead`], and samples per packet. A decoder's output always has 48
//! 000 samples per second.

use super::bits::Fault;
use super::{AudioParams, CodecError};
use crate::media::frame::Codec;

/// Sampling rate of a decoder's output, in Hz.
pub const SAMPLE_RATE: u32 = 48_000;

/// Longest duration of a packet, in samples: 120 ms (RFC 6716, 3.2.5).
pub const PACKET_SAMPLES_MAX: u32 = 5_760;

/// A parsed identification header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpusHead<'a> {
    /// Channels of the output.
    pub channels: u8,
    /// Pre-skip: samples at the beginning that a decoder discards.
    pub pre_skip: u16,
    /// Sampling rate of the input, in Hz; 0 if unknown.
    pub input_sample_rate: u32,
    /// Gain to apply, in 1/256 dB.
    pub output_gain: i16,
    /// Mapping family: 0 for mono and stereo; otherwise `mapping` assigns streams to channels.
    pub mapping_family: u8,
    /// Stream count, count of coupled streams, then one byte per channel; empty with family 0.
    pub mapping: &'a [u8],
}

impl<'a> OpusHead<'a> {
    /// Parses a header.
    ///
    /// # Errors
    ///
    /// If it is malformed.
    pub fn parse(config: &'a [u8]) -> Result<OpusHead<'a>, CodecError> {
        read_head(config).map_err(|fault| fault.of(Codec::Opus))
    }
}

fn read_head(config: &[u8]) -> Result<OpusHead<'_>, Fault> {
    let Some(head) = config.strip_prefix(b"OpusHead") else {
        let started = b"OpusHead".starts_with(config);
        return Err(if started { Fault::Truncated } else { Fault::Invalid("there is no OpusHead") });
    };
    let [
        version,
        channels,
        skip_0,
        skip_1,
        rate_0,
        rate_1,
        rate_2,
        rate_3,
        gain_0,
        gain_1,
        family,
        rest @ ..,
    ] = head
    else {
        return Err(Fault::Truncated);
    };
    // A change of the upper half of the version is incompatible.
    if version >> 4 != 0 {
        return Err(Fault::Invalid("the version is above 15"));
    }
    let mapping = match (*family, *channels) {
        (_, 0) => return Err(Fault::Invalid("there are no channels")),
        (0, 1 | 2) => &[],
        (0, _) => return Err(Fault::Invalid("more than two channels without a mapping")),
        (_, channels) => rest.get(..2 + usize::from(channels)).ok_or(Fault::Truncated)?,
    };
    Ok(OpusHead {
        channels: *channels,
        pre_skip: u16::from_le_bytes([*skip_0, *skip_1]),
        input_sample_rate: u32::from_le_bytes([*rate_0, *rate_1, *rate_2, *rate_3]),
        output_gain: i16::from_le_bytes([*gain_0, *gain_1]),
        mapping_family: *family,
        mapping,
    })
}

/// Parameters from a header. Packets differ in duration: see [`packet_samples`].
///
/// # Errors
///
/// If the header is malformed.
pub fn params(config: &[u8]) -> Result<AudioParams, CodecError> {
    let head = OpusHead::parse(config)?;
    Ok(AudioParams {
        sample_rate: SAMPLE_RATE,
        channels: head.channels,
        profile: String::new(),
        frame_samples: None,
        rfc6381: "opus".to_owned(),
    })
}

/// Samples per channel of a packet, at 48 kHz (RFC 6716, 3.1); `None` if it is malformed.
pub fn packet_samples(packet: &[u8]) -> Option<u32> {
    let (toc, rest) = packet.split_first()?;
    let frame = match toc >> 3 {
        config @ 0..12 => [480, 960, 1920, 2880][usize::from(config % 4)],
        config @ 12..16 => [480, 960][usize::from(config % 2)],
        config => [120, 240, 480, 960][usize::from(config % 4)],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(rest.first()? & 0x3f),
    };
    Some(frame * frames).filter(|samples| (1..=PACKET_SAMPLES_MAX).contains(samples))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::codec::testing::{never_panics, unhex};

    const STEREO: &str = "4f707573486561640102380180bb0000000000";
    const SURROUND: &str = "4f707573486561640106380180bb00000000010402000401020305";

    #[test]
    fn headers_of_a_real_encoder_are_understood() {
        let expected = OpusHead {
            channels: 2,
            pre_skip: 312,
            input_sample_rate: 48_000,
            output_gain: 0,
            mapping_family: 0,
            mapping: &[],
        };
        assert_eq!(OpusHead::parse(&unhex(STEREO)), Ok(expected));
        let surround = unhex(SURROUND);
        let head = OpusHead::parse(&surround).unwrap();
        assert_eq!((head.channels, head.mapping_family), (6, 1));
        assert_eq!(head.mapping, [4, 2, 0, 4, 1, 2, 3, 5]);
        let sound = params(&surround).unwrap();
        assert_eq!((sound.sample_rate, sound.channels, sound.rfc6381.as_str()), (48_000, 6, "opus"));
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_reason() {
        let refusal = |hex: &str| params(&unhex(hex)).unwrap_err().to_string();
        for length in (0..STEREO.len()).step_by(2) {
            assert_eq!(refusal(&STEREO[..length]), "Opus configuration is truncated", "{length}");
        }
        assert_eq!(refusal(&SURROUND[..52]), "Opus configuration is truncated");
        assert_eq!(refusal("1210"), "Opus configuration: there is no OpusHead");
        assert_eq!(
            refusal(&STEREO.replace("640102", "641002")),
            "Opus configuration: the version is above 15"
        );
        assert_eq!(refusal(&STEREO.replace("640102", "640100")), "Opus configuration: there are no channels");
        assert_eq!(
            refusal(&STEREO.replace("640102", "640103")),
            "Opus configuration: more than two channels without a mapping"
        );
    }

    #[test]
    fn packets_tell_how_long_they_play() {
        assert_eq!(packet_samples(&[0xfc, 0xff, 0xfe]), Some(960)); // CELT, one frame of 20 ms
        assert_eq!(packet_samples(&[0x18]), Some(2880)); // SILK, one frame of 60 ms
        assert_eq!(packet_samples(&[0x69, 0]), Some(1920)); // hybrid, two frames of 20 ms
        assert_eq!(packet_samples(&[0xe3, 0x03]), Some(360)); // CELT, three frames of 2.5 ms
        assert_eq!(packet_samples(&[0xfb, 0x07]), None); // 140 ms
        assert_eq!(packet_samples(&[0xfb, 0x00]), None);
        assert_eq!(packet_samples(&[0xfb]), None);
        assert_eq!(packet_samples(&[]), None);
    }

    #[test]
    fn hostile_headers_never_panic() {
        never_panics(&[&unhex(STEREO), &unhex(SURROUND)], |bytes| {
            let _ = params(bytes);
            packet_samples(bytes);
        });
    }
}
