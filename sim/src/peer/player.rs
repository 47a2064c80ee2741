//! An RTMP player: connects, requests a stream, receives it, and may pause it or select tracks.
//!
//! ```text
//! Shaking ──▶ Connecting ──▶ Creating ──▶ Playing ──▶ dials again when it is over
//! ```
//!
//! In: the server's messages and the time. Out: commands; and failures by its own model of what it may be
//! sent: no media before `NetStream.Play.Start`, no video before a keyframe. The judge checks whether
//! configurations come in time, since it knows whether the publisher sent one.

use super::chunks::Habits;
use super::progress::Progress;
use super::rtmp_client::{Heard, RtmpClient, status};
use super::{HangUp, Peer, PeerCx};
use conformance::reader::amf::Amf;
use conformance::reader::flv::{AUDIO, DATA, Tag, VIDEO};
use conformance::rng::Rng;
use dacapo::config::Service;

/// What a player does.
#[derive(Clone, Debug)]
pub struct Script {
    /// The application.
    pub app: String,
    /// The stream below it.
    pub stream: String,
    /// How it writes chunks.
    pub habits: Habits,
    /// It steers the stream: a command of [`STEERS`] every so many microseconds; 0: never.
    pub steer_us: u64,
    /// It leaves after so many microseconds.
    pub stay_us: u64,
    /// How it leaves.
    pub leave: HangUp,
    /// From the end of a connection to the next, in microseconds.
    pub pause_us: u64,
    /// Connections after which it stays away.
    pub dials_max: u32,
}

/// What it may ask while it plays.
pub const STEERS: [(&str, bool); 6] = [
    ("pause", true),
    ("pause", false),
    ("receiveVideo", false),
    ("receiveVideo", true),
    ("receiveAudio", false),
    ("receiveAudio", true),
];

/// A player.
pub struct Player {
    script: Script,
    client: RtmpClient,
    state: State,
    view: View,
    progress: Progress,
    since_us: u64,
    steered_us: u64,
    dials: u32,
    last_word: String,
    grievance: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Away,
    Shaking,
    Connecting,
    Creating,
    Asking,
    Playing,
}

/// What the stream has shown on this connection so far.
#[derive(Clone, Debug, Default)]
pub struct View {
    keyed: bool,
    /// The player has asked for less at some time: then pictures may begin anew.
    pub steered: bool,
}

impl View {
    /// Takes a tag; tells what it may not be, and whether it was a picture and a keyframe.
    ///
    /// # Errors
    /// If this is not what a player may be sent now.
    pub fn take(&mut self, tag: &Tag, progress: &mut Progress, now_us: u64) -> Result<(), String> {
        if tag.kind == DATA {
            return Ok(());
        }
        let packets = tag.packets().map_err(|wrong| format!("a tag that is malformed: {wrong}"))?;
        if packets.is_empty() {
            return Err(format!("an empty tag of type {}", tag.kind));
        }
        match tag.kind {
            AUDIO if tag.is_media() => progress.audio(now_us),
            VIDEO if tag.is_media() => {
                let key = tag.is_key();
                if !self.keyed && !key {
                    return Err("the first picture is no keyframe (I2)".to_owned());
                }
                self.keyed = true;
                progress.video(now_us, key);
            }
            _ => {}
        }
        Ok(())
    }
}

impl Player {
    /// A player with a script.
    pub fn new(script: Script) -> Self {
        Player {
            client: RtmpClient::new(script.habits),
            state: State::Away,
            view: View::default(),
            progress: Progress::default(),
            since_us: 0,
            steered_us: 0,
            dials: 0,
            last_word: String::new(),
            grievance: None,
            script,
        }
    }

    /// What it has got on all connections.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    fn hear(&mut self, cx: &mut PeerCx<'_>, heard: Heard) {
        match heard {
            Heard::Shaken => {
                let app = self.script.app.clone();
                self.client.connect(cx, &app);
                self.state = State::Connecting;
            }
            Heard::Command(values) => self.command(cx, &values),
            Heard::Media(message) => {
                let tag = message.tag();
                // |RtmpSampleAccess and its kin may come with the permission; pictures and sound may not.
                let early = self.state != State::Playing && tag.kind != DATA;
                let fault = if early { Err("media before Play.Start (I37)".to_owned()) } else { Ok(()) };
                let fault = fault.and_then(|()| self.view.take(&tag, &mut self.progress, cx.now_us));
                if let Err(words) = fault {
                    self.grievance.get_or_insert(words);
                }
            }
            Heard::Event(_) => {}
        }
    }

    fn command(&mut self, cx: &mut PeerCx<'_>, values: &[Amf]) {
        let name = values.first().and_then(Amf::as_str).unwrap_or_default();
        match (self.state, name, status(values)) {
            (State::Connecting, "_result", _) => {
                self.client.ask(cx, 0, "createStream", &[Amf::Null]);
                self.state = State::Creating;
            }
            (State::Creating, "_result", _) => {
                let values = [Amf::Null, Amf::text(&self.script.stream), Amf::Number(-2000.0)];
                self.client.ask(cx, 1, "play", &values);
                self.state = State::Asking;
            }
            (State::Asking, _, "NetStream.Play.Start") => self.state = State::Playing,
            (State::Playing, _, "NetStream.Play.Stop" | "NetStream.Play.StreamNotFound") => {
                // What ends here may begin again only on another connection.
                cx.hang_up = Some(HangUp::Fin);
            }
            (_, _, "") => {}
            (_, _, code) => self.last_word = code.to_owned(),
        }
    }

    fn steer(&mut self, cx: &mut PeerCx<'_>) {
        let (name, flag) = cx.rng.pick(&STEERS);
        let mut values = vec![Amf::Null, Amf::Boolean(flag)];
        if name == "pause" {
            values.push(Amf::Number(0.0));
        }
        self.view.steered = true;
        self.client.ask(cx, 1, name, &values);
    }
}

impl Peer for Player {
    fn name(&self) -> String {
        format!("rtmp-player {}/{}", self.script.app, self.script.stream)
    }

    fn service(&self) -> Service {
        Service::Rtmp
    }

    fn connected(&mut self, cx: &mut PeerCx<'_>) {
        self.client = RtmpClient::new(self.script.habits);
        self.view = View::default();
        self.state = State::Shaking;
        self.since_us = cx.now_us;
        self.steered_us = cx.now_us;
        self.client.hello(cx);
        cx.wake_by(cx.now_us.saturating_add(self.script.stay_us));
        if self.script.steer_us > 0 {
            cx.wake_by(cx.now_us + self.script.steer_us);
        }
    }

    fn received(&mut self, cx: &mut PeerCx<'_>, bytes: &[u8]) {
        match self.client.push(cx, bytes) {
            Ok(heard) => heard.into_iter().for_each(|heard| self.hear(cx, heard)),
            Err(wrong) => self.grievance = Some(wrong.to_string()),
        }
    }

    fn woken(&mut self, cx: &mut PeerCx<'_>) {
        let end_us = self.since_us.saturating_add(self.script.stay_us);
        if cx.now_us >= end_us {
            cx.hang_up = Some(self.script.leave);
            return;
        }
        cx.wake_by(end_us);
        if self.script.steer_us > 0 {
            if self.state == State::Playing && cx.now_us >= self.steered_us + self.script.steer_us {
                self.steered_us = cx.now_us;
                self.steer(cx);
            }
            cx.wake_by(cx.now_us + self.script.steer_us);
        }
    }

    fn ended(&mut self, cx: &mut PeerCx<'_>, _broken: bool) {
        self.state = State::Away;
        self.dials += 1;
        if self.dials < self.script.dials_max {
            cx.dial_at_us = Some(cx.now_us + self.script.pause_us);
        }
    }

    fn pending(&self, since_us: u64) -> Option<String> {
        if self.dials >= self.script.dials_max || self.view.steered {
            return None;
        }
        let missing = self.progress.missing(since_us)?;
        let state = format!("{:?}", self.state).to_lowercase();
        Some(format!("{} is {state} and got {missing} {}", self.name(), self.last_word))
    }

    fn grievance(&self) -> Option<String> {
        self.grievance.clone()
    }
}

impl Script {
    /// A player that never leaves, and connects again a second after it lost its connection.
    pub fn tame(rng: &mut Rng, app: &str, stream: &str) -> Self {
        Script {
            app: app.to_owned(),
            stream: stream.to_owned(),
            habits: Habits { brief: rng.one_in(2), ..Habits::default() },
            steer_us: 0,
            stay_us: u64::MAX / 2,
            leave: HangUp::Fin,
            pause_us: 1_000_000,
            dials_max: u32::MAX,
        }
    }

    /// Any player: it may leave and come back, and steer.
    pub fn wild(rng: &mut Rng, app: &str, stream: &str) -> Self {
        Script {
            habits: Habits::draw(rng),
            steer_us: rng.pick(&[0, 0, 0, 700_000, 5_000_000]),
            stay_us: rng.pick(&[100_000, 2_000_000, 20_000_000, u64::MAX / 2]),
            leave: rng.pick(&[HangUp::Fin, HangUp::Reset]),
            pause_us: rng.pick(&[0, 1_000_000, 10_000_000]),
            dials_max: u32::try_from(rng.between(1, 8)).expect("small"),
            ..Script::tame(rng, app, stream)
        }
    }
}
