//! Parsers that share no code with the server: as much of each format as is needed to judge it, or to act as
//! a peer.
//!
//! Those whose names end in `Reader` take pieces of any size, hold a bounded number of incomplete bytes, and
//! return [`Wrong`] instead of panicking: a server under test may send anything.

pub mod amf;
pub mod boxes;
pub mod chunk;
pub mod es;
pub mod flv;
pub mod flv_body;
pub mod fmp4;
pub mod http;
pub mod m3u8;
pub mod psi;
pub mod rtmp;
pub mod ts;
pub mod ws;

use std::fmt;

/// What is malformed, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong(pub String);

impl Wrong {
    /// The same from a literal.
    pub fn new(words: &str) -> Self {
        Wrong(words.to_owned())
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Wrong {}

/// Bytes that came and were not read yet. Reading moves a mark; memory is given back now and then.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unread {
    bytes: Vec<u8>,
    start: usize,
}

impl Unread {
    /// Appends what came.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 && self.start >= self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// All of it.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Passes over `count` bytes, which are there.
    pub fn skip(&mut self, count: usize) {
        assert!(count <= self.as_slice().len(), "only what is there is read");
        self.start += count;
    }

    /// Takes at most `count` bytes.
    pub fn take(&mut self, count: usize) -> Vec<u8> {
        let taken = self.as_slice()[..count.min(self.as_slice().len())].to_vec();
        self.skip(taken.len());
        taken
    }
}
