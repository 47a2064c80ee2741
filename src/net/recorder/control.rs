//! The recorder's control endpoint: HTTP/1.1 for operators, on listeners of its own.
//!
//! In: connections to `recorder.listen`. Out: orders for the loop, and responses. Nothing passes through the
//! server, so that control of a recording is not a part of it. Never: makes the loop wait.
//!
//! One thread accepts; each connection has a thread for its only request. Sockets block, with timeouts, so
//! that a TLS stream can replace a socket. Bounded: connections, bytes and time of a head, downloads.
//! Requests without the token end here. Orders of operators go to the loop, which performs them once in a
//! pass and answers through a channel.

use crate::config::BearerToken;
use crate::net::clock::{Clock, unix_micros};
use crate::net::recorder::Wake;
use crate::net::recorder::directory::path_of;
use crate::net::recorder::download::{self, Downloads};
use crate::net::recorder::request::{Response, Wanted, part_head};
use crate::net::recorder::slot::Slot;
use crate::net::recorder::status::{RecorderStatus, Refusal};
use crate::net::recorder::writer::Parts;
use crate::status::Identity;
use crate::wire::http1::{HeadLimits, HeadScan, Method, Request, Status};
use mio::{Events, Interest, Poll, Token, Waker};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Most connections at a time; others get a 503.
pub const CONNS_MAX: usize = 16;

/// Most orders that wait for the loop: one for each connection.
const ORDERS_MAX: usize = CONNS_MAX;

/// Limits of a request head.
const LIMITS: HeadLimits = HeadLimits { head_bytes_max: 16 << 10, headers_max: 64 };

/// Most time that a request head may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// Most time of one read, so that [`HEAD_TIMEOUT`] is noticed.
const READ_TIMEOUT: Duration = Duration::from_millis(500);

/// Most time without progress of a write.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);

/// Most time that the loop and the disk may take for an order.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Most bytes behind a request that are read and ignored.
const DISCARD_BYTES_MAX: u64 = 1 << 20;

/// Pause of accepting after the file descriptors ran out.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// What an order tells the loop to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Return the state of the recorder.
    Look,
    /// Begin a recording of the streams that match one of these patterns; with none, of everything.
    Start(Vec<String>),
    /// End the recording.
    Stop,
}

/// A command and the channel for its answer.
#[derive(Debug)]
pub struct Order {
    /// The command.
    pub command: Command,
    /// Has room for one answer.
    pub answer: SyncSender<Answer>,
}

/// The answer to an order.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Ids of the server.
    pub identity: Identity,
    /// The refusal, if the order was not performed.
    pub result: Result<(), Refusal>,
    /// State of the recorder. The list of parts is empty; see `parts`.
    pub status: RecorderStatus,
    /// The list of parts; `None` if the recorder's thread does not run.
    pub parts: Option<Parts>,
}

/// The endpoint's connection to the loop: the token in force, and the channel for orders.
#[derive(Clone)]
pub struct Desk {
    token: Arc<Mutex<BearerToken>>,
    orders: SyncSender<Order>,
    wake: Wake,
}

impl Desk {
    /// A desk and the receiver of its orders. `wake` wakes the loop.
    pub fn new(token: BearerToken, wake: Wake) -> (Desk, Receiver<Order>) {
        let (orders, incoming) = mpsc::sync_channel(ORDERS_MAX);
        (Desk { token: Arc::new(Mutex::new(token)), orders, wake }, incoming)
    }

    /// Replaces the token.
    pub fn set_token(&self, token: BearerToken) {
        *self.token() = token;
    }

    fn token(&self) -> MutexGuard<'_, BearerToken> {
        self.token.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Gives the loop an order and waits for the answer. `None` if too many orders wait or no answer comes in
    /// time.
    pub fn order(&self, command: Command) -> Option<Answer> {
        let (answer, answered) = mpsc::sync_channel(1);
        self.orders.try_send(Order { command, answer }).ok()?;
        (self.wake)();
        answered.recv_timeout(ANSWER_TIMEOUT).ok()
    }
}

/// The endpoint. Dropping it closes the listeners; it does not wait for requests in progress.
pub struct Control {
    closing: Arc<AtomicBool>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

impl Control {
    /// Listens at `addrs`; a port may be 0. Returns the addresses with the ports that the system gave, in the
    /// same order.
    ///
    /// # Errors
    /// The address that cannot be opened, and the error; the first address if the system refuses a thread.
    pub fn open(
        addrs: &[SocketAddr],
        desk: Desk,
    ) -> Result<(Control, Vec<SocketAddr>), (SocketAddr, io::Error)> {
        let mut listeners = Vec::new();
        let mut bound = Vec::new();
        for addr in addrs {
            let listener = listen(*addr).map_err(|error| (*addr, error))?;
            bound.push(listener.local_addr().map_err(|error| (*addr, error))?);
            listeners.push(listener);
        }
        let first = addrs.first().copied().unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
        let control = Control::start(listeners, desk).map_err(|error| (first, error))?;
        Ok((control, bound))
    }

    fn start(mut listeners: Vec<mio::net::TcpListener>, desk: Desk) -> io::Result<Control> {
        let poll = Poll::new()?;
        for (place, listener) in listeners.iter_mut().enumerate() {
            poll.registry().register(listener, Token(place), Interest::READABLE)?;
        }
        let waker = Waker::new(poll.registry(), Token(listeners.len()))?;
        let closing = Arc::new(AtomicBool::new(false));
        let endpoint = Endpoint {
            desk,
            clock: Clock::start(),
            head_timeout: HEAD_TIMEOUT,
            downloads: Downloads::default(),
        };
        let acceptor = Acceptor {
            poll,
            listeners,
            endpoint: Arc::new(endpoint),
            conns: Arc::default(),
            closing: Arc::clone(&closing),
        };
        let thread = thread::Builder::new().name("control".to_owned()).spawn(move || acceptor.run())?;
        Ok(Control { closing, waker, thread: Some(thread) })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        if self.waker.wake().is_ok()
            && let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("the thread of the recorder's control endpoint panicked");
        }
    }
}

fn listen(addr: SocketAddr) -> io::Result<mio::net::TcpListener> {
    let listener = std::net::TcpListener::bind(addr)?;
    listener.set_nonblocking(true)?;
    Ok(mio::net::TcpListener::from_std(listener))
}

/// The thread that accepts.
struct Acceptor {
    poll: Poll,
    listeners: Vec<mio::net::TcpListener>,
    endpoint: Arc<Endpoint>,
    /// Number of open connections.
    conns: Arc<AtomicUsize>,
    closing: Arc<AtomicBool>,
}

impl Acceptor {
    fn run(mut self) {
        let mut events = Events::with_capacity(16);
        let mut pause = None;
        while !self.closing.load(Ordering::Relaxed) {
            match self.poll.poll(&mut events, pause) {
                Err(error) if error.kind() != ErrorKind::Interrupted => {
                    log::error!("the recorder's control endpoint failed: {error}");
                    return;
                }
                _ => {}
            }
            // Edge-triggered: a listener that is not emptied reports nothing more.
            pause = (!self.accept_all()).then_some(EXHAUSTED_PAUSE);
        }
    }

    /// Accepts all connections that wait. False if the file descriptors ran out.
    fn accept_all(&self) -> bool {
        for listener in &self.listeners {
            loop {
                match listener.accept() {
                    Ok((stream, peer)) => self.admit(TcpStream::from(stream), peer),
                    Err(error) => match error.kind() {
                        ErrorKind::WouldBlock => break,
                        ErrorKind::ConnectionAborted
                        | ErrorKind::ConnectionReset
                        | ErrorKind::Interrupted => {}
                        _ => return false,
                    },
                }
            }
        }
        true
    }

    fn admit(&self, stream: TcpStream, peer: SocketAddr) {
        let slot = Slot::take(&self.conns, CONNS_MAX);
        let endpoint = Arc::clone(&self.endpoint);
        let Some(slot) = slot else {
            turn_away(stream);
            return;
        };
        let serve = move || {
            if let Err(error) = endpoint.serve(stream) {
                log::debug!("the recorder's control endpoint failed to serve {peer}: {error}");
            }
            drop(slot);
        };
        if let Err(error) = thread::Builder::new().name("control".to_owned()).spawn(serve) {
            log::warn!("the recorder's control endpoint has no thread for {peer}: {error}");
        }
    }
}

/// Answers 503 to a connection above the limit. Does not block: a new socket has room for the response.
fn turn_away(mut stream: TcpStream) {
    let response = Response::sentence(Status::UNAVAILABLE, "too many connections: try again later");
    // The connection ends, whether the response arrives or not.
    let _gone = stream.write_all(&response.header("Retry-After", "5").bytes(unix_secs(), false));
}

/// Serves connections.
struct Endpoint {
    desk: Desk,
    clock: Clock,
    head_timeout: Duration,
    downloads: Downloads,
}

impl Endpoint {
    /// Serves the only request of a connection, then ends the connection.
    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(READ_TIMEOUT))?;
        stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
        self.converse(&mut stream)?;
        stream.shutdown(Shutdown::Write)?;
        // Closing a socket with unread bytes sends RST, and the peer may lose the end of the response.
        let discarded = io::copy(&mut (&stream).take(DISCARD_BYTES_MAX), &mut io::sink());
        log::trace!("behind a request to the recorder's control endpoint came {discarded:?}");
        Ok(())
    }

    fn converse(&self, stream: &mut (impl Read + Write)) -> io::Result<()> {
        let request = match self.read_head(stream)? {
            None => return Ok(()),
            Some(Ok(request)) => request,
            Some(Err(response)) => return stream.write_all(&response.bytes(unix_secs(), false)),
        };
        let head_only = request.method == Method::Head;
        let token = self.desk.token().clone();
        let response = match Wanted::of(&request, &token) {
            Ok(Wanted::Part(name)) => return self.send_part(stream, &name, head_only),
            Ok(wanted) => self.perform(wanted),
            Err(response) => response,
        };
        stream.write_all(&response.bytes(unix_secs(), head_only))
    }

    /// Reads the head of the request. `None` if the peer ended before it was complete; the inner error is the
    /// response to a head that cannot be parsed or takes too long.
    fn read_head(&self, stream: &mut impl Read) -> io::Result<Option<Result<Request, Response>>> {
        let deadline = self.clock.now() + self.head_timeout;
        let (mut scan, mut head, mut buffer) = (HeadScan::default(), Vec::new(), [0; 4096]);
        loop {
            match scan.parse(&head, &LIMITS) {
                Ok(Some((request, _))) => return Ok(Some(Ok(request))),
                Ok(None) => {}
                Err(error) => return Ok(Some(Err(Response::sentence(error.status(), &error.to_string())))),
            }
            if self.clock.now() >= deadline {
                let sentence = "the request head did not arrive in time";
                return Ok(Some(Err(Response::sentence(Status::REQUEST_TIMEOUT, sentence))));
            }
            match stream.read(&mut buffer) {
                Ok(0) => return Ok(None),
                Ok(len) => head.extend_from_slice(&buffer[..len]),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                    _ => return Err(error),
                },
            }
        }
    }

    /// Lets the loop perform a request, and returns the response.
    fn perform(&self, wanted: Wanted) -> Response {
        let (command, unclear) = match wanted {
            Wanted::Start(streams) => (Command::Start(streams), None),
            Wanted::Stop => (Command::Stop, None),
            // Every response holds the server's ids, which only the loop has.
            Wanted::Unclear(why) => (Command::Look, Some(Refusal::Unclear(why))),
            Wanted::Look | Wanted::Part(_) => (Command::Look, None),
        };
        let Some(mut answer) = self.desk.order(command) else { return no_answer() };
        if let Some(refusal) = unclear.or(answer.result.err()) {
            return Response::refusal(&answer.identity, &refusal);
        }
        answer.status.parts = answer.parts.as_ref().map(Parts::list).unwrap_or_default();
        Response::state(&answer.identity, &answer.status)
    }

    /// Sends a finished part.
    fn send_part(&self, stream: &mut impl Write, name: &str, head_only: bool) -> io::Result<()> {
        let Some(answer) = self.desk.order(Command::Look) else {
            return stream.write_all(&no_answer().bytes(unix_secs(), head_only));
        };
        let parts = answer.parts.as_ref().map(Parts::list).unwrap_or_default();
        let part = parts.into_iter().find(|part| part.finished && part.name == name);
        let found = part.and_then(|part| {
            let path = path_of(Path::new(&answer.status.directory), name)?;
            download::open(&path, part.bytes).ok()
        });
        let refusal = match (found, self.downloads.begin()) {
            (Some((file, bytes)), Some(_slot)) => {
                stream.write_all(&part_head(name, bytes, unix_secs()))?;
                return if head_only { Ok(()) } else { download::send(stream, file, bytes) };
            }
            (Some(_), None) => Refusal::Busy,
            (None, _) => Refusal::NoPart,
        };
        stream.write_all(&Response::refusal(&answer.identity, &refusal).bytes(unix_secs(), head_only))
    }
}

fn no_answer() -> Response {
    let sentence = "the recorder does not answer: try again later";
    Response::sentence(Status::UNAVAILABLE, sentence).header("Retry-After", "5")
}

fn unix_secs() -> u64 {
    unix_micros() / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::{CONNS_MAX, Control, Endpoint};
    use crate::base::id::ListenerId;
    use crate::base::rng::Seed;
    use crate::base::time::{Epoch, Instant};
    use crate::config::{BearerToken, Config};
    use crate::net::clock::Clock;
    use crate::net::recorder::Recorder;
    use crate::net::recorder::download::Downloads;
    use crate::server::{Engine, Input, Server};
    use std::io::{self, ErrorKind, Read, Write};
    use std::net::{SocketAddr, TcpStream};
    use std::path::PathBuf;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;
    use std::time::Duration;

    const TOKEN: &str = "correct-horse-battery";

    /// A loop that only maintains its recorder, and the control endpoint.
    struct World {
        control: Option<Control>,
        addr: SocketAddr,
        ends: Arc<AtomicBool>,
        turns: Option<thread::JoinHandle<()>>,
        directory: PathBuf,
    }

    impl World {
        fn new(test: &str) -> World {
            let directory =
                std::env::temp_dir().join(format!("dacapo-control-{test}-{}", std::process::id()));
            let mut config = Config::default();
            config.recorder.directory = directory.to_str().expect("UTF-8").into();
            config.recorder.api_token = BearerToken::new(TOKEN).expect("long enough");
            let (seed, now, epoch) = (Seed::from_u64(5), Instant::ZERO, Epoch(1_700_000_000_000_000));
            let mut recorder = Recorder::new(&config, seed, epoch, Arc::new(|| {}));
            recorder.begin_at_birth(now);
            let any = "127.0.0.1:0".parse().expect("an address");
            let (control, bound) = Control::open(&[any], recorder.desk()).expect("a free port");
            let ends = Arc::new(AtomicBool::new(false));
            let over = Arc::clone(&ends);
            let turns = thread::Builder::new().spawn(move || {
                let mut engine = Engine::new(Server::new(config, seed, now, epoch));
                let peer = "192.0.2.7:9".parse().expect("an address");
                let conn = engine.accept(now, ListenerId(2), peer, &mut recorder).expect("there is room");
                while !over.load(Ordering::Relaxed) {
                    recorder.take_orders(engine.server(), now, || now);
                    engine.tell(now, Input::Received { conn, bytes: b"\r\n" }, &mut recorder);
                    recorder.maintain(engine.server(), now, || now);
                    thread::sleep(Duration::from_millis(1));
                }
                recorder.finish(now);
            });
            let turns = Some(turns.expect("a thread"));
            World { control: Some(control), addr: bound[0], ends, turns, directory }
        }

        fn connect(&self) -> TcpStream {
            TcpStream::connect(self.addr).expect("it listens")
        }

        /// Everything that is answered, with or without the token.
        fn request(&self, method: &str, path: &str, token: Option<&str>) -> (String, Vec<u8>) {
            let mut stream = self.connect();
            let line = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
            let head = format!("{method} /api/v1/recorder{path} HTTP/1.1\r\nHost: a\r\n{line}\r\n");
            stream.write_all(head.as_bytes()).expect("it reads");
            answer(&mut stream)
        }

        fn json(&self, method: &str, path: &str) -> serde_json::Value {
            let (head, content) = self.request(method, path, Some(TOKEN));
            assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
            serde_json::from_slice(&content).expect("JSON")
        }
    }

    impl Drop for World {
        fn drop(&mut self) {
            self.ends.store(true, Ordering::Relaxed);
            drop(self.control.take());
            if let Some(turns) = self.turns.take() {
                turns.join().expect("the loop ends");
            }
            std::fs::remove_dir_all(&self.directory).or_else(gone_already).expect("it was made here");
        }
    }

    fn gone_already(error: io::Error) -> io::Result<()> {
        if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) }
    }

    /// Head and content of what comes until the end.
    fn answer(stream: &mut TcpStream) -> (String, Vec<u8>) {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).expect("a whole answer");
        let len = all.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
        let content = all.split_off(len);
        (String::from_utf8(all).expect("text"), content)
    }

    #[test]
    fn an_operator_records_and_downloads_the_part() {
        let world = World::new("records");
        assert!(world.request("GET", "", None).0.starts_with("HTTP/1.1 401 "));
        assert!(world.request("GET", "", Some("correct-horse-batterz")).0.starts_with("HTTP/1.1 401 "));
        assert_eq!(world.json("POST", "?action=stop")["code"], 9002);
        assert_eq!(world.json("POST", "?action=fly")["code"], 9004);
        let started = world.json("POST", "?action=start");
        let name = started["recorder"]["parts"][0]["name"].as_str().expect("a part").to_owned();
        assert_eq!(world.json("GET", &format!("/{name}"))["code"], 9003, "it is being written");
        assert_eq!(world.json("POST", "?action=start")["code"], 9001);
        let stopped = world.json("POST", "?action=stop");
        let part = &stopped["recorder"]["parts"][0];
        assert!(part["finished"] == true && stopped["recorder"]["recording"].is_null(), "{stopped}");
        let (head, content) = world.request("GET", &format!("/{name}"), Some(TOKEN));
        assert!(head.contains(&format!("Content-Length: {}\r\n", part["bytes"])), "{head}");
        assert_eq!(content, std::fs::read(world.directory.join(&name)).expect("it is there"));
        let (head_alone, nothing) = world.request("HEAD", &format!("/{name}"), Some(TOKEN));
        assert!(head_alone.contains(&format!("Content-Length: {}\r\n", content.len())) && nothing.is_empty());
        for path in ["/passwd", "/20200101T000000.000000Z-000000.dacapo"] {
            assert_eq!(world.json("GET", path)["code"], 9003);
        }
        assert!(world.request("GET", "/../../etc/passwd", Some(TOKEN)).0.starts_with("HTTP/1.1 400 "));
        std::fs::remove_file(world.directory.join(&name)).expect("it is there");
        assert_eq!(world.json("GET", &format!("/{name}"))["code"], 9003, "it was deleted meanwhile");
    }

    #[test]
    fn connections_that_stall_keep_nothing_from_being_done_and_more_are_turned_away() {
        let world = World::new("stall");
        // A place is free again a moment after its connection has got its answer.
        let stalled: Vec<TcpStream> = (0..CONNS_MAX / 2)
            .map(|_| {
                let mut stream = world.connect();
                stream.write_all(b"GET /api/v1/recorder HTTP/1.1\r\nHost").expect("it reads");
                stream
            })
            .collect();
        for _ in 0..20 {
            assert_eq!(world.json("GET", "")["code"], 0);
        }
        let others: Vec<TcpStream> = (0..CONNS_MAX).map(|_| world.connect()).collect();
        let (head, content) = answer(&mut world.connect());
        assert!(head.starts_with("HTTP/1.1 503 ") && head.contains("Retry-After: 5\r\n"), "{head}");
        assert!(String::from_utf8_lossy(&content).contains("too many connections"));
        drop((stalled, others));
        for _ in 0..2000 {
            let mut stream = world.connect();
            let head =
                format!("GET /api/v1/recorder HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
            let mut got = String::new();
            // A connection that is turned away may be reset before it has said all of this.
            let said = stream.write_all(head.as_bytes()).and_then(|()| stream.read_to_string(&mut got));
            if said.is_ok() && got.starts_with("HTTP/1.1 200 ") {
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
        panic!("places are not free again");
    }

    /// A peer that sends this and then nothing.
    struct Slow(&'static [u8], Vec<u8>);

    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                thread::sleep(Duration::from_millis(1));
                return Err(ErrorKind::WouldBlock.into());
            }
            self.0.read(buffer)
        }
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn heads_that_take_too_long_or_are_too_large_are_refused() {
        let (desk, _orders) = super::Desk::new(BearerToken::default(), Arc::new(|| {}));
        let head_timeout = Duration::from_millis(20);
        let endpoint =
            Endpoint { desk, clock: Clock::start(), head_timeout, downloads: Downloads::default() };
        let answer = |said: &'static [u8]| {
            let mut peer = Slow(said, Vec::new());
            endpoint.converse(&mut peer).expect("it is answered");
            String::from_utf8(peer.1).expect("text")
        };
        assert!(answer(b"GET / HT").starts_with("HTTP/1.1 408 "));
        assert!(answer(&[b'x'; 20 << 10]).starts_with("HTTP/1.1 4"));
        assert!(answer(b"\x16\x03\x01\x02\x00\x01\x00").starts_with("HTTP/1.1 400 "));
    }
}
