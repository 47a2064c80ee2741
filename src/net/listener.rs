//! A listening socket: opened with a clear error, and accepted from within a budget.

use crate::base::id::ListenerId;
use crate::config::Service;
use mio::net::{TcpListener, TcpStream};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

/// How many connections the kernel may keep for us before we accept them.
const BACKLOG: i32 = 4096;

/// How many bytes of a connection the kernel may hold that it has not begun to send, beyond which a socket
/// counts as full (`TCP_NOTSENT_LOWAT`). What the kernel holds cannot be skipped any more: a player that was
/// too slow for 4 Mbit/s was given frames 7 to 17 s old out of 4 MiB of kernel memory, and 2 s old out of
/// 0.2 MiB with this; with 512 KiB 2.5 s, and with a send buffer (`SO_SNDBUF`) of 128 KiB 2.5 s, which would
/// also cap those who are far away. Who keeps up has nothing unsent, and costs the same with it.
#[cfg(target_os = "linux")]
const UNSENT_BYTES_MAX: u32 = 128 << 10;

/// One listener.
#[derive(Debug)]
pub struct Listener {
    /// Who it is for the server.
    pub id: ListenerId,
    /// What it speaks.
    pub service: Service,
    /// The address that was given, with a real port.
    pub addr: SocketAddr,
    /// The socket.
    pub socket: TcpListener,
    /// True while connections may wait.
    pub acceptable: bool,
}

/// What an accept gave.
#[derive(Debug)]
pub enum Accepted {
    /// A peer.
    Peer(TcpStream, SocketAddr),
    /// Nobody waits.
    Nobody,
    /// The peer went away before we came to it.
    Gone,
    /// The process or the system has no file descriptors left.
    Exhausted(io::Error),
}

impl Listener {
    /// Opens a listener.
    pub fn open(id: ListenerId, service: Service, addr: SocketAddr) -> io::Result<Listener> {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        if addr.is_ipv6() {
            // `[::]` and `0.0.0.0` stand beside each other in many a configuration.
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        // Every connection inherits it.
        #[cfg(target_os = "linux")]
        socket.set_tcp_notsent_lowat(UNSENT_BYTES_MAX)?;
        socket.bind(&addr.into())?;
        socket.listen(BACKLOG)?;
        let socket = TcpListener::from_std(socket.into());
        let addr = socket.local_addr()?;
        Ok(Listener { id, service, addr, socket, acceptable: true })
    }

    /// Accepts one connection.
    pub fn accept(&self) -> Accepted {
        match self.socket.accept() {
            Ok((stream, peer)) => Accepted::Peer(stream, peer),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock => Accepted::Nobody,
                ErrorKind::ConnectionAborted | ErrorKind::Interrupted | ErrorKind::ConnectionReset => {
                    Accepted::Gone
                }
                _ => Accepted::Exhausted(error),
            },
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::{Accepted, Listener, UNSENT_BYTES_MAX};
    use crate::base::id::ListenerId;
    use crate::config::Service;
    use socket2::SockRef;
    use std::net::TcpStream;

    #[test]
    fn every_connection_inherits_the_limit_of_what_is_unsent() {
        let addr = "127.0.0.1:0".parse().unwrap();
        let listener = Listener::open(ListenerId(0), Service::Rtmp, addr).unwrap();
        let _peer = TcpStream::connect(listener.addr).unwrap();
        let accepted = loop {
            match listener.accept() {
                Accepted::Peer(stream, _) => break stream,
                Accepted::Nobody => std::thread::yield_now(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(SockRef::from(&accepted).tcp_notsent_lowat().unwrap(), UNSENT_BYTES_MAX);
    }
}
