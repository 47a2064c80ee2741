//! Lingering close: closes sockets so that the final response arrives.
//!
//! Closing a socket that holds unread bytes makes the kernel send RST, and the peer may lose bytes that it
//! has not read yet. So FIN is sent first, and bytes of the peer are read and dropped until the peer closes
//! its side or [`Limits::linger`] passes.

use crate::base::table::Table;
use crate::base::time::Instant;
use crate::driver::{Key, Limits, Read, Sockets};
use std::collections::VecDeque;

/// The sockets in lingering close.
#[derive(Debug)]
pub struct Lingering<S> {
    sockets: Table<Entry<S>>,
    /// The latest time of each close, and the socket's index in `sockets`; in the order of time.
    due: VecDeque<(Instant, usize)>,
    /// Indices of sockets that may have bytes to drop.
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

    /// The latest time of the next close.
    pub fn deadline(&self) -> Option<Instant> {
        self.due.front().map(|(at, _)| *at)
    }

    /// All sockets.
    pub fn into_sockets(self) -> impl Iterator<Item = S> {
        self.sockets.into_values().map(|entry| entry.socket)
    }

    /// Sends FIN and takes over the socket.
    ///
    /// # Panics
    /// If [`Limits::lingering_sockets`] is larger than 2^32.
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
            // It has had the most time.
            self.close_oldest(world);
        }
        let place = self.sockets.next_place();
        let key = Key::Lingering(u32::try_from(place).expect("sockets in lingering close are limited"));
        if world.watch(&mut socket, key).is_err() {
            // Without readiness the end of the peer would never be noticed.
            return world.close(socket);
        }
        self.sockets.insert(Entry { socket, dropped_bytes: 0 });
        self.due.push_back((now + limits.linger, place));
        // Readiness that was reported before is not reported again.
        self.drop_bytes(place, limits, buffer, world);
    }

    /// Notes that the socket at this index has bytes to drop or has ended.
    pub fn ready(&mut self, place: u32) {
        let place = place as usize;
        if self.sockets.get(place).is_some() && !self.ready.contains(&place) {
            self.ready.push_back(place);
        }
    }

    /// Reads and drops bytes of the sockets that are ready.
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
                    // A peer that keeps sending does not read the response.
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

    /// Closes the sockets whose time has passed.
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
