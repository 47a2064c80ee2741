//! Consumers: what takes the frames of a stream without being a player of it.
//!
//! In: frames in order, each with the stream info in force there, and what becomes of the stream's publisher.
//! Out: effects ([`Consumer::poll`]), files for peers that fetch them, and when it wants to be called. The
//! server feeds a consumer from a cursor of its own on the stream's ring, as fast as the consumer is ready;
//! one that falls behind the ring goes on at the newest keyframe and is told of the gap. So a slow consumer
//! never delays the stream.
//!
//! A new consumer is a row of [`AnyConsumer`] and of [`missing`]; the server knows none of them by name.

pub mod hls;
#[cfg(test)]
pub mod tests;

use crate::base::name::StreamName;
use crate::base::rng::Rng;
use crate::base::store::StoreOp;
use crate::base::time::Instant;
use crate::config::StreamSettings;
use crate::media::frame::Frame;
use crate::media::stream_info::StreamInfo;
use crate::wire::m3u8::HlsFile;
use hls::{Fetch, Hls};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The time of a call: the server's, and on the wall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Time of the server.
    pub now: Instant,
    /// Wall time in milliseconds since 1970.
    pub wall_ms: u64,
}

/// What a consumer wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A file changed. The outcome comes back as [`Consumer::stored`].
    Store(StoreOp),
}

/// The contract of everything that takes frames without being a player.
pub trait Consumer {
    /// A publisher has come, or has gone. What follows does not continue what was.
    fn publishing(&mut self, at: Moment, on: bool);
    /// The next frame, of whatever kind, and the stream info in force there. Called only while
    /// [`Consumer::is_ready`].
    fn frame(&mut self, at: Moment, frame: &Frame, info: &Arc<StreamInfo>);
    /// Frames were lost, since it was not ready for longer than the ring holds: the next one does not
    /// continue the last. A stream with video goes on at a keyframe.
    fn gap(&mut self, at: Moment);
    /// False while it takes no more frames: it waits for effects to be done. It is asked again after each
    /// call.
    fn is_ready(&self) -> bool {
        true
    }
    /// The next effect. May have something after each call that takes `&mut self`; effects are done in order.
    fn poll(&mut self) -> Option<Effect>;
    /// The oldest effect that was not reported yet is done, or why not.
    fn stored(&mut self, at: Moment, result: Result<(), String>);
    /// Its deadline has come.
    fn tick(&mut self, at: Moment);
    /// When [`Consumer::tick`] wants to be called, and why.
    fn deadline(&self) -> Option<(Instant, &'static str)>;
    /// True once it has nothing more to do for this stream and holds nothing.
    fn is_finished(&self) -> bool;
    /// Bytes that it holds. Bounded by the settings of the stream.
    fn bytes(&self) -> usize;
    /// True if its parts fit each other. Loaded bytes may say anything.
    fn is_sound(&self) -> bool;
    /// The content of a file that peers fetch from it.
    fn fetch(&self, file: HlsFile) -> Fetch;
    /// Grows whenever a fetch that was [`Fetch::NotYet`] may be another one.
    fn version(&self) -> u64;
}

/// A consumer of any kind.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum AnyConsumer {
    /// HLS segments and playlists.
    Hls(Box<Hls>),
    /// Takes few frames at a time.
    #[cfg(test)]
    Slow(Box<tests::slow::Slow>),
}

/// The consumers that the settings of a stream ask for and that are not among `present`. `rng` forks a random
/// generator by a label; `wall_ms` is wall time in milliseconds since 1970.
pub fn missing<'a>(
    settings: &StreamSettings,
    name: &StreamName,
    present: impl IntoIterator<Item = &'a AnyConsumer>,
    rng: impl Fn(&str) -> Rng,
    wall_ms: u64,
) -> Vec<AnyConsumer> {
    let mut missing = Vec::new();
    let has_hls = present.into_iter().any(|consumer| matches!(consumer, AnyConsumer::Hls(_)));
    if settings.hls.enabled && !has_hls {
        // A package that comes after another one of the same name has keys of its own.
        let rng = rng(&format!("hls/{}/{wall_ms}", name.path()));
        missing.push(AnyConsumer::Hls(Box::new(Hls::new(&settings.hls, name, rng, wall_ms))));
    }
    missing
}

/// Whether a stream with these settings has such files.
///
/// # Errors
/// The setting that it would take.
pub fn offers(settings: &StreamSettings, _file: HlsFile) -> Result<(), &'static str> {
    if settings.hls.enabled { Ok(()) } else { Err("stream.hls.enabled") }
}

macro_rules! each {
    ($any:expr, $consumer:ident => $call:expr) => {
        match $any {
            AnyConsumer::Hls($consumer) => $call,
            #[cfg(test)]
            AnyConsumer::Slow($consumer) => $call,
        }
    };
}

impl Consumer for AnyConsumer {
    fn publishing(&mut self, at: Moment, on: bool) {
        each!(self, consumer => consumer.publishing(at, on));
    }
    fn frame(&mut self, at: Moment, frame: &Frame, info: &Arc<StreamInfo>) {
        each!(self, consumer => consumer.frame(at, frame, info));
    }
    fn gap(&mut self, at: Moment) {
        each!(self, consumer => consumer.gap(at));
    }
    fn is_ready(&self) -> bool {
        each!(self, consumer => consumer.is_ready())
    }
    fn poll(&mut self) -> Option<Effect> {
        each!(self, consumer => consumer.poll())
    }
    fn stored(&mut self, at: Moment, result: Result<(), String>) {
        each!(self, consumer => consumer.stored(at, result));
    }
    fn tick(&mut self, at: Moment) {
        each!(self, consumer => consumer.tick(at));
    }
    fn deadline(&self) -> Option<(Instant, &'static str)> {
        each!(self, consumer => consumer.deadline())
    }
    fn is_finished(&self) -> bool {
        each!(self, consumer => consumer.is_finished())
    }
    fn bytes(&self) -> usize {
        each!(self, consumer => consumer.bytes())
    }
    fn is_sound(&self) -> bool {
        each!(self, consumer => consumer.is_sound())
    }
    fn fetch(&self, file: HlsFile) -> Fetch {
        each!(self, consumer => consumer.fetch(file))
    }
    fn version(&self) -> u64 {
        each!(self, consumer => consumer.version())
    }
}
