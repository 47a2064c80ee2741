//! Checks of the loop itself: budgets, the end of connections, lingering close, the pause of accepting.
//!
//! In: calls of a [`Driver`](dacapo::driver::Driver) on its sockets. Out: failures. Never: changes a run.

use crate::checker::{Failure, LATE};
use crate::sock::Sock;
use dacapo::base::id::ListenerId;
use dacapo::base::time::Instant;
use dacapo::driver::{Accepted, Limits, Read};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Passes after which the loop must have read an end that stands behind the last bytes. One may be spent on
/// the budget of the connection, and one on an end that is reported in the middle of a pass.
const END_PASSES_MAX: u32 = 2;

/// The checks.
#[derive(Debug)]
pub struct LoopChecker {
    limits: Limits,
    /// How late a wake-up may be beyond the usual.
    pub pause: Duration,
    now: Instant,
    /// Bytes read in this pass.
    read_bytes: BTreeMap<Sock, usize>,
    /// Connections accepted in this pass.
    accepts: BTreeMap<ListenerId, usize>,
    /// Sockets whose peers have closed their side, with the passes that have ended since their last bytes
    /// were read (`None`: they were not, so far).
    ending: BTreeMap<Sock, Option<u32>>,
    /// Sockets that the server does not want read.
    paused: BTreeSet<Sock>,
    /// Sockets in lingering close, and since when.
    lingering: BTreeMap<Sock, Instant>,
    /// Sockets that a canary has kept open.
    kept_open: BTreeSet<Sock>,
    /// When an accept found no file descriptors, if none was tried since.
    exhausted_at: Option<Instant>,
    /// What was found in the middle of a pass.
    broken: Option<(&'static str, String)>,
}

impl LoopChecker {
    /// The checks of a loop with these limits.
    pub fn new(limits: Limits) -> Self {
        LoopChecker {
            limits,
            pause: Duration::ZERO,
            now: Instant::ZERO,
            read_bytes: BTreeMap::new(),
            accepts: BTreeMap::new(),
            ending: BTreeMap::new(),
            paused: BTreeSet::new(),
            lingering: BTreeMap::new(),
            kept_open: BTreeSet::new(),
            exhausted_at: None,
            broken: None,
        }
    }

    fn fail(&mut self, invariant: &'static str, words: String) {
        self.broken.get_or_insert((invariant, words));
    }

    /// A pass begins at `now`.
    pub fn pass_begins(&mut self, now: Instant) {
        self.now = now;
        self.read_bytes.clear();
        self.accepts.clear();
        let late = |since: Instant, time: Duration| since + time + LATE + self.pause < now;
        let lingers = self.lingering.values().any(|since| late(*since, self.limits.linger));
        let waits = self.exhausted_at.is_some_and(|at| late(at, self.limits.accept_pause));
        if lingers {
            self.fail("L9", "the loop was not woken up to end a lingering close".to_owned());
        }
        if waits {
            self.fail("L10", "the loop was not woken up to accept again".to_owned());
        }
    }

    /// The loop tried to accept.
    pub fn accepted<S>(&mut self, listener: ListenerId, accepted: &Accepted<S>) {
        self.exhausted_at = matches!(accepted, Accepted::Exhausted).then_some(self.now);
        if !matches!(accepted, Accepted::Peer(..)) {
            return;
        }
        let count = self.accepts.entry(listener).or_default();
        *count += 1;
        if *count > self.limits.accepts {
            let words = format!("a listener accepts {count} connections in a pass");
            self.fail("I41", words);
        }
    }

    /// The loop read from a socket.
    pub fn read(&mut self, sock: Sock, read: &Read) {
        match read {
            Read::Bytes { len, drained } => {
                let count = self.read_bytes.entry(sock).or_default();
                *count += len;
                let (count, most) = (*count, self.limits.read_budget_bytes + self.limits.read_bytes);
                if count > most && !self.lingering.contains_key(&sock) {
                    self.fail("I41", format!("{count} bytes of a connection are read in a pass"));
                }
                if *drained && let Some(passes) = self.ending.get_mut(&sock) {
                    *passes = Some(0);
                }
            }
            Read::Nothing => {}
            Read::Eof | Read::Broken(_) => {
                self.ending.remove(&sock);
            }
        }
    }

    /// The world reports that a peer has closed its side.
    pub fn finished(&mut self, sock: Sock) {
        self.ending.entry(sock).or_insert(None);
    }

    /// The server wants a socket read from now on, or not read.
    pub fn reading(&mut self, sock: Sock, on: bool) {
        if on {
            self.paused.remove(&sock);
            if let Some(passes) = self.ending.get_mut(&sock) {
                *passes = None;
            }
        } else {
            self.paused.insert(sock);
        }
    }

    /// The loop sends FIN on a socket.
    pub fn shut_down(&mut self, sock: Sock) {
        self.ending.remove(&sock);
        self.lingering.insert(sock, self.now);
    }

    /// The loop closes a socket.
    pub fn closed(&mut self, sock: Sock) {
        self.ending.remove(&sock);
        self.paused.remove(&sock);
        self.lingering.remove(&sock);
    }

    /// A canary does not let a socket be closed.
    pub fn kept_open(&mut self, sock: Sock) {
        self.kept_open.insert(sock);
    }

    /// Sockets that a canary has kept open.
    pub fn kept_open_count(&self) -> usize {
        self.kept_open.len()
    }

    /// A pass has ended. What does not hold, if anything.
    pub fn pass_ends(&mut self) -> Option<Failure> {
        if self.lingering.values().any(|since| *since + self.limits.linger <= self.now) {
            let words = format!("a socket is in lingering close for more than {:?}", self.limits.linger);
            self.fail("L9", words);
        }
        if self.exhausted_at.is_some_and(|at| at + self.limits.accept_pause <= self.now && at < self.now) {
            let words =
                format!("nothing is accepted {:?} after descriptors ran out", self.limits.accept_pause);
            self.fail("L10", words);
        }
        let paused = &self.paused;
        let ending = self.ending.iter_mut().filter(|(sock, _)| !paused.contains(sock));
        let mut missed = false;
        for passes in ending.filter_map(|(_, passes)| passes.as_mut()) {
            *passes += 1;
            missed |= *passes > END_PASSES_MAX;
        }
        if missed {
            self.fail("I42", "a peer has closed its side, and the server is not told".to_owned());
        }
        let (invariant, words) = self.broken.take()?;
        Some(Failure { invariant: invariant.to_owned(), at_us: self.now.as_micros(), conn_no: None, words })
    }
}
