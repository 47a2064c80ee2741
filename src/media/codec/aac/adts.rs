//! ADTS (ISO/IEC 14496-3, 1.A.2): the header before each AAC frame outside of containers, in MPEG transport
//! streams and in `.aac` files.

use super::{AacConfig, SAMPLE_RATES, object};
use crate::media::codec::CodecError;
use crate::media::codec::bits::Fault;
use crate::media::frame::Codec;

/// Length of a header without checksum, in bytes.
pub const ADTS_HEADER_BYTES: usize = 7;

/// Longest frame that the 13 bits of a header's length allow, header included, in bytes.
const ADTS_FRAME_BYTES_MAX: usize = 0x1fff;

/// The header for a frame of `payload_bytes`, without checksum.
///
/// `None` where ADTS cannot express it: object types but Main, LC, SSR and LTP, rates without an index,
/// channel configurations above 7, frames above 8184 bytes. Decoders find SBR and PS in the frames, since
/// ADTS knows the core only. With channel configuration 0, elements in the frames tell the channels, if at
/// all.
pub fn adts_header(config: &AacConfig, payload_bytes: usize) -> Option<[u8; ADTS_HEADER_BYTES]> {
    if !(object::MAIN..=4).contains(&config.object_type) || config.channel_config > 7 {
        return None;
    }
    let rate = SAMPLE_RATES.iter().position(|&rate| rate == config.core_sample_rate)? as u8;
    let bytes = payload_bytes.checked_add(ADTS_HEADER_BYTES).filter(|&sum| sum <= ADTS_FRAME_BYTES_MAX)?;
    let (profile, channels) = (config.object_type - 1, config.channel_config);
    Some([
        0xff,
        0xf1, // sync, MPEG-4, layer 0, no checksum
        profile << 6 | rate << 2 | channels >> 2,
        (channels & 3) << 6 | (bytes >> 11) as u8,
        (bytes >> 3 & 0xff) as u8,
        ((bytes & 7) << 5) as u8 | 0x1f, // buffer fullness 0x7ff: variable rate
        0xfc,                            // one raw data block
    ])
}

/// A parsed header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adts {
    /// Audio object type, 1 to 4: 2 for LC.
    pub object_type: u8,
    /// Sampling frequency index, 0 to 12.
    pub sample_rate_index: u8,
    /// `channel_configuration`, 0 to 7.
    pub channel_config: u8,
    /// Length of the header in bytes: 7, or 9 with a checksum.
    pub header_bytes: usize,
    /// Length of the frame with its header, in bytes; not less than that of the header.
    pub frame_bytes: usize,
    /// Number of AAC frames in it: 1 to 4, usually 1.
    pub blocks: u8,
}

impl Adts {
    /// Parses the header at the beginning of `bytes`.
    ///
    /// # Errors
    ///
    /// If there is no valid header.
    pub fn parse(bytes: &[u8]) -> Result<Adts, CodecError> {
        read_header(bytes).map_err(|fault| fault.of(Codec::Aac))
    }

    /// Sampling rate of the core, in Hz.
    pub fn sample_rate(&self) -> u32 {
        SAMPLE_RATES[usize::from(self.sample_rate_index)]
    }

    /// The equivalent AudioSpecificConfig.
    pub fn audio_specific_config(&self) -> [u8; 2] {
        let (object, rate, channels) = (self.object_type, self.sample_rate_index, self.channel_config);
        [object << 3 | rate >> 1, (rate & 1) << 7 | channels << 3]
    }
}

fn read_header(bytes: &[u8]) -> Result<Adts, Fault> {
    let [sync, flags, first, second, third, fourth, fifth, ..] = *bytes else {
        return Err(Fault::Truncated);
    };
    // Twelve bits of sync, then a bit for MPEG-2 or MPEG-4, and a layer that is always 0.
    if sync != 0xff || flags & 0xf6 != 0xf0 {
        return Err(Fault::Invalid("there is no ADTS sync word"));
    }
    let header_bytes = if flags & 1 == 1 { ADTS_HEADER_BYTES } else { ADTS_HEADER_BYTES + 2 };
    let sample_rate_index = first >> 2 & 0xf;
    if usize::from(sample_rate_index) >= SAMPLE_RATES.len() {
        return Err(Fault::Invalid("a reserved sample rate"));
    }
    let frame_bytes = usize::from(second & 3) << 11 | usize::from(third) << 3 | usize::from(fourth >> 5);
    if frame_bytes < header_bytes {
        return Err(Fault::Invalid("an ADTS frame is shorter than its header"));
    }
    Ok(Adts {
        object_type: (first >> 6) + 1,
        sample_rate_index,
        channel_config: (first & 1) << 2 | second >> 6,
        header_bytes,
        frame_bytes,
        blocks: (fifth & 3) + 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::codec::testing::{never_panics, pack, unhex};
    use proptest::prelude::*;

    /// The first header of a file by ffmpeg: LC, 44.1 kHz, stereo, 345 bytes in all.
    const BY_FFMPEG: &str = "fff150802b3ffc";

    #[test]
    fn the_header_is_the_one_that_ffmpeg_writes() {
        let config = AacConfig::parse(&unhex("121056e500")).unwrap();
        assert_eq!(adts_header(&config, 345 - 7).unwrap().to_vec(), unhex(BY_FFMPEG));
    }

    #[test]
    fn a_header_of_a_real_file_is_understood() {
        let adts = Adts::parse(&unhex(BY_FFMPEG)).unwrap();
        let expected = Adts {
            object_type: 2,
            sample_rate_index: 4,
            channel_config: 2,
            header_bytes: 7,
            frame_bytes: 345,
            blocks: 1,
        };
        assert_eq!(adts, expected);
        assert_eq!(adts.sample_rate(), 44_100);
        assert_eq!(adts.audio_specific_config(), [0x12, 0x10]);
    }

    #[test]
    fn high_efficiency_goes_as_its_core() {
        let he_v2 = AacConfig::parse(&pack("11101 0111 0001 0100 00010 000")).unwrap();
        let adts = Adts::parse(&adts_header(&he_v2, 100).unwrap()).unwrap();
        assert_eq!((adts.object_type, adts.sample_rate(), adts.channel_config), (2, 22_050, 1));
    }

    #[test]
    fn what_adts_cannot_say_has_no_header() {
        let lc = AacConfig::parse(&[0x12, 0x10]).unwrap();
        assert!(adts_header(&lc, 8184).is_some());
        assert_eq!(adts_header(&lc, 8185), None);
        assert_eq!(adts_header(&lc, usize::MAX), None);
        assert_eq!(adts_header(&AacConfig { core_sample_rate: 44_000, ..lc }, 10), None);
        assert_eq!(adts_header(&AacConfig { object_type: 39, ..lc }, 10), None);
        assert_eq!(adts_header(&AacConfig { channel_config: 12, ..lc }, 10), None);
    }

    #[test]
    fn broken_headers_are_refused_with_a_reason() {
        let refusal = |hex: &str| Adts::parse(&unhex(hex)).unwrap_err().to_string();
        assert_eq!(refusal("fff150802b3f"), "AAC configuration is truncated");
        assert_eq!(refusal("fffb50802b3ffc"), "AAC configuration: there is no ADTS sync word");
        assert_eq!(refusal("fff174802b3ffc"), "AAC configuration: a reserved sample rate");
        assert_eq!(refusal("fff05080011ffc"), "AAC configuration: an ADTS frame is shorter than its header");
    }

    #[test]
    fn hostile_headers_never_panic() {
        never_panics(&[&unhex(BY_FFMPEG)], |bytes| {
            if let Ok(adts) = Adts::parse(bytes) {
                AacConfig::parse(&adts.audio_specific_config()).ok();
            }
        });
    }

    proptest! {
        #[test]
        fn a_header_that_is_written_is_read_again(
            object in 1u8..=4, rate in 0u8..13, channels in 0u8..=7, bytes in 0usize..=8184,
        ) {
            let config = AacConfig {
                object_type: object,
                core_sample_rate: SAMPLE_RATES[usize::from(rate)],
                channel_config: channels,
                ..AacConfig::parse(&[0x12, 0x10]).unwrap()
            };
            let expected = Adts {
                object_type: object,
                sample_rate_index: rate,
                channel_config: channels,
                header_bytes: 7,
                frame_bytes: bytes + 7,
                blocks: 1,
            };
            prop_assert_eq!(Adts::parse(&adts_header(&config, bytes).unwrap()), Ok(expected));
        }
    }
}
