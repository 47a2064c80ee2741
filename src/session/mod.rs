//! One peer, one protocol.
//!
//! In: bytes of the peer, answers of the server, time. Out: requests to the server ([`ask::Ask`]) and bytes
//! in the connection's outbox. Never: a socket, the registry of streams or another session. All sessions keep
//! the same contract, and one `match` dispatches to them, so that all protocols stand on one page.

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
use crate::wire::http1::BodySkip;
use crate::wire::rtmp::chunk;
use crate::wire::rtmp::handshake::Handshake;
use ask::{Answer, Ask};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::net::SocketAddr;

/// What a session may read and change during a call.
pub struct Cx<'a> {
    /// Time of the call.
    pub now: Instant,
    /// Wall time at the server's start, for dates.
    pub epoch: Epoch,
    /// The configuration in force.
    pub config: &'a Config,
    /// Connection id; stands on every log line of the connection: `log::info!(cid:% = cx.cid; "…")`.
    pub cid: Cid,
    /// Address of the peer.
    pub peer: SocketAddr,
    /// Identity of the server, for the answers of the API.
    pub identity: &'a Identity,
    /// Random generator of the connection.
    pub rng: &'a mut Rng,
    /// Where the session's own bytes go. Bounded; a session that writes past the limit is ended.
    pub out: &'a mut Outbox,
    /// Requests to the server, performed in order when the call returns.
    pub asks: &'a mut VecDeque<Ask>,
}

impl Cx<'_> {
    /// Sends a request to the server.
    pub fn ask(&mut self, ask: Ask) {
        self.asks.push_back(ask);
    }
}

/// Whether [`Session::receive`] has more to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing to do until more bytes come, the server answers or the outbox empties.
    Idle,
    /// There may be more to do at once: call again.
    More,
}

/// The contract of every protocol.
///
/// # Errors
///
/// Each method may end the connection by returning a reason. Bytes that are in the outbox by then (the
/// protocol's own refusal) are still sent; then the socket is closed and the reason logged.
pub trait Session {
    /// Consumes bytes from the inbox. Called again after more bytes, after every answer, and after every
    /// [`Session::outbox_emptied`], as long as the inbox is not empty. A session that waits for an answer or
    /// for its outbox leaves the inbox alone; a peer that sends more than the inbox holds is ended. Does a
    /// bounded amount of work per call and returns [`Progress::More`] if more is left.
    fn receive(&mut self, cx: &mut Cx<'_>, inbox: &mut Inbox) -> Result<Progress, Reason>;
    /// An answer to an earlier request, or news of the stream that is played or published.
    fn answer(&mut self, cx: &mut Cx<'_>, answer: Answer) -> Result<(), Reason>;
    /// All bytes written so far have left.
    fn outbox_emptied(&mut self, cx: &mut Cx<'_>) -> Result<(), Reason>;
    /// The deadline has passed.
    fn tick(&mut self, cx: &mut Cx<'_>) -> Result<(), Reason>;
    /// When [`Session::tick`] must be called at the latest, and why, for the log and for checks.
    fn deadline(&self) -> Option<(Instant, &'static str)>;
}

macro_rules! each {
    ($any:expr, $session:ident => $call:expr) => {
        match $any {
            AnySession::Rtmp($session) => $call,
            AnySession::Http($session) => $call,
        }
    };
}

/// How a session reads what its peer sends next. For tools that look at what was recorded of a connection.
#[derive(Clone, Debug)]
pub enum Reads {
    /// The rest of an RTMP handshake, then chunks.
    Handshake(Handshake),
    /// Chunks. The reader holds the beginnings of messages.
    Chunks(chunk::Reader),
    /// The rest of a body, if there is one, then HTTP requests.
    Requests(Option<BodySkip>),
    /// WebSocket messages of a player.
    Messages,
    /// Nothing: what comes is ignored.
    Nothing,
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
    /// How it reads what its peer sends next.
    pub fn reads(&self) -> Reads {
        each!(self, session => session.reads())
    }

    /// True if peers of this protocol may publish, play or fetch a stream; false for clients of the API.
    pub fn gets_streams(&self) -> bool {
        match self {
            AnySession::Rtmp(_) => true,
            AnySession::Http(session) => session.service() != Service::Api,
        }
    }
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
