//! TCP sockets for the driver, on mio: edge-triggered and non-blocking.
//!
//! Large buffers that many connections are sent go through `sendfile` (`sendfile.rs`), all other bytes
//! through `send` or `writev`.

use crate::base::id::ListenerId;
use crate::base::slices::Slices;
use crate::base::time::Instant;
use crate::config::{LISTENERS_MAX, Service};
use crate::driver::{Accepted, Key, Read, Sockets};
use crate::net::listener::{self, Listener};
use crate::net::sendfile::Pages;
use crate::server::Taken;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr};

/// Token of the waker. Listeners have the tokens below it; above it are the signals, then sockets:
/// connections at even distances from `FIRST`, sockets in lingering close at odd ones.
pub const WAKER: Token = Token(LISTENERS_MAX);
/// Token of the signals.
pub const SIGNALS: Token = Token(LISTENERS_MAX + 1);
const FIRST: usize = LISTENERS_MAX + 2;

/// The source of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A listener.
    Listener(ListenerId),
    /// A helper thread woke the loop.
    Waker,
    /// A signal was received.
    Signals,
    /// A socket is ready.
    Socket(Key),
}

/// The source that has this token.
pub fn source(token: Token) -> Source {
    match token {
        WAKER => Source::Waker,
        SIGNALS => Source::Signals,
        Token(place) if place < LISTENERS_MAX => Source::Listener(ListenerId(place as u16)),
        Token(place) => {
            let index = ((place - FIRST) / 2) as u32;
            Source::Socket(if (place - FIRST).is_multiple_of(2) {
                Key::Conn(index)
            } else {
                Key::Lingering(index)
            })
        }
    }
}

fn token(key: Key) -> Token {
    match key {
        Key::Conn(index) => Token(FIRST + 2 * index as usize),
        Key::Lingering(place) => Token(FIRST + 2 * place as usize + 1),
    }
}

/// All sockets of the process.
pub struct MioSockets {
    registry: Registry,
    listeners: Vec<Listener>,
    sendfile: Pages,
}

/// The socket of a connection.
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    watched: bool,
}

impl MioSockets {
    /// Registers `listeners` with `registry`, which reports the readiness of all sockets.
    ///
    /// # Errors
    /// If the operating system refuses to register a listener.
    ///
    /// # Panics
    /// If there are more than [`LISTENERS_MAX`] listeners.
    pub fn new(registry: Registry, mut listeners: Vec<Listener>, sendfile: Pages) -> io::Result<Self> {
        assert!(listeners.len() <= LISTENERS_MAX, "the configuration limits the listeners");
        for (place, listener) in listeners.iter_mut().enumerate() {
            registry.register(&mut listener.socket, Token(place), Interest::READABLE)?;
        }
        Ok(MioSockets { registry, listeners, sendfile })
    }

    /// Services and addresses of the listeners, with the ports that the system gave.
    pub fn bound(&self) -> Vec<(Service, SocketAddr)> {
        self.listeners.iter().map(|listener| (listener.service, listener.addr)).collect()
    }

    /// Drops files in memory that were not sent for a while.
    pub fn sweep(&mut self, now: Instant) {
        self.sendfile.sweep(now);
    }

    /// When [`MioSockets::sweep`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.sendfile.deadline()
    }

    fn write_once(&mut self, stream: &mut TcpStream, slices: &Slices<'_>, now: Instant) -> io::Result<usize> {
        if let Some(result) = self.sendfile.send(stream, slices, now) {
            return result;
        }
        match slices.as_io_slices() {
            // Most writes hold one frame, and `send` has less overhead in the kernel than `writev`: it saves
            // a twelfth of the write, measured on loopback.
            [alone] => stream.write(alone),
            several => stream.write_vectored(several),
        }
    }
}

impl Sockets for MioSockets {
    type Socket = Socket;

    fn accept(&mut self, listener: ListenerId) -> Accepted<Socket> {
        match self.listeners[usize::from(listener.0)].accept() {
            listener::Accepted::Peer(stream, peer) => {
                // Responses and frames are complete writes. With Nagle's algorithm each would wait for the
                // acknowledgement of the last one, which takes a round trip.
                if let Err(error) = stream.set_nodelay(true) {
                    log::debug!("{peer} closed its connection before it was accepted: {error}");
                    return Accepted::Gone;
                }
                Accepted::Peer(Socket { stream, watched: false }, peer)
            }
            listener::Accepted::Empty => Accepted::Empty,
            listener::Accepted::Gone => Accepted::Gone,
            listener::Accepted::Exhausted(error) => {
                log::warn!(
                    "cannot accept connections for now: {error}; raise the limit of open files (ulimit -n) \
                     or lower limits.connections"
                );
                Accepted::Exhausted
            }
        }
    }

    fn watch(&mut self, socket: &mut Socket, key: Key) -> Result<(), String> {
        let result = if std::mem::replace(&mut socket.watched, true) {
            self.registry.reregister(&mut socket.stream, token(key), Interest::READABLE)
        } else {
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.registry.register(&mut socket.stream, token(key), interest)
        };
        result.map_err(|error| describe(&error))
    }

    fn read(&mut self, socket: &mut Socket, buffer: &mut [u8]) -> Read {
        loop {
            return match socket.stream.read(buffer) {
                Ok(0) => Read::Eof,
                Ok(len) => Read::Bytes { len, drained: len < buffer.len() },
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => Read::Nothing,
                Err(error) => Read::Broken(describe(&error)),
            };
        }
    }

    fn write(&mut self, socket: &mut Socket, slices: &Slices<'_>, now: Instant) -> Result<Taken, String> {
        loop {
            return match self.write_once(&mut socket.stream, slices, now) {
                Ok(len) => Ok(Taken { len, room: len == slices.len() }),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Taken { len: 0, room: false }),
                Err(error) => Err(describe(&error)),
            };
        }
    }

    fn shutdown(&mut self, socket: &mut Socket) {
        // Fails if the peer has closed already, which needs no FIN.
        let _gone = socket.stream.shutdown(Shutdown::Write);
    }

    fn close(&mut self, mut socket: Socket) {
        // Closing the descriptor is not enough if a child process holds a copy of it.
        if socket.watched
            && let Err(error) = self.registry.deregister(&mut socket.stream)
        {
            log::debug!("cannot deregister a socket: {error}");
        }
    }
}

/// Short text of an error, for logs.
pub fn describe(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::ConnectionReset => "reset by peer".to_owned(),
        ErrorKind::BrokenPipe => "broken pipe".to_owned(),
        ErrorKind::TimedOut => "timed out in the network".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{FIRST, SIGNALS, Source, WAKER, source, token};
    use crate::base::id::ListenerId;
    use crate::config::LISTENERS_MAX;
    use crate::driver::Key;
    use mio::Token;

    #[test]
    fn tokens_tell_what_is_ready() {
        assert_eq!(source(Token(0)), Source::Listener(ListenerId(0)));
        let last = LISTENERS_MAX - 1;
        assert_eq!(source(Token(last)), Source::Listener(ListenerId(last as u16)));
        assert_eq!(source(WAKER), Source::Waker);
        assert_eq!(source(SIGNALS), Source::Signals);
        assert_eq!(token(Key::Conn(0)), Token(FIRST));
        for key in [0, 1, 77, u32::MAX].into_iter().flat_map(|n| [Key::Conn(n), Key::Lingering(n)]) {
            assert_eq!(source(token(key)), Source::Socket(key));
        }
    }
}
