//! Everything that can go wrong in a world, by name, and the plan of what goes wrong when.
//!
//! Each fault is off in half of the seeds, so that a seed is a mixture of its own: what many faults together
//! hide, a few of them show (swarm testing).

use crate::disk::DiskFaults;
use crate::options::{Options, Part};
use crate::rng::{Draws, fork};
use crate::socket_faults::SocketFaults;
use crate::world::link::{Fate, LinkTraits, Pace};
use conformance::rng::Rng;
use dacapo::config::Config;
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
    /// Players read slower than the stream is, for a while or for ever.
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

/// Something that is done to the world at a time.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed {
    /// A person reads like this from now on.
    Pace(usize, Pace),
    /// A direction of a person's connection is held back, or let go.
    Hold {
        /// Whose.
        place: usize,
        /// True: towards the server.
        up: bool,
        /// True: held back.
        held: bool,
    },
    /// A person's connection is reset.
    Reset(usize),
    /// A person closes its side.
    HalfClose(usize),
    /// Whether file descriptors are left.
    Exhausted(bool),
    /// The process gets no time for so many microseconds.
    Pause(u64),
    /// The disk changes its ways.
    Disk(DiskFaults),
    /// The operator reloads.
    Reload(Box<Config>),
    /// The process is killed; it starts again after so many microseconds.
    Crash(u64),
    /// The process starts again.
    Restart,
}

/// A deed, its time in microseconds, and which fault it belongs to.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// When.
    pub at_us: u64,
    /// What.
    pub deed: Deed,
    /// Why.
    pub fault: Fault,
}

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

/// What is done when: the plan of a run's hard part.
pub fn plan(options: &Options) -> Vec<Planned> {
    let mut plan = Plan { options, list: Vec::new() };
    for fault in options.faults.iter().copied() {
        let mut rng = fork(options.seed, &format!("plan/{fault:?}"));
        plan.fault(fault, &mut rng);
    }
    plan.list.sort_by_key(|planned| planned.at_us);
    plan.list
}

struct Plan<'a> {
    options: &'a Options,
    list: Vec<Planned>,
}

impl Plan<'_> {
    fn fault(&mut self, fault: Fault, rng: &mut Rng) {
        match fault {
            Fault::Swizzle => self.swizzle(rng),
            Fault::SlowReaders => self.slow_readers(rng),
            Fault::Holds => self.holds(rng),
            Fault::Resets => self.some(fault, rng, 3, Deed::Reset),
            Fault::HalfCloses => self.some(fault, rng, 2, Deed::HalfClose),
            Fault::Storm => self.storm(rng),
            Fault::SlowDisk => {
                let delay_us_max = rng.scale(10_000, 5_000_000);
                self.disk(fault, rng, DiskFaults { delay_us_max, ..DiskFaults::default() });
            }
            Fault::FullDisk => {
                let bytes_max = rng.scale(10_000, 2_000_000);
                self.disk(fault, rng, DiskFaults { bytes_max, ..DiskFaults::default() });
            }
            Fault::BadDisk => {
                let fail_permille = rng.between(10, 1_000);
                self.disk(fault, rng, DiskFaults { fail_permille, ..DiskFaults::default() });
            }
            Fault::Exhausted => {
                let (from, until) = self.span(rng, 8_000_000);
                self.at(from, fault, Deed::Exhausted(true));
                self.at(until, fault, Deed::Exhausted(false));
            }
            Fault::Reload => {
                for _ in 0..rng.between(1, 3) {
                    let at = self.moment(rng);
                    let config = self.options.redrawn(rng.number());
                    self.at(at, fault, Deed::Reload(Box::new(config)));
                }
            }
            Fault::Crash => {
                let (at, away) = (self.moment(rng), rng.scale(1_000, 3_000_000));
                self.at(at, fault, Deed::Crash(away));
                self.at(at + away, fault, Deed::Restart);
            }
            Fault::Pause => {
                for _ in 0..rng.between(1, 4) {
                    let (at, us) = (self.moment(rng), rng.scale(1_000, 2_000_000));
                    self.at(at, fault, Deed::Pause(us));
                }
            }
            // These are in the links, in the shell's calls, and in who is there.
            Fault::ShortReads
            | Fault::ShortWrites
            | Fault::Splits
            | Fault::Jitter
            | Fault::Narrow
            | Fault::Mutes
            | Fault::Flood
            | Fault::SecondPublisher
            | Fault::Unpublish
            | Fault::Attackers
            | Fault::OddMedia => {}
        }
    }

    fn at(&mut self, at_us: u64, fault: Fault, deed: Deed) {
        self.list.push(Planned { at_us: at_us.min(self.options.hard_us), deed, fault });
    }

    fn moment(&self, rng: &mut Rng) -> u64 {
        rng.between(1_000_000, self.options.hard_us)
    }

    fn span(&self, rng: &mut Rng, most_us: u64) -> (u64, u64) {
        let from = self.moment(rng);
        (from, from + rng.scale(1_000, most_us))
    }

    fn anybody(&self, rng: &mut Rng) -> usize {
        rng.below(self.options.parts.len())
    }

    fn players(&self) -> Vec<usize> {
        self.options.places(|part| matches!(part, Part::Player { .. }))
    }

    fn some(&mut self, fault: Fault, rng: &mut Rng, most: u64, deed: impl Fn(usize) -> Deed) {
        for _ in 0..rng.between(1, most) {
            let (at, place) = (self.moment(rng), self.anybody(rng));
            self.at(at, fault, deed(place));
        }
    }

    /// A random set stalls one by one, and goes on in random order.
    fn swizzle(&mut self, rng: &mut Rng) {
        let mut stalled: Vec<usize> = self.players().into_iter().filter(|_| rng.chance(500)).collect();
        let (mut at, most) = (self.moment(rng), rng.scale(10_000, 2_000_000));
        for place in &stalled {
            at += rng.between(0, most);
            self.at(at, Fault::Swizzle, Deed::Pace(*place, Pace::Stalled));
        }
        at += rng.scale(1_000, 10_000_000);
        while !stalled.is_empty() {
            let place = stalled.swap_remove(rng.below(stalled.len()));
            at += rng.between(0, most);
            self.at(at, Fault::Swizzle, Deed::Pace(place, Pace::Free));
        }
    }

    fn slow_readers(&mut self, rng: &mut Rng) {
        for place in self.players() {
            if rng.chance(300) {
                let (from, until) = self.span(rng, 30_000_000);
                let pace = Pace::Slow(rng.scale(500, 200_000));
                self.at(from, Fault::SlowReaders, Deed::Pace(place, pace));
                if rng.chance(500) {
                    self.at(until, Fault::SlowReaders, Deed::Pace(place, Pace::Free));
                }
            }
        }
    }

    fn holds(&mut self, rng: &mut Rng) {
        for _ in 0..rng.between(1, 4) {
            let (from, until) = self.span(rng, 15_000_000);
            let (place, up) = (self.anybody(rng), rng.chance(500));
            self.at(from, Fault::Holds, Deed::Hold { place, up, held: true });
            self.at(until, Fault::Holds, Deed::Hold { place, up, held: false });
        }
    }

    fn storm(&mut self, rng: &mut Rng) {
        let publishers = self.options.places(|part| matches!(part, Part::Publisher { .. }));
        let place = rng.pick(&publishers);
        let mut at = self.moment(rng);
        for _ in 0..rng.between(2, 12) {
            self.at(at, Fault::Storm, Deed::Reset(place));
            at += rng.scale(1_000, 3_000_000);
        }
    }

    fn disk(&mut self, fault: Fault, rng: &mut Rng, faults: DiskFaults) {
        let (from, until) = self.span(rng, 20_000_000);
        self.at(from, fault, Deed::Disk(faults));
        self.at(until, fault, Deed::Disk(DiskFaults::default()));
    }
}
