//! A file that is made of a stream, as it is handed to whoever fetches it.
//!
//! Packages make it, sessions send it; it stands here so that neither knows the other.

use bytes::Bytes;

/// A file of a packaged stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// `Content-Type`.
    pub content_type: &'static str,
    /// For how long caches may keep it: `None` means for ever (it never changes under this name).
    pub max_age_secs: Option<u32>,
    /// Changes whenever the content does; quoted, ready for `ETag`.
    pub etag: String,
    /// True if gzip pays (text).
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
