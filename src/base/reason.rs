//! Why a connection ended. Every connection ends once, with one of these, logged once (I23).

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use thiserror::Error;

/// Whose fault or wish it was, as a sentence for the log.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum Reason {
    /// The peer closed its side in the protocol's own way or by end of file.
    #[error("the peer left")]
    PeerLeft,
    /// The connection broke under us.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The session said goodbye after everything was said and done.
    #[error("done: {0}")]
    Done(Cow<'static, str>),
    /// The peer's bytes break its protocol.
    #[error("protocol error: {0}")]
    Protocol(String),
    /// The peer asked for something that it may not have.
    #[error("refused: {0}")]
    Refused(String),
    /// A limit of the configuration was reached; names the setting.
    #[error("limit reached: {0}")]
    Limit(Cow<'static, str>),
    /// The peer was silent or too slow for too long; names the phase.
    #[error("timed out: {0}")]
    Timeout(Cow<'static, str>),
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
}

impl Reason {
    /// True if this deserves a WARN in the log: the peer misbehaved or was cut off.
    pub fn is_fault(&self) -> bool {
        matches!(self, Reason::Protocol(_) | Reason::Limit(_) | Reason::Timeout(_))
    }
}
