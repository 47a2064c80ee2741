//! Errors of requests, as sentences for the client.

use crate::wire::http1::Status;
use thiserror::Error;

/// Why a request is refused. The connection must end after it: where the next request begins is uncertain.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HttpError {
    /// The first byte cannot begin a request line.
    #[error("this is not an HTTP request")]
    NotHttp,
    /// The first bytes are those of a TLS handshake.
    #[error("this port serves plain HTTP, not HTTPS: use http:// in the URL")]
    Tls,
    /// A line ends in a bare LF, or a CR stands alone.
    #[error("a line of the request head does not end in CR LF")]
    LineEnd,
    /// The request line or a header line breaks the grammar.
    #[error("the request head is malformed: {0}")]
    Malformed(&'static str),
    /// The request target is no path that could name anything.
    #[error("the request target is malformed: {0}")]
    Target(&'static str),
    /// The request target is longer than [`crate::wire::http1::Target::BYTES_MAX`] or fills the head.
    #[error("the request target is too long")]
    TargetTooLong,
    /// The head exceeds the limit in bytes.
    #[error("the request head is too large")]
    HeadTooLarge,
    /// The head has more header lines than allowed.
    #[error("the request has too many header lines")]
    TooManyHeaders,
    /// Neither HTTP/1.1 nor HTTP/1.0.
    #[error("this server supports HTTP/1.1 and HTTP/1.0")]
    Version,
    /// A method that this server does not know.
    #[error("this server does not support this method")]
    Method,
    /// `Host` is missing (HTTP/1.1) or given twice.
    #[error("the request needs exactly one Host header")]
    Host,
    /// The length of the body is ambiguous or not a number.
    #[error("the length of the request body is ambiguous: {0}")]
    Framing(&'static str),
    /// A transfer coding other than `chunked`.
    #[error("the only supported transfer coding is chunked")]
    Coding,
    /// The body exceeds [`crate::wire::http1::BodySkip::BYTES_MAX`].
    #[error("the request body is too large")]
    BodyTooLarge,
    /// An `Expect` other than `100-continue`.
    #[error("the only supported expectation is 100-continue")]
    Expectation,
}

impl HttpError {
    /// Status of the response.
    pub fn status(&self) -> Status {
        match self {
            HttpError::NotHttp
            | HttpError::Tls
            | HttpError::LineEnd
            | HttpError::Malformed(_)
            | HttpError::Target(_)
            | HttpError::Host
            | HttpError::Framing(_) => Status::BAD_REQUEST,
            HttpError::TargetTooLong => Status::URI_TOO_LONG,
            HttpError::HeadTooLarge | HttpError::TooManyHeaders => Status::HEADERS_TOO_LARGE,
            HttpError::Version => Status::VERSION_NOT_SUPPORTED,
            HttpError::Method | HttpError::Coding => Status::NOT_IMPLEMENTED,
            HttpError::BodyTooLarge => Status::CONTENT_TOO_LARGE,
            HttpError::Expectation => Status::EXPECTATION_FAILED,
        }
    }
}
