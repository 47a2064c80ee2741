//! RTMP: the server side of a publisher or player.
//!
//! ```text
//! Handshake ──C2──▶ Connecting ──connect──▶ Connected ──▶ Over
//!                                           idle, publishing or playing
//! ```
//!
//! In: bytes of the peer and answers of the server. Out: replies, and the frames of a publisher. Never: the
//! frames of a player, which the server sends after the replies. Until `connect` is answered, the server
//! holds at most `limits.unproven_bytes` for a peer.

mod connect;
mod connected;
mod link;
mod play;
mod publish;
#[cfg(test)]
mod tests;
mod url;

use crate::base::inbox::Inbox;
use crate::base::limit::Limit;
use crate::base::reason::Reason;
use crate::base::time::Instant;
use crate::session::ask::Answer;
use crate::session::{Cx, Progress, Reads, Session};
use crate::wire::rtmp::chunk::Item;
use crate::wire::rtmp::handshake::Handshake;
use crate::wire::rtmp::message::{Content, Control};
use connected::Connected;
use link::{Link, protocol};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// An RTMP connection.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RtmpSession {
    phase: Phase,
    /// Deadline for `connect`.
    connect_by: Instant,
}

/// State of the connection. Each phase owns what exists in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Phase {
    /// The handshake.
    Handshake(Handshake),
    /// Messages before `connect`, which must be the first command.
    Connecting(Link),
    /// Messages after `connect`.
    Connected(Box<Connected>),
    /// Over: further input is discarded.
    Over,
}

impl RtmpSession {
    /// A connection that was just accepted.
    pub fn new(cx: &mut Cx<'_>) -> Self {
        let patience = Duration::from_millis(cx.config.rtmp.handshake_timeout_ms);
        RtmpSession { phase: Phase::Handshake(Handshake::First), connect_by: cx.now + patience }
    }

    /// How it reads what its peer sends next.
    pub fn reads(&self) -> Reads {
        match &self.phase {
            Phase::Handshake(handshake) => Reads::Handshake(*handshake),
            Phase::Connecting(link) => Reads::Chunks(link.reader.clone()),
            Phase::Connected(connected) => Reads::Chunks(connected.reader().clone()),
            Phase::Over => Reads::Nothing,
        }
    }

    /// Advances through the phases before `connect`, as far as `inbox` goes.
    fn advance(&mut self, cx: &mut Cx<'_>, inbox: &mut Inbox) -> Result<(), Reason> {
        if let Phase::Handshake(handshake) = &mut self.phase {
            let time_ms = cx.now.as_millis() as u32;
            if !handshake.receive(inbox, cx.out, cx.rng, time_ms).map_err(protocol)? {
                return Ok(());
            }
            self.phase = Phase::Connecting(Link::new(cx.config));
        }
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Connecting(link) => self.phase = connecting(cx, link, inbox)?,
            phase => self.phase = phase,
        }
        Ok(())
    }

    /// After an error the session discards further input and has no deadline.
    fn end_on_error<T>(&mut self, result: Result<T, Reason>) -> Result<T, Reason> {
        if result.is_err() {
            self.phase = Phase::Over;
        }
        result
    }
}

impl Session for RtmpSession {
    fn receive(&mut self, cx: &mut Cx<'_>, inbox: &mut Inbox) -> Result<Progress, Reason> {
        let result = self.advance(cx, inbox).and_then(|()| match &mut self.phase {
            Phase::Handshake(_) | Phase::Connecting(_) => Ok(Progress::Idle),
            Phase::Connected(connected) => connected.receive(cx, inbox),
            Phase::Over => {
                inbox.consume(inbox.len());
                Ok(Progress::Idle)
            }
        });
        self.end_on_error(result)
    }

    fn answer(&mut self, cx: &mut Cx<'_>, answer: Answer) -> Result<(), Reason> {
        let result = match (&mut self.phase, answer) {
            (Phase::Connected(connected), Answer::Farewell(reason)) => {
                connected.farewell(cx, &reason);
                self.phase = Phase::Over;
                Ok(())
            }
            (Phase::Connected(connected), answer) => connected.answer(cx, answer),
            (phase, Answer::Farewell(_)) => {
                *phase = Phase::Over;
                Ok(())
            }
            _ => Ok(()),
        };
        self.end_on_error(result)
    }

    fn outbox_emptied(&mut self, _cx: &mut Cx<'_>) -> Result<(), Reason> {
        Ok(())
    }

    fn tick(&mut self, cx: &mut Cx<'_>) -> Result<(), Reason> {
        let result = match &mut self.phase {
            Phase::Handshake(_) | Phase::Connecting(_) if self.connect_by <= cx.now => {
                Err(Reason::Timeout(Limit::HandshakeTimeout))
            }
            Phase::Connected(connected) => connected.tick(cx),
            _ => Ok(()),
        };
        self.end_on_error(result)
    }

    fn deadline(&self) -> Option<(Instant, &'static str)> {
        match &self.phase {
            Phase::Handshake(_) | Phase::Connecting(_) => {
                Some((self.connect_by, Limit::HandshakeTimeout.path()))
            }
            Phase::Connected(connected) => connected.alarm().map(|(at, timer)| (at, timer.name())),
            Phase::Over => None,
        }
    }
}

/// Reads until `connect` and answers it. A peer that sends too much before it is ended.
fn connecting(cx: &mut Cx<'_>, mut link: Link, inbox: &mut Inbox) -> Result<Phase, Reason> {
    loop {
        match link.reader.next(inbox).map_err(protocol)? {
            None => return Ok(Phase::Connecting(link)),
            Some(Item::Acknowledge(bytes)) => link.control(cx, Control::Acknowledgement(bytes)),
            Some(Item::Message(message)) => {
                // Other messages may come before: chunk sizes, windows, a first ping.
                if let Content::Command(command) = Content::parse(&message).map_err(protocol)? {
                    if command.name != "connect" {
                        return Err(protocol("a command before connect"));
                    }
                    let app = connect::connect(cx, &mut link, &command)?;
                    return Ok(Phase::Connected(Box::new(Connected::new(cx, link, app))));
                }
            }
        }
        if link.reader.received() > cx.config.limits.unproven_bytes as u64 {
            return Err(Reason::Limit(Limit::UnprovenBytes));
        }
    }
}
