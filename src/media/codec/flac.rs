//! FLAC: the STREAMINFO block (RFC 9639, 8.2).
//!
//! In: a configuration as encoders write it: with the `fLaC` marker, with the header of the metadata block
//! only, or the bare block. Out: [`StreamInfo`], and the 34 bytes of the block for muxers.

use super::bits::{Bits, Fault};
use super::{AudioParams, CodecError};
use crate::media::frame::Codec;

/// Length of a STREAMINFO block without its header.
pub const STREAMINFO_BYTES: usize = 34;

/// A parsed STREAMINFO block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamInfo {
    /// Fewest samples per frame and channel, but for the last frame.
    pub block_samples_min: u16,
    /// Most samples per frame and channel.
    pub block_samples_max: u16,
    /// Sampling rate, in Hz.
    pub sample_rate: u32,
    /// Channels, 1 to 8.
    pub channels: u8,
    /// Bits per sample, 4 to 32.
    pub sample_bits: u8,
}

impl StreamInfo {
    /// Parses a configuration.
    ///
    /// # Errors
    ///
    /// If it is malformed.
    pub fn parse(config: &[u8]) -> Result<StreamInfo, CodecError> {
        find_block(config).and_then(read_block).map_err(|fault| fault.of(Codec::Flac))
    }
}

/// The bare block of a configuration.
///
/// # Errors
///
/// If there is no such block.
pub fn streaminfo(config: &[u8]) -> Result<&[u8; STREAMINFO_BYTES], CodecError> {
    find_block(config).map_err(|fault| fault.of(Codec::Flac))
}

fn find_block(config: &[u8]) -> Result<&[u8; STREAMINFO_BYTES], Fault> {
    let blocks = config.strip_prefix(b"fLaC");
    let blocks = blocks.unwrap_or(config);
    // The header: last block or not (1 bit), type 0 (7 bits), length (24 bits).
    let has_header =
        matches!(*blocks, [0x00 | 0x80, 0, 0, length, ..] if usize::from(length) == STREAMINFO_BYTES);
    let block = if has_header { &blocks[4..] } else { blocks };
    block.first_chunk().ok_or(Fault::Truncated)
}

fn read_block(block: &[u8; STREAMINFO_BYTES]) -> Result<StreamInfo, Fault> {
    let bits = &mut Bits::new(block);
    let (block_samples_min, block_samples_max) = (bits.u(16)? as u16, bits.u(16)? as u16);
    if block_samples_min < 16 || block_samples_max < block_samples_min {
        return Err(Fault::Invalid("the block sizes are out of range"));
    }
    bits.skip(24 + 24)?; // frame sizes in bytes
    let sample_rate = bits.u(20)?;
    if sample_rate == 0 {
        return Err(Fault::Invalid("the sample rate is 0"));
    }
    let (channels, sample_bits) = (bits.u8(3)? + 1, bits.u8(5)? + 1);
    if sample_bits < 4 {
        return Err(Fault::Invalid("fewer than 4 bits per sample"));
    }
    Ok(StreamInfo { block_samples_min, block_samples_max, sample_rate, channels, sample_bits })
}

/// Parameters from a configuration.
///
/// # Errors
///
/// If the configuration is malformed.
pub fn params(config: &[u8]) -> Result<AudioParams, CodecError> {
    let info = StreamInfo::parse(config)?;
    let fixed = info.block_samples_min == info.block_samples_max;
    Ok(AudioParams {
        sample_rate: info.sample_rate,
        channels: info.channels,
        profile: String::new(),
        frame_samples: fixed.then_some(u32::from(info.block_samples_max)),
        rfc6381: "fLaC".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::codec::testing::{never_panics, unhex};

    /// By ffmpeg: a file's beginning, 44.1 kHz stereo.
    const FILE: &str = "664c614300000022120012000004070005\
                        0a0ac442f0000056228eb4f38c6d95c20efdc6beee632a277b";
    /// By ffmpeg: the `dfLa` box of an MP4 file without its version, 96 kHz 5.1.
    const BLOCK: &str = "8000002220002000\
                         0007910008a917700b700000bb80e4e315591a5c87f5e6a547c2cea35d6b";

    #[test]
    fn configurations_of_a_real_encoder_are_understood() {
        let expected = StreamInfo {
            block_samples_min: 4608,
            block_samples_max: 4608,
            sample_rate: 44_100,
            channels: 2,
            sample_bits: 16,
        };
        let file = unhex(FILE);
        for form in [&file[..], &file[4..], &file[8..]] {
            assert_eq!(StreamInfo::parse(form), Ok(expected));
            assert_eq!(streaminfo(form).unwrap()[..], file[8..]);
        }
        let sound = params(&unhex(BLOCK)).unwrap();
        assert_eq!((sound.sample_rate, sound.channels, sound.frame_samples), (96_000, 6, Some(8192)));
        assert_eq!(sound.rfc6381, "fLaC");
    }

    #[test]
    fn blocks_of_changing_length_have_no_frame_length() {
        let mut block = unhex(BLOCK);
        block[4] = 0x10;
        assert_eq!(params(&block).unwrap().frame_samples, None);
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_reason() {
        let refusal = |config: &[u8]| params(config).unwrap_err().to_string();
        let file = unhex(FILE);
        for length in 0..file.len() {
            assert_eq!(refusal(&file[..length]), "FLAC configuration is truncated", "{length}");
        }
        let changed = |at: usize, byte: u8| {
            let mut block = file[8..].to_vec();
            block[at] = byte;
            block
        };
        assert_eq!(refusal(&changed(2, 0x10)), "FLAC configuration: the block sizes are out of range");
        let mut silent = changed(10, 0);
        silent[11] = 0;
        silent[12] = 0x02;
        assert_eq!(refusal(&silent), "FLAC configuration: the sample rate is 0");
        let mut thin = changed(12, 0x42);
        thin[13] = 0x10;
        assert_eq!(refusal(&thin), "FLAC configuration: fewer than 4 bits per sample");
    }

    #[test]
    fn hostile_configurations_never_panic() {
        never_panics(&[&unhex(FILE), &unhex(BLOCK)], |bytes| {
            let _ = params(bytes);
        });
    }
}
