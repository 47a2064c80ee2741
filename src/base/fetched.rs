//! A file of a packaged stream, as it is returned to a client that fetches it.
//!
//! Packages make it and sessions send it; it is defined here so that neither imports the other.

use bytes::Bytes;

/// A file of a packaged stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// `Content-Type`.
    pub content_type: &'static str,
    /// How long caches may keep it, in seconds; `None`: for ever (it never changes under this name).
    pub max_age_secs: Option<u32>,
    /// Entity tag, quoted: changes whenever the content does.
    pub etag: String,
    /// True for text, which gzip compresses well.
    pub text: bool,
    /// The content, in shared pieces.
    pub body: Vec<Bytes>,
}

impl Fetched {
    /// Length of the content in bytes.
    pub fn len(&self) -> usize {
        self.body.iter().map(Bytes::len).sum()
    }

    /// True if there is no content.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
