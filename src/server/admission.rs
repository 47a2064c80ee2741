//! Admission: whether a peer may publish, play or fetch what it asks for. Decided at once, or later: then the
//! peer's role holds the request until the answer comes, or the time for it is over.
//!
//! Everything is admitted at once. Rules, tokens and hooks decide here.

use crate::base::name::StreamName;
use crate::session::ask::Refusal;
use crate::wire::format::Format;
use crate::wire::m3u8::HlsFile;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// How long a decision may take.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// What a peer asks to be admitted to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Request {
    /// To publish.
    Publish {
        /// Which stream.
        name: StreamName,
        /// The query of the peer's URL. May hold tokens: never logged.
        query: String,
    },
    /// To play.
    Play {
        /// Which stream.
        name: StreamName,
        /// The query of the peer's URL. May hold tokens: never logged.
        query: String,
        /// In which format.
        format: Format,
    },
    /// To fetch a file.
    Fetch {
        /// Of which stream.
        name: StreamName,
        /// The query of the peer's URL. May hold tokens: never logged.
        query: String,
        /// Which file.
        file: HlsFile,
    },
}

impl fmt::Display for Request {
    /// Without the query.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Request::Publish { name, .. } => write!(f, "to publish {name}"),
            Request::Play { name, .. } => write!(f, "to play {name}"),
            Request::Fetch { name, file, .. } => write!(f, "for {file} of {name}"),
        }
    }
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is decided.
    Now(Result<(), Refusal>),
    /// The answer comes later.
    #[cfg_attr(not(test), expect(dead_code, reason = "rules that ask elsewhere decide so"))]
    Later,
}

/// Decides.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub enum Admission {
    /// Every request is admitted at once.
    #[default]
    Open,
    /// Every request waits for an answer.
    #[cfg(test)]
    Asks,
}

impl Admission {
    /// Whether a request is admitted.
    pub fn decide(&self, _request: &Request) -> Decision {
        match self {
            Admission::Open => Decision::Now(Ok(())),
            #[cfg(test)]
            Admission::Asks => Decision::Later,
        }
    }
}
