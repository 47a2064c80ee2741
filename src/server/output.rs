//! The requests of the server to the shell. The shell performs them after every call; a request that is
//! answered has a ticket, which the answer repeats.

use crate::base::id::{ConnId, Ticket};
use crate::base::store::StoreOp;
use serde::{Deserialize, Serialize};

/// A request of the server to the shell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Output {
    /// Call [`crate::server::Server::write`] for this connection.
    Write {
        /// Whose.
        conn: ConnId,
    },
    /// Stop or resume reading from a connection.
    Read {
        /// Which.
        conn: ConnId,
        /// Whether to read.
        on: bool,
    },
    /// Close a connection. Nothing is heard of it afterwards.
    Close {
        /// Which.
        conn: ConnId,
        /// True: the final response is on its way, let it arrive (lingering close). False: drop it.
        linger: bool,
    },
    /// Start background work.
    Start(Job),
    /// Everything is said and done after a drain: the process may end.
    Finished,
}

/// Background work: what would block the loop. Its result comes back as an input with the same ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Job {
    /// Change a file; answered by `Input::Stored`.
    Store {
        /// Names the request.
        ticket: Ticket,
        /// The change.
        op: StoreOp,
    },
    /// Measure process and machine; answered by `Input::Measured`.
    Measure {
        /// Names the request.
        ticket: Ticket,
    },
}

/// What was taken of the bytes that were shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// How many bytes.
    pub len: usize,
    /// False if fewer were taken than were shown: there is no room before `Input::Writable`.
    pub room: bool,
}
