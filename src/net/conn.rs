//! A TCP connection as the reactor keeps it: the socket, and what is known about its readiness.

use crate::base::id::ConnId;
use crate::base::slices::Slices;
use crate::base::time::Instant;
use crate::net::sendfile::Pages;
use mio::net::TcpStream;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;

/// Most bytes of one read; a shorter read means that the socket is empty, or has only its end left. With
/// 16 KiB publishers cost a quarter more, and with 256 KiB the same (`benches/README.md`).
pub const READ_BYTES: usize = 64 << 10;

/// What a read gave.
#[derive(Debug)]
pub enum Got {
    /// So many bytes, and there may be more.
    More(usize),
    /// So many bytes, and no more for now.
    All(usize),
    /// Nothing for now.
    Nothing,
    /// The peer has closed its side.
    Eof,
    /// The connection is broken.
    Broken(String),
}

/// What a write did.
#[derive(Debug)]
pub enum Put {
    /// So many bytes were taken; true if that was all.
    Taken(usize, bool),
    /// The connection is broken.
    Broken(String),
}

/// One connection.
#[derive(Debug)]
pub struct Conn {
    /// Who it is for the server.
    pub id: ConnId,
    /// The socket.
    pub stream: TcpStream,
    /// True while there may be bytes that were not read.
    pub readable: bool,
    /// True once the poll has told that the peer closed its side. It tells so once: the end must be read
    /// for, even behind a short read.
    pub finished: bool,
    /// True while the server wants to be told what it says.
    pub reading: bool,
    /// True from a write that was not taken whole until the poll tells of room. The poll tells of room
    /// whenever it tells of bytes, too.
    pub full: bool,
    /// True while it stands in the reactor's line of those to read from.
    pub queued: bool,
}

impl Conn {
    /// Reads once into `buffer`.
    pub fn read(&mut self, buffer: &mut [u8]) -> Got {
        loop {
            return match self.stream.read(buffer) {
                Ok(0) => Got::Eof,
                Ok(len) if len == buffer.len() || self.finished => Got::More(len),
                Ok(len) => Got::All(len),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => Got::Nothing,
                Err(error) => Got::Broken(describe(&error)),
            };
        }
    }

    /// Writes the slices with one system call, or sends what is large from `pages`.
    pub fn write(&mut self, slices: &Slices<'_>, pages: &mut Pages, now: Instant) -> Put {
        let put = self.put(slices, pages, now);
        self.full = matches!(put, Put::Taken(_, false));
        put
    }

    fn put(&mut self, slices: &Slices<'_>, pages: &mut Pages, now: Instant) -> Put {
        loop {
            // A frame alone is what most players are sent most of the time, and `send` goes a shorter way
            // through the kernel than `writev`: a twelfth of the whole write, measured on loopback.
            let result =
                pages.send(&self.stream, slices, now).unwrap_or_else(|| match slices.as_io_slices() {
                    [alone] => self.stream.write(alone),
                    several => self.stream.write_vectored(several),
                });
            return match result {
                Ok(len) => Put::Taken(len, len == slices.len()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => Put::Taken(0, false),
                Err(error) => Put::Broken(describe(&error)),
            };
        }
    }

    /// Says that nothing more will be written.
    pub fn say_goodbye(&self) {
        // A peer that is gone already needs no goodbye.
        let _gone = self.stream.shutdown(Shutdown::Write);
    }
}

/// An error in few words.
pub fn describe(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::ConnectionReset => "reset by peer".to_owned(),
        ErrorKind::BrokenPipe => "broken pipe".to_owned(),
        ErrorKind::TimedOut => "timed out in the network".to_owned(),
        _ => error.to_string(),
    }
}
