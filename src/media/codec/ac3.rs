//! AC-3 and E-AC-3: the beginning of a sync frame (ETSI TS 102 366, 4.3 and E.1.2).
//!
//! In: a frame, or several. Out: [`Header`], with what muxers write into `dac3` and `dec3` boxes. In a stream
//! with dependent substreams (7.1) the first, independent one is parsed.

use super::bits::{Bits, Fault};
use super::{AudioParams, CodecError};
use crate::media::frame::Codec;

/// The parsed beginning of a sync frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// [`Codec::Ac3`] or [`Codec::Eac3`].
    pub codec: Codec,
    /// Sampling rate, in Hz.
    pub sample_rate: u32,
    /// Sample rate code: 0 48 kHz, 1 44.1 kHz, 2 32 kHz, 3 half of a rate (E-AC-3 only).
    pub fscod: u8,
    /// Bit stream identification: 8 for AC-3, 16 for E-AC-3.
    pub bsid: u8,
    /// Bit stream mode; 0, complete main, for E-AC-3, which tells it later if at all.
    pub bsmod: u8,
    /// Audio coding mode: the full-range channels.
    pub acmod: u8,
    /// True with a low-frequency channel.
    pub lfe: bool,
    /// AC-3: the upper five bits of the frame size code, which stand for the bit rate. E-AC-3: 0.
    pub bit_rate_code: u8,
    /// Samples per frame and channel: 1536, or 256, 512 or 768 with fewer blocks (E-AC-3).
    pub frame_samples: u32,
    /// Length of the frame, in bytes.
    pub frame_bytes: usize,
}

impl Header {
    /// Parses the header at the beginning of `frame`, which is of `codec`, AC-3 or E-AC-3.
    ///
    /// # Errors
    ///
    /// If there is no valid header, or one of the other codec.
    pub fn parse(codec: Codec, frame: &[u8]) -> Result<Header, CodecError> {
        let header = read_header(frame).map_err(|fault| fault.of(codec))?;
        if header.codec != codec {
            return Err(Fault::Invalid("the frame is of the other edition of AC-3").of(codec));
        }
        Ok(header)
    }

    /// Number of channels, the low-frequency channel included.
    pub fn channels(&self) -> u8 {
        [2, 1, 2, 3, 3, 4, 4, 5][usize::from(self.acmod & 7)] + u8::from(self.lfe)
    }
}

/// Parameters from a frame of `codec`, AC-3 or E-AC-3.
pub fn frame_params(codec: Codec, frame: &[u8]) -> Option<AudioParams> {
    let header = Header::parse(codec, frame).ok()?;
    Some(AudioParams {
        sample_rate: header.sample_rate,
        channels: header.channels(),
        profile: String::new(),
        frame_samples: Some(header.frame_samples),
        rfc6381: if codec == Codec::Ac3 { "ac-3" } else { "ec-3" }.to_owned(),
    })
}

const SAMPLE_RATES: [u32; 3] = [48_000, 44_100, 32_000];

/// Samples in an audio block; a frame usually has six blocks.
const BLOCK_SAMPLES: u32 = 256;

fn read_header(frame: &[u8]) -> Result<Header, Fault> {
    if frame.len() < 2 {
        return Err(Fault::Truncated);
    }
    if !frame.starts_with(&[0x0b, 0x77]) {
        return Err(Fault::Invalid("there is no AC-3 sync word"));
    }
    // The identification is at the same position in both editions, so it can be read first.
    match frame.get(5).ok_or(Fault::Truncated)? >> 3 {
        // Above 8 are editions for half and quarter rates, which were never used.
        0..=8 => read_ac3(&mut Bits::new(&frame[4..])),
        11..=16 => read_eac3(&mut Bits::new(&frame[2..])),
        _ => Err(Fault::Invalid("an unknown bit stream identification")),
    }
}

/// `syncinfo` after the checksum, then `bsi` (4.3.1, 4.3.2).
fn read_ac3(bits: &mut Bits<'_>) -> Result<Header, Fault> {
    let fscod = bits.u8(2)?;
    let rate = SAMPLE_RATES.get(usize::from(fscod)).ok_or(Fault::Invalid("a reserved sample rate"))?;
    let frame_size_code = bits.u8(6)?;
    let (bsid, bsmod, acmod) = (bits.u8(5)?, bits.u8(3)?, bits.u8(3)?);
    const TWO_CHANNELS: u8 = 2;
    if acmod & 1 != 0 && acmod != 1 {
        bits.skip(2)?; // cmixlev: there is a centre
    }
    if acmod & 4 != 0 {
        bits.skip(2)?; // surmixlev: there are surrounds
    }
    if acmod == TWO_CHANNELS {
        bits.skip(2)?; // dsurmod
    }
    Ok(Header {
        codec: Codec::Ac3,
        sample_rate: *rate,
        fscod,
        bsid,
        bsmod,
        acmod,
        lfe: bits.flag()?,
        bit_rate_code: frame_size_code >> 1,
        frame_samples: 6 * BLOCK_SAMPLES,
        frame_bytes: ac3_frame_bytes(frame_size_code, *rate)?,
    })
}

/// Table 4.13: a frame holds 1536 samples at the bit rate, in words of two bytes; at 44.1 kHz the lowest bit
/// of the code adds the word that rounding omitted.
fn ac3_frame_bytes(frame_size_code: u8, sample_rate: u32) -> Result<usize, Fault> {
    const KILOBITS: [u32; 19] =
        [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640];
    let kilobits = KILOBITS.get(usize::from(frame_size_code >> 1));
    let kilobits = kilobits.ok_or(Fault::Invalid("a reserved frame size"))?;
    let words = kilobits * 1000 * (6 * BLOCK_SAMPLES) / 16 / sample_rate;
    let extra = if sample_rate == 44_100 { u32::from(frame_size_code & 1) } else { 0 };
    Ok(2 * (words + extra) as usize)
}

/// `bsi` of E-AC-3, which follows the sync word (E.1.2.2).
fn read_eac3(bits: &mut Bits<'_>) -> Result<Header, Fault> {
    bits.skip(2 + 3)?; // strmtyp, substreamid
    let frame_bytes = 2 * (bits.u(11)? as usize + 1);
    let fscod = bits.u8(2)?;
    let code = bits.u8(2)?;
    let reserved = Fault::Invalid("a reserved sample rate");
    let (sample_rate, blocks) = match fscod {
        3 => (SAMPLE_RATES.get(usize::from(code)).ok_or(reserved)? / 2, 6),
        _ => (SAMPLE_RATES[usize::from(fscod)], [1, 2, 3, 6][usize::from(code)]),
    };
    let (acmod, lfe, bsid) = (bits.u8(3)?, bits.flag()?, bits.u8(5)?);
    Ok(Header {
        codec: Codec::Eac3,
        sample_rate,
        fscod,
        bsid,
        bsmod: 0,
        acmod,
        lfe,
        bit_rate_code: 0,
        frame_samples: blocks * BLOCK_SAMPLES,
        frame_bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::codec::testing::{never_panics, pack, unhex};

    /// Beginnings of frames by ffmpeg, and by ffprobe: rate, channels, length.
    const BY_FFMPEG: [(Codec, &str, u32, u8, usize); 5] = [
        (Codec::Ac3, "0b77fe95144043e106f46370", 48_000, 2, 768),
        (Codec::Ac3, "0b770dce5e40ebf8403eff9d", 44_100, 6, 1950),
        (Codec::Eac3, "0b77017f3487c00020842108", 48_000, 2, 768),
        (Codec::Eac3, "0b77037f3f87c00020f82000", 48_000, 6, 1792),
        (Codec::Eac3, "0b77011fb287c00021066078", 32_000, 1, 576),
    ];

    #[test]
    fn frames_of_a_real_encoder_are_understood() {
        for (codec, hex, sample_rate, channels, frame_bytes) in BY_FFMPEG {
            let header = Header::parse(codec, &unhex(hex)).unwrap();
            assert_eq!((header.sample_rate, header.channels()), (sample_rate, channels), "{hex}");
            assert_eq!((header.frame_samples, header.frame_bytes), (1536, frame_bytes), "{hex}");
        }
        let sound = frame_params(Codec::Ac3, &unhex(BY_FFMPEG[0].1)).unwrap();
        assert_eq!(sound.rfc6381, "ac-3");
        assert_eq!(frame_params(Codec::Eac3, &unhex(BY_FFMPEG[2].1)).unwrap().rfc6381, "ec-3");
    }

    #[test]
    fn what_muxers_need_is_told() {
        let header = Header::parse(Codec::Ac3, &unhex(BY_FFMPEG[1].1)).unwrap();
        let expected = (1, 8, 0, 7, true, 15);
        let said = (header.fscod, header.bsid, header.bsmod, header.acmod, header.lfe, header.bit_rate_code);
        assert_eq!(said, expected);
    }

    #[test]
    fn short_frames_and_half_rates_are_read() {
        let header = |bits: &str| Header::parse(Codec::Eac3, &pack(bits)).unwrap();
        let one_block = header("0000101101110111 00 000 00001011111 00 00 010 0 10000 000");
        assert_eq!((one_block.frame_samples, one_block.frame_bytes), (256, 192));
        let half_rate = header("0000101101110111 00 000 00001011111 11 01 010 0 10000 000");
        assert_eq!((half_rate.sample_rate, half_rate.frame_samples), (22_050, 1536));
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_reason() {
        let refusal = |codec, hex: &str| Header::parse(codec, &unhex(hex)).unwrap_err().to_string();
        let ac3 = Codec::Ac3;
        assert_eq!(refusal(ac3, "0b"), "AC3 configuration is truncated");
        assert_eq!(refusal(ac3, "0b77fe9514"), "AC3 configuration is truncated");
        assert_eq!(refusal(ac3, "0b78fe95144043e1"), "AC3 configuration: there is no AC-3 sync word");
        assert_eq!(
            refusal(ac3, "0b77fe95144843e1"),
            "AC3 configuration: an unknown bit stream identification"
        );
        assert_eq!(refusal(ac3, "0b77fe95d44043e1"), "AC3 configuration: a reserved sample rate");
        assert_eq!(refusal(ac3, "0b77fe95264043e1"), "AC3 configuration: a reserved frame size");
        assert_eq!(
            refusal(ac3, "0b77017f3487c000"),
            "AC3 configuration: the frame is of the other edition of AC-3"
        );
        assert_eq!(refusal(Codec::Eac3, "0b77017ff487c000"), "EAC3 configuration: a reserved sample rate");
    }

    #[test]
    fn hostile_frames_never_panic() {
        let seeds = BY_FFMPEG.map(|case| unhex(case.1));
        let seeds: Vec<&[u8]> = seeds.iter().map(Vec::as_slice).collect();
        never_panics(&seeds, |bytes| {
            frame_params(Codec::Ac3, bytes);
            frame_params(Codec::Eac3, bytes);
        });
    }
}
