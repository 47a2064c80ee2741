//! A listening socket: opened with a clear error, and accepted from within a budget.

use crate::base::id::ListenerId;
use crate::config::Service;
use mio::net::{TcpListener, TcpStream};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

/// How many connections the kernel may keep for us before we accept them.
const BACKLOG: i32 = 4096;

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
