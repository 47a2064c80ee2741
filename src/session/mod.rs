//! One peer, one protocol.
//!
//! A session sees bytes, frames' formats and time; never a socket, the router or another session. It
//! *asks*, and the server answers; what it writes goes to its connection's outbox. All sessions keep the
//! same contract, and dispatch is the one `match` below, so that all protocols stand on one page.

pub mod ask;
pub mod http;
pub mod rtmp;

use crate::base::id::Cid;
use crate::base::inbox::Inbox;
use crate::base::outbox::Outbox;
use crate::base::reason::Reason;
use crate::base::rng::Rng;
use crate::base::time::{Epoch, Instant};
use crate::config::{Config, Service};
use crate::status::Identity;
use ask::{Answer, Ask};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::net::SocketAddr;

/// What a session may look at and change while it is called.
pub struct Cx<'a> {
    /// The time of this call.
    pub now: Instant,
    /// Wall time at birth, for dates.
    pub epoch: Epoch,
    /// The configuration in force.
    pub config: &'a Config,
    /// The id that stands on every log line of this connection: `log::info!(cid:% = cx.cid; "…")`.
    pub cid: Cid,
    /// The peer's address.
    pub peer: SocketAddr,
    /// What the API says of this server in every answer.
    pub identity: &'a Identity,
    /// The connection's random generator.
    pub rng: &'a mut Rng,
    /// Where the session's own bytes go. It has a limit; past it the connection is ended by the server.
    pub out: &'a mut Outbox,
    /// What the session asks of the server; performed in order when the call returns.
    pub asks: &'a mut VecDeque<Ask>,
}

impl Cx<'_> {
    /// Asks something of the server.
    pub fn ask(&mut self, ask: Ask) {
        self.asks.push_back(ask);
    }
}

/// Whether a call of [`Session::receive`] did all that there is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing is left to do before more bytes come, the server answers or the outbox empties.
    Idle,
    /// There may be more to do at once: call again.
    More,
}

/// The contract of every protocol.
///
/// `Err(reason)` ends the connection: what stands in the outbox (the protocol's own refusal, written
/// before returning) still leaves, then the socket is closed and the reason logged.
pub trait Session {
    /// Bytes are in the inbox. Consumes what it can; called again when more came, and after every answer
    /// and every [`Session::outbox_emptied`] while the inbox is not empty. A session that waits for an
    /// answer, or until its outbox is empty, leaves the inbox alone; a peer that sends more than it holds is
    /// ended. May return early after a bounded amount of work, with [`Progress::More`].
    fn receive(&mut self, cx: &mut Cx<'_>, inbox: &mut Inbox) -> Result<Progress, Reason>;
    /// The server answers an earlier ask, or tells news of the stream that is played or published.
    fn answer(&mut self, cx: &mut Cx<'_>, answer: Answer) -> Result<(), Reason>;
    /// The outbox ran empty: everything written so far has left.
    fn outbox_emptied(&mut self, cx: &mut Cx<'_>) -> Result<(), Reason>;
    /// The deadline has come.
    fn tick(&mut self, cx: &mut Cx<'_>) -> Result<(), Reason>;
    /// When [`Session::tick`] wants to be called, and why (for the log and for checks).
    fn deadline(&self) -> Option<(Instant, &'static str)>;
}

/// A session of any protocol.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum AnySession {
    /// RTMP.
    Rtmp(Box<rtmp::RtmpSession>),
    /// HTTP/1.1: live formats, HLS, the API, pages.
    Http(Box<http::HttpSession>),
}

impl AnySession {
    /// True if a peer of this sort can be about a stream: an operator at the API never is.
    pub fn gets_streams(&self) -> bool {
        match self {
            AnySession::Rtmp(_) => true,
            AnySession::Http(session) => session.service() != Service::Api,
        }
    }
}

macro_rules! each {
    ($any:expr, $session:ident => $call:expr) => {
        match $any {
            AnySession::Rtmp($session) => $call,
            AnySession::Http($session) => $call,
        }
    };
}

impl Session for AnySession {
    fn receive(&mut self, cx: &mut Cx<'_>, inbox: &mut Inbox) -> Result<Progress, Reason> {
        each!(self, session => session.receive(cx, inbox))
    }
    fn answer(&mut self, cx: &mut Cx<'_>, answer: Answer) -> Result<(), Reason> {
        each!(self, session => session.answer(cx, answer))
    }
    fn outbox_emptied(&mut self, cx: &mut Cx<'_>) -> Result<(), Reason> {
        each!(self, session => session.outbox_emptied(cx))
    }
    fn tick(&mut self, cx: &mut Cx<'_>) -> Result<(), Reason> {
        each!(self, session => session.tick(cx))
    }
    fn deadline(&self) -> Option<(Instant, &'static str)> {
        each!(self, session => session.deadline())
    }
}
