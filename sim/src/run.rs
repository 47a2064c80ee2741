//! One run, in three parts: with faults, then without them until the core peers get what they wait for, then
//! the end, when all connections are closed and nothing may be left.

use crate::canary::Canary;
use crate::checker::{Checker, Failure};
use crate::disk::Disk;
use crate::fault::Fault;
use crate::options::{Mode, Options};
use crate::peers;
use crate::plan::{Deed, Planned, plan};
use crate::rng::{Draws, fork};
use crate::shell::Shell;
use crate::socket_faults::FaultySocket;
use crate::trace::Trace;
use crate::world::World;
use crate::world::tiny::{Person, Tiny};
use crate::world::turmoil::Turmoil;
use dacapo::base::rng::Seed;
use dacapo::base::time::{Epoch, Instant};
use dacapo::config::Service;
use dacapo::record::rolling_hash::RollingHash;
use dacapo::record::{Header, block_end, head};
use dacapo::server::{Input, Server};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// Wall time when the world begins, in microseconds since 1970: after 2026, where HLS counts from.
const EPOCH_US: u64 = 1_800_000_000_000_000;

/// How long the core has to become content, in microseconds, beyond the timeouts of the configuration.
const HEAL_US: u64 = 20_000_000;

/// How long a process may get no time: one pause of up to two seconds may follow right behind another.
const PAUSE: Duration = Duration::from_secs(4);

/// How far apart a world's clock and a server's timers may be, in microseconds.
const CLOCK_US: u64 = 10_000;

/// What a run was.
#[derive(Debug)]
pub struct Outcome {
    /// Two runs with the same are the same.
    pub hash: u64,
    /// Things that happened.
    pub events: u64,
    /// How long it was, in microseconds of its own time.
    pub virtual_us: u64,
    /// What did not hold, if anything.
    pub failure: Option<Failure>,
    /// Faults that were injected, by kind.
    pub injected: BTreeMap<Fault, u64>,
    /// Marks that were reached, and how often.
    pub marks: BTreeMap<&'static str, u64>,
    /// Most payload bytes that the server held.
    pub bytes_max: u64,
    /// What each connection was sent, by its peer's address, if that was kept apart.
    pub heard: BTreeMap<SocketAddr, RollingHash>,
    /// A recording of what the last server was given.
    pub inputs: Vec<u8>,
}

impl Outcome {
    /// Another run of the same number: it must be the same.
    pub fn compare(&mut self, again: &Outcome) {
        if (self.hash, self.events) != (again.hash, again.events) {
            let words = format!(
                "two runs differ: {:016x} after {} events, {:016x} after {}",
                self.hash, self.events, again.hash, again.events
            );
            let invariant = "DETERMINISM".to_owned();
            self.failure = Some(Failure { invariant, at_us: self.virtual_us, conn_no: None, words });
        }
    }
}

/// A run while it goes on.
pub struct Run<'a, W> {
    options: &'a Options,
    plan: Vec<Planned>,
    world: W,
    header: Header,
    /// What a crash left behind.
    rest: Option<(Disk, Trace)>,
    injected: BTreeMap<Fault, u64>,
    lives: u64,
}

impl<'a> Run<'a, Tiny> {
    /// A run in the tiny world that has not begun.
    pub fn tiny(options: &'a Options, canary: Canary, loud: bool) -> Self {
        Run::among(options, peers::people(options), canary, loud)
    }

    /// A run in the tiny world with these peers, which may be more than those of the options.
    pub fn among(options: &'a Options, people: Vec<Person>, canary: Canary, loud: bool) -> Self {
        Run::new(options, Tiny::new(options.seed, services(options), people), canary, loud)
    }
}

impl<'a> Run<'a, Turmoil> {
    /// A run in the world of turmoil that has not begun.
    pub fn turmoil(options: &'a Options, canary: Canary, loud: bool) -> Self {
        let (people, core) = (peers::people(options), |place: usize| options.parts[place].core);
        let rough = options.mode != Mode::Perf;
        Run::new(options, Turmoil::new(options.seed, services(options), people, core, rough), canary, loud)
    }
}

fn services(options: &Options) -> Vec<Service> {
    options.config.listeners().into_iter().map(|(_, service, _)| service).collect()
}

impl<'a, W: World> Run<'a, W> {
    fn new(options: &'a Options, mut world: W, canary: Canary, loud: bool) -> Self {
        let plan = plan(options);
        for (number, planned) in plan.iter().enumerate() {
            world.plan(planned.at_us, number);
        }
        let mut trace = Trace::new(loud);
        trace.heard = options.apart.then(BTreeMap::new);
        let rest = Some((Disk::new(options.seed, options.disk), trace));
        let header = Header::new(&options.config, &Seed::from_u64(options.seed), Epoch(EPOCH_US));
        let injected = BTreeMap::new();
        let mut run = Run { options, plan, world, header, rest, injected, lives: 0 };
        run.start(canary);
        run
    }

    /// The process starts.
    fn start(&mut self, canary: Canary) {
        let Some((disk, trace)) = self.rest.take() else { return };
        let options = self.options;
        let mut checker = Checker::new(&options.config);
        if options.faults.contains(&Fault::Pause) {
            checker.pauses(PAUSE);
        }
        let mut rng = fork(options.seed, &format!("life/{}", self.lives));
        self.lives += 1;
        // Wall time may be anything after a crash, later or earlier.
        let step = if self.lives == 1 { 0 } else { rng.scale(1, 86_400_000_000) };
        let wall = EPOCH_US + self.world.now_us();
        let epoch = Epoch(if rng.chance(500) { wall + step } else { wall - step });
        let seed = Seed::from_u64(options.seed.wrapping_add(self.lives << 48));
        self.header = Header::new(&options.config, &seed, epoch);
        let server = Server::new(options.config.clone(), seed, Instant::ZERO, epoch);
        let (number, faults) = (options.seed, options.socket_faults);
        let sockets = Box::new(move |peer| FaultySocket::new(number, peer, faults));
        let born_us = self.world.now_us();
        let (services, limits) = (services(options), options.loop_limits);
        let mut shell =
            Shell::new(server, services, limits, born_us, (disk, trace), (checker, canary), sockets);
        shell.exact = options.apart;
        if options.faults.contains(&Fault::Pause) {
            shell.instruments.loop_checker.pause = PAUSE;
        }
        self.world.start(shell);
    }

    /// Plays it all.
    pub fn play(&mut self) {
        let hard_us = self.options.hard_us;
        self.until(hard_us);
        if self.options.mode != Mode::Perf && self.failure().is_none() {
            self.heal();
            self.content();
            self.end();
        }
    }

    fn until(&mut self, until_us: u64) {
        while self.failure().is_none() {
            self.world.run(until_us);
            let due = self.world.due();
            if due.is_empty() {
                return;
            }
            due.into_iter().for_each(|number| self.deed(number));
        }
    }

    fn deed(&mut self, number: usize) {
        let Planned { deed, fault, .. } = self.plan[number].clone();
        *self.injected.entry(fault).or_default() += 1;
        if self.world.deed(&deed) {
            return;
        }
        match deed {
            Deed::Disk(faults) => {
                self.world.with_shell(|shell| shell.instruments.disk.faults = faults);
            }
            Deed::Reload(config) => self.world.command(Input::Reload { config }),
            Deed::Crash(_) => {
                if let Some(rest) = self.world.stop() {
                    self.rest = Some(rest);
                }
            }
            Deed::Restart => self.start(Canary::default()),
            _ => {}
        }
    }

    /// The core is healed, and everything else goes wrong for good.
    fn heal(&mut self) {
        self.start(Canary::default());
        let mut rng = fork(self.options.seed, "heal");
        self.world.with_shell(|shell| {
            shell.instruments.disk.faults.fail_permille = 0;
            shell.heal();
        });
        for (place, casting) in self.options.parts.iter().enumerate() {
            if casting.core {
                self.world.heal(place);
            } else if rng.chance(500) {
                self.world.freeze(place);
            } else {
                self.world.remove(place);
            }
        }
    }

    /// Runs until all core peers have what they wait for.
    fn content(&mut self) {
        let config = &self.options.config;
        let publish = &config.stream.publish;
        let waits = [
            publish.frame_timeout_ms,
            publish.first_frame_timeout_ms,
            publish.linger_ms,
            config.stream.play.send_timeout_ms,
            config.rtmp.handshake_timeout_ms,
            config.http.keep_alive_timeout_ms,
            // Until then streams that have ended count for the limit.
            config.stream.hls.dispose_ms,
        ];
        let since_us = self.world.now_us();
        let until_us = since_us + HEAL_US + waits.iter().sum::<u64>() * 1000;
        loop {
            self.until((self.world.now_us() + 1_000_000).min(until_us));
            if self.failure().is_some() {
                return;
            }
            let core = self.options.parts.iter().enumerate().filter(|(_, casting)| casting.core);
            let pending = core.filter_map(|(place, _)| self.world.pending(place, since_us)).next();
            match pending {
                None => return,
                Some(words) if self.world.now_us() >= until_us => return self.fail("L1", words),
                Some(_) => {}
            }
        }
    }

    /// Ends the run: all peers leave or are drained, and then nothing may be left.
    fn end(&mut self) {
        if self.failure().is_some() {
            return;
        }
        let now = self.world.now_us();
        if self.options.drains {
            self.world.command(Input::Drain);
            let patience =
                self.world.with_shell(|shell| shell.instruments.checker.patience.drain).unwrap_or_default();
            self.until(now + patience.as_micros() as u64 + CLOCK_US);
            let finished = self.world.with_shell(|shell| shell.is_finished()) == Some(true);
            if !finished && self.failure().is_none() {
                return self.fail("L7", "the drain has not ended within its timeout".to_owned());
            }
        }
        for place in 0..self.world.people() {
            self.world.remove(place);
        }
        let now = self.world.now_us();
        self.until(now + 200_000_000);
        if self.failure().is_none() {
            let now_us = self.world.now_us();
            self.world.with_shell(|shell| shell.finish(now_us));
        }
    }

    fn fail(&mut self, invariant: &str, words: String) {
        let at_us = self.world.now_us();
        self.world.with_shell(|shell| {
            let at_us = shell.time(at_us).as_micros();
            shell.instruments.checker.fail(Failure {
                invariant: invariant.to_owned(),
                at_us,
                conn_no: None,
                words,
            });
        });
    }

    fn failure(&mut self) -> Option<Failure> {
        let grievance = self.world.grievance();
        grievance.or_else(|| {
            self.world.with_shell(|shell| shell.instruments.checker.failures().first().cloned())?
        })
    }

    /// What it was.
    pub fn outcome(mut self) -> Outcome {
        let virtual_us = self.world.now_us();
        let failure = self.failure();
        let (mut inputs, mut heard) = (head(&self.header), BTreeMap::new());
        let (mut hash, mut events, mut bytes_max) = (0, 0, 0);
        self.world.with_shell(|shell| {
            (hash, events) = (shell.instruments.trace.hash(), shell.instruments.trace.events);
            bytes_max = shell.instruments.checker.bytes_max;
            inputs.extend(shell.instruments.tape.take());
            heard = shell.instruments.trace.heard.take().unwrap_or_default();
        });
        inputs.extend(block_end());
        let (injected, marks) = (self.injected, BTreeMap::new());
        Outcome { hash, events, virtual_us, failure, injected, marks, bytes_max, heard, inputs }
    }
}
