//! The requests of the server to the shell. The shell performs them after every call; a request that is
//! answered has a ticket, which the answer repeats.

use crate::base::id::{ConnId, Ticket};
use crate::base::store::StoreOp;
use serde::{Deserialize, Serialize};

/// A request of the server to the shell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Output {
    /// Write [`crate::server::Server::outbox`] of this connection and report [`crate::server::Input::Sent`].
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
    /// Change a file; answered by `Input::Stored`.
    Store {
        /// Names the request.
        ticket: Ticket,
        /// How.
        op: StoreOp,
    },
    /// Measure process and machine; answered by `Input::Measured`.
    Measure {
        /// Names the request.
        ticket: Ticket,
    },
    /// Everything is said and done after a drain: the process may end.
    Finished,
}
