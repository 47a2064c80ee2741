//! HTTP/1.1: requests in, response heads out (RFC 9110, RFC 9112).
//!
//! In: bytes of a client. Out: a [`Request`] that has one meaning only. What intermediaries may read
//! differently (two lengths, a length and a transfer coding, bare line feeds, folded lines) is refused, so
//! that nothing can be smuggled past a proxy. Never: waits, keeps a connection or knows a route.

mod body;
mod chunk;
mod date;
mod error;
mod headers;
mod negotiate;
mod request;
mod response;
mod target;

pub use body::{BodyLength, BodySkip};
pub use chunk::{CHUNK_END, CHUNK_HEAD_BYTES_MAX, LAST_CHUNK, chunk, put_chunk_head};
pub use date::http_date;
pub use error::HttpError;
pub use headers::Headers;
pub use negotiate::{ByteRange, accepts_gzip, byte_range, matches_etag};
pub use request::{HeadLimits, HeadScan, Method, Request, Version, parse_head};
pub use response::{ResponseHead, Status};
pub use target::Target;
