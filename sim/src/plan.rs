//! The plan of faults: which are injected into the world, and when.

use crate::disk::DiskFaults;
use crate::fault::Fault;
use crate::options::{Options, Part};
use crate::rng::{Draws, fork};
use crate::world::link::Pace;
use conformance::rng::Rng;
use dacapo::config::Config;

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
            // These are not planned: they are in links, in calls of the shell, and in the choice of peers.
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

    fn any_peer(&self, rng: &mut Rng) -> usize {
        rng.below(self.options.parts.len())
    }

    fn players(&self) -> Vec<usize> {
        self.options.places(|part| matches!(part, Part::Player { .. }))
    }

    fn some(&mut self, fault: Fault, rng: &mut Rng, most: u64, deed: impl Fn(usize) -> Deed) {
        for _ in 0..rng.between(1, most) {
            let (at, place) = (self.moment(rng), self.any_peer(rng));
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
            let (place, up) = (self.any_peer(rng), rng.chance(500));
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
