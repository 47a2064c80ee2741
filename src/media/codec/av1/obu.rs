//! Open bitstream units (AV1, 5.3).

use thiserror::Error;

/// A payload that ends within an OBU or its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a temporal unit ends within an OBU")]
pub struct TornObu;

/// One open bitstream unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Obu<'a> {
    /// `obu_type`.
    pub kind: u8,
    /// Payload after its header and size.
    pub payload: &'a [u8],
    /// The whole unit, header and size included.
    pub whole: &'a [u8],
}

/// The OBUs of `payload`. One without a size reaches to the end. A truncated tail is an error, and the last
/// item.
pub fn obus(payload: &[u8]) -> Obus<'_> {
    Obus { rest: payload }
}

/// See [`obus`].
#[derive(Clone, Debug)]
pub struct Obus<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Obus<'a> {
    type Item = Result<Obu<'a>, TornObu>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let Some((obu, rest)) = split_obu(self.rest) else {
            self.rest = &[];
            return Some(Err(TornObu));
        };
        self.rest = rest;
        Some(Ok(obu))
    }
}

fn split_obu(bytes: &[u8]) -> Option<(Obu<'_>, &[u8])> {
    const EXTENSION_FLAG: u8 = 0x04;
    const HAS_SIZE_FLAG: u8 = 0x02;
    let (header, mut rest) = bytes.split_first()?;
    if header & EXTENSION_FLAG != 0 {
        rest = rest.get(1..)?;
    }
    let mut size = rest.len();
    if header & HAS_SIZE_FLAG != 0 {
        (size, rest) = split_leb128(rest)?;
    }
    let (payload, rest) = rest.split_at_checked(size)?;
    let whole = &bytes[..bytes.len() - rest.len()];
    Some((Obu { kind: header >> 3 & 0xf, payload, whole }, rest))
}

/// A number in groups of seven bits, lowest first, in at most eight bytes (4.10.5).
fn split_leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0u64;
    for (at, byte) in bytes.iter().take(8).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, &bytes[at + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn units_have_a_size_or_reach_to_the_end() {
        // Delimiter; sequence header with extension and a size in two bytes; frame without size.
        let bytes = [0x12, 0, 0x0e, 0x08, 0x82, 0x00, 7, 8, 0x30, 9, 9, 9];
        let units: Vec<_> = obus(&bytes).map(Result::unwrap).collect();
        assert_eq!(units.iter().map(|obu| obu.kind).collect::<Vec<_>>(), [2, 1, 6]);
        assert_eq!(units[1].payload, [7, 8]);
        assert_eq!(units[1].whole, [0x0e, 0x08, 0x82, 0x00, 7, 8]);
        assert_eq!(units[2].payload, [9, 9, 9]);
    }

    #[test]
    fn a_torn_tail_is_an_error_and_the_end() {
        for torn in [&[0x0a, 4, 1, 2, 3][..], &[0x0a], &[0x0a, 0x80], &[0x0e], &[0x0a; 11]] {
            let last = obus(torn).last();
            assert_eq!(last, Some(Err(TornObu)), "{torn:?}");
        }
        let endless = [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(obus(&endless).collect::<Vec<_>>(), [Err(TornObu)]);
    }

    proptest! {
        #[test]
        fn units_tile_their_payload(bytes: Vec<u8>) {
            let units: Vec<_> = obus(&bytes).collect();
            let whole: Vec<u8> = units.iter().flatten().flat_map(|obu| obu.whole.to_vec()).collect();
            prop_assert!(bytes.starts_with(&whole));
            prop_assert_eq!(whole.len() == bytes.len(), units.iter().all(Result::is_ok));
        }
    }
}
