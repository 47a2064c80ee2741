//! How the shell's system calls on one socket go: short reads, short writes, room that comes back late.
//!
//! Dice of its own for each connection, named by the peer's address: what one suffers never moves another's.

use crate::dice::{Throws, fork};
use conformance::dice::Dice;
use std::net::SocketAddr;
use std::time::Duration;

/// What can go wrong with reads and writes of a run; 0: nothing does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grips {
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
pub struct Grip {
    dice: Dice,
    grips: Grips,
}

impl Grip {
    /// The grip of `peer`'s socket in the run `seed`.
    pub fn new(seed: u64, peer: SocketAddr, grips: Grips) -> Self {
        let mut dice = fork(seed, &format!("grip/{peer}"));
        let spared = !dice.chance(grips.permille);
        Grip { dice, grips: if spared { Grips::default() } else { grips } }
    }

    /// Most bytes that the next read gives.
    pub fn read_max(&mut self) -> usize {
        Grip::draw(&mut self.dice, self.grips.read_bytes_max)
    }

    /// Most bytes that the next write takes.
    pub fn write_max(&mut self) -> usize {
        Grip::draw(&mut self.dice, self.grips.write_bytes_max)
    }

    fn draw(dice: &mut Dice, max: usize) -> usize {
        if max == 0 { usize::MAX } else { usize::try_from(dice.scale(1, max as u64)).unwrap_or(usize::MAX) }
    }

    /// How long room stays away after a short write.
    pub fn pause(&mut self) -> Duration {
        Duration::from_micros(self.dice.between(0, self.grips.pause_us_max))
    }

    /// Nothing goes wrong from now on.
    pub fn heal(&mut self) {
        self.grips = Grips::default();
    }
}
