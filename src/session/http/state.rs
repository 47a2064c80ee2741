//! The state machine of an HTTP connection.

use crate::base::name::StreamName;
use crate::base::time::Instant;
use crate::config::Service;
use crate::session::http::response::Exchange;
use crate::session::http::stream_body::{BodyTransport, StreamBody};
use crate::session::http::{api, files};
use crate::session::{Cx, Reads};
use crate::status::ClientKind;
use crate::wire::http1::{BodySkip, HeadScan, Request};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// An HTTP connection.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HttpSession {
    pub(super) service: Service,
    pub(super) state: State,
    /// The kind and stream that the server was last told.
    pub(super) introduced: Option<(ClientKind, StreamName)>,
}

/// State of the connection.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum State {
    /// Waits for a request.
    Idle {
        /// Deadline for its first byte.
        until: Instant,
        /// True before the first request of the connection.
        first: bool,
    },
    /// A head has begun.
    Head {
        /// Deadline for its end.
        until: Instant,
        scan: HeadScan,
    },
    /// A head is complete; its body is still coming.
    Body {
        /// Deadline for the end of the body.
        until: Instant,
        request: Box<Request>,
        skip: BodySkip,
    },
    /// Waits for the server's answer.
    Asked(Exchange, Box<Pending>),
    /// Waits until a large response has left, before the next request is read.
    Sending,
    /// Streams an endless response.
    Streaming(StreamBody),
    /// The last response is written; further input is discarded.
    Closing,
}

/// What the response needs from the server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Pending {
    File(files::Wants),
    LiveList,
    Api(api::Call),
    Play(BodyTransport),
}

impl HttpSession {
    /// A connection that was just accepted.
    pub fn new(cx: &mut Cx<'_>, service: Service) -> Self {
        let until = cx.now + head_timeout(cx);
        HttpSession { service, state: State::Idle { until, first: true }, introduced: None }
    }

    /// How it reads what its peer sends next.
    pub fn reads(&self) -> Reads {
        match &self.state {
            State::Body { skip, .. } => Reads::Requests(Some(skip.clone())),
            State::Streaming(StreamBody::WebSocket(_)) => Reads::Messages,
            State::Asked(_, pending) if pending.upgrades() => Reads::Messages,
            State::Closing => Reads::Nothing,
            _ => Reads::Requests(None),
        }
    }

    /// The service of its listener.
    pub fn service(&self) -> Service {
        self.service
    }
}

impl Pending {
    fn upgrades(&self) -> bool {
        matches!(self, Pending::Play(BodyTransport::WebSocket { .. }))
    }
}

impl State {
    /// Waits for another request.
    pub fn idle(cx: &Cx<'_>) -> State {
        let timeout = Duration::from_millis(cx.config.http.keep_alive_timeout_ms);
        State::Idle { until: cx.now + timeout, first: false }
    }
}

/// Time for a request's head, and after it for the body.
pub(super) fn head_timeout(cx: &Cx<'_>) -> Duration {
    Duration::from_millis(cx.config.http.head_timeout_ms)
}
