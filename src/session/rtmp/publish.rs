//! The publisher's side: media messages become frames; the peer is told the status of its stream.
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
    /// Time of its last media message; before the first one, when publishing was granted.
    pub heard: Instant,
    /// True after its first media message.
    pub started: bool,
    /// A body could not be parsed; logged once per stream.
    damaged: bool,
    clock: Unwrap32,
    /// Frames of the message at hand; empty between calls.
    frames: Vec<Frame>,
}

impl Publication {
    /// A publication that was just granted.
    pub fn new(name: StreamName, now: Instant) -> Self {
        let clock = Unwrap32::default();
        Publication { name, heard: now, started: false, damaged: false, clock, frames: Vec::new() }
    }

    /// Handles a media message: the body of an FLV tag. One that cannot be parsed is left out.
    pub fn media(&mut self, cx: &mut Cx<'_>, tag: u8, timestamp: u32, body: Bytes) {
        self.heard = cx.now;
        self.started = true;
        let dts = Timestamp::from_millis(self.clock.unwrap(timestamp));
        if let Err(error) = flv::parse(tag, body, dts, &mut self.frames) {
            if !self.damaged {
                log::warn!(cid:% = cx.cid, tag, error:%; "a media message cannot be parsed and is left out");
            }
            self.damaged = true;
        }
        cx.asks.extend(self.frames.drain(..).map(Ask::Frame));
    }
}

/// Tells that publishing was granted. `fmle`: the client also sent `FCPublish`.
pub(super) fn started(cx: &mut Cx<'_>, link: &Link, fmle: bool) {
    let status = Status::notice("NetStream.Publish.Start", "Started publishing stream.");
    if fmle {
        let info = vec![status.info(cx)];
        link.command(cx, STREAM_ID, &call("onFCPublish", info));
    }
    link.status(cx, STREAM_ID, &status);
}

/// Tells that publishing was refused.
pub(super) fn refused(cx: &mut Cx<'_>, link: &Link, refusal: &Refusal) {
    let code = match refusal {
        Refusal::Disabled(_) => "NetStream.Publish.Denied",
        _ => "NetStream.Publish.BadName",
    };
    link.status(cx, STREAM_ID, &Status::error(code, &refusal.to_string()));
}

/// Answers the `command` that ended the publication.
pub(super) fn stopped(cx: &mut Cx<'_>, link: &Link, command: &Command) {
    let status = Status::notice("NetStream.Unpublish.Success", "Stopped publishing stream.");
    if command.name == "FCUnpublish" {
        let info = vec![status.info(cx)];
        link.command(cx, STREAM_ID, &call("onFCUnpublish", info));
    }
    link.status(cx, STREAM_ID, &status);
}
