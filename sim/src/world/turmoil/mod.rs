//! The world of turmoil: several hosts with links between them, one task per host, and a process that can be
//! killed and started again.
//!
//! In and out as in the tiny world. Turmoil moves segments and time. What it lacks is added here: writes are
//! cut into segments, since its credit counts writes and not bytes, and `guests` keeps pace and faults of
//! single peers. Holds and partitions between hosts are turmoil's.
//!
//! Hosts are expensive, so many peers share one: the core peers have a host of their own, all others share
//! two.
//!
//! Never: has a second task on a host, or randomness that is not drawn from the seed.

mod guests;
mod server;

use crate::checker::Failure;
use crate::disk::Disk;
use crate::plan::Deed;
use crate::rng::{Draws, fork};
use crate::shell::Shell;
use crate::trace::Trace;
use crate::world::World;
use crate::world::tiny::Person;
use dacapo::config::Service;
use dacapo::server::Input;
use guests::{Guest, Guests};
use server::{NoSockets, Process};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Waker;
use std::time::{Duration, SystemTime};
use turmoil::Sim;

/// Where the server lives.
const SERVER: &str = "server";

/// The hosts of the peers: one for the core peers, two for all others.
const HOSTS: [&str; 3] = ["core", "near", "far"];

/// The port of a listener is its place behind this one.
const PORT_FIRST: u16 = 2_000;

/// Largest segment, in bytes.
const SEGMENT_BYTES: usize = 1_448;

/// Segments that a socket has on the way, and peers that knock at a time. A SYN past it would be turmoil's
/// end.
const SEGMENTS: usize = 256;

/// How far time moves in a step.
const STEP: Duration = Duration::from_millis(4);

/// More than any run lasts.
const LONG: Duration = Duration::from_secs(100_000);

/// A FIN that finds a socket full waits there for another segment, and none follows it: turmoil 0.7.2 knows
/// no other occasion to look again. So an end that has read everything assumes the FIN after this time.
const FIN_US: u64 = 2_000_000;

/// When which end of a connection, by the guest's address, said that it has nothing more to say.
#[derive(Default)]
struct Goodbyes {
    server: BTreeMap<SocketAddr, u64>,
    guest: BTreeMap<SocketAddr, u64>,
}

/// State that the tasks of the hosts share with the run. Only one of them runs at a time.
type Shared<T> = Rc<RefCell<T>>;

/// The world.
pub struct Turmoil {
    sim: Sim<'static>,
    process: Shared<Process>,
    guests: Shared<Guests>,
    goodbyes: Shared<Goodbyes>,
    wakers: [Shared<Option<Waker>>; 4],
    /// When which deed is due, the next last.
    plan: Vec<(u64, usize)>,
    due: Vec<usize>,
    /// Whether anything goes wrong between hosts.
    rough: bool,
}

impl Turmoil {
    /// A world with these peers. `core` is true for those with a host of their own.
    pub fn new(
        seed: u64,
        listeners: Vec<Service>,
        people: Vec<Person>,
        core: impl Fn(usize) -> bool,
        rough: bool,
    ) -> Self {
        let mut rng = fork(seed, "turmoil");
        let latency = Duration::from_millis(if rough { rng.scale(1, 80) } else { 1 });
        let mut sim = turmoil::Builder::new()
            .rng_seed(rng.number())
            .epoch(SystemTime::UNIX_EPOCH)
            .simulation_duration(LONG)
            .tick_duration(STEP)
            .min_message_latency(Duration::ZERO)
            .max_message_latency(latency)
            .tcp_capacity(SEGMENTS)
            .build();
        let host = |place: usize| if core(place) { 0 } else { 1 + place % 2 };
        let guests = people.into_iter().enumerate();
        let guests = guests.map(|(place, person)| Guest::new(person, host(place))).collect();
        let guests = Rc::new(RefCell::new(Guests { list: guests, listeners: listeners.clone() }));
        let process: Shared<Process> = Rc::default();
        let goodbyes: Shared<Goodbyes> = Rc::default();
        let wakers: [Shared<Option<Waker>>; 4] = Default::default();
        sim.host(SERVER, {
            let (process, goodbyes, waker) = (process.clone(), goodbyes.clone(), wakers[3].clone());
            move || server::run(process.clone(), goodbyes.clone(), waker.clone(), listeners.len())
        });
        for (number, name) in HOSTS.into_iter().enumerate() {
            let (guests, goodbyes, waker) = (guests.clone(), goodbyes.clone(), wakers[number].clone());
            sim.host(name, move || guests::run(guests.clone(), goodbyes.clone(), waker.clone(), number));
        }
        sim.crash(SERVER);
        Turmoil { sim, process, guests, goodbyes, wakers, plan: Vec::new(), due: Vec::new(), rough }
    }

    fn wake(&self) {
        self.wakers.iter().filter_map(|waker| waker.borrow_mut().take()).for_each(Waker::wake);
    }

    fn has_failed(&self) -> bool {
        let failed = self
            .process
            .borrow()
            .shell
            .as_ref()
            .is_some_and(|shell| !shell.instruments.checker.failures().is_empty());
        failed || self.guests.borrow().list.iter().any(|guest| guest.grievance.is_some())
    }

    fn host_of(&self, place: usize) -> &'static str {
        HOSTS[self.guests.borrow().list[place].host]
    }
}

impl World for Turmoil {
    fn now_us(&self) -> u64 {
        u64::try_from(self.sim.elapsed().as_micros()).expect("it is not that old")
    }

    fn plan(&mut self, at_us: u64, deed: usize) {
        self.plan.push((at_us, deed));
        self.plan.sort_by_key(|(at, deed)| std::cmp::Reverse((*at, *deed)));
    }

    fn run(&mut self, until_us: u64) {
        while self.due.is_empty() && !self.has_failed() && self.now_us() < until_us {
            self.sim.step().expect("no task of a host ends by itself");
            while let Some((_, deed)) =
                self.plan.pop_if(|(at, _)| *at <= self.sim.elapsed().as_micros() as u64)
            {
                self.due.push(deed);
            }
        }
    }

    fn due(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.due)
    }

    fn deed(&mut self, deed: &Deed) -> bool {
        match deed {
            Deed::Pace(place, pace) => self.guests.borrow_mut().list[*place].set_pace(*pace),
            Deed::Hold { place, held, .. } if self.rough => {
                let host = self.host_of(*place);
                if *held {
                    self.sim.hold(host, SERVER);
                } else {
                    self.sim.release(host, SERVER);
                }
            }
            Deed::Hold { .. } => {}
            Deed::Reset(place) => self.guests.borrow_mut().list[*place].drops = true,
            Deed::HalfClose(place) => self.guests.borrow_mut().list[*place].finish(),
            Deed::Exhausted(exhausted) => self.process.borrow_mut().exhausted = *exhausted,
            Deed::Pause(us) => {
                let now_us = self.now_us();
                let mut process = self.process.borrow_mut();
                if process.paused_us <= now_us {
                    process.paused_us = now_us + us;
                }
            }
            _ => return false,
        }
        self.wake();
        true
    }

    fn start(&mut self, shell: Shell) {
        self.process.replace(Process { shell: Some(shell), ..Process::default() });
        self.sim.bounce(SERVER);
    }

    fn stop(&mut self) -> Option<(Disk, Trace)> {
        self.sim.crash(SERVER);
        // What the kernel says for a process that is killed may get lost like any FIN.
        let now_us = self.now_us();
        let mut goodbyes = self.goodbyes.borrow_mut();
        for address in self.guests.borrow().list.iter().filter_map(Guest::address) {
            goodbyes.server.entry(address).or_insert(now_us);
        }
        drop(goodbyes);
        self.wake();
        let shell = self.process.borrow_mut().shell.take()?;
        Some(shell.killed(&mut NoSockets))
    }

    fn with_shell<T>(&mut self, act: impl FnOnce(&mut Shell) -> T) -> Option<T> {
        self.process.borrow_mut().shell.as_mut().map(act)
    }

    fn command(&mut self, input: Input<'static>) {
        self.process.borrow_mut().commands.push_back(input);
        self.wake();
    }

    fn heal(&mut self, place: usize) {
        self.sim.release(self.host_of(place), SERVER);
        self.process.borrow_mut().exhausted = false;
        self.guests.borrow_mut().list[place].heal();
        self.wake();
    }

    fn freeze(&mut self, place: usize) {
        let host = self.host_of(place);
        // What is cut off here stays cut off: nothing is sent again in turmoil, and that is what is wanted.
        if self.rough && place.is_multiple_of(3) && host != HOSTS[0] {
            self.sim.partition(host, SERVER);
        }
        self.guests.borrow_mut().list[place].gone = true;
    }

    fn remove(&mut self, place: usize) {
        let guest = &mut self.guests.borrow_mut().list[place];
        guest.drops = true;
        guest.leaves = true;
        self.wake();
    }

    fn people(&self) -> usize {
        self.guests.borrow().list.len()
    }

    fn grievance(&self) -> Option<Failure> {
        let guests = self.guests.borrow();
        let (at_us, words) = guests.list.iter().filter_map(|guest| guest.grievance.as_ref()).min()?;
        let process = self.process.borrow();
        let at_us = process.shell.as_ref().map_or(*at_us, |shell| shell.time(*at_us).as_micros());
        Some(Failure::told(at_us, words.clone()))
    }

    fn pending(&self, place: usize, since_us: u64) -> Option<String> {
        self.guests.borrow().list[place].peer.pending(since_us)
    }
}

/// Inputs that the operator wants told, in order.
type Commands = VecDeque<Input<'static>>;
