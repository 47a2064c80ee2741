//! What a stream's segments cost to fetch: BANDWIDTH and AVERAGE-BANDWIDTH (RFC 8216, 4.3.4.2).

use super::segment::Segment;

/// Measured bit rates of the segments so far.
#[derive(Debug, Default)]
pub struct Rate {
    peak: u64,
    average: u64,
}

impl Rate {
    /// Looks at the playlist's segments after one was appended.
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
            // The very first one counts however short it is: something has to be said.
            if counts || (self.peak == 0 && number == 0) {
                self.peak = self.peak.max(per_second(bits, us));
            }
        }
        self.average = per_second(bits, us);
    }

    /// The highest bit rate so far, in bits per second.
    pub fn peak(&self) -> u64 {
        self.peak.max(self.average)
    }

    /// The average bit rate of the segments in the playlist, in bits per second.
    pub fn average(&self) -> u64 {
        self.average
    }
}

fn per_second(bits: u64, us: u64) -> u64 {
    let rate = u128::from(bits) * 1_000_000 / u128::from(us.max(1));
    u64::try_from(rate).unwrap_or(u64::MAX)
}
