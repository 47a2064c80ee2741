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

mod api;
mod files;
mod json;
mod page;
mod recorder;
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
use crate::session::ask::{Answer, Ask, Introduction, Playing, Refusal};
use crate::session::{Cx, Session};
use crate::status::{ClientKind, RecorderAnswer, Report};
use crate::wire::http1::{BodySkip, HeadLimits, HeadScan, HttpError, Method, Request, ResponseHead, Status};
use response::{Exchange, Reply, names};
use route::Route;
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

// From bytes to a request.
impl HttpSession {
    /// Does one thing with the inbox; false if there is nothing to do.
    fn step(&mut self, cx: &mut Cx<'_>, inbox: &mut Inbox) -> Result<bool, Reason> {
        match &mut self.state {
            State::Idle { .. } => Ok(self.begin(cx, inbox)),
            State::Head { .. } => self.read_head(cx, inbox),
            State::Body { .. } => self.read_body(cx, inbox),
            State::Streaming(body) => body.receive(cx, inbox),
            State::Closing => {
                inbox.consume(inbox.len());
                Ok(false)
            }
            State::Asked(..) | State::Sending => Ok(false),
        }
    }

    /// "A server … SHOULD ignore at least one empty line (CRLF) received prior to the request-line" (RFC
    /// 9112, 2.2).
    fn begin(&mut self, cx: &Cx<'_>, inbox: &mut Inbox) -> bool {
        while inbox.as_slice().starts_with(b"\r\n") {
            inbox.consume(2);
        }
        if matches!(inbox.as_slice(), [] | [b'\r']) {
            return false;
        }
        let until = match self.state {
            // Counts from the connection on: silence before the first byte earns no more time.
            State::Idle { until, first: true } => until,
            _ => cx.now + head_timeout(cx),
        };
        self.state = State::Head { until, scan: HeadScan::default() };
        true
    }

    fn read_head(&mut self, cx: &mut Cx<'_>, inbox: &mut Inbox) -> Result<bool, Reason> {
        let service = self.service;
        let State::Head { scan, .. } = &mut self.state else {
            return Ok(false);
        };
        let http = &cx.config.http;
        let limits = HeadLimits { head_bytes_max: http.head_bytes_max, headers_max: http.headers_max };
        let parsed = scan.parse(inbox.as_slice(), &limits).or_else(|error| refuse(cx, service, &error))?;
        let Some((request, len)) = parsed else {
            return Ok(false);
        };
        inbox.consume(len);
        let skip = BodySkip::new(request.body).or_else(|error| refuse(cx, service, &error))?;
        if request.expects_continue() {
            cx.out.write(ResponseHead::CONTINUE);
        }
        if skip.is_done() {
            self.state = State::Closing;
            self.dispatch(cx, &request);
            return Ok(true);
        }
        self.state = State::Body { until: cx.now + head_timeout(cx), request: Box::new(request), skip };
        self.read_body(cx, inbox)
    }

    /// True if the body is over and the request was dispatched.
    fn read_body(&mut self, cx: &mut Cx<'_>, inbox: &mut Inbox) -> Result<bool, Reason> {
        let service = self.service;
        if let State::Body { skip, .. } = &mut self.state {
            let len = skip.consume(inbox.as_slice()).or_else(|error| refuse(cx, service, &error))?;
            inbox.consume(len);
        }
        match std::mem::replace(&mut self.state, State::Closing) {
            State::Body { request, skip, .. } if skip.is_done() => {
                self.dispatch(cx, &request);
                Ok(true)
            }
            before => {
                self.state = before;
                Ok(false)
            }
        }
    }
}

// From a request to a response, or to a question to the server.
impl HttpSession {
    fn dispatch(&mut self, cx: &mut Cx<'_>, request: &Request) {
        let exchange = Exchange::of(request, self.service);
        let route = Route::of(self.service, request.method, &request.target, &cx.config.http);
        if request.method == Method::Options {
            return self.reply(cx, exchange, Reply::options(route.allowed()));
        }
        if let Route::Nowhere(advice) = route {
            return self.reply(cx, exchange, Reply::sentence(Status::NOT_FOUND, advice));
        }
        if !route.allows(request.method) {
            let reply = Reply::sentence(Status::METHOD_NOT_ALLOWED, "this path does not take this method");
            return self.reply(cx, exchange, reply.header("Allow", names(route.allowed())));
        }
        let wants = || files::Wants::of(&request.headers);
        match route {
            Route::Page => {
                let reply = files::reply(page::page(), &wants());
                self.reply(
                    cx,
                    exchange,
                    reply.header("Content-Security-Policy", page::CONTENT_SECURITY_POLICY),
                );
            }
            Route::Icon => self.reply(cx, exchange, files::reply(page::icon(), &wants())),
            Route::LiveList => self.ask(cx, exchange, Pending::LiveList, Ask::Query(page::query())),
            Route::Api(call) => match call.ask() {
                Some(ask) => self.ask(cx, exchange, Pending::Api(call), ask),
                None => self.reply(cx, exchange, call.done(cx.identity)),
            },
            Route::Recorder(command) => match (recorder::denied(cx.config, request), &command) {
                (Some(reply), _) => self.reply(cx, exchange, reply),
                (None, recorder::Command::Wish(wish)) => {
                    let ask = Ask::Recorder(wish.clone());
                    self.ask(cx, exchange, Pending::Recorder(command), ask);
                }
                (None, recorder::Command::Unclear(why)) => {
                    self.reply(cx, exchange, recorder::unclear(cx.identity, why));
                }
            },
            Route::File(name, file) => {
                self.introduce(cx, request, ClientKind::HlsPlay, &name);
                let query = request.target.query.clone();
                self.ask(cx, exchange, Pending::File(wants()), Ask::Fetch { name, file, query });
            }
            Route::Play(name, format) => match BodyTransport::of(request, format) {
                Ok(transport) => self.play(cx, exchange, request, name, transport),
                Err(reply) => self.reply(cx, exchange, reply),
            },
            Route::Nowhere(_) => {}
        }
    }

    /// HEAD is answered with what GET would be if the stream is live; nobody becomes a player by it.
    fn play(
        &mut self,
        cx: &mut Cx<'_>,
        exchange: Exchange,
        request: &Request,
        name: StreamName,
        transport: BodyTransport,
    ) {
        if exchange.head_only {
            let head = transport.head(cx, &exchange);
            cx.out.write(&head);
            return self.finish(cx, exchange);
        }
        self.introduce(cx, request, transport.client_kind(), &name);
        let (query, format) = (request.target.query.clone(), transport.format());
        self.ask(cx, exchange, Pending::Play(transport), Ask::Play { name, query, format });
    }

    fn ask(&mut self, cx: &mut Cx<'_>, exchange: Exchange, pending: Pending, ask: Ask) {
        cx.ask(ask);
        self.state = State::Asked(exchange, Box::new(pending));
    }

    /// Tells the server who the peer says it is, when that changes.
    fn introduce(&mut self, cx: &mut Cx<'_>, request: &Request, kind: ClientKind, name: &StreamName) {
        let known = self.introduced.as_ref().is_some_and(|(before, of)| *before == kind && of == name);
        if known {
            return;
        }
        self.introduced = Some((kind, name.clone()));
        let said = |header| capped(request.headers.get(header).unwrap_or_default());
        let without_query = |url: String| url.split(['?', '#']).next().unwrap_or_default().to_owned();
        cx.ask(Ask::Introduce(Introduction {
            kind: Some(kind),
            name: Some(name.clone()),
            tc_url: capped(&format!("http://{}{}", said("host"), request.target.path)),
            page_url: without_query(said("referer")),
            swf_url: String::new(),
            agent: said("user-agent"),
        }));
    }

    fn reply(&mut self, cx: &mut Cx<'_>, exchange: Exchange, reply: Reply) {
        exchange.send(cx, reply);
        self.finish(cx, exchange);
    }

    /// A response is written.
    fn finish(&mut self, cx: &mut Cx<'_>, exchange: Exchange) {
        self.state = if !exchange.keep_alive {
            cx.ask(Ask::Bye(Reason::Done("the last response was sent".into())));
            State::Closing
        } else if cx.out.len() > PIPELINED_BYTES_MAX {
            State::Sending
        } else {
            State::idle(cx)
        };
    }
}

// From the server's answer to the rest of a response.
impl HttpSession {
    fn answered(
        &mut self,
        cx: &mut Cx<'_>,
        exchange: Exchange,
        pending: Box<Pending>,
        answer: Answer,
    ) -> Result<(), Reason> {
        let reply = match (&*pending, answer) {
            (Pending::Play(transport), Answer::Play(Ok(Playing::Live(_))) | Answer::Began(_)) => {
                self.state = State::Streaming(StreamBody::begin(cx, transport));
                return Ok(());
            }
            (Pending::Play(_), Answer::Play(Ok(Playing::Waiting))) => {
                self.state = State::Asked(exchange, pending);
                return Ok(());
            }
            (Pending::Play(_), Answer::Play(Err(refusal)) | Answer::Ended(refusal)) => {
                Reply::refusal(&refusal)
            }
            (Pending::File(wants), Answer::Fetch(Ok(file))) => files::reply(file, wants),
            (Pending::File(_), Answer::Fetch(Err(refusal))) => Reply::refusal(&refusal),
            (Pending::LiveList, Answer::Report(Some(report))) => match &*report {
                Report::Streams { streams, total } => {
                    Reply::json(page::LIVE_LIST_MAX_AGE_SECS, page::live_list(cx.config, streams, *total))
                }
                _ => Reply::unavailable("the list of streams cannot be had now"),
            },
            (Pending::Api(call), Answer::Report(report)) => call.report(cx.identity, report.as_deref()),
            (Pending::Api(call), Answer::Kick(true)) => call.done(cx.identity),
            (Pending::Api(call), Answer::Kick(false)) => call.unknown(),
            (Pending::Recorder(command), Answer::Recorder(result)) => {
                let last = Exchange { keep_alive: false, ..exchange };
                let part = matches!(result, Ok(RecorderAnswer::Part { .. }));
                let exchange = if part { last } else { exchange };
                recorder::answer(cx, &exchange, command, result);
                self.finish(cx, exchange);
                return Ok(());
            }
            (_, Answer::Farewell(reason)) => {
                let exchange = Exchange { keep_alive: false, ..exchange };
                exchange.send(cx, farewell(&reason));
                return Ok(());
            }
            (_, answer) => {
                log::error!(cid:% = cx.cid; "an answer to another question: {answer:?}");
                Reply::sentence(Status::INTERNAL_ERROR, "the server answered another question")
            }
        };
        self.reply(cx, exchange, reply);
        Ok(())
    }

    /// News of the stream that plays.
    fn news(&mut self, cx: &mut Cx<'_>, mut body: StreamBody, answer: Answer) -> Result<(), Reason> {
        match answer {
            Answer::Ended(_) => {
                body.ended(cx);
                self.state = State::Closing;
            }
            Answer::Farewell(reason) => {
                body.farewell(cx, &reason);
                self.state = State::Closing;
            }
            // Its publisher dropped and is back: the response goes on.
            _ => self.state = State::Streaming(body),
        }
        Ok(())
    }
}

/// Last words to a client that waits for a response.
fn farewell(reason: &Reason) -> Reply {
    match reason {
        Reason::Drained => Reply::refusal(&Refusal::Draining),
        Reason::Timeout(_) => Reply::refusal(&Refusal::NotFound),
        _ => Reply::unavailable(&reason.to_string()),
    }
}

/// Tells the peer what is wrong with its request, and ends.
fn refuse<T>(cx: &mut Cx<'_>, service: Service, error: &HttpError) -> Result<T, Reason> {
    Exchange::last(service).send(cx, Reply::unreadable(error));
    Err(Reason::Protocol(error.to_string()))
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

/// At most [`SAID_BYTES_MAX`] of what a peer says about itself.
fn capped(text: &str) -> String {
    text[..text.floor_char_boundary(SAID_BYTES_MAX)].to_owned()
}

/// Most steps per call: a peer that pipelines many requests lets others have their turn.
const STEPS_MAX: usize = 32;

/// Responses may gather in the outbox while they are no longer than this together; beyond it the next
/// request is looked at when all have left.
const PIPELINED_BYTES_MAX: usize = 64 << 10;

/// Longest address, page or program name that is kept of a peer, in bytes each.
const SAID_BYTES_MAX: usize = 512;
