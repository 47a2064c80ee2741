//! Plays inputs with what the kernel said when they were recorded, and writes down what comes out now.
//!
//! In: entries whose checks hold no more. Out: entries whose checks hold, and the ids that connections have.

use dacapo::base::id::{Cid, ConnId};
use dacapo::base::time::Instant;
use dacapo::record::rolling_hash::RollingHash;
use dacapo::record::{ConnNo, Contents, Entry, Event, Fault, Observer, Replay};
use dacapo::server::{Output, Server};
use std::collections::BTreeMap;

/// A run that was played again.
#[derive(Debug, Default)]
pub struct Rerecorded {
    /// The same run, with checks that hold.
    pub entries: Vec<Entry>,
    /// What connections are called now.
    pub cids: BTreeMap<ConnNo, Cid>,
    sent: BTreeMap<ConnNo, RollingHash>,
}

/// Plays a recording.
///
/// # Errors
///
/// It cannot be played.
pub fn rerecord(contents: &Contents) -> Result<Rerecorded, Fault> {
    let mut rerecorded = Rerecorded::default();
    Replay::begin(contents)?.run(contents.entries.iter().cloned(), &mut rerecorded);
    Ok(rerecorded)
}

impl Observer for Rerecorded {
    fn happened(&mut self, at: Instant, event: &Event) {
        self.entries.push(Entry { at, event: event.clone() });
    }

    fn opened(&mut self, at: Instant, conn_no: ConnNo, conn: ConnId, server: &Server) {
        self.cids.extend(server.cid(conn).map(|cid| (conn_no, cid)));
        let last = self.entries.last().map(|entry| &entry.event);
        let came = last.is_some_and(
            |event| matches!(event, Event::Accepted { conn_no: Some(other), .. } if *other == conn_no),
        );
        if !came {
            // It was there before.
            self.entries.push(Entry { at, event: Event::Resumed { conn_no, conn } });
        }
    }

    fn sent(&mut self, _: Instant, conn_no: ConnNo, bytes: &[u8]) {
        self.sent.entry(conn_no).or_default().extend(bytes);
    }

    fn requested(&mut self, at: Instant, conn_no: Option<ConnNo>, output: &Output) {
        if let (Output::Close { linger, .. }, Some(conn_no)) = (output, conn_no) {
            let sent = self.sent.remove(&conn_no).unwrap_or_default();
            self.entries.push(Entry { at, event: Event::Closed { conn_no, linger: *linger, sent } });
        }
    }

    fn checked(&mut self, at: Instant, event: &Event) {
        // What was sent to a connection that is closed stands in the entry before.
        let last = self.entries.last().map(|entry| &entry.event);
        if last.is_some_and(|last| matches!(last, Event::Closed { .. }) && last.conn_no() == event.conn_no())
        {
            return;
        }
        self.entries.push(Entry { at, event: event.clone() });
    }
}
