//! The sequence parameter set of H.264 (7.3.2.1.1): size, rate, profile and level of the pictures.
//!
//! Parsed up to the timing in the VUI. A VUI that cannot be parsed costs the frame rate only: the size is
//! known by then, and hardware encoders often write it wrongly.

use crate::media::codec::bits::{Bits, Fault, unescape};
use crate::media::codec::{CodecError, fps_milli, side};
use crate::media::frame::Codec;

/// A parsed sequence parameter set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sps {
    /// `profile_idc`: 66 Baseline, 77 Main, 100 High, ...
    pub profile_idc: u8,
    /// `constraint_set0_flag` to `constraint_set5_flag` from the highest bit down.
    pub constraints: u8,
    /// `level_idc`: ten times the level, with exceptions for 1b.
    pub level_idc: u8,
    /// 0 monochrome, 1 4:2:0, 2 4:2:2, 3 4:4:4.
    pub chroma_format_idc: u8,
    /// Bits of a luma sample: 8 to 14.
    pub bit_depth_luma: u8,
    /// Bits of a chroma sample: 8 to 14.
    pub bit_depth_chroma: u8,
    /// Width in pixels after cropping.
    pub width: u32,
    /// Height in pixels after cropping, of a frame, not of a field.
    pub height: u32,
    /// True if some pictures may be fields.
    pub interlaced: bool,
    /// Frames per 1000 seconds, if the timing tells.
    pub fps_milli: Option<u32>,
}

impl Sps {
    /// Parses a NAL unit with its header byte.
    ///
    /// # Errors
    ///
    /// If it is malformed.
    pub fn parse(nal: &[u8]) -> Result<Sps, CodecError> {
        read_sps(nal).map_err(|fault| fault.of(Codec::H264))
    }

    fn constraint(&self, set: u8) -> bool {
        self.constraints & (0x80 >> set) != 0
    }

    /// Name of the profile in Annex A.
    pub fn profile_name(&self) -> &'static str {
        match self.profile_idc {
            44 => "CAVLC 4:4:4 Intra",
            66 if self.constraint(1) => "Constrained Baseline",
            66 => "Baseline",
            77 => "Main",
            83 => "Scalable Baseline",
            86 => "Scalable High",
            88 => "Extended",
            100 => "High",
            110 if self.constraint(3) => "High 10 Intra",
            110 => "High 10",
            118 => "Multiview High",
            122 if self.constraint(3) => "High 4:2:2 Intra",
            122 => "High 4:2:2",
            128 => "Stereo High",
            244 if self.constraint(3) => "High 4:4:4 Intra",
            244 => "High 4:4:4 Predictive",
            _ => "unknown",
        }
    }

    /// The level as text. Level 1b is 9, or 11 with `constraint_set3_flag` in the profiles that are older
    /// than it (A.3.1).
    pub fn level_name(&self) -> String {
        let old = matches!(self.profile_idc, 66 | 77 | 88);
        match self.level_idc {
            9 => "1b".to_owned(),
            11 if old && self.constraint(3) => "1b".to_owned(),
            idc => format!("{}.{}", idc / 10, idc % 10),
        }
    }

    /// `avc1.` and the three bytes after the NAL header in hexadecimal (RFC 6381, 3.3).
    pub fn rfc6381(&self) -> String {
        format!("avc1.{:02x}{:02x}{:02x}", self.profile_idc, self.constraints, self.level_idc)
    }
}

/// True for profiles whose parameter sets tell the chroma format (7.3.2.1.1).
fn tells_chroma(profile_idc: u8) -> bool {
    matches!(profile_idc, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135)
}

fn read_sps(nal: &[u8]) -> Result<Sps, Fault> {
    let raw = unescape(nal.get(1..).ok_or(Fault::Truncated)?);
    let bits = &mut Bits::new(&raw);
    let (profile_idc, constraints, level_idc) = (bits.u8(8)?, bits.u8(8)?, bits.u8(8)?);
    bits.ue_max(31, "a parameter set id is above 31")?;
    let chroma = if tells_chroma(profile_idc) { read_chroma(bits)? } else { Chroma::default() };
    bits.ue_max(12, "log2_max_frame_num is above 16")?;
    skip_picture_order(bits)?;
    bits.ue_max(16, "more than 16 reference frames")?;
    bits.skip(1)?; // gaps_in_frame_num_value_allowed_flag
    let (width, height, interlaced) = read_size(bits, chroma.format_idc)?;
    Ok(Sps {
        profile_idc,
        constraints,
        level_idc,
        chroma_format_idc: chroma.format_idc,
        bit_depth_luma: chroma.bit_depth_luma,
        bit_depth_chroma: chroma.bit_depth_chroma,
        width,
        height,
        interlaced,
        fps_milli: read_fps(bits).unwrap_or(None),
    })
}

struct Chroma {
    format_idc: u8,
    bit_depth_luma: u8,
    bit_depth_chroma: u8,
}

impl Default for Chroma {
    /// 4:2:0 with 8 bits: the default (7.4.2.1.1).
    fn default() -> Chroma {
        Chroma { format_idc: 1, bit_depth_luma: 8, bit_depth_chroma: 8 }
    }
}

fn read_chroma(bits: &mut Bits<'_>) -> Result<Chroma, Fault> {
    let format_idc = bits.ue_max(3, "chroma_format_idc is above 3")? as u8;
    if format_idc == 3 {
        bits.skip(1)?; // separate_colour_plane_flag
    }
    let bit_depth_luma = 8 + bits.ue_max(6, "more than 14 bits of luma")? as u8;
    let bit_depth_chroma = 8 + bits.ue_max(6, "more than 14 bits of chroma")? as u8;
    bits.skip(1)?; // qpprime_y_zero_transform_bypass_flag
    if bits.flag()? {
        let lists = if format_idc == 3 { 12 } else { 8 };
        for list in 0..lists {
            if bits.flag()? {
                skip_scaling_list(bits, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Ok(Chroma { format_idc, bit_depth_luma, bit_depth_chroma })
}

/// A list ends early where the next scale becomes 0 (7.3.2.1.1.1).
fn skip_scaling_list(bits: &mut Bits<'_>, size: usize) -> Result<(), Fault> {
    let mut scale = 8;
    for _ in 0..size {
        let delta = bits.se()?;
        if !(-128..=127).contains(&delta) {
            return Err(Fault::Invalid("a scaling list delta is beyond a byte"));
        }
        scale = (scale + delta) & 0xff;
        if scale == 0 {
            break;
        }
    }
    Ok(())
}

fn skip_picture_order(bits: &mut Bits<'_>) -> Result<(), Fault> {
    match bits.ue_max(2, "pic_order_cnt_type is above 2")? {
        0 => {
            bits.ue_max(12, "log2_max_pic_order_cnt_lsb is above 16")?;
        }
        1 => {
            bits.skip(1)?; // delta_pic_order_always_zero_flag
            bits.se()?;
            bits.se()?;
            for _ in 0..bits.ue_max(255, "more than 255 reference frames in a cycle")? {
                bits.se()?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Width and height after cropping (7-13 to 7-22), and whether there may be fields.
fn read_size(bits: &mut Bits<'_>, chroma_format_idc: u8) -> Result<(u32, u32, bool), Fault> {
    let width_mbs = u64::from(bits.ue()?) + 1;
    let height_units = u64::from(bits.ue()?) + 1;
    let frames_only = bits.flag()?;
    if !frames_only {
        bits.skip(1)?; // mb_adaptive_frame_field_flag
    }
    bits.skip(1)?; // direct_8x8_inference_flag
    // In a stream with fields, heights are those of a field.
    let fields = if frames_only { 1 } else { 2 };
    // Planes of 4:4:4 that are coded separately are cropped like monochrome pictures, in whole pixels too.
    let (unit_x, unit_y) = match chroma_format_idc {
        1 => (2, 2 * fields),
        2 => (2, fields),
        _ => (1, fields),
    };
    let (mut crop_x, mut crop_y) = (0, 0);
    if bits.flag()? {
        crop_x = unit_x * (u64::from(bits.ue()?) + u64::from(bits.ue()?));
        crop_y = unit_y * (u64::from(bits.ue()?) + u64::from(bits.ue()?));
    }
    let width = side(width_mbs * 16, crop_x)?;
    let height = side(height_units * 16 * fields, crop_y)?;
    Ok((width, height, !frames_only))
}

/// The frame rate from the VUI (E.1.1), if it is there and tells.
fn read_fps(bits: &mut Bits<'_>) -> Result<Option<u32>, Fault> {
    if !bits.flag()? {
        return Ok(None);
    }
    const EXTENDED_SAR: u32 = 255;
    if bits.flag()? && bits.u(8)? == EXTENDED_SAR {
        bits.skip(32)?;
    }
    if bits.flag()? {
        bits.skip(1)?; // overscan_appropriate_flag
    }
    if bits.flag()? {
        bits.skip(4)?; // video_format, video_full_range_flag
        if bits.flag()? {
            bits.skip(24)?; // colour description
        }
    }
    if bits.flag()? {
        bits.ue()?; // chroma_sample_loc_type_top_field
        bits.ue()?; // chroma_sample_loc_type_bottom_field
    }
    if !bits.flag()? {
        return Ok(None);
    }
    let tick = bits.u(32)?;
    let scale = bits.u(32)?;
    // A tick is the duration of a field, of which a frame has two (E.2.1).
    Ok(fps_milli(scale, 2 * u64::from(tick)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::codec::testing::{escape, never_panics, pack, unhex};

    /// NAL unit, size, frames per thousand seconds, profile, level, codec string.
    type Case = (&'static str, (u32, u32), u32, &'static str, &'static str, &'static str);

    /// Sequence parameter sets by x264, and what ffprobe says about their streams.
    #[rustfmt::skip]
    const BY_X264: [Case; 12] = [
        ("67640028acd940780227e5c044000003000400000300c83c60c658",
            (1920, 1080), 25_000, "High", "4.0", "avc1.640028"),
        // Interlaced: MBAFF, height counted in fields.
        ("67640028acd94078044fde0220000003002000000643e2c5b2c0",
            (1920, 1080), 25_000, "High", "4.0", "avc1.640028"),
        ("6764001eacd940a461cd1180880000030008000003019078b16cb0",
            (646, 356), 25_000, "High", "3.0", "avc1.64001e"),
        ("6742d00bda05067e7c04400000fa40003a9803c489a8",
            (320, 180), 29_970, "Constrained Baseline", "1b", "avc1.42d00b"),
        ("674d4015eca0a8cf11360220000003002000000c81e2c5b2c0",
            (322, 182), 50_000, "Main", "2.1", "avc1.4d4015"),
        ("677a001ebcd940a42fe227c044000003000400000300c03c58b658",
            (642, 362), 24_000, "High 4:2:2", "3.0", "avc1.7a001e"),
        ("677a101eb6cb81405ff1380880000003008000001902",
            (640, 360), 25_000, "High 4:2:2 Intra", "3.0", "avc1.7a101e"),
        ("67f4001e919b281485fc211180880000030008000003018078b16cb0",
            (641, 361), 24_000, "High 4:4:4 Predictive", "3.0", "avc1.f4001e"),
        ("6764001ef3650290bf8422b016c80000030008000003018078b16cb0",
            (641, 359), 24_000, "High", "3.0", "avc1.64001e"),
        ("676e001fa6cd940a02ff97011000003e90001d4c00f1831960",
            (640, 360), 59_940, "High 10", "3.1", "avc1.6e001f"),
        // With HRD, aspect ratio, overscan and colours in the VUI.
        ("6764001eacb201405ff2e1d4a0202034a000000300200000079c08001e848003d09c98600f162e48",
            (640, 360), 30_000, "High", "3.0", "avc1.64001e"),
        // With an aspect ratio that is written out.
        (
            "6764001eacd940b4126ffc010000b440000003004000000c83c58b6580",
            (720, 576),
            25_000,
            "High",
            "3.0",
            "avc1.64001e",
        ),
    ];

    #[test]
    fn parameter_sets_of_a_real_encoder_are_understood() {
        for (hex, size, fps, profile, level, rfc6381) in BY_X264 {
            let sps = Sps::parse(&unhex(hex)).unwrap();
            assert_eq!((sps.width, sps.height), size, "{hex}");
            assert_eq!(sps.fps_milli, Some(fps), "{hex}");
            assert_eq!(sps.profile_name(), profile, "{hex}");
            assert_eq!(sps.level_name(), level, "{hex}");
            assert_eq!(sps.rfc6381(), rfc6381);
        }
    }

    #[test]
    fn chroma_and_depth_are_told() {
        let chroma = |case: usize| {
            let sps = Sps::parse(&unhex(BY_X264[case].0)).unwrap();
            (sps.chroma_format_idc, sps.bit_depth_luma, sps.bit_depth_chroma, sps.interlaced)
        };
        assert_eq!(chroma(0), (1, 8, 8, false));
        assert_eq!(chroma(1), (1, 8, 8, true));
        assert_eq!(chroma(3), (1, 8, 8, false));
        assert_eq!(chroma(6), (2, 10, 10, false));
        assert_eq!(chroma(7), (3, 8, 8, false));
        assert_eq!(chroma(8), (0, 8, 8, false));
        assert_eq!(chroma(9), (1, 10, 10, false));
    }

    /// A set of the Baseline profile with the given bits for order, size and what comes after.
    fn baseline(bits: &str) -> Result<Sps, CodecError> {
        let raw = pack(&format!("01100111 01000010 00000000 00011110 1 1 {bits}"));
        Sps::parse(&escape(&raw))
    }

    #[test]
    fn picture_order_of_type_1_is_read_over() {
        // Two reference frames in a cycle; 2 x 2 macroblocks without cropping and VUI.
        let sps = baseline("010 0 1 1 011 1 1  1 0  010 010 1 1 0 0 1").unwrap();
        assert_eq!((sps.width, sps.height, sps.fps_milli), (32, 32, None));
        assert_eq!((sps.profile_name(), sps.level_name().as_str()), ("Baseline", "3.0"));
    }

    #[test]
    fn scaling_lists_are_read_over() {
        let ones = |count| "1".repeat(count);
        // The first list ends at once, the second and the last but one are whole, the others are absent.
        let lists = format!("1 000010001  1 {}  0 0 0 0  1 {}  0", ones(16), ones(64));
        let head = "01100111 01100100 00000000 00011110 1  010 1 1 0";
        let raw = pack(&format!("{head} 1 {lists}  1 011 1 0  010 010 1 1 0 0 1"));
        let sps = Sps::parse(&escape(&raw)).unwrap();
        assert_eq!((sps.width, sps.height), (32, 32));
    }

    #[test]
    fn absurd_values_are_refused_with_a_reason() {
        let refusal = |bits: &str| baseline(bits).unwrap_err().to_string();
        // 1025 macroblocks wide: an Exp-Golomb code of 1024.
        assert_eq!(
            refusal("011 1 0  00000000001 0000000001 010 1 1 0 0 1"),
            "H264 configuration: the picture is larger than 16384 pixels"
        );
        // 32 x 32 pixels, 16 x 2 of them cropped on the left and nothing else.
        assert_eq!(
            refusal("011 1 0  010 010 1 1 1 000010001 1 1 1 0 1"),
            "H264 configuration: nothing is left of the picture after cropping"
        );
        assert_eq!(refusal("00100 1 0"), "H264 configuration: pic_order_cnt_type is above 2");
        assert_eq!(refusal("011 000010010 0"), "H264 configuration: more than 16 reference frames");
    }

    #[test]
    fn a_clock_is_not_a_frame_rate() {
        // VUI with timing only: a tick of 1 and a scale of 180 000 field ticks per second.
        let vui = format!("1 0 0 0 0 1 {:032b} {:032b} 0", 1, 180_000);
        let sps = baseline(&format!("011 1 0  010 010 1 1 0 {vui}")).unwrap();
        assert_eq!(sps.fps_milli, None);
        let vui = format!("1 0 0 0 0 1 {:032b} {:032b} 0", 1001, 48_000);
        let sps = baseline(&format!("011 1 0  010 010 1 1 0 {vui}")).unwrap();
        assert_eq!(sps.fps_milli, Some(23_976));
        // A VUI that ends early costs the rate only.
        let sps = baseline("011 1 0  010 010 1 1 0 1 0 0 0 0 1 0000").unwrap();
        assert_eq!((sps.width, sps.fps_milli), (32, None));
    }

    #[test]
    fn level_1b_has_two_spellings() {
        let level = |profile_idc, constraints, level_idc| {
            let sps = Sps::parse(&unhex(BY_X264[0].0)).unwrap();
            Sps { profile_idc, constraints, level_idc, ..sps }.level_name()
        };
        assert_eq!(level(66, 0xd0, 11), "1b");
        assert_eq!(level(66, 0xc0, 11), "1.1");
        assert_eq!(level(100, 0x10, 11), "1.1");
        assert_eq!(level(100, 0, 9), "1b");
    }

    #[test]
    fn hostile_sets_never_panic() {
        let seeds = BY_X264.map(|case| unhex(case.0));
        let seeds: Vec<&[u8]> = seeds.iter().map(Vec::as_slice).collect();
        never_panics(&seeds, |bytes| {
            if let Ok(sps) = Sps::parse(bytes) {
                assert!((1..=16_384).contains(&sps.width) && (1..=16_384).contains(&sps.height));
                sps.level_name();
            }
        });
    }
}
