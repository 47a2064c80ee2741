//! From bytes to a request: heads are parsed whole, bodies are skipped.
//!
//! In: bytes of the peer. Out: a request that is dispatched, or a refusal and the end of the connection. A
//! request that comes while a response is being made waits in the inbox.

use crate::base::inbox::Inbox;
use crate::base::reason::Reason;
use crate::config::Service;
use crate::session::http::response::{Exchange, Reply};
use crate::session::http::state::{HttpSession, State, head_timeout};
use crate::session::{Cx, Progress};
use crate::wire::http1::{BodySkip, HeadLimits, HeadScan, HttpError, ResponseHead};

impl HttpSession {
    /// One step of the state machine.
    pub(super) fn step(&mut self, cx: &mut Cx<'_>, inbox: &mut Inbox) -> Result<Progress, Reason> {
        match &mut self.state {
            State::Idle { .. } => Ok(self.begin(cx, inbox)),
            State::Head { .. } => self.read_head(cx, inbox),
            State::Body { .. } => self.read_body(cx, inbox),
            State::Streaming(body) => body.receive(cx, inbox),
            State::Closing => {
                inbox.consume(inbox.len());
                Ok(Progress::Idle)
            }
            State::Asked(..) | State::Sending => Ok(Progress::Idle),
        }
    }

    /// "A server … SHOULD ignore at least one empty line (CRLF) received prior to the request-line" (RFC
    /// 9112, 2.2).
    fn begin(&mut self, cx: &Cx<'_>, inbox: &mut Inbox) -> Progress {
        while inbox.as_slice().starts_with(b"\r\n") {
            inbox.consume(2);
        }
        if matches!(inbox.as_slice(), [] | [b'\r']) {
            return Progress::Idle;
        }
        let until = match self.state {
            // Counts from the accept on: silence before the first byte earns no more time.
            State::Idle { until, first: true } => until,
            _ => cx.now + head_timeout(cx),
        };
        self.state = State::Head { until, scan: HeadScan::default() };
        Progress::More
    }

    fn read_head(&mut self, cx: &mut Cx<'_>, inbox: &mut Inbox) -> Result<Progress, Reason> {
        let service = self.service;
        let State::Head { scan, .. } = &mut self.state else {
            return Ok(Progress::Idle);
        };
        let http = &cx.config.http;
        let limits = HeadLimits { head_bytes_max: http.head_bytes_max, headers_max: http.headers_max };
        // After an error nothing can be read on: where the next request begins is uncertain.
        let parsed = scan.parse(inbox.as_slice(), &limits).or_else(|error| refuse(cx, service, &error))?;
        let Some((request, len)) = parsed else {
            return Ok(Progress::Idle);
        };
        inbox.consume(len);
        let skip = BodySkip::new(request.body).or_else(|error| refuse(cx, service, &error))?;
        if request.expects_continue() {
            cx.out.write(ResponseHead::CONTINUE);
        }
        // Most requests have no body: dispatched at once, without a box for the request.
        if skip.is_done() {
            self.state = State::Closing;
            self.dispatch(cx, &request);
            return Ok(Progress::More);
        }
        self.state = State::Body { until: cx.now + head_timeout(cx), request: Box::new(request), skip };
        self.read_body(cx, inbox)
    }

    /// Skips the body; dispatches the request when the body is over.
    fn read_body(&mut self, cx: &mut Cx<'_>, inbox: &mut Inbox) -> Result<Progress, Reason> {
        let service = self.service;
        if let State::Body { skip, .. } = &mut self.state {
            let len = skip.consume(inbox.as_slice()).or_else(|error| refuse(cx, service, &error))?;
            inbox.consume(len);
        }
        match std::mem::replace(&mut self.state, State::Closing) {
            State::Body { request, skip, .. } if skip.is_done() => {
                self.dispatch(cx, &request);
                Ok(Progress::More)
            }
            before => {
                self.state = before;
                Ok(Progress::Idle)
            }
        }
    }
}

/// Responds with the error of an unreadable request and ends the connection.
fn refuse<T>(cx: &mut Cx<'_>, service: Service, error: &HttpError) -> Result<T, Reason> {
    Exchange::last(service).send(cx, Reply::unreadable(error));
    Err(Reason::Protocol(error.to_string()))
}
