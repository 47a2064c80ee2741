//! HTTP/1.1: live formats, HLS, the API and pages.
//!
//! In: requests. Out: responses, one at a time and in order. A response that needs the server (a stream, a
//! file, a report) is requested from it and finished when its answer comes.
//!
//! Rooms: `state` (the state machine), `request` (bytes to a request), `dispatch` (a request to a response or
//! to a request to the server), `answer` (the server's answer to the response); [`route`] (paths),
//! `stream_body` (endless responses), `files` (HLS and all that has an `ETag`), `api` and `json`, `page`,
//! `response` (heads).
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
mod request;
mod response;
pub mod route;
mod state;
mod stream_body;
#[cfg(test)]
mod tests;

pub use state::HttpSession;

use crate::base::inbox::Inbox;
use crate::base::limit::Limit;
use crate::base::reason::Reason;
use crate::base::time::Instant;
use crate::config::Service;
use crate::session::ask::Answer;
use crate::session::{Cx, Progress, Session};
use crate::wire::http1::Status;
use response::{Exchange, Reply};
use state::State;

impl Session for HttpSession {
    fn receive(&mut self, cx: &mut Cx<'_>, inbox: &mut Inbox) -> Result<Progress, Reason> {
        for _ in 0..STEPS_MAX {
            if self.step(cx, inbox)? == Progress::Idle {
                return Ok(Progress::Idle);
            }
        }
        Ok(Progress::More)
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
            // Browsers open connections in advance: this is no fault, and a response would not be read.
            State::Idle { .. } => {
                reached!("a kept-alive connection was idle for too long");
                Err(Reason::NoRequest)
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
            // The server bounds how long an answer may take and how slowly a client may read.
            State::Asked(..) | State::Sending | State::Streaming(_) | State::Closing => None,
        }
    }
}

/// Responds 408 and ends the connection.
fn too_late(cx: &mut Cx<'_>, service: Service, phase: &'static str) -> Result<(), Reason> {
    let sentence = format!("the {phase} did not arrive in time");
    Exchange::last(service).send(cx, Reply::sentence(Status::REQUEST_TIMEOUT, &sentence));
    Err(Reason::Timeout(Limit::HeadTimeout))
}

/// Most steps per call, so that a client that pipelines many requests does not starve others.
const STEPS_MAX: usize = 32;
