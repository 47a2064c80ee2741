//! Parameter sets in a configuration record: NAL units, each after its length of two bytes.

use super::bits::Fault;

/// The NAL units of one list of a record. Their lengths were checked before.
#[derive(Clone, Debug)]
pub struct ParameterSets<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for ParameterSets<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (set, rest) = split_set(self.rest)?;
        self.rest = rest;
        Some(set)
    }
}

fn split_set(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

/// The first `count` parameter sets of `bytes`, and the bytes after them.
pub(super) fn take_sets(bytes: &[u8], count: u16) -> Result<(ParameterSets<'_>, &[u8]), Fault> {
    let mut rest = bytes;
    for _ in 0..count {
        (_, rest) = split_set(rest).ok_or(Fault::Truncated)?;
    }
    let sets = &bytes[..bytes.len() - rest.len()];
    Ok((ParameterSets { rest: sets }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_holds_as_many_sets_as_it_says() {
        let bytes = [0, 2, 0x67, 1, 0, 0, 0, 1, 0x68, 9];
        let (sets, rest) = take_sets(&bytes, 2).unwrap();
        assert_eq!(sets.collect::<Vec<_>>(), [&[0x67, 1][..], &[]]);
        assert_eq!(rest, [0, 1, 0x68, 9]);
        assert_eq!(take_sets(&bytes, 4).unwrap_err(), Fault::Truncated);
    }
}
