//! How far the conversation with an HTTP peer has come.

use crate::base::name::StreamName;
use crate::base::time::Instant;
use crate::config::Service;
use crate::session::Cx;
use crate::session::http::response::Exchange;
use crate::session::http::stream_body::{BodyTransport, StreamBody};
use crate::session::http::{api, files};
use crate::status::ClientKind;
use crate::wire::http1::{BodySkip, HeadScan, Request};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One HTTP peer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HttpSession {
    pub(super) service: Service,
    pub(super) state: State,
    /// As what, and for which stream, the peer was last introduced.
    pub(super) introduced: Option<(ClientKind, StreamName)>,
}

/// What happens next.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum State {
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
pub(super) enum Pending {
    File(files::Wants),
    LiveList,
    Api(api::Call),
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

impl State {
    /// A request may begin; another one came before it.
    pub fn idle(cx: &Cx<'_>) -> State {
        let timeout = Duration::from_millis(cx.config.http.keep_alive_timeout_ms);
        State::Idle { until: cx.now + timeout, first: false }
    }
}

/// How long a request's head may take, and after it the body.
pub(super) fn head_timeout(cx: &Cx<'_>) -> Duration {
    Duration::from_millis(cx.config.http.head_timeout_ms)
}
