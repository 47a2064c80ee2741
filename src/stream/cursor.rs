//! One player's place in a stream.
//!
//! A cursor is a position in the frames of a stream, nothing more: it holds no frames, so a player that does
//! not read costs no memory. When the ring overtakes it, the cursor jumps to the newest keyframe and the
//! player sees a gap that ends cleanly (I3); headers are sent again only if they changed (I2, I5).
//!
//! What leaves for a player, in this order: the rest of the frame that it is in the middle of, the
//! connection's own bytes, then whole frames from `next` on. So nothing ever lands inside a frame.

use crate::media::frame::TrackKind;
use crate::wire::format::Format;
use serde::{Deserialize, Serialize};

/// The frame that a player is in the middle of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partial {
    /// Its number.
    pub number: u64,
    /// How many of its bytes have left.
    pub offset: usize,
}

/// Where the next whole frame comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Next {
    /// From this number on.
    At(u64),
    /// From the first place to start at that has at least this number.
    Seek(u64),
    /// Nothing is wanted (paused); frames with smaller numbers have passed.
    Hold(u64),
}

/// A player's place.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cursor {
    /// Its format.
    pub format: Format,
    /// The frame that it is in the middle of, if any.
    pub partial: Option<Partial>,
    /// Where it goes on.
    pub next: Next,
    /// Whether the file head has been given out.
    pub head_given: bool,
    /// Number of the stream info that the player knows; `None`: none, or not for sure.
    pub stream_info: Option<u64>,
    /// Whether it wants sound (and data).
    pub audio: bool,
    /// Whether it wants pictures.
    pub video: bool,
    /// Frames that it was denied because the ring overtook it.
    pub dropped: u64,
}

impl Cursor {
    /// A player that has just come and starts at the first place to start at from `from` on.
    pub fn new(format: Format, from: u64) -> Self {
        Cursor {
            format,
            partial: None,
            next: Next::Seek(from),
            head_given: false,
            stream_info: None,
            audio: true,
            video: true,
            dropped: 0,
        }
    }

    /// True if frames of this kind are delivered.
    pub fn wants(&self, kind: TrackKind) -> bool {
        match kind {
            TrackKind::Video => self.video,
            TrackKind::Audio | TrackKind::Data => self.audio,
        }
    }

    /// True if it wants everything: the usual case.
    pub fn wants_all(&self) -> bool {
        self.audio && self.video
    }
}
