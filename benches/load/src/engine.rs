//! All publishers and players of this process, on one thread and one edge-triggered poll.
//!
//! In: connections to open, and until when to run. Out: what each player saw, and the latencies of all.
//! Never: a thread, a timer per connection, a copy of a frame that was received.

use crate::client::{Client, Target};
use crate::clock;
use crate::fault::Fault;
use crate::histogram::Histogram;
use crate::rtmp::Role;
use crate::source::{GOP_LEN, Source, VIDEO_RATE};
use crate::stamp::Seen;
use crate::viewer::{Latency, Viewer};
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use rustix::io::Errno;
use rustix::net::RecvFlags;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, ErrorKind, Read, Write};
use std::ops::Range;
use std::time::Duration;

/// Bytes that one read may bring.
const READ_LEN: usize = 256 << 10;

/// Events that one poll may bring.
const EVENTS: usize = 1024;

/// How often a run asks whether it has seen enough, in nanoseconds.
const ASK_EVERY: u64 = 5 * clock::MILLI;

/// The thread and all that lives on it.
#[derive(Debug)]
pub struct Engine {
    poll: Poll,
    peers: Vec<Peer>,
    /// When which publisher must write.
    due: BinaryHeap<Reverse<(u64, usize)>>,
    buffer: Vec<u8>,
    /// What all the players share: the window of measurement and the latencies in it.
    gauge: Gauge,
    /// How late publishers write, within the window: if this is not small, this process was overloaded.
    lateness: Histogram,
    /// The first fault of any connection.
    fault: Option<Fault>,
    /// Sockets are looked at so often, in nanoseconds; 0: as soon as something comes.
    look_every: u64,
    looked: u64,
}

#[derive(Debug, Default)]
struct Gauge {
    window: Range<u64>,
    latency: Latency,
}

#[derive(Debug)]
struct Peer {
    /// `None` once it has failed.
    socket: Option<TcpStream>,
    connected: bool,
    client: Client,
    /// What the kernel did not take yet.
    out: Vec<u8>,
    task: Task,
}

#[derive(Debug)]
enum Task {
    Publish(Publisher),
    Play(Viewer),
    Idle,
}

/// What one publisher does.
#[derive(Debug)]
pub struct Publisher {
    /// Which stream.
    pub stream: u16,
    /// Bytes of frames that it sent within the window.
    pub window_bytes: u64,
    /// Such frames.
    pub window_frames: u64,
    source: Source,
    /// When its first frame left; `None` until the server lets it publish.
    began: Option<u64>,
}

impl Engine {
    /// An engine without connections.
    pub fn new() -> io::Result<Self> {
        Ok(Engine {
            poll: Poll::new()?,
            peers: Vec::new(),
            due: BinaryHeap::new(),
            buffer: vec![0; READ_LEN],
            gauge: Gauge::default(),
            lateness: Histogram::default(),
            fault: None,
            look_every: 0,
            looked: 0,
        })
    }

    /// Begins to connect a publisher of stream number `stream`.
    pub fn publish(&mut self, target: &Target, stream: u16, bitrate: u64) {
        let source = Source::new(stream, bitrate);
        let task = Publisher { stream, window_bytes: 0, window_frames: 0, source, began: None };
        self.connect(target, Client::new(target, Role::Publish, stream), Task::Publish(task));
    }

    /// Begins to connect a player of stream number `stream`.
    pub fn play(&mut self, target: &Target, stream: u16) {
        self.add_viewer(target, Viewer::new(stream, clock::now()));
    }

    /// The same for a player of whom only the joining is measured.
    pub fn join(&mut self, target: &Target, stream: u16) {
        let mut viewer = Viewer::new(stream, clock::now());
        viewer.counted = false;
        self.add_viewer(target, viewer);
    }

    /// The same for a player that looks at nothing once it has seen a keyframe, and only counts bytes, which
    /// the kernel then need not copy.
    pub fn play_blind(&mut self, target: &Target, stream: u16) {
        let mut viewer = Viewer::new(stream, clock::now());
        viewer.blind = true;
        self.add_viewer(target, viewer);
    }

    /// Begins a connection that stays idle.
    pub fn idle(&mut self, target: &Target) {
        self.connect(target, Client::new(target, Role::Idle, 0), Task::Idle);
    }

    fn add_viewer(&mut self, target: &Target, viewer: Viewer) {
        self.connect(target, Client::new(target, Role::Play, viewer.stream), Task::Play(viewer));
    }

    /// From now on sockets are read every so many nanoseconds, however often something comes. That spares
    /// this process the work which a server saves by larger writes, and makes latencies mean nothing: for
    /// servers that are to have more to do than this process.
    pub fn look_every(&mut self, nanos: u64) {
        self.look_every = nanos;
    }

    /// Sets the window of measurement; what was counted before is forgotten.
    pub fn measure(&mut self, window: Range<u64>) {
        for peer in &mut self.peers {
            match &mut peer.task {
                Task::Publish(publisher) => (publisher.window_bytes, publisher.window_frames) = (0, 0),
                Task::Play(viewer) => viewer.begin(),
                Task::Idle => {}
            }
        }
        self.gauge = Gauge { window, latency: Latency::default() };
        self.lateness = Histogram::default();
    }

    /// Lets everything happen until `until`, or until `enough` says so (asked every few milliseconds).
    pub fn run(&mut self, until: u64, mut enough: impl FnMut(&Self) -> bool) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        let mut asked = 0;
        loop {
            let now = clock::now();
            if now >= until {
                return Ok(());
            }
            if now > asked + ASK_EVERY {
                asked = now;
                if enough(self) {
                    return Ok(());
                }
            }
            self.publish_due(now);
            let wake = self.due.peek().map_or(until, |Reverse((due, _))| until.min(*due));
            // Never longer than 20 ms, since `enough` may depend on time alone.
            let mut wait = Duration::from_nanos(wake.saturating_sub(clock::now()).min(20 * clock::MILLI));
            if self.look_every > 0 {
                let look = (self.looked + self.look_every).saturating_sub(clock::now());
                if look > 0 {
                    std::thread::sleep(wait.min(Duration::from_nanos(look)));
                    continue;
                }
                wait = Duration::ZERO;
            }
            match self.poll.poll(&mut events, Some(wait)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            }
            if events.iter().count() < EVENTS {
                self.looked = clock::now();
            }
            for event in &events {
                self.handle(event);
                // Publishers go first, however many players have something to read.
                if self.due.peek().is_some_and(|Reverse((due, _))| *due <= clock::now()) {
                    self.publish_due(clock::now());
                }
            }
        }
    }

    /// The records of all players.
    pub fn viewers(&self) -> impl Iterator<Item = &Viewer> {
        self.peers.iter().filter_map(|peer| match &peer.task {
            Task::Play(viewer) => Some(viewer),
            Task::Publish(_) | Task::Idle => None,
        })
    }

    /// The records of all publishers.
    pub fn publishers(&self) -> impl Iterator<Item = &Publisher> {
        self.peers.iter().filter_map(|peer| match &peer.task {
            Task::Publish(publisher) => Some(publisher),
            Task::Play(_) | Task::Idle => None,
        })
    }

    /// How many publishers may write frames.
    pub fn publishing(&self) -> usize {
        self.publishers().filter(|publisher| publisher.began.is_some()).count()
    }

    /// How many idle connections have been answered.
    pub fn idling(&self) -> usize {
        self.peers.iter().filter(|peer| peer.client.is_idle()).count()
    }

    /// When the group of pictures that the first publisher is sending began, in its own time.
    pub fn gop_began(&self, now: u64) -> Option<u64> {
        let began = self.publishers().find_map(|publisher| publisher.began)?;
        let gop = GOP_LEN * clock::SECOND / VIDEO_RATE;
        Some(now - now.saturating_sub(began) % gop)
    }

    /// Ends the pauses of all players at `now`.
    pub fn rest(&mut self, now: u64) {
        for (viewer, window) in self.viewers_mut() {
            viewer.rest(now, window);
        }
    }

    /// A window was reported: what was wrong with the players so far is forgotten.
    pub fn forget(&mut self) {
        for (viewer, _) in self.viewers_mut() {
            viewer.forget();
        }
    }

    fn viewers_mut(&mut self) -> impl Iterator<Item = (&mut Viewer, &Range<u64>)> {
        let window = &self.gauge.window;
        self.peers.iter_mut().filter_map(move |peer| match &mut peer.task {
            Task::Play(viewer) => Some((viewer, window)),
            Task::Publish(_) | Task::Idle => None,
        })
    }

    /// The latencies of all players.
    pub fn latency(&self) -> &Latency {
        &self.gauge.latency
    }

    /// How much later than due publishers wrote within the window, in nanoseconds.
    pub fn lateness(&self) -> &Histogram {
        &self.lateness
    }

    /// Connections that have failed.
    pub fn failed(&self) -> usize {
        self.peers.iter().filter(|peer| peer.socket.is_none()).count()
    }

    /// The first fault of any connection.
    pub fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    fn connect(&mut self, target: &Target, client: Client, task: Task) {
        let token = Token(self.peers.len());
        let socket = TcpStream::connect(target.addr).and_then(|mut socket| {
            self.poll.registry().register(&mut socket, token, Interest::READABLE | Interest::WRITABLE)?;
            Ok(socket)
        });
        let socket = socket.map_err(|error| self.fault = Some(error.into())).ok();
        self.peers.push(Peer { socket, connected: false, client, out: Vec::new(), task });
    }

    fn handle(&mut self, event: &Event) {
        let index = event.token().0;
        let peer = &mut self.peers[index];
        let result = peer
            .write_if(event.is_writable())
            .and_then(|()| peer.read_if(event, &mut self.buffer, &mut self.gauge));
        if let Err(fault) = result {
            peer.socket = None;
            self.fault.get_or_insert(fault);
        }
        if let Task::Play(viewer) = &mut peer.task
            && viewer.asked.is_none()
            && peer.connected
            && peer.client.has_asked()
        {
            viewer.asked = Some(clock::now());
        }
        if let Task::Publish(publisher) = &mut peer.task
            && publisher.began.is_none()
            && peer.connected
            && peer.client.is_running()
        {
            let now = clock::now();
            publisher.began = Some(now);
            self.due.push(Reverse((now, index)));
        }
    }

    /// Writes the frames whose time has come.
    fn publish_due(&mut self, now: u64) {
        while let Some(Reverse((due, index))) = self.due.peek().copied()
            && due <= now
        {
            self.due.pop();
            let peer = &mut self.peers[index];
            if peer.socket.is_none() {
                continue;
            }
            let Task::Publish(publisher) = &mut peer.task else { unreachable!("only publishers are due") };
            let sent = clock::now();
            let frame = publisher.source.next(sent);
            if self.gauge.window.contains(&sent) {
                publisher.window_bytes += frame.body.len() as u64;
                publisher.window_frames += 1;
                self.lateness.add(sent - due);
            }
            peer.client.write_frame(frame, &mut peer.out);
            let began = publisher.began.expect("set when it became due first");
            self.due.push(Reverse((began + publisher.source.due(), index)));
            if let Err(error) = peer.flush() {
                peer.socket = None;
                self.fault.get_or_insert(error.into());
            }
        }
    }
}

impl Peer {
    fn write_if(&mut self, writable: bool) -> Result<(), Fault> {
        let Some(socket) = self.socket.as_ref().filter(|_| writable) else { return Ok(()) };
        if !self.connected {
            if let Some(error) = socket.take_error()? {
                return Err(error.into());
            }
            if socket.peer_addr().is_err() {
                return Ok(());
            }
            socket.set_nodelay(true)?;
            self.connected = true;
            self.client.hello(&mut self.out);
        }
        Ok(self.flush()?)
    }

    fn read_if(&mut self, event: &Event, buffer: &mut [u8], gauge: &mut Gauge) -> Result<(), Fault> {
        if !event.is_readable() {
            return Ok(());
        }
        while let Some(socket) = &mut self.socket {
            let blind = matches!(&self.task, Task::Play(viewer) if viewer.blind && viewer.first.is_some());
            let received = match blind {
                true => rustix::net::recv(&*socket, &mut *buffer, RecvFlags::TRUNC).map(|(_, len)| len),
                false => {
                    socket.read(buffer).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
                }
            };
            let len = match received {
                Ok(0) => return Err(Fault::new("closed by the server")),
                Ok(len) => len,
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => continue,
                Err(error) => return Err(io::Error::from(error).into()),
            };
            let now = clock::now();
            let task = &mut self.task;
            if let Task::Play(viewer) = task {
                viewer.take(len, now, &gauge.window);
            }
            if blind {
                if len < buffer.len() && !event.is_read_closed() {
                    return Ok(());
                }
                continue;
            }
            let seen = &mut |seen: Seen| {
                if let Task::Play(viewer) = task {
                    viewer.see(seen, now, &gauge.window, &mut gauge.latency);
                }
            };
            self.client.receive(&buffer[..len], &mut self.out, seen)?;
            self.flush()?;
            // A short read has emptied the socket: the next edge will tell (epoll(7), question 9). The end of
            // the stream has no edge of its own if it came with this one.
            if len < buffer.len() && !event.is_read_closed() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Hands `out` to the kernel as far as it takes it.
    fn flush(&mut self) -> io::Result<()> {
        let Some(socket) = self.socket.as_mut().filter(|_| self.connected) else { return Ok(()) };
        while !self.out.is_empty() {
            match socket.write(&self.out) {
                Ok(len) if len == self.out.len() => self.out.clear(),
                Ok(len) => drop(self.out.drain(..len)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
