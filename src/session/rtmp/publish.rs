//! The publisher's side: media messages become frames, and the peer hears how its stream fares.
//!
//! ```text
//! FMLE, OBS, FFmpeg    releaseStream, FCPublish, createStream, publish ─▶ onFCPublish, onStatus
//! Haivision            createStream, FCPublish, publish                ─▶ onFCPublish, onStatus
//! Flash, librtmp, vMix createStream, publish                           ─▶ onStatus
//! ```

use super::link::{Link, STREAM_ID, Status, call};
use crate::base::name::StreamName;
use crate::base::time::Instant;
use crate::media::frame::Frame;
use crate::media::timestamp::Timestamp;
use crate::media::unwrap::Unwrap32;
use crate::session::Cx;
use crate::session::ask::{Ask, Refusal};
use crate::wire::flv;
use crate::wire::rtmp::message::Command;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// A stream that is being published.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Publication {
    /// Its name.
    pub name: StreamName,
    /// When its last media message came; before the first one, when it was granted.
    pub heard: Instant,
    /// Its first media message has come.
    pub started: bool,
    /// A body could not be understood; said once.
    damaged: bool,
    clock: Unwrap32,
    /// Where bodies are taken apart; empty between calls.
    frames: Vec<Frame>,
}

impl Publication {
    /// A stream whose first message is still to come.
    pub fn new(name: StreamName, now: Instant) -> Self {
        let clock = Unwrap32::default();
        Publication { name, heard: now, started: false, damaged: false, clock, frames: Vec::new() }
    }

    /// A media message: the body of an FLV tag. One that makes no sense is left out; the next may be sound.
    pub fn media(&mut self, cx: &mut Cx<'_>, tag: u8, timestamp: u32, body: Bytes) {
        self.heard = cx.now;
        self.started = true;
        let dts = Timestamp::from_millis(self.clock.unwrap(timestamp));
        if let Err(error) = flv::parse(tag, body, dts, &mut self.frames) {
            if !self.damaged {
                log::warn!(cid:% = cx.cid, tag, error:%; "a media message makes no sense and is left out");
            }
            self.damaged = true;
        }
        cx.asks.extend(self.frames.drain(..).map(Ask::Frame));
    }
}

/// The stream may come. `fmle` is for those who asked with `FCPublish` too.
pub(super) fn started(cx: &mut Cx<'_>, link: &Link, fmle: bool) {
    let status = Status::notice("NetStream.Publish.Start", "Started publishing stream.");
    if fmle {
        let info = vec![status.info(cx)];
        link.command(cx, STREAM_ID, &call("onFCPublish", info));
    }
    link.status(cx, STREAM_ID, &status);
}

/// The stream may not come.
pub(super) fn refused(cx: &mut Cx<'_>, link: &Link, refusal: &Refusal) {
    let code = match refusal {
        Refusal::Disabled(_) => "NetStream.Publish.Denied",
        _ => "NetStream.Publish.BadName",
    };
    link.status(cx, STREAM_ID, &Status::error(code, &refusal.to_string()));
}

/// The peer has said with `command` that its stream ends.
pub(super) fn stopped(cx: &mut Cx<'_>, link: &Link, command: &Command) {
    let status = Status::notice("NetStream.Unpublish.Success", "Stopped publishing stream.");
    if command.name == "FCUnpublish" {
        let info = vec![status.info(cx)];
        link.command(cx, STREAM_ID, &call("onFCUnpublish", info));
    }
    link.status(cx, STREAM_ID, &status);
}
