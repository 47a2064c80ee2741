//! HTTP/1.1: live formats, HLS, the API and pages.
//!
//! In go requests, out come responses, one at a time and in order; a response that needs the server (a
//! stream, a file, a report) is asked for and finished when the answer comes. Rooms: [`route`] (what a path
//! means), `stream_body` (streams without end), `files` (HLS and all that has an `ETag`), `api` and `json`,
//! `page`, `response` (heads).
//!
//! ```text
//!            bytes               head               body
//! Idle ────────────▶ Head ──────────────▶ Body ──────────────▶ dispatch
//!   ▲                                                        ╱    │
//!   │◀──────────────── Sending ◀────────── Asked ◀──────────╯     │ a stream is live
//!   │   outbox emptied           answer                           ▼
//!  keep-alive                                                 Streaming ──▶ Closing
//! ```

mod answer;
mod api;
mod dispatch;
mod files;
mod json;
mod page;
mod recorder;
mod request;
mod response;
pub mod route;
mod stream_body;
#[cfg(test)]
mod tests;

use crate::base::inbox::Inbox;
use crate::base::name::StreamName;
use crate::base::reason::Reason;
use crate::base::time::Instant;
use crate::config::Service;
use crate::session::ask::Answer;
use crate::session::{Cx, Session};
use crate::status::ClientKind;
use crate::wire::http1::{BodySkip, HeadScan, Request, Status};
use response::{Exchange, Reply};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use stream_body::{BodyTransport, StreamBody};

/// One HTTP peer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HttpSession {
    service: Service,
    state: State,
    /// As what, and for which stream, the peer was last introduced.
    introduced: Option<(ClientKind, StreamName)>,
}

/// What happens next.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum State {
    /// A request may begin.
    Idle {
        /// How long it may wait.
        until: Instant,
        /// No request has come yet on this connection.
        first: bool,
    },
    /// A head has begun.
    Head {
        /// When it must be complete.
        until: Instant,
        scan: HeadScan,
    },
    /// A head is complete, its body is still coming.
    Body {
        /// When it must be complete.
        until: Instant,
        request: Box<Request>,
        skip: BodySkip,
    },
    /// The server was asked.
    Asked(Exchange, Box<Pending>),
    /// A response larger than may wait beside others is leaving.
    Sending,
    /// A live stream plays.
    Streaming(StreamBody),
    /// All is said.
    Closing,
}

/// What a response is waiting for.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Pending {
    File(files::Wants),
    LiveList,
    Api(api::Call),
    Recorder(recorder::Command),
    Play(BodyTransport),
}

impl HttpSession {
    /// A peer has just connected; nothing has been said yet.
    pub fn new(cx: &mut Cx<'_>, service: Service) -> Self {
        let until = cx.now + head_timeout(cx);
        HttpSession { service, state: State::Idle { until, first: true }, introduced: None }
    }

    /// Which of the two services of HTTP the peer came to.
    pub fn service(&self) -> Service {
        self.service
    }
}

impl Session for HttpSession {
    fn receive(&mut self, cx: &mut Cx<'_>, inbox: &mut Inbox) -> Result<bool, Reason> {
        for _ in 0..STEPS_MAX {
            if !self.step(cx, inbox)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn answer(&mut self, cx: &mut Cx<'_>, answer: Answer) -> Result<(), Reason> {
        match std::mem::replace(&mut self.state, State::Closing) {
            State::Asked(exchange, pending) => self.answered(cx, exchange, pending, answer),
            State::Streaming(body) => self.news(cx, body, answer),
            before => {
                self.state = before;
                Ok(())
            }
        }
    }

    fn outbox_emptied(&mut self, cx: &mut Cx<'_>) -> Result<(), Reason> {
        if matches!(self.state, State::Sending | State::Idle { first: false, .. }) {
            self.state = State::idle(cx);
        }
        Ok(())
    }

    fn tick(&mut self, cx: &mut Cx<'_>) -> Result<(), Reason> {
        if self.deadline().is_none_or(|(until, _)| cx.now < until) {
            return Ok(());
        }
        match std::mem::replace(&mut self.state, State::Closing) {
            // Browsers open connections in advance: no fault, and nobody would read a response.
            State::Idle { .. } => {
                reached!("a kept-alive connection was idle for too long");
                Err(Reason::Done("no further request came".into()))
            }
            State::Head { .. } => {
                reached!("a request head took too long");
                too_late(cx, self.service, "request head")
            }
            State::Body { .. } => too_late(cx, self.service, "request body"),
            before @ (State::Asked(..) | State::Sending | State::Streaming(_) | State::Closing) => {
                self.state = before;
                Ok(())
            }
        }
    }

    fn deadline(&self) -> Option<(Instant, &'static str)> {
        match self.state {
            State::Idle { until, first: true } => Some((until, "first request")),
            State::Idle { until, first: false } => Some((until, "next request")),
            State::Head { until, .. } => Some((until, "request head")),
            State::Body { until, .. } => Some((until, "request body")),
            // The server bounds how long an answer and a slow reader may take.
            State::Asked(..) | State::Sending | State::Streaming(_) | State::Closing => None,
        }
    }
}

impl State {
    fn idle(cx: &Cx<'_>) -> State {
        let timeout = Duration::from_millis(cx.config.http.keep_alive_timeout_ms);
        State::Idle { until: cx.now + timeout, first: false }
    }
}

/// Tells the peer that it was too slow, and ends.
fn too_late(cx: &mut Cx<'_>, service: Service, phase: &'static str) -> Result<(), Reason> {
    let sentence = format!("the {phase} did not arrive in time");
    Exchange::last(service).send(cx, Reply::sentence(Status::REQUEST_TIMEOUT, &sentence));
    Err(Reason::Timeout(phase.into()))
}

fn head_timeout(cx: &Cx<'_>) -> Duration {
    Duration::from_millis(cx.config.http.head_timeout_ms)
}

/// Most steps per call: a peer that pipelines many requests lets others have their turn.
const STEPS_MAX: usize = 32;
