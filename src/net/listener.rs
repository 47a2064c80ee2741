//! A listening socket. In: an address. Out: connections.

use crate::base::id::ListenerId;
use crate::config::Service;
use mio::net::{TcpListener, TcpStream};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

/// Most connections that wait in the kernel to be accepted.
const BACKLOG: i32 = 4096;

/// A socket counts as full when the kernel holds this many bytes that it has not begun to send
/// (`TCP_NOTSENT_LOWAT`). Bytes in the kernel cannot be skipped. Measured with a player too slow for 4
/// Mbit/s: without the limit it got frames 7 to 17 s old out of 4 MiB of kernel memory, with it 2 s old out
/// of 0.2 MiB, with 512 KiB 2.5 s. A send buffer (`SO_SNDBUF`) of 128 KiB gives 2.5 s too, but also caps the
/// throughput of peers with long round trips. A player that keeps up has no unsent bytes and costs the same.
#[cfg(target_os = "linux")]
const UNSENT_BYTES_MAX: u32 = 128 << 10;

/// A listener.
#[derive(Debug)]
pub struct Listener {
    /// Id of the listener in the server.
    pub id: ListenerId,
    /// Protocol of its connections.
    pub service: Service,
    /// The address, with the port that the system gave.
    pub addr: SocketAddr,
    /// The listening socket.
    pub socket: TcpListener,
    /// True while connections may wait.
    pub acceptable: bool,
}

/// Result of an accept.
#[derive(Debug)]
pub enum Accepted {
    /// A connection, and the address of its peer.
    Peer(TcpStream, SocketAddr),
    /// No connection waits.
    Empty,
    /// The peer closed the connection before it was accepted.
    Gone,
    /// The process or the system has no file descriptors left.
    Exhausted(io::Error),
}

impl Listener {
    /// Opens a listener.
    ///
    /// # Errors
    /// If the address is taken, is not the machine's, or needs a privilege.
    pub fn open(id: ListenerId, service: Service, addr: SocketAddr) -> io::Result<Listener> {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        if addr.is_ipv6() {
            // So that `[::]` and `0.0.0.0` can have the same port.
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        // Set here because accepted connections inherit it: one call instead of one for each.
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
                ErrorKind::WouldBlock => Accepted::Empty,
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
                Accepted::Empty => std::thread::yield_now(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(SockRef::from(&accepted).tcp_notsent_lowat().unwrap(), UNSENT_BYTES_MAX);
    }
}
