//! From a request to a response, or to a request to the server.
//!
//! In: a whole HTTP request. Out: its response, or what the server must be asked first. Never waits.

use crate::base::name::StreamName;
use crate::base::reason::Reason;
use crate::base::secret::PageUrl;
use crate::session::Cx;
use crate::session::ask::{Ask, Introduction};
use crate::session::http::response::{Exchange, Reply, names};
use crate::session::http::route::Route;
use crate::session::http::state::{HttpSession, Pending, State};
use crate::session::http::stream_body::BodyTransport;
use crate::session::http::{files, page};
use crate::status::ClientKind;
use crate::wire::http1::{Method, Request, Status};

impl HttpSession {
    pub(super) fn dispatch(&mut self, cx: &mut Cx<'_>, request: &Request) {
        let exchange = Exchange::of(request, self.service);
        let route = Route::of(self.service, request.method, &request.target, &cx.config.http);
        // Answered for every path, whether it exists or not: CORS preflights come before the request.
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
            // Between its requests only this tells that the connection is a client of the stream.
            Route::File(name, file) => {
                self.introduce(cx, request, ClientKind::HlsPlay, &name);
                let query = request.target.query.clone();
                self.ask(cx, exchange, Pending::File(wants()), Ask::Fetch { name, file, query });
            }
            Route::Play(name, container) => match BodyTransport::of(request, container) {
                Ok(transport) => self.play(cx, exchange, request, name, transport),
                Err(reply) => self.reply(cx, exchange, reply),
            },
            // Answered above.
            Route::Nowhere(_) => {}
        }
    }

    /// HEAD is answered with the head that GET would get; it makes no player and waits for no stream.
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
        let (query, format) = (request.target.query.clone(), transport.format());
        self.introduce(cx, request, format.client_kind(), &name);
        self.ask(cx, exchange, Pending::Play(transport), Ask::Play { name, query, format });
    }

    fn ask(&mut self, cx: &mut Cx<'_>, exchange: Exchange, pending: Pending, ask: Ask) {
        cx.ask(ask);
        self.state = State::Asked(exchange, Box::new(pending));
    }

    /// Tells the server what the peer says about itself, when that changes.
    fn introduce(&mut self, cx: &mut Cx<'_>, request: &Request, kind: ClientKind, name: &StreamName) {
        let known = self.introduced.as_ref().is_some_and(|(before, of)| *before == kind && of == name);
        // A client of HLS sends many requests; the server need not be told the same with each.
        if known {
            return;
        }
        self.introduced = Some((kind, name.clone()));
        let said = |header| capped(request.headers.get(header).unwrap_or_default());
        let without_query = |url: String| url.split(['?', '#']).next().unwrap_or_default().to_owned();
        cx.ask(Ask::Introduce(Introduction {
            kind: Some(kind),
            name: Some(name.clone()),
            tc_url: capped(&format!("http://{}{}", said("host"), request.target.path)).into(),
            page_url: without_query(said("referer")).into(),
            swf_url: PageUrl::default(),
            agent: said("user-agent"),
        }));
    }

    pub(super) fn reply(&mut self, cx: &mut Cx<'_>, exchange: Exchange, reply: Reply) {
        exchange.send(cx, reply);
        self.finish(cx, exchange);
    }

    /// The response is written: keep the connection, or close it.
    pub(super) fn finish(&mut self, cx: &mut Cx<'_>, exchange: Exchange) {
        self.state = if !exchange.keep_alive {
            cx.ask(Ask::Bye(Reason::LastResponse));
            State::Closing
        } else if cx.out.len() > PIPELINED_BYTES_MAX {
            State::Sending
        } else {
            State::idle(cx)
        };
    }
}

/// At most [`SAID_BYTES_MAX`] of a text that comes from the peer.
fn capped(text: &str) -> String {
    text[..text.floor_char_boundary(SAID_BYTES_MAX)].to_owned()
}

/// Responses gather in the outbox up to this many bytes; past it, the next request is read when all have
/// left.
const PIPELINED_BYTES_MAX: usize = 64 << 10;

/// Longest URL, page or user agent that is kept of a peer, in bytes each.
const SAID_BYTES_MAX: usize = 512;
