//! Plays inputs with what the kernel said when they were recorded, and writes down what comes out now.
//!
//! In: entries whose checks hold no more. Out: entries whose checks hold.

use crate::base::digest::Digest;
use crate::base::time::Instant;
use crate::record::file::{Fault, Header};
use crate::record::list::{Entry, Event, Seat};
use crate::record::replay::{Replay, Witness};
use crate::server::Output;
use std::collections::BTreeMap;

/// Watches the replay and writes its own list.
#[derive(Debug, Default)]
pub struct Again {
    entries: Vec<Entry>,
    sent: BTreeMap<Seat, Digest>,
}

/// The same run, with checks that hold.
pub fn play(header: &Header, entries: Vec<Entry>) -> Result<Vec<Entry>, Fault> {
    let mut again = Again::default();
    Replay::new(header)?.run(entries, &mut again);
    Ok(again.entries)
}

impl Witness for Again {
    fn happened(&mut self, at: Instant, event: &Event) {
        self.entries.push(Entry { at, event: event.clone() });
    }

    fn sent(&mut self, _: Instant, seat: Seat, bytes: &[u8]) {
        self.sent.entry(seat).or_default().extend(bytes);
    }

    fn wished(&mut self, at: Instant, seat: Option<Seat>, output: &Output) {
        if let (Output::Close { gently, .. }, Some(seat)) = (output, seat) {
            let sent = self.sent.remove(&seat).unwrap_or_default();
            self.entries.push(Entry { at, event: Event::Closed { seat, gently: *gently, sent } });
        }
    }

    fn checked(&mut self, at: Instant, event: &Event) {
        self.entries.push(Entry { at, event: event.clone() });
    }
}
