//! Lingering close: connections whose final response is on its way.
//!
//! Closing a socket that holds unread bytes makes the kernel reset the connection, and the peer may lose
//! the final response. So a connection that lingers shuts its sending side, then reads and throws away what
//! still comes until the peer closes its side, for a short time.

use crate::base::time::Instant;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use slab::Slab;
use std::collections::VecDeque;
use std::io::{ErrorKind, Read};
use std::time::Duration;

/// Most connections that are closing at a time; past it the oldest is dropped.
pub const CLOSING_MAX: usize = 1024;

/// How long the peer may take to be done.
const PATIENCE: Duration = Duration::from_secs(1);

/// Most bytes that are thrown away of one peer.
const DISCARD_BYTES_MAX: usize = 1 << 20;

#[derive(Debug)]
struct Parting {
    stream: TcpStream,
    discarded: usize,
}

/// The connections that are closing.
#[derive(Debug)]
pub struct Closing {
    first_token: usize,
    partings: Slab<Parting>,
    /// When each may be dropped, oldest first; places whose connection is gone already are passed over.
    due: VecDeque<(Instant, usize)>,
}

impl Closing {
    /// None yet; their tokens begin at `first_token`.
    pub fn new(first_token: usize) -> Self {
        Closing { first_token, partings: Slab::new(), due: VecDeque::new() }
    }

    /// Takes over a connection that has said goodbye.
    pub fn adopt(&mut self, registry: &Registry, mut stream: TcpStream, now: Instant) {
        if self.partings.len() == CLOSING_MAX {
            self.drop_oldest();
        }
        let entry = self.partings.vacant_entry();
        let place = entry.key();
        if registry.reregister(&mut stream, Token(self.first_token + place), Interest::READABLE).is_err() {
            return;
        }
        entry.insert(Parting { stream, discarded: 0 });
        self.due.push_back((now + PATIENCE, place));
        self.ready(self.first_token + place);
    }

    /// The connection with this token has something to say, or has ended.
    pub fn ready(&mut self, token: usize) {
        let place = token - self.first_token;
        let Some(parting) = self.partings.get_mut(place) else { return };
        let mut waste = [0; 4096];
        let gone = loop {
            match parting.stream.read(&mut waste) {
                Ok(0) => break true,
                Ok(len) => {
                    parting.discarded += len;
                    if parting.discarded > DISCARD_BYTES_MAX {
                        break true;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => break error.kind() != ErrorKind::WouldBlock,
            }
        };
        if gone {
            self.forget(place);
        }
    }

    fn forget(&mut self, place: usize) {
        self.partings.remove(place);
        self.due.retain(|(_, other)| *other != place);
    }

    fn drop_oldest(&mut self) {
        if let Some((_, place)) = self.due.pop_front() {
            self.partings.remove(place);
        }
    }

    /// Drops those whose time is over.
    pub fn expire(&mut self, now: Instant) {
        while self.due.front().is_some_and(|(at, _)| *at <= now) {
            self.drop_oldest();
        }
    }

    /// When the next one is dropped.
    pub fn deadline(&self) -> Option<Instant> {
        self.due.front().map(|(at, _)| *at)
    }
}
