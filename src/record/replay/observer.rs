//! Observers of a replay, its differences, and its numbers.

use crate::base::id::ConnId;
use crate::base::time::Instant;
use crate::record::event::{ConnNo, Event};
use crate::server::{Output, Server};
use std::fmt;

/// Observes a replay. Each method does nothing unless it is implemented.
pub trait Observer {
    /// The server is about to handle an input. An [`Event::Sent`] holds the bytes of this run, even if the
    /// recording has other bytes or no such entry.
    fn happened(&mut self, _at: Instant, _event: &Event) {}
    /// A connection, new or of the saved server, has a number now.
    fn opened(&mut self, _at: Instant, _conn_no: ConnNo, _conn: ConnId, _server: &Server) {}
    /// Bytes are sent to a connection. One write may be reported in several calls.
    fn sent(&mut self, _at: Instant, _conn_no: ConnNo, _bytes: &[u8]) {}
    /// The server has an output other than a write; `conn_no` is its connection, if it has one.
    fn requested(&mut self, _at: Instant, _conn_no: Option<ConnNo>, _output: &Output) {}
    /// The server has handled an input, and its outputs were performed.
    fn after_input(&mut self, _at: Instant, _server: &Server) {}
    /// The recording has a check here. The event holds the values of this run.
    fn checked(&mut self, _at: Instant, _event: &Event) {}
    /// The run differs from the recording.
    fn differs(&mut self, _difference: &Difference) {}
}

/// Observes nothing.
impl Observer for () {}

/// A difference between a run and its recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Time of the server.
    pub at: Instant,
    /// The connection, if the difference concerns one.
    pub conn_no: Option<ConnNo>,
    /// What differs, as a sentence without its subject if that is the connection.
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

/// Numbers of a replay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Number of inputs.
    pub inputs: u64,
    /// Number of outputs.
    pub outputs: u64,
    /// Number of connections that were accepted or resumed.
    pub conns: u64,
    /// Bytes that the server received.
    pub received_bytes: u64,
    /// Bytes that the server sent.
    pub sent_bytes: u64,
    /// Number of differences; of each connection only the first counts.
    pub differences: u64,
    /// Time of the server at the end.
    pub end: Instant,
}
