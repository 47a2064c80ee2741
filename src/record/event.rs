//! What can stand in a recording: the inputs of a server, and what the shell noticed of its outputs.

use crate::base::id::{ConnId, ListenerId, Ticket};
use crate::base::time::Instant;
use crate::record::rolling_hash::RollingHash;
use crate::server::End;
use crate::status::Vitals;
use bytes::Bytes;
use std::fmt;
use std::net::SocketAddr;

/// A connection, by its number in the recording: the first that came is 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnNo(pub u32);

impl fmt::Display for ConnNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

impl fmt::Debug for ConnNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// Something happened, then.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// When: the server's own time.
    pub at: Instant,
    /// What.
    pub event: Event,
}

/// What happened. The inputs of [`crate::server::Input`] with bytes of their own, and below them what was
/// noticed of the outputs.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A peer came; the next free number is its number if it was let in.
    Accepted {
        /// To which listener.
        listener: ListenerId,
        /// From where.
        peer: SocketAddr,
        /// Its number; `None`: it was turned away.
        conn_no: Option<ConnNo>,
    },
    /// A connection of a saved server, from before the recording.
    Resumed {
        /// Its number from now on.
        conn_no: ConnNo,
        /// Who it is for the saved server.
        conn: ConnId,
    },
    /// Time passed.
    Tick,
    /// Bytes came.
    Received {
        /// From whom.
        conn_no: ConnNo,
        /// What.
        bytes: Bytes,
    },
    /// The kernel took bytes.
    Sent {
        /// Whose.
        conn_no: ConnNo,
        /// How many.
        len: u32,
        /// Whether there was room for all that was offered.
        room: bool,
        /// [`RollingHash::short`] of everything that was sent to this connection so far.
        check: u16,
    },
    /// The kernel has room again.
    Writable {
        /// For whom.
        conn_no: ConnNo,
    },
    /// A connection is over from outside.
    Ended {
        /// Which.
        conn_no: ConnNo,
        /// How.
        end: End,
    },
    /// A file was changed.
    Stored {
        /// Which request.
        ticket: Ticket,
        /// Nothing, or the reason.
        result: Result<(), String>,
    },
    /// Process and machine were measured.
    Measured {
        /// Which request.
        ticket: Ticket,
        /// What was measured.
        vitals: Box<Vitals>,
    },
    /// Another configuration, as RON text with every setting.
    Reload {
        /// The text.
        config: String,
    },
    /// The operator wants an end.
    Drain,
    /// Noticed: the server closed a connection.
    Closed {
        /// Which.
        conn_no: ConnNo,
        /// Whether a final response was on its way.
        linger: bool,
        /// Everything that was sent to it since the recording began.
        sent: RollingHash,
    },
    /// Noticed: what was sent to a connection so far. Written now and then.
    Checked {
        /// Which.
        conn_no: ConnNo,
        /// Everything that was sent to it since the recording began.
        sent: RollingHash,
    },
    /// Noticed: all other requests of the server so far (files, measurements, reading on and off).
    Requested {
        /// The requests as text, one after the other.
        requests: RollingHash,
    },
}

impl Event {
    /// Whose event it is.
    pub fn conn_no(&self) -> Option<ConnNo> {
        match self {
            Event::Accepted { conn_no, .. } => *conn_no,
            Event::Resumed { conn_no, .. }
            | Event::Received { conn_no, .. }
            | Event::Sent { conn_no, .. }
            | Event::Writable { conn_no }
            | Event::Ended { conn_no, .. }
            | Event::Closed { conn_no, .. }
            | Event::Checked { conn_no, .. } => Some(*conn_no),
            _ => None,
        }
    }

    /// True for what the server is told; false for what was noticed of it.
    pub fn is_input(&self) -> bool {
        !matches!(
            self,
            Event::Resumed { .. } | Event::Closed { .. } | Event::Checked { .. } | Event::Requested { .. }
        )
    }
}
