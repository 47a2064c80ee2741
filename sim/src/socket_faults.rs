//! Faults of reads and writes on one socket: short reads, short writes, room that comes back late.
//!
//! Each connection has a random generator of its own, named by the address of the peer, so that faults of one
//! connection never change those of another.

use crate::rng::{Draws, fork};
use conformance::rng::Rng;
use std::net::SocketAddr;
use std::time::Duration;

/// What can go wrong with reads and writes of a run; 0: nothing does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketFaults {
    /// Reads give from 1 to so many bytes.
    pub read_bytes_max: usize,
    /// Writes take from 1 to so many bytes.
    pub write_bytes_max: usize,
    /// After a short write, room comes back after up to so many microseconds.
    pub pause_us_max: u64,
    /// Of so many connections in a thousand.
    pub permille: u64,
}

/// One socket's.
#[derive(Debug)]
pub struct FaultySocket {
    rng: Rng,
    faults: SocketFaults,
}

impl FaultySocket {
    /// The faults of the socket of `peer` in the run `seed`.
    pub fn new(seed: u64, peer: SocketAddr, faults: SocketFaults) -> Self {
        let mut rng = fork(seed, &format!("grip/{peer}"));
        let spared = !rng.chance(faults.permille);
        FaultySocket { rng, faults: if spared { SocketFaults::default() } else { faults } }
    }

    /// Most bytes that the next read gives.
    pub fn read_max(&mut self) -> usize {
        FaultySocket::draw(&mut self.rng, self.faults.read_bytes_max)
    }

    /// Most bytes that the next write takes.
    pub fn write_max(&mut self) -> usize {
        FaultySocket::draw(&mut self.rng, self.faults.write_bytes_max)
    }

    fn draw(rng: &mut Rng, max: usize) -> usize {
        if max == 0 { usize::MAX } else { usize::try_from(rng.scale(1, max as u64)).unwrap_or(usize::MAX) }
    }

    /// How long room stays away after a short write.
    pub fn pause(&mut self) -> Duration {
        Duration::from_micros(self.rng.between(0, self.faults.pause_us_max))
    }

    /// Nothing goes wrong from now on.
    pub fn heal(&mut self) {
        self.faults = SocketFaults::default();
    }
}
