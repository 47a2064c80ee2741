//! What is to be measured: where, how many, and for how long.

use crate::client::Target;
use std::net::SocketAddr;

/// What is to be measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where publishers connect; `None`: another process publishes.
    pub publish: Option<Target>,
    /// Where players connect.
    pub play: Target,
    /// Number of streams.
    pub streams: u16,
    /// Numbers of players, each at least as high as the one before; the streams share them evenly.
    pub players: Vec<usize>,
    /// Bits per second of each stream.
    pub bitrate: u64,
    /// Connections opened per second.
    pub ramp_per_second: u64,
    /// How long publishers run alone, in seconds: the server's buffers are full before its memory is read.
    pub prime_seconds: u64,
    /// Time between the last player's first frame and the window, in seconds.
    pub warm_up_seconds: u64,
    /// Length of the window, in seconds.
    pub seconds: f64,
    /// The server; `None`: its processor time and memory are not measured.
    pub pid: Option<u32>,
    /// Where to ask during the window, to see how fast it answers; and what.
    pub api: Option<(SocketAddr, String)>,
    /// While measuring, read every so many milliseconds; 0: at once. See
    /// [`crate::engine::Engine::look_every`].
    pub look_ms: u64,
    /// Of so many players one looks at every frame, and the others count bytes; 1: all look.
    pub lookers: usize,
}

impl Plan {
    /// One stream of 1 Mbit/s, published over RTMP, with `players` players.
    pub fn new(publish: Option<Target>, play: Target, players: usize) -> Self {
        Plan {
            publish,
            play,
            streams: 1,
            players: vec![players],
            bitrate: 1_000_000,
            ramp_per_second: 500,
            prime_seconds: 6,
            warm_up_seconds: 3,
            seconds: 10.0,
            pid: None,
            api: None,
            look_ms: 0,
            lookers: 1,
        }
    }
}
