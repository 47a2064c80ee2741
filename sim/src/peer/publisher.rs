//! An RTMP publisher: an encoder that connects, waits for answers, and sends media in real time.
//!
//! ```text
//! Shaking ──▶ Connecting ──▶ Creating ──▶ Asking ──▶ Live ──▶ Done ──┐
//!    ▲                                     ▲  refused or lost        │ dials again, or publishes again
//!    └─────────────────────────────────────┴─────────────────────────┘ on the same connection
//! ```
//!
//! In: the server's answers and the time. Out: commands, then media; at the end of each session one of the
//! ways in which publishers stop.

use super::chunks::Habits;
use super::film::{Film, Plan};
use super::rtmp_client::{Heard, RtmpClient, status};
use super::{HangUp, Peer, PeerCx};
use conformance::reader::amf::Amf;
use conformance::reader::rtmp::Message;
use conformance::rng::Rng;
use dacapo::config::Service;

/// What a publisher does.
#[derive(Clone, Debug)]
pub struct Script {
    /// The application.
    pub app: String,
    /// The name below it.
    pub stream: String,
    /// What it sends, from the beginning in each session.
    pub plan: Plan,
    /// How it writes chunks.
    pub habits: Habits,
    /// Bytes per chunk.
    pub chunk_size: usize,
    /// Says `releaseStream` and `FCPublish`, as FMLE, OBS and FFmpeg do.
    pub fmle: bool,
    /// Sends what has become due every so many microseconds; 0: each frame when it is due.
    pub burst_us: u64,
    /// Sends what is due together as one aggregate message.
    pub aggregates: bool,
    /// How each session goes; the last one is repeated.
    pub sessions: Vec<Session>,
    /// Sessions and attempts after which it stays away.
    pub dials_max: u32,
}

/// How long a session is and what follows.
#[derive(Clone, Copy, Debug)]
pub struct Session {
    /// From the permission to publish to its end, in microseconds.
    pub length_us: u64,
    /// How it ends.
    pub stop: Stop,
    /// From there to the next, in microseconds.
    pub pause_us: u64,
}

/// How a publisher stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// `FCUnpublish` and `deleteStream`, then it closes.
    Unpublish,
    /// `deleteStream`; it publishes again on the same connection.
    Again,
    /// It closes without a word.
    Fin,
    /// It is gone.
    Reset,
    /// It stays and says nothing more.
    Silence,
}

/// An encoder.
pub struct Publisher {
    script: Script,
    client: RtmpClient,
    state: State,
    dials: u32,
    sessions: u32,
    grievance: Option<String>,
    /// When the server last let it publish.
    granted_us: Option<u64>,
    last_word: String,
}

enum State {
    Away,
    Shaking,
    Connecting,
    Creating,
    Asking,
    /// Since when, and what is left to send.
    Live(u64, Box<Film>),
    /// It has stopped; when it publishes again on this connection, if it does.
    Done(Option<u64>),
}

impl Publisher {
    /// An encoder with a script.
    pub fn new(script: Script) -> Self {
        Publisher {
            client: RtmpClient::new(script.habits),
            state: State::Away,
            dials: 0,
            sessions: 0,
            grievance: None,
            granted_us: None,
            last_word: String::new(),
            script,
        }
    }

    /// How many sessions the server has let it publish.
    pub fn sessions(&self) -> u32 {
        self.sessions
    }

    fn path(&self) -> String {
        format!("{}/{}", self.script.app, self.script.stream)
    }

    fn session(&self) -> Session {
        let at = (self.sessions.saturating_sub(1) as usize).min(self.script.sessions.len() - 1);
        self.script.sessions[at]
    }

    fn hear(&mut self, cx: &mut PeerCx<'_>, heard: Heard) {
        match heard {
            Heard::Shaken => {
                self.client.writer.set_size(self.script.chunk_size, &mut cx.out);
                let app = self.script.app.clone();
                self.client.connect(cx, &app);
                self.state = State::Connecting;
            }
            Heard::Command(values) => self.command(cx, &values),
            Heard::Media(_) => self.grievance = Some("a publisher is sent media".to_owned()),
            Heard::Event(_) => {}
        }
    }

    fn command(&mut self, cx: &mut PeerCx<'_>, values: &[Amf]) {
        let name = values.first().and_then(Amf::as_str).unwrap_or_default();
        match (&self.state, name, status(values)) {
            (State::Connecting, "_result", _) => self.create(cx),
            // The answers to releaseStream and FCPublish have no number of a message stream.
            (State::Creating, "_result", _) if matches!(values.get(3), Some(Amf::Number(_))) => {
                let values = [Amf::Null, Amf::text(&self.script.stream), Amf::text("live")];
                self.client.ask(cx, 1, "publish", &values);
                self.state = State::Asking;
            }
            (State::Asking, _, "NetStream.Publish.Start") => self.begin(cx),
            (State::Live(..), _, "NetStream.Publish.Start") => {
                self.grievance = Some("it may publish twice".to_owned());
            }
            (_, _, "") => {}
            (_, _, code) => self.last_word = code.to_owned(),
        }
    }

    fn create(&mut self, cx: &mut PeerCx<'_>) {
        let name = [Amf::Null, Amf::text(&self.script.stream)];
        if self.script.fmle {
            self.client.ask(cx, 0, "releaseStream", &name);
            self.client.ask(cx, 0, "FCPublish", &name);
        }
        self.client.ask(cx, 0, "createStream", &[Amf::Null]);
        self.state = State::Creating;
    }

    fn begin(&mut self, cx: &mut PeerCx<'_>) {
        self.sessions += 1;
        self.granted_us = Some(cx.now_us);
        let film = Film::new(self.script.plan.clone(), &self.path(), self.sessions);
        self.state = State::Live(cx.now_us, Box::new(film));
        cx.wake_at_us = Some(cx.now_us);
    }

    /// Sends what is due, and says when to go on.
    fn show(&mut self, cx: &mut PeerCx<'_>) {
        let session = self.session();
        let State::Live(since_us, film) = &mut self.state else { return };
        if cx.now_us >= *since_us + session.length_us {
            return self.stop(cx, session);
        }
        if cx.unsent > UNSENT_BYTES_MAX {
            cx.wake_at_us = Some(cx.now_us + PATIENCE_US);
            return;
        }
        // A publisher that could not send for a long time skips what it missed.
        *since_us += (cx.now_us.saturating_sub(*since_us + film.due_us())).saturating_sub(LAG_US_MAX);
        let mut due = Vec::new();
        while *since_us + film.due_us() <= cx.now_us {
            due.extend(film.next(cx.rng));
        }
        let next_us = since_us.saturating_add(film.due_us());
        let end_us = since_us.saturating_add(session.length_us);
        let at_us = next_us.max(cx.now_us + self.script.burst_us).min(end_us);
        cx.wake_at_us = Some(at_us);
        self.send(cx, &due);
    }

    fn send(&mut self, cx: &mut PeerCx<'_>, due: &[Message]) {
        let bytes: usize = due.iter().map(|message| message.body.len()).sum();
        if self.script.aggregates && due.len() > 1 && bytes < AGGREGATE_BYTES_MAX {
            let body = due.iter().flat_map(|message| message.tag().bytes()).collect();
            let timestamp = due[0].timestamp;
            return self.client.say(cx, Message { kind: AGGREGATE, stream: 1, timestamp, body });
        }
        for pair in due.chunks(2) {
            self.client.writer.write(pair, &mut cx.out);
        }
    }

    fn stop(&mut self, cx: &mut PeerCx<'_>, session: Session) {
        let name = [Amf::Null, Amf::text(&self.script.stream)];
        self.state = State::Done(None);
        match session.stop {
            Stop::Unpublish | Stop::Again => {
                if self.script.fmle {
                    self.client.ask(cx, 0, "FCUnpublish", &name);
                }
                self.client.ask(cx, 0, "deleteStream", &[Amf::Null, Amf::Number(1.0)]);
                if session.stop == Stop::Again {
                    let at_us = cx.now_us + session.pause_us;
                    self.state = State::Done(Some(at_us));
                    cx.wake_at_us = Some(at_us);
                } else {
                    cx.hang_up = Some(HangUp::Fin);
                }
            }
            Stop::Fin => cx.hang_up = Some(HangUp::Fin),
            Stop::Reset => cx.hang_up = Some(HangUp::Reset),
            Stop::Silence => {}
        }
    }
}

impl Peer for Publisher {
    fn name(&self) -> String {
        format!("rtmp-publisher {}", self.path())
    }

    fn service(&self) -> Service {
        Service::Rtmp
    }

    fn connected(&mut self, cx: &mut PeerCx<'_>) {
        self.client = RtmpClient::new(self.script.habits);
        self.state = State::Shaking;
        self.client.hello(cx);
    }

    fn received(&mut self, cx: &mut PeerCx<'_>, bytes: &[u8]) {
        match self.client.push(cx, bytes) {
            Ok(heard) => heard.into_iter().for_each(|heard| self.hear(cx, heard)),
            Err(wrong) => self.grievance = Some(wrong.to_string()),
        }
    }

    fn woken(&mut self, cx: &mut PeerCx<'_>) {
        match &self.state {
            State::Live(..) => self.show(cx),
            State::Done(Some(at_us)) if *at_us <= cx.now_us => self.create(cx),
            _ => {}
        }
    }

    fn ended(&mut self, cx: &mut PeerCx<'_>, _broken: bool) {
        self.state = State::Away;
        self.granted_us = None;
        self.dials += 1;
        if self.dials < self.script.dials_max {
            cx.dial_at_us = Some(cx.now_us + self.session().pause_us);
        }
    }

    fn pending(&self, _since_us: u64) -> Option<String> {
        let wants = match &self.state {
            State::Live(..) | State::Done(_) => return None,
            State::Away if self.dials >= self.script.dials_max => return None,
            State::Away => "a connection",
            State::Shaking => "the rest of the handshake",
            State::Connecting => "the answer to connect",
            State::Creating => "the answer to createStream",
            State::Asking => "the answer to publish",
        };
        Some(format!("{} waits for {wants} {}", self.name(), self.last_word))
    }

    fn grievance(&self) -> Option<String> {
        self.grievance.clone()
    }
}

impl Script {
    /// An encoder that never stops, and connects again a second after it lost its connection.
    pub fn tame(rng: &mut Rng, app: &str, stream: &str) -> Self {
        let session = Session { length_us: u64::MAX / 2, stop: Stop::Unpublish, pause_us: 1_000_000 };
        Script {
            app: app.to_owned(),
            stream: stream.to_owned(),
            plan: Plan::tame(rng),
            habits: Habits { brief: rng.one_in(2), ..Habits::default() },
            chunk_size: rng.pick(&[128, 4_096, 60_000]),
            fmle: rng.one_in(2),
            burst_us: 0,
            aggregates: false,
            sessions: vec![session],
            dials_max: u32::MAX,
        }
    }

    /// Any encoder: of any habits, with any film, which stops in any way and may or may not come back.
    pub fn wild(rng: &mut Rng, app: &str, stream: &str) -> Self {
        let stops = [Stop::Unpublish, Stop::Again, Stop::Fin, Stop::Reset, Stop::Silence];
        let storm = rng.one_in(6);
        let sessions = (0..rng.between(1, 4)).map(|_| Session {
            length_us: if storm { rng.between(0, 500_000) } else { rng.between(0, 20_000_000) },
            stop: rng.pick(&stops),
            pause_us: if storm {
                rng.between(0, 50_000)
            } else {
                rng.pick(&[0, 100_000, 3_000_000, 15_000_000])
            },
        });
        Script {
            sessions: sessions.collect(),
            plan: Plan::wild(rng),
            habits: Habits::draw(rng),
            chunk_size: rng.pick(&[1, 64, 128, 1_000, 4_096, 4_096, 60_000, 0x0100_0000]),
            burst_us: rng.pick(&[0, 0, 0, 50_000, 300_000, 2_000_000]),
            aggregates: rng.one_in(10),
            dials_max: if storm { 60 } else { u32::try_from(rng.between(1, 12)).expect("small") },
            ..Script::tame(rng, app, stream)
        }
    }
}

/// Type of aggregate messages.
const AGGREGATE: u8 = 22;
/// Larger ones are sent one by one, in bytes.
const AGGREGATE_BYTES_MAX: usize = 1 << 20;
/// An encoder holds what it has while more than this waits to leave, in bytes.
const UNSENT_BYTES_MAX: usize = 4 << 20;
/// How long it then waits, in microseconds.
const PATIENCE_US: u64 = 50_000;
/// Media that is late by more than this is late for good: what follows is later too. In microseconds.
const LAG_US_MAX: u64 = 3_000_000;
