//! What a first replay tells of a recording.
//!
//! In: a recording. Out: the streams that it is about, and of each connection its id and how its session
//! reads.

use dacapo::base::id::{Cid, ConnId};
use dacapo::base::name::StreamName;
use dacapo::base::time::Instant;
use dacapo::record::{ConnNo, Contents, Event, Fault, Observer, Replay};
use dacapo::server::Server;
use dacapo::session::Reads;
use std::collections::{BTreeMap, BTreeSet};

/// What a replay has shown.
#[derive(Debug, Default)]
pub struct Seen {
    /// The streams that connections are about, as the server understands them.
    pub names: BTreeSet<StreamName>,
    /// What connections are called.
    pub cids: BTreeMap<ConnNo, Cid>,
    /// How the session of a connection read when the connection got its number.
    pub reads: BTreeMap<ConnNo, Reads>,
    conns: BTreeMap<ConnNo, ConnId>,
    /// The connection that the input at hand is about.
    at_hand: Option<ConnNo>,
}

impl Seen {
    /// Plays a recording.
    ///
    /// # Errors
    ///
    /// It cannot be played.
    pub fn of(contents: &Contents) -> Result<Self, Fault> {
        let mut seen = Seen::default();
        Replay::begin(contents)?.run(contents.entries.iter().cloned(), &mut seen);
        Ok(seen)
    }
}

impl Observer for Seen {
    fn happened(&mut self, _: Instant, event: &Event) {
        self.at_hand = event.conn_no();
    }

    fn opened(&mut self, _: Instant, conn_no: ConnNo, conn: ConnId, server: &Server) {
        self.conns.insert(conn_no, conn);
        self.cids.extend(server.cid(conn).map(|cid| (conn_no, cid)));
        self.reads.extend(server.reads(conn).map(|reads| (conn_no, reads)));
    }

    fn after_input(&mut self, _: Instant, server: &Server) {
        let conn = self.at_hand.and_then(|conn_no| self.conns.get(&conn_no));
        if let Some(name) = conn.and_then(|conn| server.about(*conn))
            && !self.names.contains(name)
        {
            self.names.insert(name.clone());
        }
    }
}
