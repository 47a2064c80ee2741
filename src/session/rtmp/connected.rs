//! A peer after `connect`: its commands, and whether it is idle, publishes or plays.
//!
//! ```text
//!            publish            Answer::Publish
//!     ┌────▶ Asking ──────────────────────────▶ Publishing ──┐
//!  Idle                                                      │ FCUnpublish, deleteStream, closeStream,
//!     └────▶ Asking ──────────────────────────▶ Playing ─────┤ another publish or play
//!            play               Answer::Play                 ▼
//!                                                           Idle
//! ```
//!
//! While an answer is awaited nothing is read, so that media behind `publish` is not lost. A peer may publish
//! and play as often as it likes, one at a time.

use super::connect::App;
use super::link::{Link, STREAM_ID, Status, Trust, protocol};
use super::play::{self, Playback};
use super::publish::{self, Publication};
use crate::base::inbox::Inbox;
use crate::base::limit::Limit;
use crate::base::name::StreamName;
use crate::base::reason::Reason;
use crate::base::time::Instant;
use crate::session::ask::{Answer, Ask, Introduction, Playing, Refusal};
use crate::session::{Cx, Progress};
use crate::status::ClientKind;
use crate::wire::amf0::Value;
use crate::wire::format::Format;
use crate::wire::rtmp::aggregate::Aggregate;
use crate::wire::rtmp::chunk::{Item, Message, Reader};
use crate::wire::rtmp::message::{Command, Content, Control, Event};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Most messages of one peer that are handled per call, so that it does not starve others.
const MESSAGES_PER_CALL: usize = 64;

/// Most messages in one aggregate; servers put into one what comes within some hundred milliseconds.
const AGGREGATE_MESSAGES_MAX: usize = 4096;

/// A peer whose `connect` was answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Connected {
    link: Link,
    app: App,
    role: Role,
    /// The peer sent `FCPublish` and expects the answers that go with it.
    fmle: bool,
    /// Time of its last message or change of role.
    heard: Instant,
    /// Not moved while messages come, so that no frame costs timer work; see [`Connected::tick`].
    alarm: Option<(Instant, Timer)>,
}

/// Role of the peer.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Role {
    /// It neither publishes nor plays.
    Idle,
    /// It requested to publish; the answer is awaited.
    AskingToPublish(StreamName),
    /// It requested to play; the answer is awaited.
    AskingToPlay(Playback),
    /// It publishes.
    Publishing(Publication),
    /// It plays.
    Playing(Playback),
}

/// What a deadline of the session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Timer {
    /// End of a peer that neither publishes nor plays.
    Idle,
    /// End of a publisher that has sent no frame yet.
    FirstFrame,
    /// End of a publisher that has fallen silent.
    Frame,
    /// End of the duration that a player asked for.
    Duration,
}

impl Timer {
    /// The setting that the deadline comes from; `None` for a duration that the player asked for.
    fn limit(self) -> Option<Limit> {
        match self {
            Timer::Idle => Some(Limit::IdleTimeout),
            Timer::FirstFrame => Some(Limit::FirstFrameTimeout),
            Timer::Frame => Some(Limit::FrameTimeout),
            Timer::Duration => None,
        }
    }

    /// Name for the log.
    pub fn name(self) -> &'static str {
        self.limit().map_or("play duration", Limit::path)
    }
}

impl Connected {
    /// What its messages are read by.
    pub fn reader(&self) -> &Reader {
        &self.link.reader
    }

    /// A peer whose `connect` was answered.
    pub fn new(cx: &Cx<'_>, link: Link, app: App) -> Self {
        let mut connected =
            Connected { link, app, role: Role::Idle, fmle: false, heard: cx.now, alarm: None };
        connected.arm(cx);
        connected
    }

    /// Handles messages, a bounded number per call.
    ///
    /// # Errors
    ///
    /// If the peer breaks the protocol, a limit is reached or a request of it is refused.
    pub fn receive(&mut self, cx: &mut Cx<'_>, inbox: &mut Inbox) -> Result<Progress, Reason> {
        let mut messages = 0;
        while messages < MESSAGES_PER_CALL {
            if matches!(self.role, Role::AskingToPublish(_) | Role::AskingToPlay(_)) {
                return Ok(Progress::Idle);
            }
            match self.link.reader.next(inbox).map_err(protocol)? {
                None => return Ok(Progress::Idle),
                Some(Item::Acknowledge(bytes)) => self.link.control(cx, Control::Acknowledgement(bytes)),
                Some(Item::Message(message)) => {
                    messages += 1;
                    self.heard = cx.now;
                    self.message(cx, message)?;
                }
            }
        }
        Ok(Progress::More)
    }

    fn message(&mut self, cx: &mut Cx<'_>, message: Message) -> Result<(), Reason> {
        match Content::parse(&message).map_err(protocol)? {
            Content::Control(control) => self.control(cx, control),
            Content::Command(command) => return self.command(cx, &command),
            Content::Media { tag, body } => self.media(cx, tag, message.timestamp, body),
            Content::Aggregate => return self.aggregate(cx, message),
            Content::Other(type_id) => {
                log::trace!(cid:% = cx.cid, type_id; "a message that means nothing here");
            }
        }
        Ok(())
    }

    /// Handles a media message. One outside of a publication was under way when that ended: ignored.
    fn media(&mut self, cx: &mut Cx<'_>, tag: u8, timestamp: u32, body: Bytes) {
        let Role::Publishing(publication) = &mut self.role else { return };
        let first = !publication.started;
        publication.media(cx, tag, timestamp, body);
        // Another timeout applies from the first frame on. Later frames do not move the alarm, see `tick`.
        if first {
            self.arm(cx);
        }
    }

    /// Handles the media messages of an aggregate; others in it are ignored.
    fn aggregate(&mut self, cx: &mut Cx<'_>, message: Message) -> Result<(), Reason> {
        for (count, message) in Aggregate::new(message).enumerate() {
            if count == AGGREGATE_MESSAGES_MAX {
                return Err(protocol("an aggregate of too many messages"));
            }
            if let Content::Media { tag, body } = Content::parse(&message).map_err(protocol)? {
                self.media(cx, tag, message.timestamp, body);
            }
        }
        Ok(())
    }

    fn control(&self, cx: &mut Cx<'_>, control: Control) {
        match control {
            Control::Event(Event::PingRequest(number)) => {
                self.link.control(cx, Control::Event(Event::PingResponse(number)));
            }
            Control::Event(Event::SetBufferLength { ms, .. }) => {
                log::debug!(cid:% = cx.cid, ms; "the player buffers");
            }
            // The chunk layer handles those that are for it. Acknowledgements tell nothing that TCP does not.
            _ => {}
        }
    }

    fn command(&mut self, cx: &mut Cx<'_>, command: &Command) -> Result<(), Reason> {
        log::debug!(cid:% = cx.cid, name:? = excerpt(&command.name); "command");
        match command.name.as_str() {
            // The limits and the app of the connection are fixed by the first one.
            "connect" => return Err(protocol("connect twice")),
            // All streams of a connection have the same number: one is used at a time.
            "createStream" => self.link.result(cx, command, STREAM_ID.into()),
            // Flash Media Live Encoder's extension, which FFmpeg and OBS use too.
            "FCPublish" => {
                self.fmle = true;
                self.link.result(cx, command, Value::Null);
            }
            "publish" => return self.publish(cx, command),
            "FCUnpublish" => {
                self.leave(cx, Some(command))?;
                self.link.result(cx, command, Value::Null);
            }
            "deleteStream" | "closeStream" => self.leave(cx, Some(command))?,
            "play" => return self.play(cx, command),
            "pause" | "pauseRaw" | "receiveAudio" | "receiveVideo" => {
                if let Role::Playing(playback) = &mut self.role {
                    playback.steer(cx, &self.link, command);
                }
            }
            "seek" => play::seek_refused(cx, &self.link),
            "FCSubscribe" => play::subscribed(cx, &self.link),
            // A live stream has no length.
            "getStreamLength" => self.link.result(cx, command, 0.into()),
            // Answers to calls of ours.
            "_result" | "_error" | "onStatus" => {}
            // `releaseStream`, `_checkbw` and others: clients expect an answer and ignore what it says.
            _ => self.link.result(cx, command, Value::Null),
        }
        Ok(())
    }

    fn publish(&mut self, cx: &mut Cx<'_>, command: &Command) -> Result<(), Reason> {
        // One role at a time: a client that did not end the last one means to.
        self.leave(cx, None)?;
        let (name, query) = self.app.place.stream(command.text(0).unwrap_or_default());
        if !name.is_sound() {
            return self.refuse_to_publish(cx, &Refusal::BadName);
        }
        let kind = if self.fmle { ClientKind::FmlePublish } else { ClientKind::FlashPublish };
        self.introduce(cx, Some(kind), Some(name.clone()));
        cx.ask(Ask::Publish { name: name.clone(), query });
        self.enter(cx, Role::AskingToPublish(name));
        Ok(())
    }

    fn refuse_to_publish(&mut self, cx: &mut Cx<'_>, refusal: &Refusal) -> Result<(), Reason> {
        publish::refused(cx, &self.link, refusal);
        Err(Reason::Refused(refusal.to_string()))
    }

    fn play(&mut self, cx: &mut Cx<'_>, command: &Command) -> Result<(), Reason> {
        self.leave(cx, None)?;
        let (name, query) = self.app.place.stream(command.text(0).unwrap_or_default());
        if !name.is_sound() {
            return self.refuse_to_play(cx, &Refusal::BadName);
        }
        let format = Format::rtmp(self.link.chunk_size);
        self.introduce(cx, Some(format.client_kind()), Some(name.clone()));
        cx.ask(Ask::Play { name, query, format });
        self.enter(cx, Role::AskingToPlay(Playback::new(command)));
        Ok(())
    }

    fn refuse_to_play(&mut self, cx: &mut Cx<'_>, refusal: &Refusal) -> Result<(), Reason> {
        play::refused(cx, &self.link, refusal);
        Err(Reason::Refused(refusal.to_string()))
    }

    /// Ends the role of the peer, because `command` says so or because it takes another.
    fn leave(&mut self, cx: &mut Cx<'_>, command: Option<&Command>) -> Result<(), Reason> {
        match &self.role {
            Role::Publishing(_) => {
                cx.ask(Ask::Unpublish);
                // Commands need less room than frames. Fails if a large message is unfinished.
                self.link.trust(cx.config, Trust::Connected)?;
                if let Some(command) = command {
                    publish::stopped(cx, &self.link, command);
                }
            }
            Role::Playing(_) => cx.ask(Ask::Stop),
            Role::Idle | Role::AskingToPublish(_) | Role::AskingToPlay(_) => return Ok(()),
        }
        self.introduce(cx, None, None);
        self.enter(cx, Role::Idle);
        Ok(())
    }

    fn introduce(&self, cx: &mut Cx<'_>, kind: Option<ClientKind>, name: Option<StreamName>) {
        cx.ask(Ask::Introduce(Introduction { kind, name, ..self.app.introduction.clone() }));
    }

    /// Handles an answer of the server, or news of the stream that is played.
    ///
    /// # Errors
    ///
    /// If a request of the peer was refused: the connection ends.
    pub fn answer(&mut self, cx: &mut Cx<'_>, answer: Answer) -> Result<(), Reason> {
        match (answer, std::mem::replace(&mut self.role, Role::Idle)) {
            (Answer::Publish(Ok(())), Role::AskingToPublish(name)) => {
                // Before the client is told: its first frame may be a large keyframe.
                self.link.trust(cx.config, Trust::Publisher)?;
                publish::started(cx, &self.link, self.fmle);
                self.enter(cx, Role::Publishing(Publication::new(name, cx.now)));
            }
            (Answer::Publish(Err(refusal)), _) => return self.refuse_to_publish(cx, &refusal),
            (Answer::Play(Ok(playing)), Role::AskingToPlay(mut playback)) => {
                playback.granted(cx, &self.link, matches!(playing, Playing::Live(_)));
                self.enter(cx, Role::Playing(playback));
            }
            (Answer::Play(Err(refusal)), _) => return self.refuse_to_play(cx, &refusal),
            (Answer::Began(_), Role::Playing(mut playback)) => {
                playback.began(cx, &self.link);
                self.enter(cx, Role::Playing(playback));
            }
            (Answer::Ended(refusal), Role::Playing(_)) => {
                play::ended(cx, &self.link, &refusal);
                self.introduce(cx, None, None);
                self.enter(cx, Role::Idle);
            }
            // News of a stream that the peer has left meanwhile.
            (_, role) => self.role = role,
        }
        Ok(())
    }

    /// Tells the peer why the server ends the connection.
    pub fn farewell(&self, cx: &mut Cx<'_>, reason: &Reason) {
        match &self.role {
            Role::Playing(_) => play::ended(cx, &self.link, &Refusal::Ended),
            Role::Publishing(_) | Role::AskingToPublish(_) if *reason == Reason::Replaced => {
                publish::refused(cx, &self.link, &Refusal::Busy);
            }
            _ => {}
        }
        let description = reason.to_string();
        let status = match reason {
            Reason::Drained if self.app.reconnects => {
                Status::notice("NetConnection.Connect.ReconnectRequest", &description)
            }
            Reason::Drained => Status::error("NetConnection.Connect.AppShutdown", &description),
            Reason::Timeout(_) => Status::notice("NetConnection.Connect.IdleTimeOut", &description),
            _ => Status::notice("NetConnection.Connect.Closed", &description),
        };
        self.link.status(cx, 0, &status);
    }

    fn enter(&mut self, cx: &Cx<'_>, role: Role) {
        self.role = role;
        self.heard = cx.now;
        self.arm(cx);
    }

    /// Since when the peer has been silent, how long it may be, and the timer for it.
    fn patience(&self, cx: &Cx<'_>) -> Option<(Instant, Duration, Timer)> {
        let (since, ms, timer) = match &self.role {
            Role::Idle => (self.heard, cx.config.rtmp.idle_timeout_ms, Timer::Idle),
            Role::Publishing(publication) => {
                let settings = cx.config.stream(&publication.name).publish;
                if publication.started {
                    (publication.heard, settings.frame_timeout_ms, Timer::Frame)
                } else {
                    (publication.heard, settings.first_frame_timeout_ms, Timer::FirstFrame)
                }
            }
            Role::Playing(playback) => (playback.until?, 0, Timer::Duration),
            Role::AskingToPublish(_) | Role::AskingToPlay(_) => return None,
        };
        Some((since, Duration::from_millis(ms), timer))
    }

    fn arm(&mut self, cx: &Cx<'_>) {
        self.alarm = self.patience(cx).map(|(since, patience, timer)| (since + patience, timer));
    }

    /// When [`Connected::tick`] must be called.
    pub fn alarm(&self) -> Option<(Instant, Timer)> {
        self.alarm
    }

    /// The deadline has passed. It was not moved while messages came, so it is computed again first.
    ///
    /// # Errors
    ///
    /// If the peer was silent for too long.
    pub fn tick(&mut self, cx: &mut Cx<'_>) -> Result<(), Reason> {
        self.arm(cx);
        let Some((_, timer)) = self.alarm.filter(|(at, _)| *at <= cx.now) else { return Ok(()) };
        match timer.limit() {
            Some(limit) => {
                reached!("an RTMP peer was silent for too long");
                let reason = Reason::Timeout(limit);
                self.farewell(cx, &reason);
                Err(reason)
            }
            None => {
                play::completed(cx, &self.link);
                self.leave(cx, None)
            }
        }
    }
}

/// The beginning of a name, for the log.
fn excerpt(name: &str) -> &str {
    &name[..name.floor_char_boundary(32)]
}
