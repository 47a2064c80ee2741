//! VPCodecConfigurationRecord (VP-ISOBMFF), the decoder configuration of VP8 and VP9.
//!
//! In: a record, with or without the version and flags of its box in a file: senders differ. Out: profile,
//! level and depth. The picture size is in keyframes only.

use super::bits::{Bits, Fault};
use super::{CodecError, VideoParams};
use crate::media::frame::Codec;

/// A parsed record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VpConfig {
    /// Profile, 0 to 3.
    pub profile: u8,
    /// Ten times the level; 0 if the encoder did not tell.
    pub level: u8,
    /// Bits per sample: 8, 10 or 12.
    pub bit_depth: u8,
    /// 0 and 1 4:2:0, 2 4:2:2, 3 4:4:4.
    pub chroma_subsampling: u8,
    /// True if samples use the whole range of their bits.
    pub full_range: bool,
    /// Colour primaries, transfer characteristics and matrix coefficients (ISO/IEC 23091-2).
    pub colour: [u8; 3],
}

impl VpConfig {
    /// Parses a record of `codec`, which is VP8 or VP9.
    ///
    /// # Errors
    ///
    /// If the record is malformed.
    pub fn parse(codec: Codec, config: &[u8]) -> Result<VpConfig, CodecError> {
        read_record(config).map_err(|fault| fault.of(codec))
    }
}

fn read_record(config: &[u8]) -> Result<VpConfig, Fault> {
    /// Version 1 and flags 0 of `vpcC`. As a record they would mean profile 1 and four zeros, which no stream
    /// has.
    const BOX_HEAD: [u8; 4] = [1, 0, 0, 0];
    let record = config.strip_prefix(&BOX_HEAD).unwrap_or(config);
    let bits = &mut Bits::new(record);
    let profile = bits.u8(8)?;
    if profile > 3 {
        return Err(Fault::Invalid("the profile is above 3"));
    }
    let level = bits.u8(8)?;
    let bit_depth = bits.u8(4)?;
    if !matches!(bit_depth, 8 | 10 | 12) {
        return Err(Fault::Invalid("the bit depth is neither 8, 10 nor 12"));
    }
    let chroma_subsampling = bits.u8(3)?;
    let full_range = bits.flag()?;
    let colour = [bits.u8(8)?, bits.u8(8)?, bits.u8(8)?];
    bits.skip(16)?; // codecInitializationDataSize, always 0
    Ok(VpConfig { profile, level, bit_depth, chroma_subsampling, full_range, colour })
}

/// Parameters from a record of `codec`, which is VP8 or VP9. The picture size is 0 x 0: keyframes tell it.
///
/// # Errors
///
/// If the record is malformed.
pub fn params(codec: Codec, config: &[u8]) -> Result<VideoParams, CodecError> {
    let VpConfig { profile, level, bit_depth, .. } = VpConfig::parse(codec, config)?;
    Ok(describe(codec, profile, level, bit_depth))
}

/// Parameters from the numbers that the codec string holds (VP-ISOBMFF, "Codecs Parameter String").
pub(super) fn describe(codec: Codec, profile: u8, level: u8, bit_depth: u8) -> VideoParams {
    let entry = if codec == Codec::Vp8 { "vp08" } else { "vp09" };
    VideoParams {
        profile: format!("Profile {profile}"),
        level: if level == 0 { String::new() } else { format!("{}.{}", level / 10, level % 10) },
        rfc6381: format!("{entry}.{profile:02}.{level:02}.{bit_depth:02}"),
        ..VideoParams::default()
    }
}

/// Ten times the lowest level of VP9 that allows a picture of this size, for streams that tell none.
pub(super) fn level_by_size(width: u32, height: u32) -> u8 {
    const LEVELS: [(u64, u8); 9] = [
        (36_864, 10),
        (73_728, 11),
        (122_880, 20),
        (245_760, 21),
        (552_960, 30),
        (983_040, 31),
        (2_228_224, 40),
        (8_912_896, 50),
        (35_651_584, 60),
    ];
    let pixels = u64::from(width) * u64::from(height);
    LEVELS.iter().find(|(most, _)| pixels <= *most).map_or(62, |&(_, level)| level)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::codec::testing::{never_panics, unhex};

    #[test]
    fn records_by_ffmpeg_are_understood_with_and_without_the_head_of_their_box() {
        let read = |hex| params(Codec::Vp9, &unhex(hex)).unwrap();
        let (profile_0, profile_1, profile_2) = (
            read("010000000015820202020000"),
            read("010000000115860202020000"),
            read("010000000215a20202020000"),
        );
        assert_eq!(read("0015820202020000"), profile_0);
        assert_eq!(profile_0.rfc6381, "vp09.00.21.08");
        assert_eq!(profile_0.level, "2.1");
        assert_eq!((profile_0.width, profile_0.height), (0, 0));
        assert_eq!(profile_1.rfc6381, "vp09.01.21.08");
        assert_eq!(profile_1.profile, "Profile 1");
        assert_eq!(profile_2.rfc6381, "vp09.02.21.10");
        let vp8 = params(Codec::Vp8, &unhex("000a800202020000")).unwrap();
        assert_eq!(vp8.rfc6381, "vp08.00.10.08");
    }

    #[test]
    fn colours_are_read() {
        let expected = VpConfig {
            profile: 2,
            level: 51,
            bit_depth: 10,
            chroma_subsampling: 1,
            full_range: true,
            colour: [9, 16, 9],
        };
        assert_eq!(VpConfig::parse(Codec::Vp9, &unhex("0233a30910090000")), Ok(expected));
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_reason() {
        let refusal = |hex| params(Codec::Vp9, &unhex(hex)).unwrap_err().to_string();
        assert_eq!(refusal("0415820202020000"), "VP9 configuration: the profile is above 3");
        assert_eq!(refusal("0015920202020000"), "VP9 configuration: the bit depth is neither 8, 10 nor 12");
        assert_eq!(refusal("00158202020200"), "VP9 configuration is truncated");
        assert_eq!(refusal("01000000"), "VP9 configuration is truncated");
    }

    #[test]
    fn levels_grow_with_the_picture() {
        assert_eq!(level_by_size(256, 144), 10);
        assert_eq!(level_by_size(642, 362), 21);
        assert_eq!(level_by_size(1920, 1080), 40);
        assert_eq!(level_by_size(3840, 2160), 50);
        assert_eq!(level_by_size(16_384, 16_384), 62);
    }

    #[test]
    fn hostile_records_never_panic() {
        never_panics(&[&unhex("010000000015820202020000"), &unhex("0233a30910090000")], |bytes| {
            let _ = params(Codec::Vp9, bytes);
        });
    }
}
