//! Sockets as an operating system gives them: nothing here ever waits.

use crate::base::id::ListenerId;
use crate::base::slices::Slices;
use crate::base::time::Instant;
use crate::server::Taken;
use std::net::SocketAddr;

/// The sockets of a world. Readiness is edge-triggered: it is reported once when a socket becomes ready, and
/// a socket is ready until a call says otherwise.
pub trait Sockets {
    /// A connection's socket.
    type Socket;

    /// Takes the next connection that waits at a listener.
    fn accept(&mut self, listener: ListenerId) -> Accepted<Self::Socket>;

    /// Has the readiness of `socket` reported under `key` from now on, instead of under any earlier key.
    ///
    /// # Errors
    /// The system refuses: why, in a few words.
    fn watch(&mut self, socket: &mut Self::Socket, key: Key) -> Result<(), String>;

    /// Reads once.
    fn read(&mut self, socket: &mut Self::Socket, buffer: &mut [u8]) -> Read;

    /// Writes the slices once, as much of them as there is room for. If [`Taken::room`] is false, room is
    /// reported when there is some again.
    ///
    /// # Errors
    /// The connection is broken: how, in a few words.
    fn write(
        &mut self,
        socket: &mut Self::Socket,
        slices: &Slices<'_>,
        now: Instant,
    ) -> Result<Taken, String>;

    /// Says that nothing more will be written (FIN).
    fn shutdown(&mut self, socket: &mut Self::Socket);

    /// Closes a socket. Its readiness may still be reported, and is ignored.
    fn close(&mut self, socket: Self::Socket);
}

/// What an accept gave.
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

/// What a read gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// Bytes.
    Bytes {
        /// How many.
        len: usize,
        /// No more bytes are there for now. The end of the stream may be.
        drained: bool,
    },
    /// Nothing for now.
    Nothing,
    /// The peer has closed its side, and all its bytes were read.
    Eof,
    /// The connection is broken: how, in a few words.
    Broken(String),
}

/// Which socket is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// That of the connection with this index.
    Conn(u32),
    /// The one in this place among those in lingering close.
    Lingering(u32),
}

/// What a socket is ready for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// Bytes or an error can be read.
    pub readable: bool,
    /// The peer has closed its side.
    pub read_closed: bool,
    /// There is room to write.
    pub writable: bool,
}
