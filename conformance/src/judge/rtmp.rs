//! One RTMP connection in both directions: requests of the peer, answers of the server, and the media of
//! both.
//!
//! ```text
//! client ─▶ connect, publish, play, FCUnpublish, deleteStream, pause, receiveVideo …   media, aggregates
//! server ─▶ onStatus: granted, refused, over                                           media
//! ```
//!
//! An answer belongs to the oldest request: the server reads nothing behind a request before it has answered.

use super::byte_counts::Span;
use super::expected_role::{About, Deed, ExpectedRole};
use super::model::Model;
use super::name;
use super::play::{Court, Play};
use super::report::PlayReport;
use super::verdict::Verdict;
use crate::reader::amf::Amf;
use crate::reader::chunk::ChunkReader;
use crate::reader::flv::{AUDIO, DATA, VIDEO};
use crate::reader::rtmp::Message;
use std::collections::VecDeque;

/// What of media may still come when a player has left: one message, or several that left the stream in one
/// piece, and the headers of all tracks. So many messages, and more within so many bytes.
const LATE_MAX: Late = Late { messages: 16, bytes: 64 << 10 };

/// What of media may still come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Late {
    messages: u32,
    bytes: usize,
}

/// A connection.
#[derive(Debug)]
pub(super) struct RtmpConn {
    conn_no: u32,
    client: ChunkReader,
    server: ChunkReader,
    tc_url: Option<String>,
    asked: VecDeque<Asked>,
    role: Role,
    /// What it said cannot be read, or was no sense: the server does not go on.
    torn: bool,
    malformed: bool,
    stalled: bool,
    /// It has said `FCPublish`.
    fmle: bool,
    /// Media that may still come of a playback that is over.
    late: Late,
    over: Vec<PlayReport>,
}

/// What a peer asked for.
#[derive(Debug)]
enum Asked {
    Publish {
        stream: String,
        session: u32,
        fmle: bool,
        /// It has ended it in the same breath.
        left: bool,
    },
    Play {
        stream: String,
        at_us: u64,
        wants: (bool, bool),
        /// It has ended it in the same breath.
        left: bool,
    },
    /// Something that has no name.
    Nothing,
}

/// What a peer does.
#[derive(Debug)]
enum Role {
    Idle,
    Publishing {
        stream: String,
        session: u32,
        fmle: bool,
    },
    Playing {
        play: Box<Play>,
        paused: bool,
        audio: bool,
        video: bool,
        /// The stream is live: something of it has come, or that it is published.
        begun: bool,
    },
}

/// What the connection may change.
pub(super) struct Cx<'a> {
    /// What was published.
    pub model: &'a mut Model,
    /// What is broken.
    pub verdict: &'a mut Verdict,
}

impl RtmpConn {
    /// A peer that has said nothing yet.
    pub fn new(conn_no: u32) -> Self {
        RtmpConn {
            conn_no,
            client: ChunkReader::with_handshake().lenient(),
            server: ChunkReader::with_handshake(),
            tc_url: None,
            asked: VecDeque::new(),
            role: Role::Idle,
            torn: false,
            malformed: false,
            stalled: false,
            fmle: false,
            late: Late::default(),
            over: Vec::new(),
        }
    }

    /// The peer has said these bytes.
    pub fn client_said(&mut self, cx: &mut Cx<'_>, bytes: &[u8]) {
        if self.torn {
            return;
        }
        for message in self.client.push(bytes).unwrap_or_default() {
            self.heard(cx, &message);
            if self.torn {
                break;
            }
        }
        if self.client.wrong().is_some() {
            self.tear(cx);
        }
    }

    /// Nothing more of what the peer says is taken: what it says in the same breath may have been.
    fn tear(&mut self, cx: &mut Cx<'_>) {
        self.torn = true;
        if let Some((stream, session)) = self.publication() {
            cx.model.doubt(&stream, session);
            cx.model.over(cx.verdict.at_us, &stream, session, false);
        }
    }

    /// What the peer publishes, or is about to.
    fn publication(&self) -> Option<(String, u32)> {
        match (self.asked.back(), &self.role) {
            (Some(Asked::Publish { stream, session, .. }), _)
            | (None, Role::Publishing { stream, session, .. }) => Some((stream.clone(), *session)),
            _ => None,
        }
    }

    fn heard(&mut self, cx: &mut Cx<'_>, message: &Message) {
        if message.body.len() > cx.model.rules.frame_bytes_max {
            return self.tear(cx);
        }
        match message.kind {
            AUDIO | VIDEO | DATA => self.published(cx, message.kind, message.timestamp, &message.body),
            15 => self.published(cx, DATA, message.timestamp, &message.body),
            22 => {
                for (kind, timestamp, body) in aggregate(message) {
                    self.published(cx, kind, timestamp, body);
                }
            }
            20 | 17 => {
                let body = message.body.strip_prefix(&[0]).filter(|_| message.kind == 17);
                match Amf::try_read_all(body.unwrap_or(&message.body)) {
                    Ok(values) => self.commanded(cx, &values),
                    Err(_) => self.tear(cx),
                }
            }
            _ => {}
        }
    }

    fn published(&mut self, cx: &mut Cx<'_>, kind: u8, timestamp: u32, body: &[u8]) {
        let at_us = cx.verdict.at_us;
        match (self.asked.back(), &self.role) {
            (Some(Asked::Publish { stream, session, .. }), _)
            | (None, Role::Publishing { stream, session, .. }) => {
                cx.model.media(at_us, stream, *session, kind, timestamp, body);
            }
            _ => {}
        }
    }

    fn commanded(&mut self, cx: &mut Cx<'_>, values: &[Amf]) {
        let Some(name) = values.first().and_then(Amf::as_str) else { return self.tear(cx) };
        let text = values.get(3).and_then(Amf::as_str).unwrap_or_default();
        match name {
            "connect" if self.tc_url.is_none() => {
                let object = values.get(2);
                let member = |key| object.and_then(|object| object.member(key)).and_then(Amf::as_str);
                let named = [member("tcUrl"), member("app")].into_iter().flatten();
                self.tc_url = named.map(str::to_owned).find(|text| !text.trim().is_empty());
                if self.tc_url.is_none() {
                    self.tear(cx);
                }
            }
            "connect" => self.tear(cx),
            _ if self.tc_url.is_none() => {}
            "publish" => {
                self.leave(cx);
                let asked = self.named(text).map(|stream| Asked::Publish {
                    session: cx.model.asked(cx.verdict.at_us, self.conn_no, &stream),
                    stream,
                    fmle: self.fmle,
                    left: false,
                });
                self.asked.push_back(asked.unwrap_or(Asked::Nothing));
            }
            "play" => {
                self.leave(cx);
                let at_us = cx.verdict.at_us;
                let wants = (true, true);
                let asked = self.named(text).map(|stream| Asked::Play { stream, at_us, wants, left: false });
                self.asked.push_back(asked.unwrap_or(Asked::Nothing));
            }
            "FCPublish" => self.fmle = true,
            "FCUnpublish" | "deleteStream" | "closeStream" => self.leave(cx),
            "pause" | "pauseRaw" | "receiveAudio" | "receiveVideo" => {
                if let Some(Amf::Boolean(flag)) = values.get(3) {
                    self.steer(name, *flag);
                }
            }
            _ => {}
        }
    }

    fn named(&self, stream: &str) -> Option<String> {
        name::of_rtmp(self.tc_url.as_deref()?, stream)
    }

    /// The peer ends what it does.
    fn leave(&mut self, cx: &mut Cx<'_>) {
        let at_us = cx.verdict.at_us;
        match self.asked.back_mut() {
            Some(Asked::Publish { stream, session, left, .. }) => {
                // It was let in or will be refused; in neither case does anything follow.
                cx.model.over(at_us, stream, *session, true);
                *left = true;
            }
            Some(Asked::Play { left, .. }) => *left = true,
            Some(Asked::Nothing) | None => {}
        }
        match std::mem::replace(&mut self.role, Role::Idle) {
            Role::Idle => {}
            Role::Publishing { stream, session, .. } => cx.model.over(at_us, &stream, session, true),
            Role::Playing { play, .. } => {
                // A frame may be under way, and behind it the headers for the next.
                self.late = LATE_MAX;
                self.over.push(play.report);
            }
        }
    }

    fn steer(&mut self, what: &str, flag: bool) {
        match (self.asked.back_mut(), &mut self.role) {
            (Some(Asked::Play { wants, .. }), _) => match what {
                "receiveAudio" => wants.0 = flag,
                "receiveVideo" => wants.1 = flag,
                _ => {}
            },
            (None, Role::Playing { play, paused, audio, video, .. }) => {
                match what {
                    "receiveAudio" => *audio = flag,
                    "receiveVideo" => *video = flag,
                    _ => *paused = flag,
                }
                play.steer(*audio && !*paused, *video && !*paused);
            }
            _ => {}
        }
    }

    /// These bytes have reached the peer.
    pub fn client_got(&mut self, cx: &mut Cx<'_>, bytes: &[u8]) {
        let messages = self.server.push(bytes).unwrap_or_default();
        for message in messages {
            match message.kind {
                20 => match Amf::try_read_all(&message.body) {
                    Ok(values) => self.told(cx, &values),
                    Err(wrong) => self.wrong(cx, &format!("a command: {wrong}")),
                },
                AUDIO | VIDEO | DATA => self.played(cx, &message),
                1..=6 => {}
                other => self.wrong(cx, &format!("a message of type {other}")),
            }
        }
        if let Some(wrong) = self.server.wrong().cloned() {
            self.wrong(cx, &wrong.0);
        }
    }

    fn wrong(&mut self, cx: &mut Cx<'_>, words: &str) {
        if !std::mem::replace(&mut self.malformed, true) {
            cx.verdict.add("W1", self.conn_no, format!("the server's bytes are malformed: {words}"));
        }
    }

    fn told(&mut self, cx: &mut Cx<'_>, values: &[Amf]) {
        if values.first().and_then(Amf::as_str) != Some("onStatus") {
            return;
        }
        let code = values.get(3).and_then(|info| info.member("code")).and_then(Amf::as_str);
        match code {
            None => self.wrong(cx, "a status without a code"),
            Some("NetStream.Publish.Start") => self.publish_granted(cx),
            Some("NetStream.Publish.BadName" | "NetStream.Publish.Denied") => self.publish_refused(cx),
            Some("NetStream.Play.Start") => self.play_granted(cx),
            Some("NetStream.Play.StreamNotFound" | "NetStream.Play.Failed") => {
                if !self.answered(|asked| matches!(asked, Asked::Play { .. } | Asked::Nothing)) {
                    self.play_over();
                }
            }
            Some("NetStream.Play.PublishNotify") => {
                if let Role::Playing { begun, .. } = &mut self.role {
                    *begun = true;
                }
            }
            Some("NetStream.Play.UnpublishNotify" | "NetStream.Play.Stop") if self.asked.is_empty() => {
                self.play_over();
            }
            Some(_) => {}
        }
    }

    /// Takes the question that this answers, if there is one; those before it were never answered.
    fn answered(&mut self, fits: impl Fn(&Asked) -> bool) -> bool {
        let place = self.asked.iter().position(fits);
        place.inspect(|place| drop(self.asked.drain(..=*place))).is_some()
    }

    fn publish_granted(&mut self, cx: &mut Cx<'_>) {
        let place = self.asked.iter().position(|asked| matches!(asked, Asked::Publish { .. }));
        let Some(Asked::Publish { stream, session, fmle, left }) =
            place.and_then(|place| self.asked.drain(..=place).next_back())
        else {
            // A peer whose bytes cannot be parsed here may have sent a request.
            if !self.torn {
                cx.verdict.add("I37", self.conn_no, "there was no request to publish".to_owned());
            }
            return;
        };
        let at_us = cx.verdict.at_us;
        if let Some(rival) = cx.model.granted(at_us, &stream, session) {
            cx.model.rivals.push((at_us, rival, self.conn_no, stream.clone()));
        }
        if self.asked.is_empty() && !self.torn && !left {
            self.role = Role::Publishing { stream, session, fmle };
        }
    }

    fn publish_refused(&mut self, cx: &mut Cx<'_>) {
        let place =
            self.asked.iter().position(|asked| matches!(asked, Asked::Publish { .. } | Asked::Nothing));
        match place.and_then(|place| self.asked.drain(..=place).next_back()) {
            Some(Asked::Publish { stream, session, .. }) => cx.model.refused(&stream, session),
            Some(_) => {}
            None => {
                if let Role::Publishing { stream, session, .. } =
                    std::mem::replace(&mut self.role, Role::Idle)
                {
                    cx.model.over(cx.verdict.at_us, &stream, session, false);
                }
            }
        }
    }

    fn play_granted(&mut self, cx: &mut Cx<'_>) {
        let place = self.asked.iter().position(|asked| matches!(asked, Asked::Play { .. }));
        let Some(Asked::Play { stream, at_us, wants, left }) =
            place.and_then(|place| self.asked.drain(..=place).next_back())
        else {
            if !self.torn {
                cx.verdict.add("I37", self.conn_no, "there was no request to play".to_owned());
            }
            return;
        };
        self.play_over();
        let mut play = Box::new(Play::new(self.conn_no, &stream, "rtmp", at_us, self.stalled));
        play.steer(wants.0, wants.1);
        if left {
            self.late = LATE_MAX;
            return self.over.push(play.report);
        }
        self.late = Late::default();
        self.role = Role::Playing { play, paused: false, audio: wants.0, video: wants.1, begun: false };
    }

    fn play_over(&mut self) {
        if let Role::Playing { play, .. } = &mut self.role {
            self.over.push(play.report.clone());
            self.role = Role::Idle;
        }
    }

    fn played(&mut self, cx: &mut Cx<'_>, message: &Message) {
        if let Role::Playing { play, begun, .. } = &mut self.role {
            *begun |= message.kind != DATA;
            let mut court = Court { model: cx.model, verdict: cx.verdict, conn_no: self.conn_no };
            play.media(&mut court, message.kind, message.timestamp, &message.body);
        } else if message.kind != DATA && self.late == Late::default() && !self.torn {
            let words = format!("media of {} bytes, and nothing is played", message.body.len());
            cx.verdict.add("I37", self.conn_no, words);
        } else if message.kind != DATA {
            self.late.messages = self.late.messages.saturating_sub(1);
            self.late.bytes = self.late.bytes.saturating_sub(message.body.len().max(1));
        }
    }

    /// The peer does not take everything.
    pub fn stalled(&mut self) {
        self.stalled = true;
        if let Role::Playing { play, .. } = &mut self.role {
            play.report.stalled = true;
        }
    }

    /// The connection is over.
    pub fn closed(&mut self, cx: &mut Cx<'_>, by_server: bool) {
        let at_us = cx.verdict.at_us;
        for asked in std::mem::take(&mut self.asked) {
            if let Asked::Publish { stream, session, .. } = asked {
                cx.model.over(at_us, &stream, session, !by_server);
            }
        }
        if let Role::Publishing { stream, session, .. } = std::mem::replace(&mut self.role, Role::Idle) {
            cx.model.over(at_us, &stream, session, !by_server);
        } else {
            self.play_over();
        }
    }

    /// What it is about.
    pub fn role(&self) -> ExpectedRole {
        let about = |stream: &String, kind, deed| About { stream: stream.clone(), kind, deed };
        let publishes = |stream, fmle| {
            about(stream, if fmle { "fmle-publish" } else { "flash-publish" }, Deed::Publishes)
        };
        let mut abouts = Vec::new();
        match &self.role {
            Role::Idle => {}
            Role::Publishing { stream, fmle, .. } => abouts.push(publishes(stream, *fmle)),
            Role::Playing { play, begun, .. } => {
                let deed = if *begun { Deed::Plays } else { Deed::Waits };
                abouts.push(about(&play.report.stream, "rtmp-play", deed));
            }
        }
        for asked in &self.asked {
            match asked {
                Asked::Publish { stream, fmle, .. } => abouts.push(publishes(stream, *fmle)),
                Asked::Play { stream, .. } => abouts.push(about(stream, "rtmp-play", Deed::Waits)),
                Asked::Nothing => {}
            }
        }
        ExpectedRole { abouts, unsure: !self.asked.is_empty(), dark: self.torn }
    }

    /// How many frames it may have been denied, if it plays.
    pub fn dropped(&self, model: &Model) -> Option<Span> {
        match &self.role {
            Role::Playing { play, .. } => Some(play.dropped(model)),
            _ => None,
        }
    }

    /// What it played.
    pub fn plays(&self) -> Vec<PlayReport> {
        let now = match &self.role {
            Role::Playing { play, .. } => Some(play.report.clone()),
            _ => None,
        };
        self.over.iter().cloned().chain(now).collect()
    }
}

/// The tags in an aggregate (RTMP 1.0, section 7.1.6): the first has the time of the aggregate.
fn aggregate(message: &Message) -> Vec<(u8, u32, &[u8])> {
    let mut tags = Vec::new();
    let mut rest = &message.body[..];
    let mut shift = None;
    while let Some((&[kind, a, b, c, t1, t2, t3, top, _, _, _], body)) = rest.split_first_chunk() {
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        let timestamp = u32::from_be_bytes([top, t1, t2, t3]);
        let Some((body, after)) = body.split_at_checked(length) else { break };
        let shift = *shift.get_or_insert(message.timestamp.wrapping_sub(timestamp));
        if [AUDIO, VIDEO, DATA].contains(&kind) {
            tags.push((kind, timestamp.wrapping_add(shift), body));
        }
        rest = &after[after.len().min(4)..];
    }
    tags
}
