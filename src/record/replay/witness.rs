//! What a replay tells: to who watches it, and in numbers.

use crate::base::id::ConnId;
use crate::base::time::Instant;
use crate::record::list::{Event, Seat};
use crate::server::{Output, Server};
use std::fmt;

/// Watches a replay. Every method may be left as it is.
pub trait Witness {
    /// The server is about to be told this. Of [`Event::Sent`] it hears what the kernel takes now, also where
    /// the recording says something else or nothing.
    fn happened(&mut self, _at: Instant, _event: &Event) {}
    /// A connection has its seat.
    fn seated(&mut self, _at: Instant, _seat: Seat, _conn: ConnId, _server: &Server) {}
    /// These bytes leave for a connection; a write may leave in several calls.
    fn sent(&mut self, _at: Instant, _seat: Seat, _bytes: &[u8]) {}
    /// The server wants something else than a write. `seat`: the connection that it is about, if it is.
    fn wished(&mut self, _at: Instant, _seat: Option<Seat>, _output: &Output) {}
    /// The server has taken it all in; a moment to look at it.
    fn settled(&mut self, _at: Instant, _server: &Server) {}
    /// The recording has a check here; so it is now.
    fn checked(&mut self, _at: Instant, _event: &Event) {}
    /// Something is not as it was recorded.
    fn differs(&mut self, _difference: &Difference) {}
}

/// Watches nothing.
impl Witness for () {}

/// Something that is not as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// When.
    pub at: Instant,
    /// About which connection.
    pub seat: Option<Seat>,
    /// What, as a sentence.
    pub what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} ", self.at)?;
        if let Some(seat) = self.seat {
            write!(f, "{seat} ")?;
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
