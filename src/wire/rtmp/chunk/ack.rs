//! Acknowledgements (RTMP 1.0, sections 5.4.3 and 5.4.4).
//!
//! An acknowledgement belongs to a position in the byte stream, not to a moment: its number is the position.
//! So the same acknowledgements are sent between the same replies, however the bytes were split into reads.

use serde::{Deserialize, Serialize};

/// Smallest distance of two acknowledgements, in bytes; each takes 16. With a tiny window we would else write
/// more than the peer.
const STEP_MIN: u64 = 512;

/// Counts received bytes and tells when an acknowledgement is due.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct AckCounter {
    received: u64,
    acknowledged: u64,
    step: u64,
}

impl AckCounter {
    /// `received` bytes came before and count too. `window` applies until the peer sends its own.
    pub fn new(received: u64, window: u32) -> Self {
        AckCounter { received, acknowledged: 0, step: step(window) }
    }

    /// Bytes received so far on the connection.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// True if acknowledgements end. Loaded bytes may say anything.
    pub fn is_sound(&self) -> bool {
        self.step >= STEP_MIN && self.acknowledged <= self.received
    }

    /// Counts `len` more bytes.
    pub fn advance(&mut self, len: usize) {
        self.received += len as u64;
    }

    /// Sets the window: the peer expects an acknowledgement at least every `window` bytes. Zero is ignored.
    pub fn set_window(&mut self, window: u32) {
        if window > 0 {
            self.step = step(window);
            // A smaller window may have made several overdue: one is enough.
            self.acknowledged = self.acknowledged.max(self.received.saturating_sub(self.step));
        }
    }

    /// The next acknowledgement, if it is due: the number of received bytes, modulo 2^32.
    pub fn take_due(&mut self) -> Option<u32> {
        let next = self.acknowledged + self.step;
        (next <= self.received).then(|| {
            self.acknowledged = next;
            next as u32
        })
    }
}

/// Half the window, so that a peer that stops at a full window has been answered before.
fn step(window: u32) -> u64 {
    (u64::from(window) / 2).max(STEP_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_is_due_at_each_half_window() {
        let mut acks = AckCounter::new(0, 20_000);
        acks.advance(9_999);
        assert_eq!(acks.take_due(), None);
        acks.advance(15_000);
        assert_eq!(acks.take_due(), Some(10_000));
        assert_eq!(acks.take_due(), Some(20_000));
        assert_eq!(acks.take_due(), None);
    }

    #[test]
    fn a_smaller_window_costs_one_acknowledgement_at_once() {
        let mut acks = AckCounter::new(3_073, 2_500_000);
        acks.advance(1_000_000);
        acks.set_window(10_000);
        assert_eq!(acks.take_due(), Some(1_003_073));
        assert_eq!(acks.take_due(), None);
    }

    #[test]
    fn a_window_of_one_byte_does_not_make_us_talk_for_each_byte() {
        let mut acks = AckCounter::new(0, 2_500_000);
        acks.set_window(1);
        acks.advance(511);
        assert_eq!(acks.take_due(), None);
        acks.advance(1);
        assert_eq!(acks.take_due(), Some(512));
    }

    #[test]
    fn the_number_wraps_with_its_32_bits() {
        let mut acks = AckCounter::new(0, 0x8000_0000);
        let mut sent = Vec::new();
        for _ in 0..5 {
            acks.advance(0x4000_0000);
            sent.extend(acks.take_due());
        }
        assert_eq!(sent, [0x4000_0000, 0x8000_0000, 0xc000_0000, 0, 0x4000_0000]);
    }
}
