//! The HTTP API: which endpoints there are, and what each asks of the server.
//!
//! Paths, codes and fields are those of SRS, since people's scripts have them. Two things differ, and both
//! only where scripts cannot mind: a path without its last slash is answered at once (SRS redirects), and
//! `?callback=` is ignored (answering with a script of the caller's choosing is how pages are attacked).
//!
//! | method, path | answer |
//! | --- | --- |
//! | GET `/`, `/api/`, `/api/v1/` | `urls`: what stands below |
//! | GET `/api/v1/versions` | `data`: the version |
//! | GET `/api/v1/summaries` | `data`: the process and the machine |
//! | GET `/api/v1/vhosts/` | `vhosts` |
//! | GET `/api/v1/vhosts/{id}` | `vhost`; unknown: code 2014 |
//! | GET `/api/v1/streams/?start=&count=` | `total`, `streams` |
//! | GET `/api/v1/streams/{id}` | `stream`; unknown: code 2048 |
//! | GET `/api/v1/clients/?start=&count=` | `total`, `clients` |
//! | GET `/api/v1/clients/{id}` | `client`; unknown: code 2049 |
//! | DELETE `/api/v1/clients/{id}` | ends that connection; unknown: code 2049 |
//!
//! An error that a script can act on is 200 with `{"code":…}`; a path or method that does not exist is 404
//! or 405.

use crate::session::ask::Ask;
use crate::session::http::json;
use crate::session::http::response::Reply;
use crate::status::{Identity, Page, Query, Report};
use crate::wire::http1::{Method, Status, Target};
use serde::{Deserialize, Serialize};

/// A call of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Call {
    /// `/`, `/api/` or `/api/v1/`.
    Urls(Level),
    /// `/api/v1/versions`.
    Versions,
    /// `/api/v1/summaries`.
    Summaries,
    /// `/api/v1/vhosts/`.
    Vhosts,
    /// `/api/v1/vhosts/{id}`.
    Vhost(String),
    /// `/api/v1/streams/`.
    Streams(Page),
    /// `/api/v1/streams/{id}`.
    Stream(String),
    /// `/api/v1/clients/`.
    Clients(Page),
    /// `/api/v1/clients/{id}`.
    Client(String),
    /// DELETE `/api/v1/clients/{id}`.
    Kick(String),
}

/// How deep in the tree of endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Level {
    /// `/`.
    Root,
    /// `/api/`.
    Api,
    /// `/api/v1/`.
    V1,
}

impl Call {
    /// Reads a path, given without an empty last segment; `None` if there is no such endpoint.
    pub fn of(method: Method, segments: &[&str], target: &Target) -> Option<Call> {
        Some(match segments {
            [] => Call::Urls(Level::Root),
            ["api"] => Call::Urls(Level::Api),
            ["api", "v1"] => Call::Urls(Level::V1),
            ["api", "v1", "versions"] => Call::Versions,
            ["api", "v1", "summaries"] => Call::Summaries,
            ["api", "v1", "vhosts"] => Call::Vhosts,
            ["api", "v1", "vhosts", id] => Call::Vhost((*id).to_owned()),
            ["api", "v1", "streams"] => Call::Streams(page(target)),
            ["api", "v1", "streams", id] => Call::Stream((*id).to_owned()),
            ["api", "v1", "clients"] => Call::Clients(page(target)),
            ["api", "v1", "clients", id] if method == Method::Delete => Call::Kick((*id).to_owned()),
            ["api", "v1", "clients", id] => Call::Client((*id).to_owned()),
            _ => return None,
        })
    }

    /// What the server is asked first; `None` if the answer is known.
    pub fn ask(&self) -> Option<Ask> {
        Some(Ask::Query(match self {
            Call::Urls(_) | Call::Versions => return None,
            Call::Summaries => Query::Summaries,
            Call::Vhosts => Query::Vhosts,
            Call::Vhost(id) => Query::Vhost(id.clone()),
            Call::Streams(page) => Query::Streams(*page),
            Call::Stream(id) => Query::Stream(id.clone()),
            Call::Clients(page) => Query::Clients(*page),
            Call::Client(id) => Query::Client(id.clone()),
            Call::Kick(id) => return Some(Ask::Kick { id: id.clone() }),
        }))
    }

    /// The response, with what the server has answered if it was asked for a report.
    pub fn reply(&self, who: &Identity, report: Option<&Report>) -> Reply {
        let json = match (self, report) {
            (Call::Urls(level), _) => json::urls(who, *level),
            (Call::Versions, _) => json::versions(who),
            (Call::Kick(_), _) => json::nothing(who),
            (_, None) => return self.unknown(),
            (Call::Summaries, Some(Report::Summaries(summaries))) => json::summaries(who, summaries),
            (Call::Vhosts, Some(Report::Vhosts(vhosts))) => json::vhosts(who, vhosts),
            (Call::Vhost(_), Some(Report::Vhost(vhost))) => json::vhost(who, vhost),
            (Call::Streams(_), Some(Report::Streams(streams, total))) => json::streams(who, streams, *total),
            (Call::Stream(_), Some(Report::Stream(stream))) => json::stream(who, stream),
            (Call::Clients(_), Some(Report::Clients(clients, total))) => json::clients(who, clients, *total),
            (Call::Client(_), Some(Report::Client(client))) => json::client(who, client),
            _ => {
                log::error!("the server answered another question than {self:?}");
                return Reply::sentence(Status::INTERNAL_ERROR, "the server answered another question");
            }
        };
        Reply::json(0, json)
    }

    /// The response if there is no such thing.
    pub fn unknown(&self) -> Reply {
        let code = match self {
            Call::Vhost(_) => CODE_NO_VHOST,
            Call::Client(_) | Call::Kick(_) => CODE_NO_CLIENT,
            _ => CODE_NO_STREAM,
        };
        Reply::json(0, format!("{{\"code\":{code}}}").into_bytes())
    }
}

/// `?start=&count=`; what is no number counts as absent, and there is always at least one entry to a page.
fn page(target: &Target) -> Page {
    let number = |key| target.param(key).and_then(|value| value.parse::<usize>().ok());
    Page {
        start: number("start").unwrap_or(0),
        count: number("count").unwrap_or(COUNT_DEFAULT).clamp(1, COUNT_MAX),
    }
}

/// Entries to a page if `count` is not given.
const COUNT_DEFAULT: usize = 10;
/// Most entries to a page: bounds the work of one request.
const COUNT_MAX: usize = 1000;

/// SRS's `RtmpVhostNotFound`.
const CODE_NO_VHOST: u32 = 2014;
/// SRS's `RtmpStreamNotFound`.
const CODE_NO_STREAM: u32 = 2048;
/// SRS's `RtmpClientNotFound`.
const CODE_NO_CLIENT: u32 = 2049;

#[cfg(test)]
mod tests {
    use super::*;

    fn call(path: &str) -> Option<Call> {
        let target = Target::parse(path).unwrap();
        let segments: Vec<&str> = path.split('?').next().unwrap()[1..].split('/').collect();
        Call::of(Method::Get, &segments, &target)
    }

    #[test]
    fn pages_are_bounded() {
        let page = |query: &str| match call(&format!("/api/v1/streams{query}")) {
            Some(Call::Streams(page)) => (page.start, page.count),
            other => panic!("{other:?}"),
        };
        assert_eq!(page(""), (0, 10));
        assert_eq!(page("?start=20&count=1"), (20, 1));
        assert_eq!(page("?count=0"), (0, 1));
        assert_eq!(page("?count=99999999"), (0, 1000));
        assert_eq!(page("?start=-1&count=x"), (0, 10));
    }

    #[test]
    fn unknown_paths_are_no_endpoints() {
        for path in ["/api/v2", "/api/v1/raw", "/api/v1/streams/a/b", "/api/v1/versions/x", "/rtc/v1/play"] {
            assert_eq!(call(path), None, "{path}");
        }
    }
}
