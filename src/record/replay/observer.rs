//! What a replay tells an observer, and in numbers.

use crate::base::id::ConnId;
use crate::base::time::Instant;
use crate::record::event::{ConnNo, Event};
use crate::server::{Output, Server};
use std::fmt;

/// Observes a replay. Every method may be left as it is.
pub trait Observer {
    /// The server is about to be told this. Of [`Event::Sent`] it gets what the kernel takes now, also where
    /// the recording says something else or nothing.
    fn happened(&mut self, _at: Instant, _event: &Event) {}
    /// A connection has its number, being new or one of the saved server.
    fn opened(&mut self, _at: Instant, _conn_no: ConnNo, _conn: ConnId, _server: &Server) {}
    /// These bytes leave for a connection; a write may leave in several calls.
    fn sent(&mut self, _at: Instant, _conn_no: ConnNo, _bytes: &[u8]) {}
    /// The server requests something other than a write. `conn_no`: the connection that it is about, if any.
    fn requested(&mut self, _at: Instant, _conn_no: Option<ConnNo>, _output: &Output) {}
    /// The server has taken it all in; a moment to look at it.
    fn after_input(&mut self, _at: Instant, _server: &Server) {}
    /// The recording has a check here; so it is now.
    fn checked(&mut self, _at: Instant, _event: &Event) {}
    /// Something is not as it was recorded.
    fn differs(&mut self, _difference: &Difference) {}
}

/// Observes nothing.
impl Observer for () {}

/// Something that is not as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// When.
    pub at: Instant,
    /// About which connection.
    pub conn_no: Option<ConnNo>,
    /// What, as a sentence.
    pub what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} ", self.at)?;
        if let Some(conn_no) = self.conn_no {
            write!(f, "{conn_no} ")?;
        }
        f.write_str(&self.what)
    }
}

/// A replay in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Inputs that the server was given.
    pub inputs: u64,
    /// Outputs that it gave.
    pub outputs: u64,
    /// Connections that it let in.
    pub conns: u64,
    /// Bytes that it was sent.
    pub received_bytes: u64,
    /// Bytes that it sent.
    pub sent_bytes: u64,
    /// What was not as it was recorded; of each connection only the first.
    pub differences: u64,
    /// The server's time at the end.
    pub end: Instant,
}
