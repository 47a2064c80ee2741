//! A whole server with peers and without sockets: bytes are handed to it and taken from it.
//!
//! The peers are the clients of `load`, which know nothing of the server. While they connect they read
//! what they get; afterwards they do not read, so that only the server is measured.

#![allow(dead_code, reason = "each bench takes the part that it needs")]

use bytes::Bytes;
use criterion::Criterion;
use dacapo::base::id::{ConnId, ListenerId};
use dacapo::base::rng::Seed;
use dacapo::base::slices::Slices;
use dacapo::base::time::{Epoch, Instant};
use dacapo::config::Config;
use dacapo::server::{Engine, Input, Job, Perform, Server, Taken};
use load::client::{Client, Protocol, Target};
use load::rtmp::Role;
use load::source::Source;
use std::collections::VecDeque;
use std::hint::black_box;
use std::net::SocketAddr;
use std::time::Duration;

/// How long criterion looks: seconds for each number, since ratios are what is looked for.
pub fn short() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(500))
        .without_plots()
}

/// Seconds of the stream before the first player.
const PRIME_SECONDS: usize = 10;

/// A second of a publisher's bytes: when, and what.
pub type Second = Vec<(Instant, Bytes)>;

/// The server, its publisher and its players.
pub struct Rig {
    engine: Engine,
    now: Instant,
    peers: Vec<Peer>,
    source: Source,
}

/// Takes all that leaves; looks at every write.
struct Left<'a, F> {
    look: &'a mut F,
    nothing: (),
}

impl<F: FnMut(&Slices<'_>)> Perform for Left<'_, F> {
    type Monitor = ();

    fn monitor(&mut self) -> &mut () {
        &mut self.nothing
    }

    fn write(&mut self, _: ConnId, slices: &Slices<'_>) -> Result<Taken, String> {
        (self.look)(slices);
        Ok(Taken { len: slices.len(), room: true })
    }

    fn close(&mut self, conn: ConnId, _: bool) {
        panic!("{conn:?} was closed");
    }

    fn start(&mut self, _: Job) {}
}

struct Peer {
    conn: ConnId,
    client: Client,
}

impl Rig {
    /// A server with one publisher, which is the first peer, and so many players of it. The publisher has
    /// published for a while: the ring gives up as much as it takes.
    pub fn new(protocol: Protocol, players: usize) -> Self {
        let mut config = Config::default();
        config.stream.hls.enabled = false;
        Rig::with(config, protocol, players)
    }

    /// The same with a configuration of one's own.
    pub fn with(config: Config, protocol: Protocol, players: usize) -> Self {
        let seed = Seed::from_u64(1);
        let server = Server::new(config, seed, Instant::ZERO, Epoch(1_700_000_000_000_000));
        let source = Source::new(0, 1_000_000);
        let mut rig = Rig { engine: Engine::new(server), now: Instant::ZERO, peers: Vec::new(), source };
        rig.connect(Protocol::Rtmp, Role::Publish);
        for _ in 0..PRIME_SECONDS {
            rig.run_second();
        }
        for _ in 0..players {
            rig.connect(protocol, Role::Play);
        }
        // What the first second after joining costs belongs to the joining.
        rig.run_second();
        rig
    }

    fn run_second(&mut self) {
        let second = self.next_second();
        self.run(&second, |_| {});
    }

    /// The next second of the publisher's bytes.
    pub fn next_second(&mut self) -> Second {
        let begin = self.now;
        let publisher = &mut self.peers[0].client;
        let first = self.source.due();
        let mut second = Vec::new();
        while self.source.due() < first + load::clock::SECOND {
            let at = begin + Duration::from_nanos(self.source.due() - first);
            let mut bytes = Vec::new();
            publisher.write_frame(self.source.next(0), &mut bytes);
            second.push((at, Bytes::from(bytes)));
        }
        second
    }

    /// Publishes a second and takes what the server has for its peers; `left` looks at every write.
    pub fn run(&mut self, second: &Second, mut left: impl FnMut(&Slices<'_>)) {
        let conn = self.peers[0].conn;
        for (at, bytes) in second {
            self.wait_until(*at, &mut left);
            self.tell(Input::Received { conn, bytes }, &mut left);
        }
        self.wait_until(self.now + Duration::from_millis(20), &mut left);
    }

    /// The time that it takes to do so, in real time.
    pub fn time(&mut self, second: &Second) -> Duration {
        let begin = load::clock::now();
        self.run(second, |slices| _ = black_box(slices.len()));
        Duration::from_nanos(load::clock::now() - begin)
    }

    /// A viewer of HLS, or of anything else that is fetched: a connection that nothing was asked on yet.
    pub fn viewer(&mut self) -> ConnId {
        let peer = SocketAddr::from(([127, 0, 0, 2], 1));
        self.accept(ListenerId(1), peer)
    }

    /// Asks on a viewer's connection, and looks at what leaves because of it.
    pub fn ask(&mut self, viewer: ConnId, request: &[u8], mut left: impl FnMut(&Slices<'_>)) {
        self.tell(Input::Received { conn: viewer, bytes: request }, &mut left);
    }

    /// Lets time pass, with every deadline on the way.
    fn wait_until(&mut self, at: Instant, left: &mut impl FnMut(&Slices<'_>)) {
        while let Some(deadline) = self.engine.server().deadline()
            && deadline.at <= at
        {
            self.now = deadline.at.max(self.now);
            self.tell(Input::Tick, left);
        }
        self.now = at;
    }

    fn tell(&mut self, input: Input<'_>, look: &mut impl FnMut(&Slices<'_>)) {
        self.engine.step(self.now, input, &mut Left { look, nothing: () });
    }

    fn accept(&mut self, listener: ListenerId, peer: SocketAddr) -> ConnId {
        let conn = self.engine.accept(self.now, listener, peer, &mut ());
        self.engine.perform(self.now, &mut Left { look: &mut |_: &Slices<'_>| {}, nothing: () });
        conn.expect("there is room")
    }

    /// Connects a peer and lets it speak until the server has agreed.
    fn connect(&mut self, protocol: Protocol, role: Role) {
        let number = u16::try_from(self.peers.len()).expect("ports are the peers' names");
        let peer = SocketAddr::from(([127, 0, 0, 1], number));
        let listener = ListenerId(if protocol == Protocol::Rtmp { 0 } else { 1 });
        let conn = self.accept(listener, peer);
        let target = Target { protocol, addr: peer, app: "live".to_owned(), name: "rig".to_owned() };
        let mut client = Client::new(&target, role, 0);
        let mut words = Vec::new();
        client.hello(&mut words);
        let mut heard = VecDeque::new();
        while !words.is_empty() {
            self.tell(Input::Received { conn, bytes: &words }, &mut |slices| {
                slices.as_io_slices().iter().for_each(|slice| heard.extend(slice.iter().copied()));
            });
            words.clear();
            client.receive(heard.make_contiguous(), &mut words, &mut |_| {}).expect("the server agrees");
            heard.clear();
        }
        assert!(client.is_running(), "the server has not agreed");
        self.peers.push(Peer { conn, client });
    }
}
