//! The number of channels of an AAC configuration.

use crate::media::codec::bits::{Bits, Fault};

/// Channels by `channelConfiguration` (table 1.19); `None` for 0, where an element tells them.
pub(super) fn channels(channel_config: u8) -> Result<Option<u8>, Fault> {
    match channel_config {
        0 => Ok(None),
        1..=6 => Ok(Some(channel_config)),
        7 | 12 | 14 => Ok(Some(8)),
        11 => Ok(Some(7)),
        13 => Ok(Some(24)),
        _ => Err(Fault::Invalid("a reserved channel configuration")),
    }
}

/// Channels of a `program_config_element` (4.4.1.1), read to its end.
pub(super) fn read_program_config(bits: &mut Bits<'_>) -> Result<u8, Fault> {
    bits.skip(4 + 2 + 4)?; // element_instance_tag, object_type, sampling_frequency_index
    let speakers = bits.u(4)? + bits.u(4)? + bits.u(4)?; // front, side, back
    let (low_frequency, data, coupling) = (bits.u(2)?, bits.u(3)?, bits.u(4)?);
    for mixdown_bits in [4, 4, 3] {
        if bits.flag()? {
            bits.skip(mixdown_bits)?;
        }
    }
    let mut channels = low_frequency;
    for _ in 0..speakers {
        let pair = bits.flag()?;
        channels += if pair { 2 } else { 1 };
        bits.skip(4)?; // element tag
    }
    bits.skip(4 * (low_frequency + data) as usize + 5 * coupling as usize)?;
    bits.align();
    let comment_bytes = bits.u(8)? as usize;
    bits.skip(8 * comment_bytes)?;
    if channels == 0 {
        return Err(Fault::Invalid("a program config element without channels"));
    }
    Ok(u8::try_from(channels).expect("45 elements have at most 90 channels, and there are 3 more"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::codec::testing::pack;

    #[test]
    fn pairs_count_twice() {
        // Front: one single, one pair; side: a pair; back: a single; one low frequency channel.
        let element = pack(
            "0000 01 0011  0010 0001 0001 01 001 0001  0 1 1111 0 \
             0 0000  1 0000  1 0001  0 0001  0000  1111  0 1111",
        );
        assert_eq!(read_program_config(&mut Bits::new(&element)), Err(Fault::Truncated));
        // After the alignment comes a comment of two bytes.
        let whole = [element, vec![2, b'o', b'k', 0x5a]].concat();
        let mut bits = Bits::new(&whole);
        assert_eq!(read_program_config(&mut bits), Ok(7));
        assert_eq!(bits.u(8), Ok(0x5a));
    }

    #[test]
    fn an_element_without_channels_is_refused() {
        let element = pack("0000 01 0011  0000 0000 0000 00 000 0000  0 0 0  00 0000 00000000");
        assert!(matches!(read_program_config(&mut Bits::new(&element)), Err(Fault::Invalid(_))));
    }
}
