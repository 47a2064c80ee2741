//! Plays inputs with what the kernel said when they were recorded, and writes down what comes out now.
//!
//! In: entries whose checks hold no more. Out: entries whose checks hold.

use crate::base::id::ConnId;
use crate::base::time::Instant;
use crate::record::file::{Contents, Fault};
use crate::record::list::{Entry, Event, Seat};
use crate::record::replay::{Replay, Witness};
use crate::record::rolling_hash::RollingHash;
use crate::server::{Output, Server};
use std::collections::BTreeMap;

/// Watches the replay and writes its own list.
#[derive(Debug, Default)]
pub struct Again {
    entries: Vec<Entry>,
    sent: BTreeMap<Seat, RollingHash>,
}

/// The same run, with checks that hold.
pub fn play(contents: &Contents) -> Result<Vec<Entry>, Fault> {
    let mut again = Again::default();
    Replay::begin(contents)?.run(contents.entries.iter().cloned(), &mut again);
    Ok(again.entries)
}

impl Witness for Again {
    fn happened(&mut self, at: Instant, event: &Event) {
        self.entries.push(Entry { at, event: event.clone() });
    }

    fn seated(&mut self, at: Instant, seat: Seat, conn: ConnId, _: &Server) {
        let last = self.entries.last().map(|entry| &entry.event);
        let came = last.is_some_and(
            |event| matches!(event, Event::Accepted { seat: Some(other), .. } if *other == seat),
        );
        if !came {
            // It was there before.
            self.entries.push(Entry { at, event: Event::Seated { seat, conn } });
        }
    }

    fn sent(&mut self, _: Instant, seat: Seat, bytes: &[u8]) {
        self.sent.entry(seat).or_default().extend(bytes);
    }

    fn wished(&mut self, at: Instant, seat: Option<Seat>, output: &Output) {
        if let (Output::Close { linger, .. }, Some(seat)) = (output, seat) {
            let sent = self.sent.remove(&seat).unwrap_or_default();
            self.entries.push(Entry { at, event: Event::Closed { seat, linger: *linger, sent } });
        }
    }

    fn checked(&mut self, at: Instant, event: &Event) {
        // What was sent to who is closed stands in the entry before.
        let last = self.entries.last().map(|entry| &entry.event);
        if last.is_some_and(|last| matches!(last, Event::Closed { .. }) && last.seat() == event.seat()) {
            return;
        }
        self.entries.push(Entry { at, event: event.clone() });
    }
}
