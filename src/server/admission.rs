//! Admission: whether a peer may publish, play or fetch.
//!
//! In: the request. Out: a decision, at once or later. Until a later one comes, or [`TIMEOUT`] passes, the
//! peer's role holds the request. Today every request is admitted at once; rules, tokens and hooks belong
//! here.

use crate::base::name::StreamName;
use crate::base::secret::Query;
use crate::session::ask::Refusal;
use crate::wire::format::Format;
use crate::wire::m3u8::HlsFile;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Most time that a decision may take; then the request is refused.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// A request that needs admission.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Request {
    /// To publish.
    Publish {
        /// Name of the stream.
        name: StreamName,
        /// Query of the peer's URL. May hold tokens: never logged.
        query: Query,
    },
    /// To play.
    Play {
        /// Name of the stream.
        name: StreamName,
        /// Query of the peer's URL. May hold tokens: never logged.
        query: Query,
        /// Format to render the stream in.
        format: Format,
    },
    /// To fetch a file.
    Fetch {
        /// Name of the stream.
        name: StreamName,
        /// Query of the peer's URL. May hold tokens: never logged.
        query: Query,
        /// The file.
        file: HlsFile,
    },
}

impl fmt::Display for Request {
    /// For logs: without the query.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Request::Publish { name, .. } => write!(f, "to publish {name}"),
            Request::Play { name, .. } => write!(f, "to play {name}"),
            Request::Fetch { name, file, .. } => write!(f, "for {file} of {name}"),
        }
    }
}

/// The decision about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Admitted or refused.
    Now(Result<(), Refusal>),
    /// The decision comes later.
    #[cfg_attr(not(test), expect(dead_code, reason = "rules that ask elsewhere decide so"))]
    Later,
}

/// Decides about requests.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub enum Admission {
    /// Every request is admitted at once.
    #[default]
    Open,
    /// Every request waits for a decision.
    #[cfg(test)]
    Asks,
}

impl Admission {
    /// The decision about a request.
    pub fn decide(&self, _request: &Request) -> Decision {
        match self {
            Admission::Open => Decision::Now(Ok(())),
            #[cfg(test)]
            Admission::Asks => Decision::Later,
        }
    }
}
