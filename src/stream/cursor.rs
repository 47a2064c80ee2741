//! The position of one player in a stream.
//!
//! A cursor holds no frames, so a player that does not read costs no memory. When the ring overtakes it, the
//! cursor moves to the newest keyframe: the player gets a gap that ends at a keyframe (I3). Stream info is
//! sent again only if it has changed (I2, I5).
//!
//! Bytes are sent in this order: the rest of the frame that was sent in part, the outbox of the connection,
//! then whole frames from `next` on. So no other bytes come between the parts of a frame.

use crate::media::frame::TrackKind;
use crate::wire::format::Format;
use serde::{Deserialize, Serialize};

/// A frame that was sent to a player in part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partial {
    /// Number of the frame.
    pub number: u64,
    /// Number of its bytes that were sent.
    pub offset: usize,
}

/// Which whole frame is sent next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Next {
    /// The frame with this number.
    At(u64),
    /// The first frame to start at that has at least this number.
    Seek(u64),
    /// None (paused); frames with smaller numbers have passed.
    Hold(u64),
}

/// The position of a player.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cursor {
    /// Format of the player.
    pub format: Format,
    /// The frame that was sent in part, if any.
    pub partial: Option<Partial>,
    /// The next whole frame.
    pub next: Next,
    /// True if the file head is in the outbox or was sent.
    pub head_given: bool,
    /// Number of the stream info that the player has; `None` if it must be sent again.
    pub stream_info: Option<u64>,
    /// True if audio and data are sent.
    pub audio: bool,
    /// True if video is sent.
    pub video: bool,
    /// Number of frames that were skipped because the ring overtook the cursor.
    pub dropped: u64,
}

impl Cursor {
    /// A new player, which begins at the first frame to start at from number `from` on.
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

    /// True if tracks of this kind are sent.
    pub fn wants(&self, kind: TrackKind) -> bool {
        match kind {
            TrackKind::Video => self.video,
            // RTMP has no switch for data.
            TrackKind::Audio | TrackKind::Data => self.audio,
        }
    }

    /// True if all tracks are sent: the usual case.
    pub fn wants_all(&self) -> bool {
        self.audio && self.video
    }
}
