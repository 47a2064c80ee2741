//! NAL units in a sample or a byte stream, for H.264 and H.265.
//!
//! A sample of these codecs consists of NAL units, each after its length (ISO/IEC 14496-15, 5.3.2). A byte
//! stream consists of NAL units, each after a start code (Annex B). In: payloads as received. Out: slices of
//! them. Never: copies or panics.

use thiserror::Error;

/// A sample that ends within a NAL unit or its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a sample ends within a NAL unit")]
pub struct TornNal;

/// The NAL units of `payload`, each after its length of `length_size` bytes (1 to 4, as the configuration
/// says). Empty units are left out. A truncated tail is an error, and the last item.
pub fn nals(payload: &[u8], length_size: u8) -> Nals<'_> {
    assert!((1..=4).contains(&length_size), "a NAL length has 1 to 4 bytes");
    Nals { rest: payload, length_size: usize::from(length_size) }
}

/// See [`nals`].
#[derive(Clone, Debug)]
pub struct Nals<'a> {
    rest: &'a [u8],
    length_size: usize,
}

impl<'a> Iterator for Nals<'a> {
    type Item = Result<&'a [u8], TornNal>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let Some((nal, rest)) = split_nal(self.rest, self.length_size) else {
                self.rest = &[];
                return Some(Err(TornNal));
            };
            self.rest = rest;
            if !nal.is_empty() {
                return Some(Ok(nal));
            }
        }
        None
    }
}

fn split_nal(bytes: &[u8], length_size: usize) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_at_checked(length_size)?;
    let length = length.iter().fold(0usize, |sum, &byte| sum << 8 | usize::from(byte));
    rest.split_at_checked(length)
}

/// The NAL units of a byte stream with start codes (H.264 and H.265, Annex B). Bytes before the first start
/// code, zeros around units and empty units are left out.
pub fn byte_stream_units(bytes: &[u8]) -> Units<'_> {
    Units { rest: after_start_code(bytes).unwrap_or(&[]) }
}

/// See [`byte_stream_units`].
#[derive(Clone, Debug)]
pub struct Units<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Units<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let end = find_start_code(self.rest).unwrap_or(self.rest.len());
            let nal = trim_zeros(&self.rest[..end]);
            self.rest = after_start_code(&self.rest[end..]).unwrap_or(&[]);
            if !nal.is_empty() {
                return Some(nal);
            }
        }
        None
    }
}

fn find_start_code(bytes: &[u8]) -> Option<usize> {
    bytes.windows(3).position(|window| window == [0, 0, 1])
}

fn after_start_code(bytes: &[u8]) -> Option<&[u8]> {
    find_start_code(bytes).map(|at| &bytes[at + 3..])
}

/// A NAL unit never ends in a zero byte (H.264, 7.4.1): zeros there belong to the byte stream.
fn trim_zeros(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    &bytes[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn units_stand_after_their_lengths() {
        let sample = [0, 0, 0, 2, 9, 0xf0, 0, 0, 0, 3, 0x65, 1, 2];
        let units: Vec<_> = nals(&sample, 4).collect();
        assert_eq!(units, [Ok(&[9, 0xf0][..]), Ok(&[0x65, 1, 2])]);
        let sample = [2, 9, 0xf0, 1, 0x65];
        let units: Vec<_> = nals(&sample, 1).collect();
        assert_eq!(units, [Ok(&[9, 0xf0][..]), Ok(&[0x65])]);
        let sample = [0, 0, 1, 0x65];
        assert_eq!(nals(&sample, 3).collect::<Vec<_>>(), [Ok(&[0x65][..])]);
    }

    #[test]
    fn empty_units_are_left_out() {
        assert_eq!(nals(&[0, 0, 0, 1, 0x65, 0, 0], 2).collect::<Vec<_>>(), [Ok(&[0x65][..])]);
        assert_eq!(nals(&[], 4).count(), 0);
    }

    #[test]
    fn a_torn_tail_is_an_error_and_the_end() {
        let torn = [0, 1, 0x41, 0, 9, 1, 2];
        assert_eq!(nals(&torn, 2).collect::<Vec<_>>(), [Ok(&[0x41][..]), Err(TornNal)]);
        assert_eq!(nals(&[0, 0, 0], 4).collect::<Vec<_>>(), [Err(TornNal)]);
        assert_eq!(nals(&[0xff, 0xff, 0xff, 0xff, 1], 4).collect::<Vec<_>>(), [Err(TornNal)]);
    }

    proptest! {
        #[test]
        fn every_unit_lies_within_its_payload(payload: Vec<u8>, length_size in 1u8..=4) {
            let total: usize = nals(&payload, length_size).flatten().map(<[u8]>::len).sum();
            prop_assert!(total <= payload.len());
        }
    }
}
