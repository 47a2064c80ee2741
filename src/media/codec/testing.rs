//! What the tests of the parsers share: bytes from text, and hostile bytes.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestRunner;

/// Bytes written as hexadecimal digits.
pub(crate) fn unhex(digits: &str) -> Vec<u8> {
    assert!(digits.len().is_multiple_of(2), "a byte has two digits: {digits}");
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal digits");
    (0..digits.len()).step_by(2).map(byte).collect()
}

/// Bits written as digits, in groups as one likes, padded with zeros to whole bytes.
pub(crate) fn pack(bits: &str) -> Vec<u8> {
    let bits: Vec<u8> = bits.bytes().filter(|digit| *digit != b' ').map(|digit| digit - b'0').collect();
    let byte = |group: &[u8]| (0..8).fold(0, |sum, at| sum << 1 | group.get(at).unwrap_or(&0));
    bits.chunks(8).map(byte).collect()
}

/// A NAL unit with emulation prevention put in.
pub(crate) fn escape(raw: &[u8]) -> Vec<u8> {
    let mut nal = Vec::new();
    let mut zeros = 0;
    for &byte in raw {
        if zeros == 2 && byte <= 3 {
            nal.push(3);
            zeros = 0;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        nal.push(byte);
    }
    nal
}

/// How many hostile inputs each of two sorts is tried with: random bytes, and real ones with some changed.
const CASES: u32 = 2_000;

/// Calls `parse` with random bytes, and with `seeds` that were changed, cut or lengthened here and there.
/// Overflow is checked in tests, so that a sum that wraps is a panic too.
pub(crate) fn never_panics(seeds: &[&[u8]], parse: impl Fn(&[u8])) {
    let mut runner = TestRunner::new(ProptestConfig::with_cases(CASES));
    let random = vec(any::<u8>(), 0..120);
    runner
        .run(&random, |bytes| {
            parse(&bytes);
            Ok(())
        })
        .expect("random bytes");
    let seeds: Vec<Vec<u8>> = seeds.iter().map(|seed| seed.to_vec()).collect();
    let change = (any::<Index>(), prop_oneof![Just(0), Just(0xff), any::<u8>()]);
    let changed = (any::<Index>(), vec(change, 0..6), vec(any::<u8>(), 0..4), any::<Index>(), any::<bool>());
    runner
        .run(&changed, |(which, changes, tail, end, cut)| {
            let mut bytes = which.get(&seeds).clone();
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if cut {
                bytes.truncate(end.index(bytes.len() + 1));
            }
            bytes.extend(tail);
            parse(&bytes);
            Ok(())
        })
        .expect("changed bytes");
}
