//! The HTTP API: its endpoints, and what each requests from the server.
//!
//! Paths, codes and fields are those of SRS, so that existing scripts work. Two differences: a path without
//! its last slash is answered at once (SRS redirects), and `?callback=` is ignored (JSONP would let any web
//! page read the answers).
//!
//! `/`, `/api/` and `/api/v1/` list what stands below them; the endpoints are the rows of [`ENDPOINTS`]. An
//! unknown id is 200 with `{"code":…}`, an unknown path 404, a method that a path does not take 405, and 503
//! says that too many requests wait for the same thing.

use crate::session::ask::Ask;
use crate::session::http::json;
use crate::session::http::response::Reply;
use crate::status::{Identity, Page, Query, Report};
use crate::wire::http1::{Method, Target};
use serde::{Deserialize, Serialize};

/// A call of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Call {
    /// `/`, `/api/` or `/api/v1/`.
    Urls(Level),
    /// `/api/v1/versions`.
    Versions,
    /// An endpoint that reports the state of the server.
    Query(Query),
    /// DELETE `/api/v1/clients/{id}`: ends that connection.
    Kick(String),
}

/// Depth in the tree of endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Level {
    /// `/`.
    Root,
    /// `/api/`.
    Api,
    /// `/api/v1/`.
    V1,
}

/// An endpoint below `/api/v1/`.
struct Endpoint {
    /// Its segment of the path.
    name: &'static str,
    /// Description, for the list of endpoints.
    about: &'static str,
    /// GET `{name}`, with or without a slash behind it.
    all: fn(&Target) -> Call,
    /// GET `{name}/{id}`; `None`: there is no such path.
    one: Option<fn(String) -> Query>,
    /// DELETE `{name}/{id}`.
    delete: Option<fn(String) -> Call>,
}

/// All endpoints. The JSON fields of each answer are those of its [`Report`].
const ENDPOINTS: [Endpoint; 5] = [
    Endpoint {
        name: "versions",
        about: "the version of the server",
        all: |_| Call::Versions,
        one: None,
        delete: None,
    },
    Endpoint {
        name: "summaries",
        about: "the process and the machine",
        all: |_| Call::Query(Query::Summaries),
        one: None,
        delete: None,
    },
    Endpoint {
        name: "vhosts",
        about: "virtual hosts; GET vhosts/{id} for one",
        all: |_| Call::Query(Query::Vhosts),
        one: Some(Query::Vhost),
        delete: None,
    },
    Endpoint {
        name: "streams",
        about: "streams, ?start=0&count=10; GET streams/{id} for one",
        all: |target| Call::Query(Query::Streams(page(target))),
        one: Some(Query::Stream),
        delete: None,
    },
    Endpoint {
        name: "clients",
        about: "clients, ?start=0&count=10; GET clients/{id} for one, DELETE ends it",
        all: |target| Call::Query(Query::Clients(page(target))),
        one: Some(Query::Client),
        delete: Some(Call::Kick),
    },
];

impl Call {
    /// Parses a path, given without an empty last segment; `None` if there is no such endpoint.
    pub fn of(method: Method, segments: &[&str], target: &Target) -> Option<Call> {
        let endpoint = |name: &str| ENDPOINTS.iter().find(|endpoint| endpoint.name == name);
        Some(match segments {
            [] => Call::Urls(Level::Root),
            ["api"] => Call::Urls(Level::Api),
            ["api", "v1"] => Call::Urls(Level::V1),
            ["api", "v1", name] => (endpoint(name)?.all)(target),
            ["api", "v1", name, id] => {
                let Endpoint { one, delete, .. } = endpoint(name)?;
                match delete.filter(|_| method == Method::Delete) {
                    Some(delete) => delete((*id).to_owned()),
                    None => Call::Query(one.as_ref()?((*id).to_owned())),
                }
            }
            _ => return None,
        })
    }

    /// Methods that the path takes.
    pub fn allowed(&self) -> &'static [Method] {
        match self {
            Call::Kick(_) | Call::Query(Query::Client(_)) => {
                &[Method::Get, Method::Head, Method::Delete, Method::Options]
            }
            _ => &[Method::Get, Method::Head, Method::Options],
        }
    }

    /// The request to the server; `None` if the answer is known without it.
    pub fn ask(&self) -> Option<Ask> {
        match self {
            Call::Urls(_) | Call::Versions => None,
            Call::Query(query) => Some(Ask::Query(query.clone())),
            Call::Kick(id) => Some(Ask::Kick { id: id.clone() }),
        }
    }

    /// The response to a call that needs no report.
    pub fn done(&self, identity: &Identity) -> Reply {
        let json = match self {
            Call::Urls(Level::Root) => json::answer(identity, json::Urls::of(&[("api", "the HTTP API")])),
            Call::Urls(Level::Api) => {
                json::answer(identity, json::Urls::of(&[("v1", "version 1 of the HTTP API")]))
            }
            Call::Urls(Level::V1) => {
                let urls: Vec<_> = ENDPOINTS.iter().map(|endpoint| (endpoint.name, endpoint.about)).collect();
                json::answer(identity, json::Urls::of(&urls))
            }
            Call::Versions => json::answer(identity, json::Versions::of_build()),
            Call::Query(_) | Call::Kick(_) => json::answer(identity, json::Nothing {}),
        };
        Reply::json(0, json)
    }

    /// The response to a call that requested a report.
    pub fn report(&self, identity: &Identity, report: Option<&Report>) -> Reply {
        match report {
            Some(report) => Reply::json(0, json::answer(identity, report)),
            None => self.unknown(),
        }
    }

    /// The response if the id is unknown, or nothing can be measured now.
    pub fn unknown(&self) -> Reply {
        let code = match self {
            Call::Query(Query::Vhost(_)) => CODE_NO_VHOST,
            Call::Query(Query::Stream(_)) => CODE_NO_STREAM,
            Call::Query(Query::Client(_)) | Call::Kick(_) => CODE_NO_CLIENT,
            // Lists always exist; only measurements are limited.
            _ => return Reply::unavailable("too many requests wait for a measurement"),
        };
        Reply::json(0, format!("{{\"code\":{code}}}").into_bytes())
    }
}

/// Parses `?start=&count=`. Values that are not numbers count as absent; a page has at least one entry.
fn page(target: &Target) -> Page {
    let number = |key| target.param(key).and_then(|value| value.parse::<usize>().ok());
    Page {
        start: number("start").unwrap_or(0),
        count: number("count").unwrap_or(COUNT_DEFAULT).clamp(1, COUNT_MAX),
    }
}

/// Entries per page if `count` is not given.
const COUNT_DEFAULT: usize = 10;
/// Most entries per page; bounds the work of one request.
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
            Some(Call::Query(Query::Streams(page))) => (page.start, page.count),
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
        for path in [
            "/api/v2",
            "/api/v1/raw",
            "/api/v1/streams/a/b",
            "/api/v1/versions/x",
            "/api/v1/summaries/x",
            "/rtc/v1/play",
        ] {
            assert_eq!(call(path), None, "{path}");
        }
    }
}
