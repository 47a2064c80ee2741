//! Why a connection ended. Every connection ends once, with one of these, logged once (I23).

use crate::base::limit::Limit;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a connection ended, as a sentence for the log.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum Reason {
    /// The peer closed its side in the protocol's own way or by end of file.
    #[error("the peer left")]
    PeerLeft,
    /// The connection failed below the protocol; holds the system's words.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The last response was sent: the client or the server had said that no other follows.
    #[error("done: the last response was sent")]
    LastResponse,
    /// A connection that was kept open for another request got none in time.
    #[error("done: no further request came")]
    NoRequest,
    /// The peer's bytes break its protocol.
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
