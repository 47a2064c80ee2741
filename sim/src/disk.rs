//! The simulated disk: files in memory that survive a crash of the process.
//!
//! In: file operations. Out: their results. As by the helper thread in `net`, operations are done in order,
//! each after some time, and each may fail. Operations that are not done when the process is killed are lost.

use crate::rng::{Draws, fork};
use conformance::rng::Rng;
use dacapo::base::id::Ticket;
use dacapo::base::store::StoreOp;
use dacapo::base::time::Instant;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// What can go wrong with a disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskFaults {
    /// A change takes up to so many microseconds.
    pub delay_us_max: u64,
    /// So many changes of a thousand fail.
    pub fail_permille: u64,
    /// Most bytes that it holds; 0: no bound.
    pub bytes_max: u64,
}

/// A disk.
#[derive(Debug)]
pub struct Disk {
    /// What can go wrong; may be changed at any time.
    pub faults: DiskFaults,
    /// The time, for the shell's sake: changes are due by it.
    pub now: Instant,
    files: BTreeMap<String, u64>,
    bytes: u64,
    pending: VecDeque<(Instant, Ticket, StoreOp)>,
    rng: Rng,
    /// Changes that failed.
    pub failed: u64,
    /// Changes that were asked for.
    pub asked: u64,
}

impl Disk {
    /// An empty disk.
    pub fn new(seed: u64, faults: DiskFaults) -> Self {
        Disk {
            faults,
            now: Instant::ZERO,
            files: BTreeMap::new(),
            bytes: 0,
            pending: VecDeque::new(),
            rng: fork(seed, "disk"),
            failed: 0,
            asked: 0,
        }
    }

    /// A change is wanted.
    pub fn start(&mut self, now: Instant, ticket: Ticket, op: StoreOp) {
        self.asked += 1;
        let delay = Duration::from_micros(self.rng.between(0, self.faults.delay_us_max));
        let before = self.pending.back().map_or(Instant::ZERO, |(at, _, _)| *at);
        self.pending.push_back((before.max(now + delay), ticket, op));
    }

    /// True if a change has happened, or has failed.
    pub fn has_results(&self, now: Instant) -> bool {
        self.pending.front().is_some_and(|(at, _, _)| *at <= now)
    }

    /// When the next change happens.
    pub fn next_result(&self) -> Option<Instant> {
        self.pending.front().map(|(at, _, _)| *at)
    }

    /// A change that has happened, or has failed.
    pub fn take_result(&mut self, now: Instant) -> Option<(Ticket, Result<(), String>)> {
        if !self.has_results(now) {
            return None;
        }
        let (_, ticket, op) = self.pending.pop_front()?;
        let result = self.apply(op);
        self.failed += u64::from(result.is_err());
        Some((ticket, result))
    }

    fn apply(&mut self, op: StoreOp) -> Result<(), String> {
        if self.rng.chance(self.faults.fail_permille) {
            return Err("cannot write: input/output error".to_owned());
        }
        match op {
            StoreOp::Write { path, body } => {
                let len = body.iter().map(|piece| piece.len() as u64).sum::<u64>();
                let before = self.files.get(&*path).copied().unwrap_or(0);
                if self.faults.bytes_max > 0 && self.bytes - before + len > self.faults.bytes_max {
                    return Err("cannot write: no space left on device".to_owned());
                }
                self.bytes = self.bytes - before + len;
                self.files.insert(path.to_string(), len);
            }
            StoreOp::Remove { path } => {
                self.bytes -= self.files.remove(&*path).unwrap_or(0);
            }
            StoreOp::Clear { path, prefixes } => {
                let inside = |file: &str| {
                    let name = file.strip_prefix(&*path)?.strip_prefix('/')?;
                    prefixes.iter().any(|prefix| name.starts_with(prefix)).then_some(())
                };
                let gone = self.files.keys().filter(|file| inside(file).is_some()).cloned();
                for file in gone.collect::<Vec<_>>() {
                    self.bytes -= self.files.remove(&file).unwrap_or(0);
                }
            }
        }
        Ok(())
    }

    /// The process was killed: what had not happened never does.
    pub fn crashed(&mut self) {
        self.pending.clear();
        self.now = Instant::ZERO;
    }

    /// Its files and their lengths.
    pub fn files(&self) -> &BTreeMap<String, u64> {
        &self.files
    }
}
