//! Cuts a stream into HLS segments and answers for its playlists.

use crate::base::fetched::Fetched;
use crate::base::name::StreamName;
use crate::base::rng::Rng;
use crate::base::store::StoreOp;
use crate::base::time::Instant;
use crate::config;
use crate::media::frame::Frame;
use crate::media::headers::Headers;
use std::sync::Arc;

/// The package of one stream.
#[derive(Debug)]
pub struct Hls;

/// What there is under a name.
#[derive(Debug)]
pub enum Fetch {
    /// This.
    Ready(Fetched),
    /// Nothing so far.
    NotYet,
    /// Nothing, ever.
    Never,
}

impl Hls {
    /// A package without segments.
    pub fn new(_: &config::Hls, _: &StreamName, _: Rng, _: u64) -> Self {
        Hls
    }
    /// A frame of the stream.
    pub fn frame(&mut self, _: Instant, _: u64, _: &Frame, _: &Arc<Headers>) {}
    /// The publisher has changed.
    pub fn discontinuity(&mut self) {}
    /// The publisher has gone.
    pub fn end(&mut self) {}
    /// The files are not wanted any more.
    pub fn dispose(&mut self) {}
    /// The next file to change.
    pub fn poll_store(&mut self) -> Option<StoreOp> {
        None
    }
    /// The file with this name.
    pub fn fetch(&self, _: &str) -> Fetch {
        Fetch::Never
    }
}
