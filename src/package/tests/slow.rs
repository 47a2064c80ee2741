//! A consumer for tests that takes few frames at a time and writes down what it is told.
//!
//! In: frames. Out: one effect for each batch, after which it pauses; what a publisher leaves behind is a
//! batch, too. Never: holds more frames than a batch.

use crate::base::store::StoreOp;
use crate::base::time::Instant;
use crate::media::frame::Frame;
use crate::media::stream_info::StreamInfo;
use crate::package::hls::Fetch;
use crate::package::{Consumer, Effect, Moment};
use crate::wire::m3u8::HlsFile;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// The consumer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Slow {
    batch: usize,
    pause: Duration,
    /// Frames of the batch so far.
    held: Vec<Frame>,
    busy_until: Option<Instant>,
    effects: u64,
    stored: u64,
    /// It finishes once a publisher has left and all that it stored is done.
    leaves: bool,
    published: bool,
    /// What it was told, in order.
    pub told: Vec<Told>,
}

/// What a consumer is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Told {
    /// A publisher has come, or left.
    Publishing(bool),
    /// A frame: its payload, and whether it is a keyframe.
    Frame(Vec<u8>, bool),
    /// Frames were lost.
    Gap,
}

impl Slow {
    /// Takes `batch` frames, then pauses. `leaves`: it has finished once a publisher has left.
    pub fn new(batch: usize, pause: Duration, leaves: bool) -> Self {
        Slow {
            batch,
            pause,
            held: Vec::new(),
            busy_until: None,
            effects: 0,
            stored: 0,
            leaves,
            published: true,
            told: Vec::new(),
        }
    }
}

impl Consumer for Slow {
    fn publishing(&mut self, _: Moment, on: bool) {
        self.published = on;
        self.told.push(Told::Publishing(on));
    }

    fn frame(&mut self, at: Moment, frame: &Frame, _: &Arc<StreamInfo>) {
        assert!(self.is_ready(), "it takes no frame now");
        self.told.push(Told::Frame(frame.payload.to_vec(), frame.is_video_key()));
        self.held.push(frame.clone());
        if self.held.len() == self.batch {
            self.busy_until = Some(at.now + self.pause);
        }
    }

    fn gap(&mut self, _: Moment) {
        self.told.push(Told::Gap);
    }

    fn is_ready(&self) -> bool {
        self.busy_until.is_none()
    }

    fn poll(&mut self) -> Option<Effect> {
        let full = self.held.len() == self.batch || !self.published && !self.held.is_empty();
        full.then(|| {
            self.held.clear();
            self.effects += 1;
            Effect::Store(StoreOp::Remove { path: format!("batch-{}", self.effects).into() })
        })
    }

    fn stored(&mut self, _: Moment, _: Result<(), String>) {
        self.stored += 1;
        assert!(self.stored <= self.effects, "each effect is done once");
    }

    fn tick(&mut self, at: Moment) {
        self.busy_until.take_if(|until| *until <= at.now);
    }

    fn deadline(&self) -> Option<(Instant, &'static str)> {
        self.busy_until.map(|until| (until, "pause"))
    }

    fn is_finished(&self) -> bool {
        self.leaves && !self.published && self.is_ready() && self.stored == self.effects
    }

    fn bytes(&self) -> usize {
        self.held.iter().map(|frame| frame.payload.len()).sum()
    }

    fn is_sound(&self) -> bool {
        true
    }

    fn fetch(&self, _: HlsFile) -> Fetch {
        Fetch::Never
    }

    fn version(&self) -> u64 {
        0
    }
}
