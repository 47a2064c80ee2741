//! The hosts of peers in turmoil: one task for all peers of a host.
//!
//! In: turmoil's streams and the time. Out: bytes of the peers. Faults and pace limit what peers write and
//! read.

use crate::peer::{Boxed, HangUp, Peer, PeerCx};
use crate::world::link::{Fate, Pace};
use crate::world::tiny::Person;
use crate::world::turmoil::{FIN_US, Goodbyes, PORT_FIRST, SEGMENT_BYTES, SERVER, Shared};
use bytes::{Buf, BytesMut};
use conformance::rng::Rng;
use dacapo::config::Service;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};
use turmoil::net::TcpStream;

/// Most bytes that a peer is given at a time.
const READ_BYTES: usize = 16 << 10;

/// How often a slow reader reads, in microseconds.
const READ_US: u64 = 20_000;

/// Most turns without waiting; then the clock must move on.
const TURNS_MAX: usize = 64;

type Dialling = Pin<Box<dyn Future<Output = io::Result<TcpStream>>>>;

/// All guests, and what the server listens to.
pub struct Guests {
    /// By their place.
    pub list: Vec<Guest>,
    /// What each listener speaks.
    pub listeners: Vec<Service>,
}

/// How a guest's connection is.
enum Line {
    Away,
    Dialling(Dialling),
    There(TcpStream),
}

/// A peer with a socket.
pub struct Guest {
    /// The peer.
    pub peer: Boxed,
    /// Which host it lives on.
    pub host: usize,
    /// True: nothing of it is heard or dialled any more.
    pub gone: bool,
    /// It drops its connection at its next turn.
    pub drops: bool,
    /// After that it never comes back.
    pub leaves: bool,
    rng: Rng,
    line: Line,
    out: BytesMut,
    /// It has nothing more to say behind `out`; and whether the other side knows.
    finishing: bool,
    finished: bool,
    wake_us: Option<u64>,
    dial_us: Option<u64>,
    read_us: u64,
    pace: Pace,
    fates: Vec<Fate>,
    fate: Option<Fate>,
    said: u64,
    /// What it holds against the server, and since when: the first such thing.
    pub grievance: Option<(u64, String)>,
}

/// The task of a host: turns until it is dropped.
pub async fn run(
    guests: Shared<Guests>,
    goodbyes: Shared<Goodbyes>,
    waker: Shared<Option<Waker>>,
    host: usize,
) -> turmoil::Result {
    let mut sleep = Box::pin(sleep_until(Instant::now()));
    poll_fn(|cx| {
        waker.replace(Some(cx.waker().clone()));
        turn(&mut guests.borrow_mut(), &mut goodbyes.borrow_mut(), host, sleep.as_mut(), cx);
        Poll::<turmoil::Result>::Pending
    })
    .await
}

fn turn(
    guests: &mut Guests,
    goodbyes: &mut Goodbyes,
    host: usize,
    mut sleep: Pin<&mut Sleep>,
    cx: &mut Context<'_>,
) {
    for _ in 0..TURNS_MAX {
        let elapsed = turmoil::sim_elapsed().expect("this is a host");
        let now_us = u64::try_from(elapsed.as_micros()).expect("it is not that old");
        let Guests { list, listeners } = guests;
        let here = list.iter_mut().filter(|guest| guest.host == host);
        let next = here.filter_map(|guest| guest.turn(now_us, listeners, goodbyes, cx)).min();
        let Some(next_us) = next else { return };
        // Time comes in whole milliseconds.
        let us = next_us.saturating_sub(now_us).max(1_000);
        sleep.as_mut().reset(Instant::now() + Duration::from_micros(us));
        if sleep.as_mut().poll(cx).is_pending() {
            return;
        }
    }
    cx.waker().wake_by_ref();
}

impl Guest {
    /// A guest on a host.
    pub fn new(person: Person, host: usize) -> Self {
        Guest {
            peer: person.peer,
            host,
            gone: person.gone,
            drops: false,
            leaves: false,
            rng: person.rng,
            line: Line::Away,
            out: BytesMut::new(),
            finishing: false,
            finished: false,
            wake_us: None,
            dial_us: person.dial_us,
            read_us: 0,
            pace: person.pace,
            fates: person.fates,
            fate: None,
            said: 0,
            grievance: None,
        }
    }

    /// Changes how it reads.
    pub fn set_pace(&mut self, pace: Pace) {
        self.pace = pace;
    }

    /// It has nothing more to say on this connection.
    pub fn finish(&mut self) {
        self.finishing = true;
    }

    /// Nothing goes wrong with it from now on.
    pub fn heal(&mut self) {
        self.pace = Pace::Free;
        self.fates.clear();
        self.fate = None;
    }

    /// Does what there is to do. Returns when it wants to be called again at the latest.
    fn turn(
        &mut self,
        now_us: u64,
        listeners: &[Service],
        goodbyes: &mut Goodbyes,
        cx: &mut Context<'_>,
    ) -> Option<u64> {
        let before = self.address();
        if std::mem::take(&mut self.drops) && !matches!(self.line, Line::Away) {
            self.over(now_us, true);
        }
        self.gone |= self.leaves;
        let next = self.live(now_us, listeners, goodbyes, cx);
        if let Some(address) = before
            && (self.finished || self.address().is_none())
        {
            goodbyes.guest.entry(address).or_insert(now_us);
        }
        next
    }

    /// The address that the server knows it by, while it has a connection.
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.line {
            Line::There(stream) => stream.local_addr().ok(),
            _ => None,
        }
    }

    fn live(
        &mut self,
        now_us: u64,
        listeners: &[Service],
        goodbyes: &Goodbyes,
        cx: &mut Context<'_>,
    ) -> Option<u64> {
        if self.gone {
            return None;
        }
        self.dial(now_us, listeners, cx);
        self.read(now_us, cx);
        if self.wake_us.is_some_and(|at| at <= now_us) {
            self.wake_us = None;
            self.act(now_us, |peer, cx| peer.woken(cx));
        }
        self.write(now_us, cx);
        let dials = self.dial_us.filter(|_| matches!(self.line, Line::Away));
        let end = self.address().and_then(|address| goodbyes.server.get(&address)).map(|at| at + FIN_US);
        if end.is_some_and(|end| end <= now_us) && self.pace == Pace::Free {
            self.over(now_us, false);
        }
        let end = end.filter(|end| *end > now_us);
        let reads =
            matches!((&self.line, self.pace), (Line::There(_), Pace::Slow(_))).then_some(self.read_us);
        [self.wake_us, dials, reads, end].into_iter().flatten().min()
    }

    fn dial(&mut self, now_us: u64, listeners: &[Service], cx: &mut Context<'_>) {
        if matches!(self.line, Line::Away) && self.dial_us.is_some_and(|at| at <= now_us) {
            self.dial_us = None;
            let service = self.peer.service();
            let place = listeners.iter().position(|other| *other == service).unwrap_or(0);
            let port = PORT_FIRST + u16::try_from(place).expect("there are few listeners");
            self.line = Line::Dialling(Box::pin(TcpStream::connect((SERVER, port))));
            self.fate = (!self.fates.is_empty()).then(|| self.fates.remove(0));
        }
        let Line::Dialling(dialling) = &mut self.line else { return };
        match dialling.as_mut().poll(cx) {
            Poll::Pending => {}
            Poll::Ready(Ok(stream)) => {
                self.line = Line::There(stream);
                self.act(now_us, |peer, cx| peer.connected(cx));
            }
            Poll::Ready(Err(_)) => self.over(now_us, true),
        }
    }

    fn read(&mut self, now_us: u64, cx: &mut Context<'_>) {
        let mut buffer = [0; READ_BYTES];
        let mut budget = match self.pace {
            Pace::Free => usize::MAX,
            Pace::Stalled => return,
            Pace::Slow(_) if now_us < self.read_us => return,
            Pace::Slow(rate) => {
                self.read_us = now_us + READ_US;
                usize::try_from(rate * READ_US / 1_000_000).unwrap_or(usize::MAX).max(1)
            }
        };
        while budget > 0 {
            let Line::There(stream) = &mut self.line else { return };
            let mut into = ReadBuf::new(&mut buffer[..budget.min(READ_BYTES)]);
            match Pin::new(stream).poll_read(cx, &mut into) {
                Poll::Pending => return,
                Poll::Ready(Ok(())) if into.filled().is_empty() => return self.over(now_us, false),
                Poll::Ready(Ok(())) => {
                    let len = into.filled().len();
                    budget -= len;
                    self.act(now_us, |peer, cx| peer.received(cx, &buffer[..len]));
                }
                Poll::Ready(Err(_)) => return self.over(now_us, true),
            }
        }
    }

    fn write(&mut self, now_us: u64, cx: &mut Context<'_>) {
        let Line::There(stream) = &mut self.line else { return };
        while !self.out.is_empty() {
            let len = self.out.len().min(SEGMENT_BYTES);
            match Pin::new(&mut *stream).poll_write(cx, &self.out[..len]) {
                Poll::Pending => return,
                Poll::Ready(Ok(len)) => self.out.advance(len),
                Poll::Ready(Err(_)) => return self.over(now_us, true),
            }
        }
        if self.finishing && !self.finished {
            self.finished = true;
            // It never waits; a stream that is gone needs no goodbye.
            let _gone = Pin::new(stream).poll_shutdown(cx);
        }
    }

    /// Its connection is over.
    fn over(&mut self, now_us: u64, broken: bool) {
        self.line = Line::Away;
        self.out.clear();
        (self.finishing, self.finished, self.said, self.fate) = (false, false, 0, None);
        self.act(now_us, |peer, cx| peer.ended(cx, broken));
    }

    /// Lets the peer act, and does what it wants.
    fn act(&mut self, now_us: u64, act: impl FnOnce(&mut dyn Peer, &mut PeerCx<'_>)) {
        let mut cx = PeerCx::new(now_us, &mut self.rng, self.out.len());
        act(self.peer.as_mut(), &mut cx);
        let (out, wake, hang_up, dial) = (cx.out, cx.wake_at_us, cx.hang_up, cx.dial_at_us);
        self.wake_us = wake.or(self.wake_us);
        self.dial_us = dial.or(self.dial_us);
        if self.grievance.is_none() {
            let words = self.peer.grievance();
            self.grievance = words.map(|words| (now_us, format!("{} says: {words}", self.peer.name())));
        }
        if matches!(self.line, Line::Away) {
            return;
        }
        self.say(&out);
        match hang_up {
            None => {}
            Some(HangUp::Fin) => self.finishing = true,
            Some(HangUp::Reset) => self.drops = true,
        }
    }

    /// Bytes wait to be written, unless its fate comes first.
    fn say(&mut self, bytes: &[u8]) {
        if self.finishing {
            return;
        }
        let limit = self.fate.map_or(u64::MAX, |fate| match fate {
            Fate::Reset(at) | Fate::HalfClose(at) | Fate::Mute(at) => at,
        });
        let left = usize::try_from(limit.saturating_sub(self.said)).unwrap_or(usize::MAX);
        let len = bytes.len().min(left);
        self.said += len as u64;
        self.out.extend_from_slice(&bytes[..len]);
        match self.fate.filter(|_| len < bytes.len()) {
            Some(Fate::Reset(_)) => self.drops = true,
            Some(Fate::HalfClose(_)) => self.finishing = true,
            Some(Fate::Mute(_)) | None => {}
        }
    }
}
