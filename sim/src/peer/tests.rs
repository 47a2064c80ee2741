//! Every well-behaved peer gets what it requests from a real server without faults.

use super::draw::{Cast, ROLES, Role, draw};
use super::live::{self, Format, Live};
use super::publisher::{Publisher, Script, Session, Stop};
use super::{Boxed, HangUp, Peer, PeerCx};
use conformance::rng::Rng;
use dacapo::base::id::{ConnId, ListenerId};
use dacapo::base::rng::Seed;
use dacapo::base::slices::Slices;
use dacapo::base::time::{Epoch, Instant};
use dacapo::config::Config;
use dacapo::server::direct::{Direct, Peers};
use dacapo::server::{End, Input, Server, Taken};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

/// A server and its peers, joined by pipes that are always open and take no time.
struct Pipes {
    direct: Direct<Sent>,
    piped: Vec<PipedPeer>,
}

/// What the server has sent and closed, in order, and no peer has heard of so far.
#[derive(Default)]
struct Sent(VecDeque<(ConnId, Option<Vec<u8>>)>);

impl Peers for Sent {
    fn write(&mut self, _: Instant, conn: ConnId, slices: &Slices<'_>) -> Taken {
        let bytes = slices.as_io_slices().iter().flat_map(|slice| slice.iter().copied()).collect();
        self.0.push_back((conn, Some(bytes)));
        Taken { len: slices.len(), room: true }
    }

    fn closed(&mut self, _: Instant, conn: ConnId) {
        self.0.push_back((conn, None));
    }
}

struct PipedPeer {
    peer: Boxed,
    rng: Rng,
    conn: Option<ConnId>,
    wake_us: Option<u64>,
    dial_us: Option<u64>,
    /// The peer has said its last word.
    over: bool,
}

/// What a peer is told.
enum Tell<'a> {
    Connected,
    Received(&'a [u8]),
    Woken,
    Ended(bool),
}

impl Pipes {
    fn new(config: Config) -> Self {
        let server = Server::new(config, Seed::from_u64(3), Instant::ZERO, Epoch(1_700_000_000_000_000));
        Pipes { direct: Direct::new(server, Sent::default(), ()), piped: Vec::new() }
    }

    fn add(&mut self, peer: impl Peer + 'static) -> usize {
        self.add_peer(Box::new(peer))
    }

    fn add_peer(&mut self, peer: Boxed) -> usize {
        let rng = Rng::new(self.piped.len() as u64 + 1);
        let dial_us = Some(self.direct.now().as_micros());
        self.piped.push(PipedPeer { peer, rng, conn: None, wake_us: None, dial_us, over: false });
        self.piped.len() - 1
    }

    fn cast(&mut self, role: Role, tame: bool, seed: u64) -> usize {
        let streams = ["live/a".to_owned(), "live/b".to_owned()];
        let cast = Cast { role, stream: 0, streams: &streams, tame };
        self.add_peer(draw(&mut Rng::new(seed), &cast))
    }

    fn tell(&mut self, at: usize, tell: Tell<'_>) {
        let piped = &mut self.piped[at];
        let now_us = self.direct.now().as_micros();
        let mut cx = PeerCx::new(now_us, &mut piped.rng, 0);
        match tell {
            Tell::Connected => piped.peer.connected(&mut cx),
            Tell::Received(bytes) => piped.peer.received(&mut cx, bytes),
            Tell::Woken => piped.peer.woken(&mut cx),
            Tell::Ended(broken) => piped.peer.ended(&mut cx, broken),
        }
        let PeerCx { out, wake_at_us, hang_up, dial_at_us, .. } = cx;
        piped.wake_us = wake_at_us.or(piped.wake_us);
        piped.dial_us = dial_at_us.or(piped.dial_us);
        let Some(conn) = piped.conn.filter(|_| !piped.over) else { return };
        piped.over = hang_up.is_some();
        for bytes in out.chunks(65_536) {
            self.direct.tell(Input::Received { conn, bytes });
        }
        match hang_up {
            Some(HangUp::Fin) => self.direct.tell(Input::Ended { conn, end: End::Eof }),
            Some(HangUp::Reset) => {
                let end = End::Broken("reset by peer".to_owned());
                self.direct.tell(Input::Ended { conn, end });
            }
            None => {}
        }
    }

    /// Hands on what the server has sent.
    fn deliver(&mut self) {
        while let Some((conn, bytes)) = self.direct.peers.0.pop_front() {
            let at = self.piped.iter().position(|piped| piped.conn == Some(conn));
            let at = at.expect("a connection is closed once (I23)");
            match bytes {
                Some(bytes) => self.tell(at, Tell::Received(&bytes)),
                None => {
                    self.piped[at].conn = None;
                    self.piped[at].wake_us = None;
                    self.tell(at, Tell::Ended(false));
                }
            }
        }
    }

    fn pass(&mut self, seconds: u64) {
        let end = self.direct.now() + Duration::from_secs(seconds);
        loop {
            let due = |us: Option<u64>| us.map(|us| Instant::ZERO + Duration::from_micros(us));
            let wakes = self.piped.iter().filter_map(|piped| due(piped.wake_us));
            let free = self.piped.iter().filter(|piped| piped.conn.is_none());
            let dials = free.filter_map(|piped| due(piped.dial_us));
            let now = self.direct.now();
            let deadline = self.direct.server().deadline().map(|deadline| deadline.at);
            let next = wakes.chain(dials).chain(deadline).min().unwrap_or(end).max(now);
            if next > end {
                break;
            }
            self.direct.advance(next - now);
            self.direct.tell(Input::Tick);
            self.deliver();
            for at in 0..self.piped.len() {
                self.turn(at);
                self.deliver();
            }
        }
        self.direct.advance(end - self.direct.now());
    }

    fn turn(&mut self, at: usize) {
        let now_us = self.direct.now().as_micros();
        let piped = &mut self.piped[at];
        if piped.conn.is_none() && piped.dial_us.is_some_and(|us| us <= now_us) {
            let service = piped.peer.service();
            let listeners = Config::default().listeners();
            let place = listeners.iter().position(|(_, other, _)| *other == service).expect("it listens");
            let listener = ListenerId(u16::try_from(place).expect("few listeners"));
            let port = 10_000 + u16::try_from(at).expect("few piped");
            let peer = SocketAddr::from(([192, 0, 2, 1], port));
            piped.dial_us = None;
            piped.wake_us = None;
            piped.over = false;
            piped.conn = self.direct.accept(listener, peer);
            assert!(piped.conn.is_some(), "there is room");
            self.tell(at, Tell::Connected);
        } else if piped.wake_us.is_some_and(|us| us <= now_us) {
            piped.wake_us = None;
            self.tell(at, Tell::Woken);
        }
    }

    fn complaints(&self, since_us: u64) -> Vec<String> {
        let peers = self.piped.iter().map(|piped| &piped.peer);
        peers.flat_map(|peer| [peer.grievance(), peer.pending(since_us)]).flatten().collect()
    }
}

#[test]
fn every_tame_peer_gets_what_it_wants() {
    for seed in 1..6 {
        let mut pipes = Pipes::new(Config::default());
        pipes.cast(Role::Publisher, true, seed);
        for role in ROLES.into_iter().skip(1) {
            pipes.cast(role, true, seed);
        }
        pipes.pass(12);
        assert_eq!(pipes.complaints(8_000_000), [""; 0], "seed {seed}");
    }
}

#[test]
fn wild_peers_find_no_fault_with_the_server() {
    for seed in 1..60 {
        let mut pipes = Pipes::new(Config::default());
        let mut rng = Rng::new(seed);
        for _ in 0..8 {
            let role = rng.pick(&[Role::Publisher, Role::Publisher, rng.clone().pick(&ROLES)]);
            let seed = rng.number();
            pipes.cast(role, false, seed);
        }
        for _ in 0..3 {
            let role = rng.pick(&ROLES[..7]);
            pipes.cast(role, false, seed);
        }
        pipes.pass(20);
        let grievances: Vec<String> = pipes.piped.iter().filter_map(|piped| piped.peer.grievance()).collect();
        assert_eq!(grievances, [""; 0], "seed {seed}");
    }
}

#[test]
fn players_without_a_publisher_say_what_is_missing() {
    let mut pipes = Pipes::new(Config::default());
    pipes.cast(Role::RtmpPlayer, true, 1);
    pipes.cast(Role::Hls, true, 1);
    pipes.pass(5);
    let complaints = pipes.complaints(0);
    assert!(complaints[0].contains("rtmp-player live/a is playing and got nothing"), "{complaints:?}");
    assert!(complaints[1].contains("hls-player live/a is connected, asks for Master"), "{complaints:?}");
}

#[test]
fn a_publisher_comes_back_in_every_way_that_it_left() {
    for stop in [Stop::Unpublish, Stop::Again, Stop::Fin, Stop::Reset] {
        let session = Session { length_us: 1_000_000, stop, pause_us: 200_000 };
        let script = Script { sessions: vec![session], ..Script::tame(&mut Rng::new(1), "live", "a") };
        let mut pipes = Pipes::new(Config::default());
        let publisher = Rc::new(RefCell::new(Publisher::new(script)));
        pipes.add(Shared(publisher.clone()));
        pipes.pass(10);
        assert_eq!(pipes.complaints(0), [""; 0], "{stop:?}");
        let sessions = publisher.borrow().sessions();
        assert!(sessions >= 7, "{stop:?}: {sessions} sessions");
    }
}

#[test]
fn a_silent_publisher_is_sent_away() {
    let session = Session { length_us: 1_000_000, stop: Stop::Silence, pause_us: 1_000_000 };
    let script =
        Script { sessions: vec![session], dials_max: 1, ..Script::tame(&mut Rng::new(1), "live", "a") };
    let mut pipes = Pipes::new(Config::default());
    let at = pipes.add(Publisher::new(script));
    pipes.pass(30);
    assert!(pipes.piped[at].conn.is_none(), "after publish.frame_timeout_ms it is gone (L3)");
}

/// What a player of the film of `seed` gets in six seconds, as ffprobe sees it: the packets of each codec.
fn probed(format: Format, extension: &str) -> String {
    let mut pipes = Pipes::new(Config::default());
    pipes.cast(Role::Publisher, true, 2);
    let player = Rc::new(RefCell::new(Live::keeping(live::Script::tame("live/a", format))));
    pipes.add(Shared(player.clone()));
    pipes.pass(6);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join(format!("got.{extension}"));
    std::fs::write(&file, player.borrow().kept()).expect("a file");
    let arguments = ["-v", "quiet", "-count_packets", "-of", "csv=p=0", "-show_entries"];
    let fields = "stream=codec_name,nb_read_packets";
    let output = Command::new("ffprobe").args(arguments).arg(fields).arg(&file).output();
    String::from_utf8(output.expect("ffprobe runs").stdout).expect("text")
}

#[test]
fn ffprobe_reads_what_a_player_gets() {
    for (format, extension) in [(Format::Flv, "flv"), (Format::Ts, "ts")] {
        let probed = probed(format, extension);
        let count = |codec: &str| {
            let line = probed.lines().find(|line| line.starts_with(codec)).unwrap_or_default();
            line.rsplit(',').next().and_then(|count| count.parse::<u32>().ok()).unwrap_or(0)
        };
        assert!(count("h264,") > 60 && count("aac,") > 200, "{format:?}: {probed}");
    }
}

/// A peer that a test looks at as well.
struct Shared<P>(Rc<RefCell<P>>);

impl<P: Peer> Peer for Shared<P> {
    fn name(&self) -> String {
        self.0.borrow().name()
    }

    fn service(&self) -> dacapo::config::Service {
        self.0.borrow().service()
    }

    fn connected(&mut self, cx: &mut PeerCx<'_>) {
        self.0.borrow_mut().connected(cx);
    }

    fn received(&mut self, cx: &mut PeerCx<'_>, bytes: &[u8]) {
        self.0.borrow_mut().received(cx, bytes);
    }

    fn woken(&mut self, cx: &mut PeerCx<'_>) {
        self.0.borrow_mut().woken(cx);
    }

    fn ended(&mut self, cx: &mut PeerCx<'_>, broken: bool) {
        self.0.borrow_mut().ended(cx, broken);
    }

    fn pending(&self, since_us: u64) -> Option<String> {
        self.0.borrow().pending(since_us)
    }

    fn grievance(&self) -> Option<String> {
        self.0.borrow().grievance()
    }
}
