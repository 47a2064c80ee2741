//! Responses: from an outcome to the bytes on the wire.

use crate::config::Service;
use crate::session::Cx;
use crate::session::ask::Refusal;
use crate::wire::http1::{HttpError, Method, Request, ResponseHead, Status, Version};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The properties of a request that its response depends on, whatever the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// Service of the listener: the API has CORS rules of its own.
    pub service: Service,
    /// HEAD: the response has no body.
    pub head_only: bool,
    /// HTTP version of the client.
    pub version: Version,
    /// Whether the connection stays open after the response.
    pub keep_alive: bool,
}

impl Exchange {
    /// The exchange of a parsed request.
    pub fn of(request: &Request, service: Service) -> Exchange {
        Exchange {
            service,
            head_only: request.method == Method::Head,
            version: request.version,
            keep_alive: request.keep_alive(),
        }
    }

    /// The exchange of a request that could not be parsed or came too late: the last on its connection.
    pub fn last(service: Service) -> Exchange {
        Exchange { service, head_only: false, version: Version::Http11, keep_alive: false }
    }

    /// Begins a head: status line, `Server`, `Date`, `Connection`, CORS, and `nosniff`, since a stream's name
    /// in a text must not be taken for a script.
    pub fn head(&self, cx: &Cx<'_>, status: Status) -> ResponseHead {
        let mut head = ResponseHead::new(status, cx.epoch.unix_millis(cx.now) / 1000);
        match (self.keep_alive, self.version) {
            (false, _) => head = head.header("Connection", "close"),
            (true, Version::Http10) => head = head.header("Connection", "keep-alive"),
            (true, Version::Http11) => {}
        }
        let origin = match self.service {
            Service::Api => &cx.config.api.allow_origin,
            Service::Http | Service::Rtmp => &cx.config.http.allow_origin,
        };
        if !origin.is_empty() {
            head = head
                .header("Access-Control-Allow-Origin", origin)
                .header("Access-Control-Expose-Headers", "Content-Length, Content-Range, Date, ETag");
        }
        head.header("X-Content-Type-Options", "nosniff")
    }

    /// Writes a whole response to the outbox.
    pub fn send(&self, cx: &mut Cx<'_>, reply: Reply) {
        let mut head = self.head(cx, reply.status);
        for (name, value) in &reply.headers {
            head = head.header(name, value);
        }
        if !reply.status.is_bodiless() {
            let len: usize = reply.body.iter().map(Bytes::len).sum();
            head = head.number("Content-Length", len);
        }
        cx.out.write(&head.finish());
        if !self.head_only && !reply.status.is_bodiless() {
            for piece in reply.body {
                cx.out.push(piece);
            }
        }
        log::debug!(cid:% = cx.cid, status = reply.status.code(); "answered");
    }
}

/// A response without what depends on the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Status.
    pub status: Status,
    /// Headers besides those that every response has.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// Body, in shared pieces.
    pub body: Vec<Bytes>,
}

impl Reply {
    /// A response without body.
    pub fn empty(status: Status) -> Reply {
        Reply { status, headers: Vec::with_capacity(HEADERS_COMMON), body: Vec::new() }
    }

    /// An error as one sentence of text: what is wrong and, where it helps, what to do.
    pub fn sentence(status: Status, sentence: &str) -> Reply {
        Reply::empty(status)
            .header("Content-Type", "text/plain; charset=utf-8")
            .header("Cache-Control", "no-store")
            .content(format!("{}: {sentence}.\n", status.reason()))
    }

    /// JSON that caches may keep for `max_age_secs`.
    pub fn json(max_age_secs: u32, json: Vec<u8>) -> Reply {
        let cached =
            if max_age_secs == 0 { "no-store".into() } else { Cow::from(format!("max-age={max_age_secs}")) };
        Reply::empty(Status::OK)
            .header("Content-Type", "application/json")
            .header("Cache-Control", cached)
            .content(json)
    }

    /// Answers a request that could not be parsed.
    pub fn unreadable(error: &HttpError) -> Reply {
        Reply::sentence(error.status(), &error.to_string())
    }

    /// Answers a request that the server refused.
    ///
    /// | refusal | status | meaning |
    /// | --- | --- | --- |
    /// | `NotFound`, `Ended` | 404 | there is no such stream now |
    /// | `BadName` | 400 | there can be no such stream |
    /// | `Disabled` | 403 | a setting turns it off |
    /// | `Unsuitable` | 406 | the stream exists, but not in this format |
    /// | `Busy`, `Limit`, `Draining`, `NotAdmitted` | 503 and `Retry-After` | try later or elsewhere |
    pub fn refusal(refusal: &Refusal) -> Reply {
        let sentence = refusal.to_string();
        match refusal {
            Refusal::NotFound => Reply::sentence(Status::NOT_FOUND, "no such stream is live here"),
            Refusal::Ended => Reply::sentence(Status::NOT_FOUND, &sentence),
            Refusal::BadName => Reply::sentence(Status::BAD_REQUEST, &sentence),
            Refusal::Disabled(_) => Reply::sentence(Status::FORBIDDEN, &sentence),
            Refusal::Unsuitable => Reply::sentence(Status::NOT_ACCEPTABLE, &sentence),
            Refusal::Busy | Refusal::Limit(_) | Refusal::Draining | Refusal::NotAdmitted => {
                Reply::unavailable(&sentence)
            }
        }
    }

    /// 503 with `Retry-After`.
    pub fn unavailable(sentence: &str) -> Reply {
        Reply::sentence(Status::UNAVAILABLE, sentence).header("Retry-After", RETRY_AFTER_SECS)
    }

    /// Answers `OPTIONS`, which browsers send before cross-origin requests with other methods or headers.
    pub fn options(allowed: &[Method]) -> Reply {
        let allowed = names(allowed);
        Reply::empty(Status::NO_CONTENT)
            .header("Allow", allowed.clone())
            .header("Access-Control-Allow-Methods", allowed)
            .header("Access-Control-Allow-Headers", "*")
            .header("Access-Control-Max-Age", "86400")
    }

    /// Appends a header.
    pub fn header(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Reply {
        self.headers.push((name, value.into()));
        self
    }

    /// Sets the body.
    pub fn content(mut self, content: impl Into<Bytes>) -> Reply {
        self.body = vec![content.into()];
        self
    }
}

/// Methods as `Allow` lists them (RFC 9110, 10.2.1).
pub fn names(methods: &[Method]) -> String {
    methods.iter().map(|method| method.as_str()).collect::<Vec<_>>().join(", ")
}

/// Headers that most responses have; avoids reallocation.
const HEADERS_COMMON: usize = 6;

/// `Retry-After` of 503 responses, in seconds.
const RETRY_AFTER_SECS: &str = "5";
