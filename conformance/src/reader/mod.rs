//! Readers of the wire that share nothing with the server: just enough of each format to judge it, or to
//! play a peer, a good one or a bad one.
//!
//! They take what comes in pieces of any size, and say what is [`Wrong`] with it instead of ending the
//! program: a server under test may send anything.

pub mod amf;
pub mod flv;
pub mod flv_body;
pub mod m3u8;
pub mod rtmp;
pub mod ts;

use std::fmt;

/// What is malformed, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong(pub String);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Wrong {}
