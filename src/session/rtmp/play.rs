//! The player's side: what it is told about its stream. The server sends the frames.
//!
//! ```text
//! play   ─▶  StreamBegin, Play.Reset, Play.Start, |RtmpSampleAccess, then the stream's bytes
//! ```
//!
//! The answer is the same if the stream is not published yet: players wait for it. The end of a stream is
//! `StreamEOF` and `UnpublishNotify`; for one that never began, `StreamNotFound`.

use super::link::{Link, STREAM_ID, Status, call};
use crate::base::time::Instant;
use crate::session::Cx;
use crate::session::ask::{Ask, Refusal};
use crate::wire::amf0::Value;
use crate::wire::rtmp::message::{Command, Control, Event};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A stream that is being played.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Playback {
    /// It is not published yet.
    waiting: bool,
    paused: bool,
    audio: bool,
    video: bool,
    /// How long the peer wants to play it.
    duration: Option<Duration>,
    /// End of that duration; known once the stream plays.
    pub until: Option<Instant>,
}

impl Playback {
    /// What a granted `play` command asks for. Its `start` and `reset` have no meaning for a live stream.
    pub fn new(command: &Command) -> Self {
        // On the wire these are milliseconds; -1 means no end, and 0 a single frame, which no client uses.
        let ms = command.number(2).filter(|ms| *ms >= 1.0);
        let duration = ms.map(|ms| Duration::from_millis(ms as u64));
        Playback { waiting: true, paused: false, audio: true, video: true, duration, until: None }
    }

    /// Answers `play`; frames may follow. `live`: the stream is published.
    pub fn granted(&mut self, cx: &mut Cx<'_>, link: &Link, live: bool) {
        link.control(cx, Control::Event(Event::StreamBegin(STREAM_ID)));
        status(cx, link, "NetStream.Play.Reset", "Playing and resetting stream.");
        status(cx, link, "NetStream.Play.Start", "Started playing stream.");
        link.data(cx, &["|RtmpSampleAccess".into(), true.into(), true.into()]);
        if live {
            self.begin(cx);
        }
    }

    /// The stream is live. Told to players that had to wait.
    pub fn began(&mut self, cx: &mut Cx<'_>, link: &Link) {
        if self.waiting {
            status(cx, link, "NetStream.Play.PublishNotify", "The stream is being published.");
            self.begin(cx);
        }
    }

    fn begin(&mut self, cx: &Cx<'_>) {
        self.waiting = false;
        self.until = self.duration.map(|duration| cx.now + duration);
    }

    /// The peer selects which kinds of tracks it gets, or pauses.
    pub fn steer(&mut self, cx: &mut Cx<'_>, link: &Link, command: &Command) {
        let Some(flag) = command.flag(0) else { return };
        match command.name.as_str() {
            "receiveAudio" => self.audio = flag,
            "receiveVideo" => self.video = flag,
            _ => self.paused = flag,
        }
        self.deliver(cx);
        match command.name.as_str() {
            "receiveAudio" | "receiveVideo" => {}
            _ if flag => {
                status(cx, link, "NetStream.Pause.Notify", "Paused stream.");
                link.control(cx, Control::Event(Event::StreamEof(STREAM_ID)));
            }
            _ => {
                link.control(cx, Control::Event(Event::StreamBegin(STREAM_ID)));
                status(cx, link, "NetStream.Unpause.Notify", "Unpaused stream.");
            }
        }
    }

    fn deliver(&self, cx: &mut Cx<'_>) {
        cx.ask(Ask::SelectTracks { audio: self.audio && !self.paused, video: self.video && !self.paused });
    }
}

/// The stream has ended, or never began.
pub(super) fn ended(cx: &mut Cx<'_>, link: &Link, refusal: &Refusal) {
    match refusal {
        Refusal::Ended | Refusal::Draining => {
            link.control(cx, Control::Event(Event::StreamEof(STREAM_ID)));
            status(cx, link, "NetStream.Play.UnpublishNotify", "The stream is no longer published.");
            status(cx, link, "NetStream.Play.Stop", "Stopped playing stream.");
        }
        refusal => refused(cx, link, refusal),
    }
}

/// The stream may not be played, or does not exist.
pub(super) fn refused(cx: &mut Cx<'_>, link: &Link, refusal: &Refusal) {
    let code = match refusal {
        Refusal::NotFound | Refusal::BadName | Refusal::Ended => "NetStream.Play.StreamNotFound",
        _ => "NetStream.Play.Failed",
    };
    link.status(cx, STREAM_ID, &Status::error(code, &refusal.to_string()));
}

/// The duration that the peer asked for is over.
pub(super) fn completed(cx: &mut Cx<'_>, link: &Link) {
    link.control(cx, Control::Event(Event::StreamEof(STREAM_ID)));
    let complete = Status::notice("NetStream.Play.Complete", "Played for as long as was asked.");
    let info = complete.info(cx);
    link.data(cx, &["onPlayStatus".into(), info]);
    status(cx, link, "NetStream.Play.Stop", "Stopped playing stream.");
}

/// A live stream cannot be sought.
pub(super) fn seek_refused(cx: &mut Cx<'_>, link: &Link) {
    let status = Status::error("NetStream.Seek.Failed", "A live stream cannot be sought.");
    link.status(cx, STREAM_ID, &status);
}

/// Akamai's query for whether a stream exists: always answered with yes, since players may wait.
pub(super) fn subscribed(cx: &mut Cx<'_>, link: &Link) {
    let info: Value = Status::notice("NetStream.Play.Start", "Started playing stream.").info(cx);
    link.command(cx, 0, &call("onFCSubscribe", vec![info]));
}

fn status(cx: &mut Cx<'_>, link: &Link, code: &str, description: &str) {
    link.status(cx, STREAM_ID, &Status::notice(code, description));
}
