//! Lingering close: sockets whose final response is on its way.
//!
//! Closing a socket that holds unread bytes makes the kernel reset the connection, and the peer may lose what
//! was sent last. So such a socket gets a FIN, and what the peer still sends is read and dropped until the
//! peer closes its side too, for a short time ([`Limits::linger`]).

use crate::base::table::Table;
use crate::base::time::Instant;
use crate::driver::{Key, Limits, Read, Sockets};
use std::collections::VecDeque;

/// The sockets in lingering close.
#[derive(Debug)]
pub struct Lingering<S> {
    sockets: Table<Entry<S>>,
    /// When each is closed at the latest, the oldest first, by place.
    due: VecDeque<(Instant, usize)>,
    /// Places whose sockets may have bytes to drop.
    ready: VecDeque<usize>,
}

#[derive(Debug)]
struct Entry<S> {
    socket: S,
    dropped_bytes: usize,
}

impl<S> Default for Lingering<S> {
    fn default() -> Self {
        Lingering { sockets: Table::default(), due: VecDeque::new(), ready: VecDeque::new() }
    }
}

impl<S> Lingering<S> {
    /// Number of sockets.
    pub fn len(&self) -> usize {
        self.sockets.len()
    }

    /// True if a socket may have bytes to drop.
    pub fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// When the next socket is closed at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        self.due.front().map(|(at, _)| *at)
    }

    /// All sockets.
    pub fn into_sockets(self) -> impl Iterator<Item = S> {
        self.sockets.into_values().map(|entry| entry.socket)
    }

    /// Sends FIN and takes the socket over.
    pub fn adopt<W: Sockets<Socket = S>>(
        &mut self,
        mut socket: S,
        now: Instant,
        limits: &Limits,
        buffer: &mut [u8],
        world: &mut W,
    ) {
        world.shutdown(&mut socket);
        if self.sockets.len() >= limits.lingering_sockets {
            self.close_oldest(world);
        }
        let place = self.sockets.next_place();
        let key = Key::Lingering(u32::try_from(place).expect("sockets in lingering close are limited"));
        if world.watch(&mut socket, key).is_err() {
            return world.close(socket);
        }
        self.sockets.insert(Entry { socket, dropped_bytes: 0 });
        self.due.push_back((now + limits.linger, place));
        // What came before is not reported again.
        self.drop_bytes(place, limits, buffer, world);
    }

    /// The socket in this place has bytes to drop, or has ended.
    pub fn ready(&mut self, place: u32) {
        let place = place as usize;
        if self.sockets.get(place).is_some() && !self.ready.contains(&place) {
            self.ready.push_back(place);
        }
    }

    /// Reads and drops what peers have sent.
    pub fn discard<W: Sockets<Socket = S>>(&mut self, limits: &Limits, buffer: &mut [u8], world: &mut W) {
        while let Some(place) = self.ready.pop_front() {
            self.drop_bytes(place, limits, buffer, world);
        }
    }

    fn drop_bytes<W: Sockets<Socket = S>>(
        &mut self,
        place: usize,
        limits: &Limits,
        buffer: &mut [u8],
        world: &mut W,
    ) {
        let Some(entry) = self.sockets.get_mut(place) else { return };
        let done = loop {
            match world.read(&mut entry.socket, buffer) {
                Read::Bytes { len, .. } => {
                    entry.dropped_bytes += len;
                    if entry.dropped_bytes > limits.linger_bytes {
                        reached!("a peer went on sending after the final response");
                        break true;
                    }
                }
                Read::Nothing => break false,
                Read::Eof | Read::Broken(_) => break true,
            }
        };
        if done {
            self.due.retain(|(_, other)| *other != place);
            self.close(place, world);
        }
    }

    /// Closes the sockets whose time is over.
    pub fn expire<W: Sockets<Socket = S>>(&mut self, now: Instant, world: &mut W) {
        while self.due.front().is_some_and(|(at, _)| *at <= now) {
            reached!("a lingering close ended by its timeout");
            self.close_oldest(world);
        }
    }

    fn close_oldest<W: Sockets<Socket = S>>(&mut self, world: &mut W) {
        if let Some((_, place)) = self.due.pop_front() {
            self.close(place, world);
        }
    }

    fn close<W: Sockets<Socket = S>>(&mut self, place: usize, world: &mut W) {
        self.ready.retain(|other| *other != place);
        if let Some(entry) = self.sockets.remove(place) {
            world.close(entry.socket);
        }
    }
}
