//! The sockets of an operating system, as the loop needs them. No call waits.

use crate::base::id::ListenerId;
use crate::base::slices::Slices;
use crate::base::time::Instant;
use crate::server::Taken;
use std::net::SocketAddr;

/// Non-blocking sockets. Readiness is edge-triggered: it is reported once when a socket becomes ready, and
/// holds until a call finds no bytes or no room.
pub trait Sockets {
    /// The socket of a connection.
    type Socket;

    /// Accepts the next connection that waits at a listener.
    fn accept(&mut self, listener: ListenerId) -> Accepted<Self::Socket>;

    /// Makes readiness of `socket` be reported under `key`, instead of an earlier key.
    ///
    /// # Errors
    /// The error of the operating system.
    fn watch(&mut self, socket: &mut Self::Socket, key: Key) -> Result<(), String>;

    /// Reads once.
    fn read(&mut self, socket: &mut Self::Socket, buffer: &mut [u8]) -> Read;

    /// Writes as many bytes of the slices as the socket takes. If [`Taken::room`] is false, readiness reports
    /// when there is room again.
    ///
    /// # Errors
    /// The error of the operating system; the connection is broken.
    fn write(
        &mut self,
        socket: &mut Self::Socket,
        slices: &Slices<'_>,
        now: Instant,
    ) -> Result<Taken, String>;

    /// Sends FIN: no bytes follow.
    fn shutdown(&mut self, socket: &mut Self::Socket);

    /// Closes a socket. Readiness may still be reported and is ignored.
    fn close(&mut self, socket: Self::Socket);
}

/// Result of an accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accepted<S> {
    /// A connection, and the address of its peer.
    Peer(S, SocketAddr),
    /// No connection waits.
    Empty,
    /// The peer closed the connection before it was accepted. Others may wait.
    Gone,
    /// The process or the system has no file descriptors left. Connections wait.
    Exhausted,
}

/// Result of a read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// Bytes were read.
    Bytes {
        /// Number of bytes.
        len: usize,
        /// True if no more bytes are there for now. The end of the stream may be.
        drained: bool,
    },
    /// No bytes are there for now.
    Nothing,
    /// The peer has closed its side, and all its bytes were read.
    Eof,
    /// The connection is broken. Holds the error of the operating system.
    Broken(String),
}

/// Which socket is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// The socket of the connection with this index.
    Conn(u32),
    /// The socket at this index among those in lingering close.
    Lingering(u32),
}

/// What a socket is ready for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// Bytes or an error can be read.
    pub readable: bool,
    /// The peer has closed its side.
    pub read_closed: bool,
    /// The socket has room for bytes.
    pub writable: bool,
}
