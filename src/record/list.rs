//! What can stand in a recording: the inputs of a server, and what the shell noticed of its outputs.

use crate::base::id::{ConnId, ListenerId, Ticket};
use crate::base::time::Instant;
use crate::record::rolling_hash::RollingHash;
use crate::server::End;
use crate::status::{RecorderAnswer, RecorderRefusal, Vitals};
use bytes::Bytes;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// A connection, by its place in the recording: the first that came is 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seat(pub u32);

impl fmt::Display for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

impl fmt::Debug for Seat {
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
    /// A peer came; the next free number is its seat if it was let in.
    Accepted {
        /// To which listener.
        listener: ListenerId,
        /// From where.
        peer: SocketAddr,
        /// Its seat; `None`: it was turned away.
        seat: Option<Seat>,
    },
    /// A connection of a saved server, from before the recording.
    Seated {
        /// Its seat from now on.
        seat: Seat,
        /// Who it is for the saved server.
        conn: ConnId,
    },
    /// Time passed.
    Tick,
    /// Bytes came.
    Received {
        /// From whom.
        seat: Seat,
        /// What.
        bytes: Bytes,
    },
    /// The kernel took bytes.
    Sent {
        /// Whose.
        seat: Seat,
        /// How many.
        len: u32,
        /// Whether there was room for all that was offered.
        room: bool,
        /// [`RollingHash::short`] of everything that was sent to this seat so far.
        check: u16,
    },
    /// The kernel has room again.
    Writable {
        /// For whom.
        seat: Seat,
    },
    /// A connection is over from outside.
    Ended {
        /// Which.
        seat: Seat,
        /// How.
        end: End,
    },
    /// A datagram came.
    Datagram {
        /// On which listener.
        listener: ListenerId,
        /// From where.
        peer: SocketAddr,
        /// What.
        bytes: Bytes,
    },
    /// How dialling out went.
    Connected {
        /// Which connection.
        seat: Seat,
        /// Nothing, or the reason.
        result: Result<(), String>,
    },
    /// Addresses of a host.
    Resolved {
        /// Which question.
        ticket: Ticket,
        /// The addresses, or the reason.
        result: Result<Vec<IpAddr>, String>,
    },
    /// A file was changed.
    Stored {
        /// Which question.
        ticket: Ticket,
        /// Nothing, or the reason.
        result: Result<(), String>,
    },
    /// A file was read.
    Loaded {
        /// Which question.
        ticket: Ticket,
        /// The content, or the reason.
        result: Result<Bytes, String>,
    },
    /// A child process ended.
    Exited {
        /// Which.
        ticket: Ticket,
        /// Its exit code, or the reason.
        result: Result<Option<i32>, String>,
    },
    /// Process and machine were measured.
    Measured {
        /// Which question.
        ticket: Ticket,
        /// What was measured.
        vitals: Box<Vitals>,
    },
    /// The flight recorder did what an operator wanted, or did not.
    Recorder {
        /// Which question.
        ticket: Ticket,
        /// What was done, or why not.
        result: Result<RecorderAnswer, RecorderRefusal>,
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
        seat: Seat,
        /// Whether last words were on their way.
        linger: bool,
        /// Everything that was sent to it since the recording began.
        sent: RollingHash,
    },
    /// Noticed: what was sent to a connection so far. Written now and then.
    Checked {
        /// Which.
        seat: Seat,
        /// Everything that was sent to it since the recording began.
        sent: RollingHash,
    },
    /// Noticed: all other wishes of the server so far (files, names, processes, reading on and off).
    Wished {
        /// The wishes as text, one after the other.
        wishes: RollingHash,
    },
}

impl Event {
    /// Whose event it is.
    pub fn seat(&self) -> Option<Seat> {
        match self {
            Event::Accepted { seat, .. } => *seat,
            Event::Seated { seat, .. }
            | Event::Received { seat, .. }
            | Event::Sent { seat, .. }
            | Event::Writable { seat }
            | Event::Ended { seat, .. }
            | Event::Connected { seat, .. }
            | Event::Closed { seat, .. }
            | Event::Checked { seat, .. } => Some(*seat),
            _ => None,
        }
    }

    /// True for what the server is told; false for what was noticed of it.
    pub fn is_input(&self) -> bool {
        !matches!(
            self,
            Event::Seated { .. } | Event::Closed { .. } | Event::Checked { .. } | Event::Wished { .. }
        )
    }
}
