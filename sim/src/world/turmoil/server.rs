//! The host of the server in turmoil: one task, which runs the shell's loop.
//!
//! In: turmoil's listeners and streams. Out: calls of the shell on them. The task owns the streams, so that a
//! crash of the host drops them as a kernel does.

use crate::shell::Shell;
use crate::sock::Sock;
use crate::world::turmoil::{Commands, FIN_US, Goodbyes, PORT_FIRST, SEGMENT_BYTES, Shared};
use bytes::{Buf, BytesMut};
use dacapo::base::id::ListenerId;
use dacapo::base::slices::Slices;
use dacapo::driver::{Accepted, Key, Read, Sockets};
use dacapo::server::Taken;
use std::collections::{BTreeMap, VecDeque};
use std::future::{Future, poll_fn};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};
use turmoil::net::{TcpListener, TcpStream};

/// Most bytes that the server's kernel keeps unread of one connection.
const RECEIVE_BYTES_MAX: usize = 128 << 10;

/// Most passes without waiting; then the clock must move on.
const PASSES_MAX: usize = 64;

/// The server's process, as far as it must be reached from outside its host.
#[derive(Default)]
pub struct Process {
    /// The shell, while there is a process.
    pub shell: Option<Shell>,
    /// What the operator wants told.
    pub commands: Commands,
    /// True while no file descriptors are left.
    pub exhausted: bool,
    /// It gets no time until then.
    pub paused_us: u64,
}

/// The task of the host: turns until it is dropped.
pub async fn run(
    process: Shared<Process>,
    goodbyes: Shared<Goodbyes>,
    waker: Shared<Option<Waker>>,
    listeners: usize,
) -> turmoil::Result {
    let mut kernel = Kernel { goodbyes, ..Kernel::default() };
    for place in 0..listeners {
        let port = PORT_FIRST + u16::try_from(place).expect("there are few listeners");
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await?;
        kernel.doors.push(Door::new(Rc::new(listener)));
    }
    let start = Instant::now();
    let mut sleep = Box::pin(sleep_until(start));
    poll_fn(|cx| {
        waker.replace(Some(cx.waker().clone()));
        turn(&mut process.borrow_mut(), &mut kernel, sleep.as_mut(), cx);
        Poll::<turmoil::Result>::Pending
    })
    .await
}

fn world_us() -> u64 {
    let elapsed = turmoil::sim_elapsed().expect("this is a host");
    u64::try_from(elapsed.as_micros()).expect("it is not that old")
}

fn turn(process: &mut Process, kernel: &mut Kernel, mut sleep: Pin<&mut Sleep>, cx: &mut Context<'_>) {
    for _ in 0..PASSES_MAX {
        let now_us = world_us();
        kernel.exhausted = process.exhausted;
        let Some(shell) = &mut process.shell else { return };
        if process.paused_us > now_us {
            return wait(sleep, process.paused_us - now_us, cx);
        }
        kernel.look(now_us, shell, cx);
        while let Some(input) = process.commands.pop_front() {
            shell.command(now_us, input, kernel);
        }
        shell.pass(now_us, kernel);
        kernel.closed.clear();
        if kernel.has_room_again(cx) {
            continue;
        }
        let wake_us = shell.wake_us(now_us).into_iter().chain(kernel.end_us(now_us)).min();
        let Some(wake_us) = wake_us else { return };
        if wake_us > now_us {
            sleep.as_mut().reset(Instant::now() + Duration::from_micros(wake_us - now_us));
            if sleep.as_mut().poll(cx).is_pending() {
                return;
            }
        }
    }
    wait(sleep, 1_000, cx);
}

fn wait(mut sleep: Pin<&mut Sleep>, us: u64, cx: &mut Context<'_>) {
    sleep.as_mut().reset(Instant::now() + Duration::from_micros(us));
    if sleep.poll(cx).is_ready() {
        cx.waker().wake_by_ref();
    }
}

type Accepting = Pin<Box<dyn Future<Output = io::Result<(TcpStream, SocketAddr)>>>>;

/// A listener, and the peer that it waits for.
struct Door {
    listener: Rc<TcpListener>,
    accepting: Accepting,
    knocked: VecDeque<(TcpStream, SocketAddr)>,
}

impl Door {
    fn new(listener: Rc<TcpListener>) -> Self {
        Door { accepting: accept(listener.clone()), listener, knocked: VecDeque::new() }
    }
}

fn accept(listener: Rc<TcpListener>) -> Accepting {
    Box::pin(async move { listener.accept().await })
}

/// A stream, and what has come on it.
struct Stream {
    stream: TcpStream,
    peer: SocketAddr,
    arrived: BytesMut,
    finished: bool,
    broken: bool,
    /// A write was not taken whole.
    blocked: bool,
    /// So much is unread that nothing more was taken.
    full: bool,
}

/// The sockets of the host.
#[derive(Default)]
struct Kernel {
    doors: Vec<Door>,
    streams: BTreeMap<Sock, Stream>,
    socks: u32,
    goodbyes: Shared<Goodbyes>,
    exhausted: bool,
    /// Streams that were closed in this pass; dropped behind it.
    closed: Vec<Stream>,
}

impl Kernel {
    /// Takes what has come, and tells the shell where something has.
    fn look(&mut self, now_us: u64, shell: &mut Shell, cx: &mut Context<'_>) {
        for (place, door) in self.doors.iter_mut().enumerate() {
            while let Poll::Ready(result) = door.accepting.as_mut().poll(cx) {
                door.accepting = accept(door.listener.clone());
                door.knocked.extend(result);
            }
            if !door.knocked.is_empty() {
                shell.acceptable(ListenerId(u16::try_from(place).expect("there are few listeners")));
            }
        }
        let goodbyes = self.goodbyes.borrow();
        for (sock, stream) in &mut self.streams {
            let end = goodbyes.guest.get(&stream.peer).is_some_and(|at| at + FIN_US <= now_us);
            if stream.fill(cx) || stream.end(end) {
                shell.readable(*sock, stream.finished || stream.broken);
            }
            if stream.blocked && pin!(stream.stream.writable()).poll(cx).is_ready() {
                stream.blocked = false;
                shell.writable(*sock);
            }
        }
    }
}

impl Kernel {
    /// When a peer that has hung up is taken for gone next.
    fn end_us(&self, now_us: u64) -> Option<u64> {
        let goodbyes = self.goodbyes.borrow();
        let streams = self.streams.values().filter(|stream| !stream.finished && !stream.broken);
        let ends = streams.filter_map(|stream| Some(goodbyes.guest.get(&stream.peer)? + FIN_US));
        ends.filter(|at| *at > now_us).min()
    }

    /// True if a stream that was full was read since, or one that a write blocked has room already. A
    /// stream without room wakes the task once it has room.
    fn has_room_again(&mut self, cx: &mut Context<'_>) -> bool {
        let mut has = false;
        for stream in self.streams.values_mut() {
            has |= stream.full && stream.arrived.len() < RECEIVE_BYTES_MAX;
            has |= stream.blocked && pin!(stream.stream.writable()).poll(cx).is_ready();
        }
        has
    }
}

impl Stream {
    /// Takes what has come; true if anything has.
    fn fill(&mut self, cx: &mut Context<'_>) -> bool {
        let mut news = false;
        let mut buffer = [0; 4096];
        while !self.finished && !self.broken && self.arrived.len() < RECEIVE_BYTES_MAX {
            let mut into = ReadBuf::new(&mut buffer);
            match Pin::new(&mut self.stream).poll_read(cx, &mut into) {
                Poll::Pending => break,
                Poll::Ready(Ok(())) if into.filled().is_empty() => self.finished = true,
                Poll::Ready(Ok(())) => self.arrived.extend_from_slice(into.filled()),
                Poll::Ready(Err(_)) => self.broken = true,
            }
            news = true;
        }
        self.full = self.arrived.len() >= RECEIVE_BYTES_MAX;
        news
    }
}

impl Stream {
    /// Takes it that the peer has said everything, if that is so and nothing is left.
    fn end(&mut self, ended: bool) -> bool {
        let ends = ended && self.arrived.is_empty() && !self.finished && !self.broken;
        self.finished |= ends;
        ends
    }
}

impl Sockets for Kernel {
    type Socket = Sock;

    fn accept(&mut self, listener: ListenerId) -> Accepted<Sock> {
        let door = &mut self.doors[usize::from(listener.0)];
        if door.knocked.is_empty() {
            return Accepted::Empty;
        }
        if self.exhausted {
            return Accepted::Exhausted;
        }
        let (stream, peer) = door.knocked.pop_front().expect("a connection waits");
        self.socks += 1;
        let sock = Sock(self.socks);
        self.streams.insert(
            sock,
            Stream {
                stream,
                peer,
                arrived: BytesMut::new(),
                finished: false,
                broken: false,
                blocked: false,
                full: false,
            },
        );
        Accepted::Peer(sock, peer)
    }

    fn watch(&mut self, _: &mut Sock, _: Key) -> Result<(), String> {
        Ok(())
    }

    fn read(&mut self, sock: &mut Sock, buffer: &mut [u8]) -> Read {
        let Some(stream) = self.streams.get_mut(sock) else {
            return Read::Broken("reset by peer".to_owned());
        };
        let len = buffer.len().min(stream.arrived.len());
        if len > 0 {
            buffer[..len].copy_from_slice(&stream.arrived[..len]);
            stream.arrived.advance(len);
            return Read::Bytes { len, drained: len < buffer.len() };
        }
        if stream.broken {
            return Read::Broken("reset by peer".to_owned());
        }
        if stream.finished { Read::Eof } else { Read::Nothing }
    }

    fn write(
        &mut self,
        sock: &mut Sock,
        slices: &Slices<'_>,
        _: dacapo::base::time::Instant,
    ) -> Result<Taken, String> {
        let stream = self.streams.get_mut(sock).ok_or("broken pipe")?;
        let mut len = 0;
        for segment in slices.as_io_slices().iter().flat_map(|slice| slice.chunks(SEGMENT_BYTES)) {
            match stream.stream.try_write(segment) {
                Ok(taken) => len += taken,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    stream.blocked = true;
                    break;
                }
                Err(_) => return Err("broken pipe".to_owned()),
            }
        }
        Ok(Taken { len, room: len == slices.len() })
    }

    fn shutdown(&mut self, sock: &mut Sock) {
        if let Some(stream) = self.streams.get_mut(sock) {
            let mut cx = Context::from_waker(Waker::noop());
            // It never waits; a stream that is gone needs no FIN.
            let _gone = Pin::new(&mut stream.stream).poll_shutdown(&mut cx);
            self.goodbyes.borrow_mut().server.insert(stream.peer, world_us());
        }
    }

    fn close(&mut self, sock: Sock) {
        if let Some(stream) = self.streams.remove(&sock) {
            self.goodbyes.borrow_mut().server.entry(stream.peer).or_insert_with(world_us);
            self.closed.push(stream);
        }
    }
}

/// The sockets of a host that has crashed.
pub struct NoSockets;

impl Sockets for NoSockets {
    type Socket = Sock;

    fn accept(&mut self, _: ListenerId) -> Accepted<Sock> {
        Accepted::Empty
    }

    fn watch(&mut self, _: &mut Sock, _: Key) -> Result<(), String> {
        Ok(())
    }

    fn read(&mut self, _: &mut Sock, _: &mut [u8]) -> Read {
        Read::Nothing
    }

    fn write(
        &mut self,
        _: &mut Sock,
        _: &Slices<'_>,
        _: dacapo::base::time::Instant,
    ) -> Result<Taken, String> {
        Ok(Taken { len: 0, room: false })
    }

    fn shutdown(&mut self, _: &mut Sock) {}

    fn close(&mut self, _: Sock) {}
}
