//! The faults of a simulated world, and which of them a seed has.
//!
//! Each seed has about half of the faults: a few faults show bugs that all of them together hide (swarm
//! testing).

use crate::rng::{Draws, fork};
use crate::socket_faults::SocketFaults;
use crate::world::link::{Fate, LinkTraits};
use std::collections::BTreeSet;

/// A kind of hardship.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Reads give few bytes.
    ShortReads,
    /// Writes take few bytes, down to one.
    ShortWrites,
    /// Segments are split anywhere.
    Splits,
    /// Segments are late, each by another while.
    Jitter,
    /// Little bandwidth, small windows and small buffers.
    Narrow,
    /// Players stop reading, one after the other, and go on in another order.
    Swizzle,
    /// Players read more slowly than the stream is published, for some time or to the end.
    SlowReaders,
    /// A direction of a connection is held back for a while.
    Holds,
    /// Connections are reset at any byte.
    Resets,
    /// Peers close their side at any byte.
    HalfCloses,
    /// Peers fall silent at any byte, in mid-handshake too.
    Mutes,
    /// More connections than are allowed.
    Flood,
    /// A publisher's connection breaks again and again.
    Storm,
    /// Another publisher comes for the same name.
    SecondPublisher,
    /// The publisher leaves for good while players join.
    Unpublish,
    /// Peers that mean ill.
    Attackers,
    /// Publishers whose media is odd: jumps, wraps, changes of codec, huge and empty frames.
    OddMedia,
    /// The disk is slow.
    SlowDisk,
    /// The disk is full.
    FullDisk,
    /// The disk fails now and then.
    BadDisk,
    /// No file descriptors are left for a while.
    Exhausted,
    /// The configuration is reloaded in mid-stream.
    Reload,
    /// The process is killed and starts again, its disk kept; wall time has moved by anything.
    Crash,
    /// The process gets no time for a while.
    Pause,
}

/// All of them.
pub const ALL: [Fault; 24] = [
    Fault::ShortReads,
    Fault::ShortWrites,
    Fault::Splits,
    Fault::Jitter,
    Fault::Narrow,
    Fault::Swizzle,
    Fault::SlowReaders,
    Fault::Holds,
    Fault::Resets,
    Fault::HalfCloses,
    Fault::Mutes,
    Fault::Flood,
    Fault::Storm,
    Fault::SecondPublisher,
    Fault::Unpublish,
    Fault::Attackers,
    Fault::OddMedia,
    Fault::SlowDisk,
    Fault::FullDisk,
    Fault::BadDisk,
    Fault::Exhausted,
    Fault::Reload,
    Fault::Crash,
    Fault::Pause,
];

/// Which faults a seed has: each with even odds.
pub fn draw(seed: u64) -> BTreeSet<Fault> {
    let mut rng = fork(seed, "faults");
    let on = ALL.into_iter().filter(|_| rng.chance(500)).collect();
    // A crash wipes much of what the others did: it is rarer than they are.
    if rng.chance(500) { &on - &BTreeSet::from([Fault::Crash]) } else { on }
}

/// How the shell's calls go.
pub fn socket_faults(seed: u64, faults: &BTreeSet<Fault>) -> SocketFaults {
    let mut rng = fork(seed, "grips");
    let mut max = |fault, most| if faults.contains(&fault) { rng.scale(2, most) as usize } else { 0 };
    SocketFaults {
        read_bytes_max: max(Fault::ShortReads, 65_536),
        write_bytes_max: max(Fault::ShortWrites, 65_536),
        pause_us_max: rng.scale(1, 20_000),
        permille: rng.pick(&[100, 300, 1_000]),
    }
}

/// How one person's links are.
pub fn traits(seed: u64, place: usize, faults: &BTreeSet<Fault>) -> LinkTraits {
    let mut rng = fork(seed, &format!("traits/{place}"));
    let mut traits = LinkTraits { latency_us: rng.scale(20, 100_000), ..LinkTraits::default() };
    if faults.contains(&Fault::Jitter) && rng.chance(500) {
        traits.jitter_us = rng.scale(10, 300_000);
    }
    if faults.contains(&Fault::Splits) && rng.chance(500) {
        traits.splits = true;
        traits.segment = rng.scale(16, 65_536) as usize;
    }
    if faults.contains(&Fault::Narrow) && rng.chance(500) {
        traits.bandwidth = rng.scale(200_000, 10_000_000);
        traits.window = rng.scale(4_096, 262_144) as usize;
        traits.send_buffer = rng.scale(4_096, 262_144) as usize;
    }
    traits
}

/// What happens by itself to one person's links, one after the other.
pub fn fates(seed: u64, place: usize, faults: &BTreeSet<Fault>) -> Vec<Fate> {
    let mut rng = fork(seed, &format!("fates/{place}"));
    let mut fates = Vec::new();
    for _ in 0..rng.between(0, 2) {
        let at = rng.scale(1, 300_000);
        let drawn = [
            (Fault::Resets, Fate::Reset(at)),
            (Fault::HalfCloses, Fate::HalfClose(at)),
            (Fault::Mutes, Fate::Mute(at)),
        ];
        let (fault, fate) = rng.pick(&drawn);
        if faults.contains(&fault) && rng.chance(300) {
            fates.push(fate);
        }
    }
    fates
}
