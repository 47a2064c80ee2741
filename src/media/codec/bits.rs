//! A bit reader, most significant bit first.
//!
//! In: bytes of a configuration. Out: fixed-width numbers, Exp-Golomb codes (H.264 and H.265, 9.1), or a
//! [`Fault`] when the bytes end too early. Every read is bounded by the bytes; no loop is bounded by a number
//! that was read. Never: panics.

use super::error::CodecError;
use crate::media::frame::Codec;

/// What is wrong with some bytes, before the codec is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// They are truncated.
    Truncated,
    /// A value that the specification does not allow, or that is implausible.
    Invalid(&'static str),
}

impl Fault {
    /// The error of `codec` with this fault.
    pub(crate) fn of(self, codec: Codec) -> CodecError {
        match self {
            Fault::Truncated => CodecError::Truncated { codec },
            Fault::Invalid(what) => CodecError::Invalid { codec, what },
        }
    }
}

/// A position in bytes, in bits.
#[derive(Clone, Debug)]
pub(crate) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    /// A position before the first bit of `bytes`.
    pub(crate) fn new(bytes: &'a [u8]) -> Bits<'a> {
        Bits { bytes, at: 0 }
    }

    /// Number of bits left.
    pub(crate) fn left(&self) -> usize {
        self.bytes.len() * 8 - self.at
    }

    /// One bit as a flag.
    pub(crate) fn flag(&mut self) -> Result<bool, Fault> {
        Ok(self.u(1)? == 1)
    }

    /// An unsigned number of `count` bits, at most 32.
    pub(crate) fn u(&mut self, count: u32) -> Result<u32, Fault> {
        assert!(count <= 32, "a number has at most 32 bits");
        if self.left() < count as usize {
            return Err(Fault::Truncated);
        }
        let mut value = 0u64;
        let mut wanted = count;
        while wanted > 0 {
            let used = (self.at % 8) as u32;
            let taken = wanted.min(8 - used);
            let byte = u64::from(self.bytes[self.at / 8]);
            let part = (byte >> (8 - used - taken)) & ((1 << taken) - 1);
            value = value << taken | part;
            self.at += taken as usize;
            wanted -= taken;
        }
        Ok(u32::try_from(value).expect("at most 32 bits were taken"))
    }

    /// A number of at most eight bits.
    pub(crate) fn u8(&mut self, count: u32) -> Result<u8, Fault> {
        assert!(count <= 8, "a byte has 8 bits");
        Ok(u8::try_from(self.u(count)?).expect("at most 8 bits were taken"))
    }

    /// Skips `count` bits.
    pub(crate) fn skip(&mut self, count: usize) -> Result<(), Fault> {
        if self.left() < count {
            return Err(Fault::Truncated);
        }
        self.at += count;
        Ok(())
    }

    /// Skips to the next whole byte.
    pub(crate) fn align(&mut self) {
        self.at = self.at.next_multiple_of(8);
    }

    /// An unsigned Exp-Golomb code, `ue(v)`: 0 to 2^32 - 2.
    pub(crate) fn ue(&mut self) -> Result<u32, Fault> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return Err(Fault::Invalid("an Exp-Golomb code is longer than 63 bits"));
            }
        }
        let tail = self.u(zeros)?;
        Ok(((1u64 << zeros) - 1 + u64::from(tail)) as u32)
    }

    /// An unsigned Exp-Golomb code that may not exceed `max`; `what` names the bound in the error.
    pub(crate) fn ue_max(&mut self, max: u32, what: &'static str) -> Result<u32, Fault> {
        let value = self.ue()?;
        if value > max { Err(Fault::Invalid(what)) } else { Ok(value) }
    }

    /// A signed Exp-Golomb code, `se(v)`: 0, 1, -1, 2, -2, ...
    pub(crate) fn se(&mut self) -> Result<i32, Fault> {
        let code = i64::from(self.ue()?);
        let magnitude = (code + 1) / 2;
        let value = if code % 2 == 1 { magnitude } else { -magnitude };
        i32::try_from(value).map_err(|_| Fault::Invalid("a signed Exp-Golomb code is out of range"))
    }
}

/// The payload of a NAL unit without emulation prevention: the 3 of every `00 00 03` is left out (H.264,
/// 7.4.1; H.265, 7.4.2). Never longer than `nal`.
pub(crate) fn unescape(nal: &[u8]) -> Vec<u8> {
    let mut raw = Vec::with_capacity(nal.len());
    let mut zeros = 0;
    for &byte in nal {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        raw.push(byte);
    }
    raw
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_cross_byte_borders() {
        let mut bits = Bits::new(&[0b1010_0101, 0b1100_0011, 0xff, 0xff, 0xff]);
        assert_eq!(bits.u(3), Ok(0b101));
        assert_eq!(bits.u(7), Ok(0b0010111));
        assert_eq!(bits.left(), 30);
        assert_eq!(bits.u(30), Ok(0b00_0011_1111_1111_1111_1111_1111_1111));
        assert_eq!(bits.u(1), Err(Fault::Truncated));
        assert_eq!(bits.u(0), Ok(0));
    }

    #[test]
    fn exp_golomb_codes_follow_table_9_2() {
        // 1 | 010 | 011 | 00100 | 00101 | 00110 | 00111 | 0001000
        let codes = [0b1010_0110, 0b0100_0010, 0b1001_1000, 0b1110_0010, 0b0000_0000];
        let mut bits = Bits::new(&codes);
        let values: Vec<_> = (0..8).map(|_| bits.ue().unwrap()).collect();
        assert_eq!(values, [0, 1, 2, 3, 4, 5, 6, 7]);
        let mut bits = Bits::new(&codes);
        let values: Vec<_> = (0..8).map(|_| bits.se().unwrap()).collect();
        assert_eq!(values, [0, 1, -1, 2, -2, 3, -3, 4]);
    }

    #[test]
    fn the_longest_exp_golomb_code_is_read_and_a_longer_one_is_refused() {
        let longest = [0, 0, 0, 1, 0xff, 0xff, 0xff, 0xfe];
        assert_eq!(Bits::new(&longest).ue(), Ok(u32::MAX - 1));
        let longer = [0; 16];
        assert_eq!(Bits::new(&longer).ue(), Err(Fault::Invalid("an Exp-Golomb code is longer than 63 bits")));
        assert_eq!(Bits::new(&[0, 0]).ue(), Err(Fault::Truncated));
    }

    #[test]
    fn emulation_prevention_is_taken_out_and_nothing_else() {
        assert_eq!(unescape(&[0x67, 0, 0, 3, 1, 0, 0, 3, 0, 0, 3]), [0x67, 0, 0, 1, 0, 0, 0, 0]);
        assert_eq!(unescape(&[0, 3, 0, 0, 0, 3, 3]), [0, 3, 0, 0, 0, 3]);
    }

    #[test]
    fn alignment_goes_to_the_next_whole_byte_and_stays_on_one() {
        let mut bits = Bits::new(&[1, 2, 3]);
        bits.skip(3).unwrap();
        bits.align();
        assert_eq!(bits.left(), 16);
        bits.align();
        assert_eq!(bits.u(8), Ok(2));
        assert_eq!(bits.skip(9), Err(Fault::Truncated));
    }

    proptest! {
        #[test]
        fn any_way_of_cutting_a_number_gives_the_same_bits(value: u32, cut in 0u32..=32) {
            let bytes = value.to_be_bytes();
            let mut bits = Bits::new(&bytes);
            let head = u64::from(bits.u(cut).unwrap());
            let tail = u64::from(bits.u(32 - cut).unwrap());
            prop_assert_eq!(head << (32 - cut) | tail, u64::from(value));
        }

        #[test]
        fn escaping_is_undone(raw: Vec<u8>) {
            let mut escaped = Vec::new();
            let mut zeros = 0;
            for &byte in &raw {
                if zeros == 2 && byte <= 3 {
                    escaped.push(3);
                    zeros = 0;
                }
                zeros = if byte == 0 { zeros + 1 } else { 0 };
                escaped.push(byte);
            }
            prop_assert_eq!(unescape(&escaped), raw);
        }
    }
}
