//! The requests of the server to the shell. The shell performs them after every call; a request that is
//! answered has a ticket, which the answer repeats.

use crate::base::id::{ConnId, ListenerId, Ticket};
use crate::base::store::StoreOp;
use crate::status::RecorderWish;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

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
    /// Send a datagram.
    Send {
        /// From which listener's socket.
        listener: ListenerId,
        /// To whom.
        peer: SocketAddr,
        /// What.
        bytes: Bytes,
    },
    /// Dial out; answered by `Input::Connected`.
    Connect {
        /// Which connection this is to be.
        conn: ConnId,
        /// Where to.
        peer: SocketAddr,
    },
    /// Look a host up; answered by `Input::Resolved`.
    Resolve {
        /// Names the request.
        ticket: Ticket,
        /// Its name.
        host: String,
    },
    /// Change a file; answered by `Input::Stored`.
    Store {
        /// Names the request.
        ticket: Ticket,
        /// How.
        op: StoreOp,
    },
    /// Do something with the flight recorder; answered by `Input::Recorder`.
    Recorder {
        /// Names the request.
        ticket: Ticket,
        /// What is wanted.
        wish: RecorderWish,
    },
    /// When this connection is closed and lingers, a part of a recording follows the final response. The
    /// server never sees that part, and no recording holds it.
    Append {
        /// To which connection.
        conn: ConnId,
        /// The file's name.
        name: String,
        /// How many bytes of it.
        bytes: u64,
    },
    /// Read a file; answered by `Input::Loaded`.
    Load {
        /// Names the request.
        ticket: Ticket,
        /// Which.
        path: String,
    },
    /// Start a child process; answered by `Input::Exited` when it ends.
    Spawn {
        /// Names the request.
        ticket: Ticket,
        /// Program and arguments; no shell in between.
        argv: Vec<String>,
    },
    /// Measure process and machine; answered by `Input::Measured`.
    Measure {
        /// Names the request.
        ticket: Ticket,
    },
    /// Everything is said and done after a drain: the process may end.
    Finished,
}
