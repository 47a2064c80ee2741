//! Outputs: requests of the server to the shell, which performs them after every call of the server. A
//! request that is answered has a ticket; the answer, an input, holds the same ticket.

use crate::base::id::{ConnId, Ticket};
use crate::base::store::StoreOp;
use serde::{Deserialize, Serialize};

/// A request of the server to the shell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Output {
    /// Call [`crate::server::Server::write`] for this connection.
    Write {
        /// The connection.
        conn: ConnId,
    },
    /// Stop or resume reading from a connection.
    Read {
        /// The connection.
        conn: ConnId,
        /// True: resume. False: stop.
        on: bool,
    },
    /// Close a connection. No input may name it afterwards.
    Close {
        /// The connection.
        conn: ConnId,
        /// True: send FIN and keep reading until the peer closes or a timeout passes (lingering close), so
        /// that the final response arrives. False: close at once.
        linger: bool,
    },
    /// Start background work.
    Start(Job),
    /// The drain is over and all connections are closed: the process may end.
    Finished,
}

/// Background work that would block the loop. Its result is an input with the same ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Job {
    /// Change a file; answered by `Input::Stored`.
    Store {
        /// Ticket, repeated by the answer.
        ticket: Ticket,
        /// The change.
        op: StoreOp,
    },
    /// Measure the process and the machine; answered by `Input::Measured`.
    Measure {
        /// Ticket, repeated by the answer.
        ticket: Ticket,
    },
}

/// The result of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Number of bytes that were taken.
    pub len: usize,
    /// False if fewer bytes were taken than were given: no more are taken until `Input::Writable`.
    pub room: bool,
}
