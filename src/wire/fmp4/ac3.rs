//! What MP4 wants to know about AC-3 and E-AC-3, which have no configuration of their own: it is read from
//! the head of a sync frame (ETSI TS 102 366, 4.3, E.1.2 and annex F).
//!
//! In: a frame as a peer sent it. Out: the content of `dac3` or `dec3`, or `None` if it is no sync frame.

use crate::media::codec::bits::{Bits, Fault};

/// The content of an AC-3 track's `dac3` (annex F.4).
pub fn dac3(frame: &[u8]) -> Option<[u8; 3]> {
    read_ac3(frame).ok()
}

/// The content of an E-AC-3 track's `dec3` (annex F.6), for one independent substream.
pub fn dec3(frame: &[u8]) -> Option<[u8; 5]> {
    read_eac3(frame).ok()
}

const SYNC_WORD: u32 = 0x0b77;

fn read_ac3(frame: &[u8]) -> Result<[u8; 3], Fault> {
    let mut bits = Bits::new(frame);
    if bits.u(16)? != SYNC_WORD {
        return Err(Fault::Invalid("not a sync frame"));
    }
    bits.skip(16)?;
    let (rate, size) = (bits.u(2)?, bits.u(6)?);
    let (stream, mode, channels) = (bits.u(5)?, bits.u(3)?, bits.u(3)?);
    if rate == 3 || stream > 10 {
        return Err(Fault::Invalid("a reserved rate or another bit stream version"));
    }
    // Mix levels stand before the flag of the low-frequency channel, as far as the channels have any.
    let centre = channels & 1 == 1 && channels != 1;
    let surround = channels & 4 != 0;
    bits.skip(2 * (usize::from(centre) + usize::from(surround) + usize::from(channels == 2)))?;
    let low = bits.u(1)?;
    let [_, a, b, c] =
        (rate << 22 | stream << 17 | mode << 14 | channels << 11 | low << 10 | (size >> 1) << 5)
            .to_be_bytes();
    Ok([a, b, c])
}

fn read_eac3(frame: &[u8]) -> Result<[u8; 5], Fault> {
    let mut bits = Bits::new(frame);
    if bits.u(16)? != SYNC_WORD {
        return Err(Fault::Invalid("not a sync frame"));
    }
    bits.skip(5)?;
    let (words, rate, half_or_blocks) = (bits.u(11)? + 1, bits.u(2)?, bits.u(2)?);
    let (channels, low, stream) = (bits.u(3)?, bits.u(1)?, bits.u(5)?);
    if !(11..=16).contains(&stream) {
        return Err(Fault::Invalid("another bit stream version"));
    }
    let (sample_rate, blocks) = match (rate, half_or_blocks) {
        (3, 3) => return Err(Fault::Invalid("a reserved rate")),
        (3, half) => ([24_000, 22_050, 16_000][half as usize], 6),
        (rate, blocks) => ([48_000, 44_100, 32_000][rate as usize], [1, 2, 3, 6][blocks as usize]),
    };
    let kbps = u64::from(words) * 16 * sample_rate / (blocks * 256 * 1000);
    // Data rate, number of independent substreams less one; then the substream: rate, version, reserved,
    // no associated service, main service, channels, low-frequency channel, reserved, no dependent
    // substreams, reserved.
    let head = kbps.min(0x1fff) << 3;
    let substream = u64::from(rate << 22 | stream << 17 | channels << 9 | low << 8);
    let [.., a, b, c, d, e] = (head << 24 | substream).to_be_bytes();
    Ok([a, b, c, d, e])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stereo_frame_tells_its_rate_and_channels() {
        // 48 kHz, frmsizecod 20 (192 kbit/s), bsid 8, main service, 2/0 with its two bits of surround mode.
        let frame = [0x0b, 0x77, 0x12, 0x34, 0x14, 0x40, 0x40, 0x00];
        // fscod 00, bsid 01000, bsmod 000, acmod 010, lfeon 0, bit_rate_code 01010, reserved.
        assert_eq!(dac3(&frame), Some([0b0001_0000, 0b0001_0001, 0b0100_0000]));
    }

    #[test]
    fn a_surround_frame_has_mix_levels_before_its_low_frequency_flag() {
        // 48 kHz, frmsizecod 30 (448 kbit/s), bsid 8, 3/2: centre and surround levels, then lfeon 1.
        let frame = [0x0b, 0x77, 0, 0, 0x1e, 0x40, 0b1110_1011, 0];
        assert_eq!(dac3(&frame), Some([0b0001_0000, 0b0011_1101, 0b1110_0000]));
    }

    #[test]
    fn an_enhanced_frame_tells_its_data_rate() {
        // Independent substream 0, 384 words (768 bytes), 48 kHz, six blocks, 2/0, no low, version 16.
        let frame = [0x0b, 0x77, 0x01, 0x7f, 0b0011_0100, 0x80];
        // 768 bytes in 32 ms are 192 kbit/s = 0x0c0.
        assert_eq!(dec3(&frame), Some([0x06, 0x00, 0b0010_0000, 0b0000_0100, 0]));
    }

    #[test]
    fn other_bytes_tell_nothing() {
        assert_eq!(dac3(&[]), None);
        assert_eq!(dac3(&[0x0b, 0x78, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(dec3(&[0x0b, 0x77, 0x01]), None);
        assert_eq!(dec3(&[0x0b, 0x77, 0x01, 0x7f, 0b0011_0100, 0x40]), None, "version 8 is plain AC-3");
    }
}
