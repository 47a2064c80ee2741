//! Entries of a recording: the inputs of a server, and checks of its outputs.

use crate::base::id::{ConnId, ListenerId, Ticket};
use crate::base::time::Instant;
use crate::record::rolling_hash::RollingHash;
use crate::server::End;
use crate::status::Vitals;
use bytes::Bytes;
use std::fmt;
use std::net::SocketAddr;

/// Number of a connection in a recording; the first connection is 0.
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

/// An event and its time.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Time of the server.
    pub at: Instant,
    /// The event.
    pub event: Event,
}

/// An event: the inputs of [`crate::server::Input`], which own their bytes here, then what was observed of
/// the outputs.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A connection came. If the server accepted it, it has the next free number.
    Accepted {
        /// The listener.
        listener: ListenerId,
        /// Address of the peer.
        peer: SocketAddr,
        /// Number of the connection; `None` if it was refused.
        conn_no: Option<ConnNo>,
    },
    /// A connection of a saved server, which is older than the recording.
    Resumed {
        /// Number of the connection in the recording.
        conn_no: ConnNo,
        /// Id of the connection in the saved server.
        conn: ConnId,
    },
    /// [`crate::server::Input::Tick`].
    Tick,
    /// Bytes were received.
    Received {
        /// The connection.
        conn_no: ConnNo,
        /// The bytes.
        bytes: Bytes,
    },
    /// Bytes were sent.
    Sent {
        /// The connection.
        conn_no: ConnNo,
        /// Number of bytes.
        len: u32,
        /// False if fewer bytes were taken than were given.
        room: bool,
        /// [`RollingHash::short`] of all bytes that were sent to the connection so far.
        check: u16,
    },
    /// A socket has room again.
    Writable {
        /// The connection.
        conn_no: ConnNo,
    },
    /// The peer or the network ended a connection.
    Ended {
        /// The connection.
        conn_no: ConnNo,
        /// How it ended.
        end: End,
    },
    /// Result of a file operation.
    Stored {
        /// Ticket of the request.
        ticket: Ticket,
        /// The error, if it failed.
        result: Result<(), String>,
    },
    /// Result of a measurement.
    Measured {
        /// Ticket of the request.
        ticket: Ticket,
        /// The measurements.
        vitals: Box<Vitals>,
    },
    /// The configuration was reloaded.
    Reload {
        /// The new configuration as RON text with every setting.
        config: String,
    },
    /// [`crate::server::Input::Drain`].
    Drain,
    /// Observed: the server closed a connection.
    Closed {
        /// The connection.
        conn_no: ConnNo,
        /// True for a lingering close.
        linger: bool,
        /// Hash of all bytes that were sent to it since the recording began.
        sent: RollingHash,
    },
    /// Observed: the bytes that were sent to a connection so far. Written from time to time.
    Checked {
        /// The connection.
        conn_no: ConnNo,
        /// Hash of all bytes that were sent to it since the recording began.
        sent: RollingHash,
    },
    /// Observed: all other outputs of the server so far (files, measurements, reading on and off).
    Requested {
        /// Hash of these outputs as text.
        requests: RollingHash,
    },
}

impl Event {
    /// The connection of the event, if it has one.
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

    /// True for inputs of the server, false for what was observed.
    pub fn is_input(&self) -> bool {
        !matches!(
            self,
            Event::Resumed { .. } | Event::Closed { .. } | Event::Checked { .. } | Event::Requested { .. }
        )
    }
}
