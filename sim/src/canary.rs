//! A shell that breaks the contract on purpose, so that it is known that the checkers would notice.

use dacapo::base::time::Instant;
use std::io::IoSlice;

/// What a shell does wrong. By default: nothing.
#[derive(Debug, Default)]
pub struct Canary {}

impl Canary {
    /// Whether the server gets the tick that is due.
    pub fn lets_tick(&mut self, _now: Instant) -> bool {
        true
    }

    /// Whether a socket is closed when the server wants it closed.
    pub fn lets_close(&mut self) -> bool {
        true
    }

    /// What the server is told that was written, instead of what was.
    pub fn reports(&mut self, len: usize, room: bool) -> (usize, bool) {
        (len, room)
    }

    /// What leaves for the connection with this seat, instead of what should.
    pub fn tampers(&mut self, _seat: u32, _slices: &[IoSlice<'_>]) -> Option<Vec<u8>> {
        None
    }
}
