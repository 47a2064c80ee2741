//! Profile, tier and level of H.265 (7.3.3), and their names.

use crate::media::codec::bits::{Bits, Fault};

/// The general part of a `profile_tier_level` structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProfileTierLevel {
    /// `general_profile_space`: 0 in every known stream.
    pub space: u8,
    /// True for the High tier.
    pub high_tier: bool,
    /// `general_profile_idc`: 1 Main, 2 Main 10, 4 range extensions, ...
    pub profile_idc: u8,
    /// `general_profile_compatibility_flag[0]` in the highest bit, `[31]` in the lowest.
    pub compatibility: u32,
    /// The 48 bits of source and constraint flags, as bytes.
    pub constraints: [u8; 6],
    /// `general_level_idc`: thirty times the level.
    pub level_idc: u8,
}

impl ProfileTierLevel {
    /// Parses the structure, sub-layers included, of which there are `max_sub_layers_minus1` below the
    /// highest.
    ///
    /// # Errors
    ///
    /// If the bytes end too early.
    pub(super) fn read(bits: &mut Bits<'_>, max_sub_layers_minus1: u32) -> Result<Self, Fault> {
        let space = bits.u8(2)?;
        let high_tier = bits.flag()?;
        let profile_idc = bits.u8(5)?;
        let compatibility = bits.u(32)?;
        let mut constraints = [0; 6];
        for byte in &mut constraints {
            *byte = bits.u8(8)?;
        }
        let level_idc = bits.u8(8)?;
        skip_sub_layers(bits, max_sub_layers_minus1)?;
        Ok(ProfileTierLevel { space, high_tier, profile_idc, compatibility, constraints, level_idc })
    }

    /// Name of the profile in Annex A.
    pub fn name(&self) -> String {
        let name = match self.profile_idc {
            1 => "Main",
            2 => "Main 10",
            3 => "Main Still Picture",
            4 => return self.range_extension_name(),
            5 => "High Throughput",
            6 => "Multiview Main",
            7 => "Scalable Main",
            8 => "3D Main",
            9 => "Screen-Extended",
            10 => "Scalable Range Extensions",
            11 => "High Throughput Screen-Extended",
            _ => "unknown",
        };
        name.to_owned()
    }

    /// Range extensions are told apart by their constraint flags (table A.2).
    fn range_extension_name(&self) -> String {
        // After progressive_source, interlaced_source, non_packed and frame_only come max_12bit,
        // max_10bit, max_8bit, max_422chroma | max_420chroma, max_monochrome, intra, ...
        let [first, second, ..] = self.constraints;
        let chroma = match (first & 0x01, second & 0x80, second & 0x40) {
            (_, _, 0x40) => "Monochrome",
            (_, 0x80, _) => "Main",
            (0x01, _, _) => "Main 4:2:2",
            _ => "Main 4:4:4",
        };
        let depth = match (first & 0x08, first & 0x04, first & 0x02) {
            (_, _, 0x02) => "",
            (_, 0x04, _) => " 10",
            (0x08, _, _) => " 12",
            _ => " 16",
        };
        let intra = if second & 0x20 != 0 { " Intra" } else { "" };
        format!("{chroma}{depth}{intra}")
    }

    /// The level as text: `3.1`.
    pub fn level_name(&self) -> String {
        format!("{}.{}", self.level_idc / 30, self.level_idc % 30 / 3)
    }

    /// The codec string of ISO/IEC 14496-15, annex E.3: space and profile, compatibility flags in reverse
    /// order, tier and level, then the constraint bytes without the zeros at their end.
    pub fn rfc6381(&self) -> String {
        let space = ["", "A", "B", "C"][usize::from(self.space & 3)];
        let tier = if self.high_tier { 'H' } else { 'L' };
        let mut name = format!(
            "hvc1.{space}{}.{:X}.{tier}{}",
            self.profile_idc,
            self.compatibility.reverse_bits(),
            self.level_idc
        );
        let used = self.constraints.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        for byte in &self.constraints[..used] {
            name.push_str(&format!(".{byte:X}"));
        }
        name
    }
}

/// Skips the sub-layers: flags for profile and level of each, then 88 bits and 8 bits.
fn skip_sub_layers(bits: &mut Bits<'_>, max_sub_layers_minus1: u32) -> Result<(), Fault> {
    if max_sub_layers_minus1 == 0 {
        return Ok(());
    }
    // The flags are padded to eight sub-layers, two bits each.
    let flags = bits.u(16)?;
    for layer in 0..max_sub_layers_minus1 {
        let of_layer = flags >> (14 - 2 * layer);
        bits.skip(if of_layer & 2 != 0 { 88 } else { 0 })?;
        bits.skip(if of_layer & 1 != 0 { 8 } else { 0 })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIN: ProfileTierLevel = ProfileTierLevel {
        space: 0,
        high_tier: false,
        profile_idc: 1,
        compatibility: 0x6000_0000,
        constraints: [0xb0, 0, 0, 0, 0, 0],
        level_idc: 93,
    };

    #[test]
    fn the_codec_string_leaves_zeros_out_at_its_end_only() {
        assert_eq!(MAIN.rfc6381(), "hvc1.1.6.L93.B0");
        let none = ProfileTierLevel { constraints: [0; 6], ..MAIN };
        assert_eq!(none.rfc6381(), "hvc1.1.6.L93");
        let last = ProfileTierLevel {
            space: 1,
            high_tier: true,
            profile_idc: 4,
            compatibility: 0x0800_0000,
            constraints: [0x9d, 8, 0, 0, 0, 1],
            level_idc: 153,
        };
        assert_eq!(last.rfc6381(), "hvc1.A4.10.H153.9D.8.0.0.0.1");
    }

    #[test]
    fn levels_are_thirtieths() {
        let level = |level_idc| ProfileTierLevel { level_idc, ..MAIN }.level_name();
        assert_eq!(
            [30, 63, 93, 120, 123, 153, 186].map(level),
            ["1.0", "2.1", "3.1", "4.0", "4.1", "5.1", "6.2"]
        );
    }

    #[test]
    fn sub_layers_are_left_out_by_their_flags() {
        let mut bytes = vec![0x21, 0x60, 0, 0, 0, 0xb0, 0, 0, 0, 0, 0, 93];
        // Two sub-layers below the highest: the first with both, the second with a level.
        bytes.extend([0b1101_0000, 0]);
        bytes.extend([0xee; 11 + 1 + 1]);
        bytes.push(0x5a);
        let mut bits = Bits::new(&bytes);
        let read = ProfileTierLevel::read(&mut bits, 2).unwrap();
        assert_eq!(read, ProfileTierLevel { high_tier: true, ..MAIN });
        assert_eq!(bits.u(8), Ok(0x5a));
    }
}
