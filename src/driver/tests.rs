//! The loop on sockets in memory: budgets, queues, ends of connections, lingering close, accepting, wake-ups.

use super::{Accepted, Background, Driver, Key, Limits, Read, Ready, Sockets, Wake};
use crate::base::id::ListenerId;
use crate::base::rng::Seed;
use crate::base::slices::Slices;
use crate::base::time::{Epoch, Instant};
use crate::config::{Config, Service};
use crate::server::{Input, Job, Monitor, Server, Taken};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

#[test]
fn a_request_is_answered_and_its_connection_closed() {
    let mut bench = Bench::new(Limits::default());
    let sock = bench.connect();
    bench.says(sock, LAST_REQUEST);
    bench.pass();
    assert!(bench.sent(sock).starts_with(b"HTTP/1.1 404"), "{:?}", bench.text(sock));
    assert!(bench.world.socks[sock].shut, "FIN follows the response");
    assert!(!bench.world.socks[sock].closed, "the peer may still be sending");
    bench.ends(sock);
    bench.pass();
    assert!(bench.world.socks[sock].closed);
    assert_eq!(bench.driver.socket_count(), 0);
}

/// Readiness is reported once, so after a short read the end must be read for.
#[test]
fn an_end_that_comes_with_the_last_bytes_is_told() {
    let mut bench = Bench::new(Limits::default());
    let sock = bench.connect();
    bench.pass();
    bench.world.socks[sock].inbox.extend(REQUEST);
    bench.ends(sock);
    bench.pass();
    assert!(bench.sent(sock).starts_with(b"HTTP/1.1 404"));
    assert_eq!(bench.driver.socket_count(), 0, "nothing more can come");
}

#[test]
fn a_peer_that_sends_much_is_read_within_the_budget_of_each_pass() {
    let limits = Limits { read_bytes: 1000, read_budget_bytes: 3500, ..Limits::default() };
    let mut bench = Bench::new(limits);
    let (loud, quiet) = (bench.connect(), bench.connect());
    let mut body = b"POST /live/x HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\n".to_vec();
    body.resize(body.len() + 9000, b'x');
    bench.says(loud, &body);
    bench.says(quiet, REQUEST);
    bench.pass();
    assert_eq!(
        body.len() - bench.world.socks[loud].inbox.len(),
        4000,
        "the read that reaches it is the last"
    );
    assert!(bench.sent(quiet).starts_with(b"HTTP/1.1 404"), "the others do not wait for it");
    assert_eq!(bench.driver.wake(), Wake::Now);
    bench.pass();
    bench.pass();
    assert!(bench.world.socks[loud].inbox.is_empty());
}

#[test]
fn a_listener_accepts_within_the_budget_of_each_pass() {
    let mut bench = Bench::new(Limits { accepts: 2, ..Limits::default() });
    for _ in 0..5 {
        bench.connect();
    }
    for accepted in [2, 4, 5] {
        bench.pass();
        assert_eq!(bench.driver.socket_count(), accepted);
    }
    assert_ne!(bench.driver.wake(), Wake::Now);
}

#[test]
fn accepting_rests_while_there_are_no_file_descriptors() {
    let mut bench = Bench::new(Limits::default());
    bench.world.exhausted = true;
    bench.connect();
    bench.pass();
    let attempts = bench.world.attempts;
    bench.now = bench.now + MS;
    bench.pass();
    assert_eq!(bench.world.attempts, attempts, "it would be refused again");
    bench.world.exhausted = false;
    let Wake::At(at) = bench.driver.wake() else { panic!("{:?}", bench.driver.wake()) };
    assert_eq!(at, Instant::ZERO + Limits::default().accept_pause);
    bench.now = at;
    bench.pass();
    assert_eq!(bench.driver.socket_count(), 1);
}

#[test]
fn a_peer_that_does_not_close_is_closed_when_its_time_is_over() {
    let mut bench = Bench::new(Limits::default());
    let sock = bench.connect();
    bench.says(sock, LAST_REQUEST);
    bench.pass();
    let until = Instant::ZERO + Limits::default().linger;
    assert_eq!(bench.driver.wake(), Wake::At(until));
    bench.now = until;
    bench.pass();
    assert!(bench.world.socks[sock].closed);
}

#[test]
fn a_peer_that_goes_on_sending_is_closed_after_so_many_bytes() {
    let mut bench = Bench::new(Limits { linger_bytes: 10_000, ..Limits::default() });
    let sock = bench.connect();
    bench.says(sock, LAST_REQUEST);
    bench.pass();
    bench.says(sock, &[0; 10_000]);
    bench.pass();
    assert!(!bench.world.socks[sock].closed);
    bench.says(sock, &[0]);
    bench.pass();
    assert!(bench.world.socks[sock].closed);
}

#[test]
fn the_oldest_makes_room_where_many_linger() {
    let mut bench = Bench::new(Limits { lingering_sockets: 2, ..Limits::default() });
    let socks: Vec<usize> = (0..3).map(|_| bench.connect()).collect();
    for sock in &socks {
        bench.says(*sock, LAST_REQUEST);
        bench.pass();
    }
    let closed: Vec<bool> = socks.iter().map(|sock| bench.world.socks[*sock].closed).collect();
    assert_eq!(closed, [true, false, false]);
    assert_eq!(bench.driver.socket_count(), 2);
}

/// Readiness of a closed connection is ignored; that of an index that is used again belongs to the new one.
#[test]
fn readiness_of_a_socket_that_was_closed_is_ignored() {
    let mut bench = Bench::new(Limits::default());
    let sock = bench.connect();
    bench.says(sock, LAST_REQUEST);
    bench.pass();
    let all = Ready { readable: true, read_closed: true, writable: true };
    for key in [Key::Conn(0), Key::Conn(7), Key::Lingering(3)] {
        bench.driver.ready(key, all);
    }
    bench.pass();
    assert_eq!(bench.driver.socket_count(), 1, "the one in lingering close");
}

#[test]
fn a_socket_with_room_again_goes_on_where_it_stopped() {
    let mut bench = Bench::new(Limits::default());
    let (whole, slow) = (bench.connect(), bench.connect());
    bench.world.socks[slow].room = 10;
    bench.says(whole, REQUEST);
    bench.says(slow, REQUEST);
    bench.pass();
    assert_eq!(bench.sent(slow).len(), 10);
    while bench.world.socks[slow].out.len() < bench.world.socks[whole].out.len() {
        bench.world.socks[slow].room = 10;
        let key = bench.world.keys[&slow];
        bench.driver.ready(key, Ready { writable: true, ..Ready::default() });
        assert_eq!(bench.driver.wake(), Wake::Now);
        bench.pass();
    }
    assert_eq!(bench.sent(slow), bench.sent(whole));
}

#[test]
fn a_connection_that_breaks_while_it_is_written_to_is_closed() {
    let mut bench = Bench::new(Limits::default());
    let sock = bench.connect();
    bench.world.socks[sock].broken = true;
    bench.says(sock, REQUEST);
    bench.pass();
    assert!(bench.world.socks[sock].closed && !bench.world.socks[sock].shut);
    assert_eq!(bench.driver.socket_count(), 0);
}

#[test]
fn a_connection_that_cannot_be_watched_is_closed() {
    let mut bench = Bench::new(Limits::default());
    bench.world.unwatchable = true;
    let sock = bench.connect();
    bench.pass();
    assert!(bench.world.socks[sock].closed);
    assert_eq!((bench.driver.socket_count(), bench.driver.server().usage().conns), (0, 0));
}

#[test]
fn waiting_is_rounded_up_to_whole_milliseconds() {
    let at = Instant::from_micros(2_001);
    assert_eq!(Wake::At(at).timeout(Instant::from_micros(1_000)), Some(2 * MS));
    assert_eq!(Wake::At(at).timeout(Instant::from_micros(1_001)), Some(MS));
    assert_eq!(Wake::At(at).timeout(Instant::from_micros(2_001)), Some(Duration::ZERO));
    assert_eq!(Wake::At(at).timeout(Instant::from_micros(9_000)), Some(Duration::ZERO), "it is late already");
    assert_eq!(Wake::Now.timeout(Instant::ZERO), Some(Duration::ZERO));
    assert_eq!(Wake::Never.timeout(Instant::ZERO), None);
    assert_eq!(Wake::Never.or(at).or(Instant::ZERO), Wake::At(Instant::ZERO));
    assert_eq!(Wake::Now.or(at), Wake::Now);
}

const REQUEST: &[u8] = b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n";
const LAST_REQUEST: &[u8] = b"GET /nowhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// A loop and its world.
struct Bench {
    driver: Driver<usize>,
    world: Memory,
    now: Instant,
}

/// Sockets in memory, by their number.
#[derive(Default)]
struct Memory {
    backlog: VecDeque<usize>,
    socks: Vec<Sock>,
    keys: BTreeMap<usize, Key>,
    exhausted: bool,
    unwatchable: bool,
    attempts: usize,
}

#[derive(Default)]
struct Sock {
    inbox: VecDeque<u8>,
    ended: bool,
    out: Vec<u8>,
    /// Most bytes that the next writes take.
    room: usize,
    broken: bool,
    shut: bool,
    closed: bool,
}

impl Bench {
    fn new(limits: Limits) -> Self {
        let config = Config::default();
        let listeners = config.listeners().len();
        let server = Server::new(config, Seed::from_u64(1), Instant::ZERO, Epoch(0));
        let (driver, world) = (Driver::new(server, listeners, limits), Memory::default());
        Bench { driver, world, now: Instant::ZERO }
    }

    fn connect(&mut self) -> usize {
        let sock = self.world.socks.len();
        self.world.socks.push(Sock { room: usize::MAX, ..Sock::default() });
        self.world.backlog.push_back(sock);
        self.driver.acceptable(http());
        sock
    }

    fn says(&mut self, sock: usize, bytes: &[u8]) {
        self.world.socks[sock].inbox.extend(bytes);
        self.is_ready(sock, Ready { readable: true, ..Ready::default() });
    }

    fn ends(&mut self, sock: usize) {
        self.world.socks[sock].ended = true;
        self.is_ready(sock, Ready { readable: true, read_closed: true, writable: false });
    }

    fn is_ready(&mut self, sock: usize, ready: Ready) {
        if let Some(key) = self.world.keys.get(&sock) {
            self.driver.ready(*key, ready);
        }
    }

    fn pass(&mut self) {
        self.driver.pass(self.now, &mut self.world);
    }

    fn sent(&self, sock: usize) -> &[u8] {
        &self.world.socks[sock].out
    }

    fn text(&self, sock: usize) -> String {
        String::from_utf8_lossy(self.sent(sock)).into_owned()
    }
}

fn http() -> ListenerId {
    let listeners = Config::default().listeners();
    let place = listeners.iter().position(|(_, service, _)| *service == Service::Http);
    ListenerId(place.expect("it listens") as u16)
}

impl Sockets for Memory {
    type Socket = usize;

    fn accept(&mut self, listener: ListenerId) -> Accepted<usize> {
        if listener != http() || self.backlog.is_empty() {
            return Accepted::Empty;
        }
        self.attempts += 1;
        if self.exhausted {
            return Accepted::Exhausted;
        }
        let sock = self.backlog.pop_front().expect("it was not empty");
        Accepted::Peer(sock, SocketAddr::from(([192, 0, 2, 1], 1000 + sock as u16)))
    }

    fn watch(&mut self, socket: &mut usize, key: Key) -> Result<(), String> {
        self.keys.insert(*socket, key);
        if self.unwatchable { Err("no space left".to_owned()) } else { Ok(()) }
    }

    fn read(&mut self, socket: &mut usize, buffer: &mut [u8]) -> Read {
        let sock = &mut self.socks[*socket];
        assert!(!sock.closed, "it was closed");
        let len = buffer.len().min(sock.inbox.len());
        buffer.iter_mut().zip(sock.inbox.drain(..len)).for_each(|(place, byte)| *place = byte);
        match len {
            0 if sock.ended => Read::Eof,
            0 => Read::Nothing,
            len => Read::Bytes { len, drained: len < buffer.len() },
        }
    }

    fn write(&mut self, socket: &mut usize, slices: &Slices<'_>, _: Instant) -> Result<Taken, String> {
        let sock = &mut self.socks[*socket];
        if sock.broken {
            return Err("reset by peer".to_owned());
        }
        let taken = slices.first(sock.room);
        taken.as_io_slices().iter().for_each(|slice| sock.out.extend_from_slice(slice));
        sock.room -= taken.len();
        Ok(Taken { len: taken.len(), room: taken.len() == slices.len() })
    }

    fn shutdown(&mut self, socket: &mut usize) {
        self.socks[*socket].shut = true;
    }

    fn close(&mut self, socket: usize) {
        assert!(!std::mem::replace(&mut self.socks[socket].closed, true), "it is closed once");
    }
}

impl Background for Memory {
    fn start(&mut self, _: Instant, _: Job) {}

    fn next_result(&mut self, _: Instant) -> Option<Input<'static>> {
        None
    }
}

impl Monitor for Memory {}
