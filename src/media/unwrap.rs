//! Unwraps timestamps of 32 bits to 64 bits.
//!
//! RTMP counts milliseconds in 32 bits, which wrap after 49.7 days. The next timestamp is the one nearest to
//! the last, before or after it. Never: decides which jumps are meant.

use serde::{Deserialize, Serialize};

/// Unwraps the timestamps of one sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unwrap32 {
    last: Option<i64>,
}

impl Unwrap32 {
    /// The next timestamp, unwrapped. The first is kept.
    pub fn unwrap(&mut self, timestamp: u32) -> i64 {
        let unwrapped = match self.last {
            None => i64::from(timestamp),
            // The low 32 bits of `last` are the timestamp as the sender wrote it.
            Some(last) => last + i64::from(timestamp.wrapping_sub(last as u32).cast_signed()),
        };
        if self.last.is_some_and(|last| last >> 32 != unwrapped >> 32) {
            reached!("a timestamp wrapped");
        }
        self.last = Some(unwrapped);
        unwrapped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unwrapped<const N: usize>(timestamps: [u32; N]) -> [i64; N] {
        let mut unwrap = Unwrap32::default();
        timestamps.map(|timestamp| unwrap.unwrap(timestamp))
    }

    #[test]
    fn time_goes_on_where_32_bits_end() {
        assert_eq!(unwrapped([0xffff_fff0, 0x10, 0x30]), [0xffff_fff0, 0x1_0000_0010, 0x1_0000_0030]);
    }

    #[test]
    fn a_step_back_is_a_step_back() {
        assert_eq!(unwrapped([1000, 960, 1040]), [1000, 960, 1040]);
        assert_eq!(unwrapped([5, 0xffff_fffb, 10]), [5, -5, 10]);
    }

    proptest! {
        #[test]
        fn steps_of_less_than_24_days_are_kept(
            start: u32,
            steps in proptest::collection::vec(-0x7fff_ffffi64..0x7fff_ffff, 0..50),
        ) {
            let mut unwrap = Unwrap32::default();
            let mut time = unwrap.unwrap(start);
            for step in steps {
                time += step;
                prop_assert_eq!(unwrap.unwrap(time as u32), time);
            }
        }
    }
}
