//! Why connections end. Every connection ends once, with one reason, which is logged once (I23).

use crate::base::limit::Limit;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a connection ended; displays as a sentence for the log.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename = "$quotes")]
pub enum Reason {
    /// The peer closed its side, by its protocol or by end of file.
    #[error("the peer left")]
    PeerLeft,
    /// The socket failed; holds the error of the system.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The last response was sent; neither side expected another one.
    #[error("done: the last response was sent")]
    LastResponse,
    /// A kept-alive connection got no further request in time.
    #[error("done: no further request came")]
    NoRequest,
    /// The peer's bytes break the protocol.
    #[error("protocol error: {0}")]
    Protocol(String),
    /// The peer asked for something that it may not have.
    #[error("refused: {0}")]
    Refused(String),
    /// A limit of bytes was reached.
    #[error("limit reached: {0}")]
    Limit(Limit),
    /// The peer was silent or too slow for too long.
    #[error("timed out: {0}")]
    Timeout(Limit),
    /// An operator kicked it.
    #[error("kicked by an operator")]
    Kicked,
    /// Another publisher took its stream over.
    #[error("replaced by another publisher")]
    Replaced,
    /// The stream that it played has ended.
    #[error("the stream ended")]
    StreamEnded,
    /// The server is shutting down.
    #[error("the server is shutting down")]
    Drained,
    /// A session broke its contract with the server.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Reason {
    /// True if the log warns of it: the peer misbehaved or was cut off, or the server is at fault.
    pub fn is_fault(&self) -> bool {
        matches!(self, Reason::Protocol(_) | Reason::Limit(_) | Reason::Timeout(_) | Reason::Internal(_))
    }
}
