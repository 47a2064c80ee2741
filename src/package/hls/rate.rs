//! BANDWIDTH and AVERAGE-BANDWIDTH of a stream (RFC 8216, 4.3.4.2).

use super::segment::Segment;
use serde::{Deserialize, Serialize};

/// Bit rates, measured on the segments so far.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Rate {
    peak: u64,
    average: u64,
}

impl Rate {
    /// Measures the playlist's segments after one was appended.
    pub fn measure<'a>(&mut self, listed: impl DoubleEndedIterator<Item = &'a Segment>, target_secs: u64) {
        let sizes = listed.map(|segment| (segment.len() as u64 * 8, segment.entry.duration_us));
        let target_us = target_secs * 1_000_000;
        let (mut bits, mut us) = (0, 0);
        for (number, (segment_bits, segment_us)) in sizes.rev().enumerate() {
            bits += segment_bits;
            us += segment_us;
            // "The peak segment bit rate of a Media Playlist is the largest bit rate of any continuous set
            // of segments whose total duration is between 0.5 and 1.5 times the target duration."
            let counts = us * 2 >= target_us && us * 2 <= target_us * 3;
            // Before any set of segments counts, the first segment gives a value.
            if counts || (self.peak == 0 && number == 0) {
                self.peak = self.peak.max(per_second(bits, us));
            }
        }
        self.average = per_second(bits, us);
    }

    /// Highest bit rate so far, in bits per second.
    pub fn peak(&self) -> u64 {
        self.peak.max(self.average)
    }

    /// Average bit rate of the playlist's segments, in bits per second.
    pub fn average(&self) -> u64 {
        self.average
    }
}

fn per_second(bits: u64, us: u64) -> u64 {
    let rate = u128::from(bits) * 1_000_000 / u128::from(us.max(1));
    u64::try_from(rate).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::hls::segment::Part;
    use crate::wire::m3u8::{Entry, HlsFile};
    use bytes::Bytes;

    fn segment(ms: u64, bytes: usize) -> Segment {
        let entry = Entry {
            file: HlsFile::Media,
            duration_us: ms * 1000,
            discontinuity: false,
            date_unix_ms: 0,
            map: None,
            key: None,
        };
        let parts = vec![Part { body: vec![Bytes::from(vec![0; bytes])] }];
        Segment { sequence: 0, entry, parts, init: None, key: None, pictures: None }
    }

    fn measured(segments: &[Segment]) -> (u64, u64) {
        let mut rate = Rate::default();
        for listed in 1..=segments.len() {
            rate.measure(segments[..listed].iter(), 4);
        }
        (rate.peak(), rate.average())
    }

    #[test]
    fn the_peak_is_that_of_half_a_target_duration_and_more() {
        // 8 kbit in 4 s, 8 kbit in 2 s: the second is the peak.
        assert_eq!(measured(&[segment(4000, 1000), segment(2000, 1000)]), (4000, 2666));
        // A keyframe alone, 8 kbit in 40 ms, counts with its neighbours only.
        assert_eq!(measured(&[segment(4000, 1000), segment(40, 1000), segment(4000, 1000)]), (3960, 2985));
    }

    #[test]
    fn the_first_segment_is_measured_however_short_it_is() {
        assert_eq!(measured(&[segment(1000, 1000)]), (8000, 8000));
    }
}
