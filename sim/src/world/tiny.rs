//! The tiny world: everything in one process and one queue of events.
//!
//! In: peers, a shell, a plan of faults. Out: the run. Time jumps from event to event, so that an hour of
//! streaming takes seconds.

use crate::checker::Failure;
use crate::disk::Disk;
use crate::peer::{HangUp, Peer, PeerCx};
use crate::plan::Deed;
use crate::rng::{Draws, fork};
use crate::shell::Shell;
use crate::sock::Sock;
use crate::trace::Trace;
use crate::world::World;
use crate::world::link::{Fate, Fin, Link, LinkTraits, Pace};
use crate::world::net::{Edge, Event, Net};
use conformance::rng::Rng;
use dacapo::base::id::ListenerId;
use dacapo::config::Service;
use dacapo::server::Input;
use std::net::SocketAddr;

/// Passes that follow one another without anything new are at least so far apart, in microseconds.
const PASS_US: u64 = 20;

/// How often a slow reader reads, in microseconds.
const READ_US: u64 = 20_000;

/// A peer in the world.
pub struct Person {
    /// The peer.
    pub peer: Box<dyn Peer>,
    /// Its random generator.
    pub rng: Rng,
    /// Its connection.
    sock: Option<Sock>,
    wake_us: Option<u64>,
    /// When it dials next.
    pub dial_us: Option<u64>,
    dials: u16,
    /// How its links are.
    pub traits: LinkTraits,
    /// How it reads.
    pub pace: Pace,
    /// What happens to its links, one after the other.
    pub fates: Vec<Fate>,
    /// True: nothing of it is heard or dialled any more.
    pub gone: bool,
}

impl Person {
    /// A peer that connects for the first time at `dial_us`.
    pub fn new(seed: u64, place: usize, peer: Box<dyn Peer>, dial_us: u64) -> Self {
        Person {
            peer,
            rng: fork(seed, &format!("person/{place}")),
            sock: None,
            wake_us: None,
            dial_us: Some(dial_us),
            dials: 0,
            traits: LinkTraits::default(),
            pace: Pace::Free,
            fates: Vec::new(),
            gone: false,
        }
    }

    /// From where the person at a place dials for so many times.
    fn address(place: usize, dials: u16) -> SocketAddr {
        let [high, low] = (place as u16).to_be_bytes();
        SocketAddr::from(([10, 0, high, low], 10_000_u16.wrapping_add(dials)))
    }

    /// Whose address it is, by place.
    pub fn place(address: &SocketAddr) -> Option<usize> {
        match address {
            SocketAddr::V4(address) => {
                let [.., high, low] = address.ip().octets();
                Some(u16::from_be_bytes([high, low]).into())
            }
            SocketAddr::V6(_) => None,
        }
    }
}

/// The world.
pub struct Tiny {
    seed: u64,
    /// The network.
    pub net: Net,
    /// The server's process, while there is one.
    pub shell: Option<Shell>,
    /// All peers.
    pub people: Vec<Person>,
    listeners: Vec<Service>,
    last_pass_us: u64,
    /// The server's process gets no time until then.
    paused_us: u64,
    /// What a peer holds against the server.
    grievance: Option<Failure>,
    /// Planned faults that are due and wait for the run.
    pub deeds: Vec<usize>,
}

impl Tiny {
    /// A world in which `people` will dial when they want to.
    pub fn new(seed: u64, listeners: Vec<Service>, people: Vec<Person>) -> Self {
        let mut net = Net::new();
        for (place, person) in people.iter().enumerate() {
            if let Some(at) = person.dial_us {
                net.plan(at, Event::Dial(place));
            }
        }
        Tiny {
            seed,
            net,
            shell: None,
            people,
            listeners,
            last_pass_us: 0,
            paused_us: 0,
            grievance: None,
            deeds: Vec::new(),
        }
    }

    fn has_failed(&self) -> bool {
        self.grievance.is_some()
            || self.shell.as_ref().is_some_and(|shell| !shell.instruments.checker.failures().is_empty())
    }

    fn shell_us(&self) -> Option<u64> {
        let shell = self.shell.as_ref()?;
        let now = self.net.now_us;
        let wake = if self.net.edges.is_empty() { shell.wake_us(now)? } else { now };
        let earliest = if self.last_pass_us == now && !shell.exact { now + PASS_US } else { now };
        Some(wake.max(earliest).max(self.paused_us))
    }

    fn pass(&mut self) {
        let Some(shell) = &mut self.shell else { return };
        for edge in self.net.edges.drain(..) {
            match edge {
                Edge::Knock(listener) => shell.acceptable(listener),
                Edge::Readable(sock, finished) => shell.readable(sock, finished),
                Edge::Writable(sock) => shell.writable(sock),
            }
        }
        self.last_pass_us = self.net.now_us;
        shell.pass(self.net.now_us, &mut self.net);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Wake(place) => {
                if self.people[place].wake_us.is_some_and(|at| at <= self.net.now_us) {
                    self.people[place].wake_us = None;
                    self.act(place, |peer, cx| peer.woken(cx));
                }
            }
            Event::Dial(place) => self.dial(place),
            Event::Syn(sock) => self.net.syn(sock),
            Event::SynAck(sock) => {
                if let Some(place) = self.person_of(sock) {
                    self.act(place, |peer, cx| peer.connected(cx));
                }
            }
            Event::Refused(sock) => {
                self.over(sock, true);
                self.net.forget(sock);
            }
            Event::Up(sock) => self.net.up(sock),
            Event::Down(sock) => {
                let now = self.net.now_us;
                if let Some(link) = self.net.link(sock) {
                    link.down.land(now);
                    self.deliver(sock);
                }
            }
            Event::ResetUp(sock) => self.net.reset_up(sock),
            Event::ResetDown(sock) => {
                self.over(sock, true);
                self.net.sweep(sock);
            }
            Event::Read(sock) => {
                if let Some(link) = self.net.link(sock) {
                    link.reads = false;
                    self.deliver(sock);
                }
            }
            Event::Deed(number) => self.deeds.push(number),
            Event::End => {}
        }
    }

    fn person_of(&mut self, sock: Sock) -> Option<usize> {
        let link = self.net.link(sock)?;
        (!link.over && !link.reset).then_some(link.person)
    }

    fn dial(&mut self, place: usize) {
        let now = self.net.now_us;
        let person = &mut self.people[place];
        if person.gone || person.sock.is_some() || person.dial_us.is_none_or(|at| at > now) {
            return;
        }
        person.dial_us = None;
        person.dials += 1;
        let service = person.peer.service();
        let listener = self.listeners.iter().position(|other| *other == service).unwrap_or(0);
        let listener = ListenerId(u16::try_from(listener).expect("there are few listeners"));
        let addr = Person::address(place, person.dials);
        let sock = self.net.next_sock();
        let mut link = Link::new(self.seed, sock, place, addr, listener);
        link.traits = person.traits;
        link.pace = person.pace;
        link.fate = (!person.fates.is_empty()).then(|| person.fates.remove(0));
        person.sock = Some(sock);
        self.net.dial(link);
    }

    /// Lets a peer act, and does what it wants.
    fn act(&mut self, place: usize, act: impl FnOnce(&mut dyn Peer, &mut PeerCx<'_>)) {
        let now = self.net.now_us;
        let person = &mut self.people[place];
        if person.gone {
            return;
        }
        let unsent = person.sock.and_then(|sock| self.net.link(sock)).map_or(0, |link| link.up.unread());
        let mut cx = PeerCx::new(now, &mut person.rng, unsent);
        act(person.peer.as_mut(), &mut cx);
        let (out, wake, hang_up, dial) = (cx.out, cx.wake_at_us, cx.hang_up, cx.dial_at_us);
        if let Some(at) = wake {
            person.wake_us = Some(at.max(now));
            self.net.plan(at, Event::Wake(place));
        }
        if let Some(at) = dial {
            person.dial_us = Some(at.max(now));
            if person.sock.is_none() {
                self.net.plan(at, Event::Dial(place));
            }
        }
        if self.grievance.is_none()
            && let Some(words) = person.peer.grievance()
        {
            let at_us = self.shell.as_ref().map_or(now, |shell| shell.time(now).as_micros());
            let words = format!("{} says: {words}", person.peer.name());
            self.grievance = Some(Failure::told(at_us, words));
        }
        let Some(sock) = person.sock else { return };
        if !out.is_empty() {
            self.say(sock, &out);
        }
        match hang_up {
            None => {}
            Some(HangUp::Fin) => self.half_close(sock),
            Some(HangUp::Reset) => self.reset(sock),
        }
    }

    /// A peer's bytes enter its link, unless its fate comes first.
    fn say(&mut self, sock: Sock, bytes: &[u8]) {
        let Some(link) = self.net.link(sock) else { return };
        if link.reset || link.up.fin != Fin::Open {
            return;
        }
        let limit = link.fate.map(|fate| match fate {
            Fate::Reset(at) | Fate::HalfClose(at) | Fate::Mute(at) => at,
        });
        let left = limit.map_or(bytes.len() as u64, |limit| limit.saturating_sub(link.said));
        let len = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        link.said += len as u64;
        link.up.queue.extend_from_slice(&bytes[..len]);
        let fate = link.fate.filter(|_| len < bytes.len());
        self.net.pump_up(sock);
        match fate {
            Some(Fate::Reset(_)) => self.reset(sock),
            Some(Fate::HalfClose(_)) => self.half_close(sock),
            Some(Fate::Mute(_)) | None => {}
        }
    }

    fn half_close(&mut self, sock: Sock) {
        if let Some(link) = self.net.link(sock)
            && link.up.fin == Fin::Open
        {
            link.up.fin = Fin::Wanted;
        }
        self.net.pump_up(sock);
    }

    /// The peer's side drops the connection.
    pub fn reset(&mut self, sock: Sock) {
        let now = self.net.now_us;
        let Some(link) = self.net.link(sock) else { return };
        // What is on its way already arrives before the reset does.
        let at = now + link.traits.latency_us + link.traits.jitter_us;
        self.net.plan(at, Event::ResetUp(sock));
        self.over(sock, true);
    }

    /// Tells a peer that its connection is over.
    fn over(&mut self, sock: Sock, broken: bool) {
        let Some(link) = self.net.link(sock) else { return };
        if std::mem::replace(&mut link.over, true) {
            return;
        }
        let place = link.person;
        self.people[place].sock = None;
        self.act(place, |peer, cx| peer.ended(cx, broken));
        if let Some(at) = self.people[place].dial_us {
            self.net.plan(at, Event::Dial(place));
        }
    }

    /// Gives a peer what has arrived, as fast as it reads.
    fn deliver(&mut self, sock: Sock) {
        let now = self.net.now_us;
        let Some(link) = self.net.link(sock) else { return };
        if link.over || link.reset {
            return;
        }
        let budget = match link.pace {
            Pace::Free => usize::MAX,
            Pace::Stalled => return,
            Pace::Slow(_) if link.reads => return,
            Pace::Slow(_) if link.down.arrived.is_empty() && link.down.fin != Fin::Arrived => return,
            Pace::Slow(rate) => {
                link.reads = true;
                self.net.plan(now + READ_US, Event::Read(sock));
                usize::try_from(rate * READ_US / 1_000_000).unwrap_or(usize::MAX).max(1)
            }
        };
        let Some(link) = self.net.link(sock) else { return };
        let len = budget.min(link.down.arrived.len());
        let bytes = link.down.arrived.split_to(len);
        let ended = link.down.arrived.is_empty() && link.down.fin == Fin::Arrived;
        if ended {
            link.reads = true;
        }
        let place = link.person;
        self.net.pump_down(sock);
        if !bytes.is_empty() {
            self.act(place, |peer, cx| peer.received(cx, &bytes));
        }
        if ended {
            self.half_close(sock);
            self.over(sock, false);
            self.net.sweep(sock);
        }
    }

    /// Changes how a person reads, now and later.
    pub fn set_pace(&mut self, place: usize, pace: Pace) {
        self.people[place].pace = pace;
        if let Some(sock) = self.people[place].sock
            && let Some(link) = self.net.link(sock)
        {
            link.pace = pace;
            self.deliver(sock);
        }
    }

    /// Holds back, or lets go, what a person's link carries in one direction.
    pub fn hold(&mut self, place: usize, up: bool, held: bool) {
        let Some(sock) = self.people[place].sock else { return };
        let Some(link) = self.net.link(sock) else { return };
        if up {
            link.up.held = held;
            self.net.pump_up(sock);
        } else {
            link.down.held = held;
            self.net.pump_down(sock);
        }
    }
}

impl World for Tiny {
    fn now_us(&self) -> u64 {
        self.net.now_us
    }

    fn plan(&mut self, at_us: u64, deed: usize) {
        self.net.plan(at_us, Event::Deed(deed));
    }

    fn run(&mut self, until_us: u64) {
        while self.deeds.is_empty() && !self.has_failed() {
            let shell = self.shell_us();
            let next = self.net.next_us().into_iter().chain(shell).min();
            let Some(next) = next.filter(|next| *next <= until_us) else {
                self.net.now_us = self.net.now_us.max(until_us);
                return;
            };
            self.net.now_us = self.net.now_us.max(next);
            while let Some(event) = self.net.take() {
                self.happen(event);
            }
            if self.shell_us().is_some_and(|at| at <= self.net.now_us) {
                self.pass();
            }
        }
    }

    fn due(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.deeds)
    }

    fn deed(&mut self, deed: &Deed) -> bool {
        match deed {
            Deed::Pace(place, pace) => self.set_pace(*place, *pace),
            Deed::Hold { place, up, held } => self.hold(*place, *up, *held),
            Deed::Reset(place) => {
                if let Some(sock) = self.people[*place].sock {
                    self.reset(sock);
                }
            }
            Deed::HalfClose(place) => {
                if let Some(sock) = self.people[*place].sock {
                    self.half_close(sock);
                }
            }
            Deed::Exhausted(exhausted) => {
                self.net.exhausted = *exhausted;
            }
            // A process that has no time already gets none for no longer.
            Deed::Pause(us) if self.paused_us <= self.net.now_us => self.paused_us = self.net.now_us + us,
            Deed::Pause(_) => {}
            _ => return false,
        }
        true
    }

    fn start(&mut self, shell: Shell) {
        self.net.listening = true;
        self.shell = Some(shell);
    }

    fn stop(&mut self) -> Option<(Disk, Trace)> {
        let rest = self.shell.take()?.killed(&mut self.net);
        self.net.stop_listening();
        self.net.edges.clear();
        Some(rest)
    }

    fn with_shell<T>(&mut self, act: impl FnOnce(&mut Shell) -> T) -> Option<T> {
        self.shell.as_mut().map(act)
    }

    fn command(&mut self, input: Input<'static>) {
        if let Some(shell) = &mut self.shell {
            shell.command(self.net.now_us, input, &mut self.net);
        }
    }

    fn freeze(&mut self, place: usize) {
        self.people[place].gone = true;
    }

    fn remove(&mut self, place: usize) {
        if let Some(sock) = self.people[place].sock {
            self.reset(sock);
        }
        self.people[place].gone = true;
    }

    fn heal(&mut self, place: usize) {
        self.net.exhausted = false;
        let person = &mut self.people[place];
        person.fates.clear();
        person.traits = LinkTraits { jitter_us: 0, splits: false, ..LinkTraits::default() };
        let traits = person.traits;
        if let Some(link) = person.sock.and_then(|sock| self.net.link(sock)) {
            link.traits = traits;
            link.fate = None;
        }
        self.hold(place, true, false);
        self.hold(place, false, false);
        self.set_pace(place, Pace::Free);
    }

    fn people(&self) -> usize {
        self.people.len()
    }

    fn grievance(&self) -> Option<Failure> {
        self.grievance.clone()
    }

    fn pending(&self, place: usize, since_us: u64) -> Option<String> {
        self.people[place].peer.pending(since_us)
    }
}

/// When each of a number of people comes first, in microseconds: most of them early.
pub fn arrival(rng: &mut Rng, spread_us: u64) -> u64 {
    if rng.chance(500) { rng.between(0, spread_us / 8) } else { rng.between(0, spread_us) }
}
