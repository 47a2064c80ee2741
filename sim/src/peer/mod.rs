//! The simulated peers: clients of the server, without sockets and clock.
//!
//! In: events (connected, bytes received, timer, connection ended), the time and a random generator. Out:
//! bytes, the time of the next call, whether and how the connection ends, and when to connect again; for
//! liveness, what the peer still waits for, in words.
//!
//! Never: uses the server's parsers, or decides how fast bytes move. Faults of the network are the world's.

pub mod api;
pub mod attacker;
pub mod chunks;
pub mod codec;
pub mod draw;
pub mod film;
pub mod hls;
pub mod live;
pub mod player;
pub mod progress;
pub mod publisher;
pub mod recording;
pub mod rtmp_client;
#[cfg(test)]
mod tests;

use conformance::rng::Rng;
use dacapo::config::Service;

/// A client of any kind.
pub type Boxed = Box<dyn Peer>;

/// A client. It has one connection at a time.
pub trait Peer {
    /// For the trace: "rtmp-publisher live/a".
    fn name(&self) -> String;

    /// Where it connects to.
    fn service(&self) -> Service;

    /// Its connection stands.
    fn connected(&mut self, cx: &mut PeerCx<'_>);

    /// The server said something.
    fn received(&mut self, cx: &mut PeerCx<'_>, bytes: &[u8]);

    /// The time that it asked for has come.
    fn woken(&mut self, cx: &mut PeerCx<'_>);

    /// Its connection has ended or could not be made. `broken`: by a reset.
    fn ended(&mut self, cx: &mut PeerCx<'_>, broken: bool);

    /// What it has wanted since `since_us` and has not got, in words; `None` if it is content. A peer that
    /// means to misbehave is always content.
    fn pending(&self, since_us: u64) -> Option<String>;

    /// What the server did that it may never do, in words, as the peer's own model of the talk has it.
    fn grievance(&self) -> Option<String> {
        None
    }
}

/// What a peer sees of the world, and what it wants from it.
pub struct PeerCx<'a> {
    /// The time, in microseconds since the world's birth.
    pub now_us: u64,
    /// The random generator of the peer.
    pub rng: &'a mut Rng,
    /// How many bytes that it said before are still on their way. Programs that send media look at this.
    pub unsent: usize,
    /// What it says now.
    pub out: Vec<u8>,
    /// When it wants to be woken, instead of any time that it asked for before. `None`: that stays.
    pub wake_at_us: Option<u64>,
    /// It ends its connection once `out` is said. After [`HangUp::Fin`] it hears the server out.
    pub hang_up: Option<HangUp>,
    /// When it wants to connect again; that waits until the connection that it has is over.
    pub dial_at_us: Option<u64>,
}

impl<'a> PeerCx<'a> {
    /// Nothing said yet.
    pub fn new(now_us: u64, rng: &'a mut Rng, unsent: usize) -> Self {
        PeerCx { now_us, rng, unsent, out: Vec::new(), wake_at_us: None, hang_up: None, dial_at_us: None }
    }

    /// Asks to be woken at `at_us`, or earlier if that was asked for in this call already.
    pub fn wake_by(&mut self, at_us: u64) {
        self.wake_at_us = Some(self.wake_at_us.map_or(at_us, |earlier| earlier.min(at_us)));
    }
}

/// How a peer ends its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HangUp {
    /// It has nothing more to say.
    Fin,
    /// It drops everything.
    Reset,
}
