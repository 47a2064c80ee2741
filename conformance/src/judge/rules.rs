//! The rules of a run: the settings of the server that its promises depend on.

/// Where a player starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAt {
    /// At the newest keyframe that the server holds.
    NewestKey,
    /// At the oldest keyframe that the server holds.
    OldestKey,
    /// At the next keyframe that comes.
    NextKey,
}

/// What happens to a second publisher of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecondPublisher {
    /// It is refused.
    Refused,
    /// It replaces the first.
    Replaces,
}

/// The rules of a run. The default is that of the server's configuration.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// `stream.play.start`.
    pub start: StartAt,
    /// `stream.publish.second`.
    pub second: SecondPublisher,
    /// Most frames that a stream's ring holds (`stream.ring.frames_max`).
    pub ring_frames_max: usize,
    /// Most payload bytes that it holds (`stream.ring.bytes_max`).
    pub ring_bytes_max: usize,
    /// For how many microseconds whole GOPs are kept (`stream.ring.keep_ms`).
    pub ring_keep_us: u64,
    /// For how many microseconds a frame may wait for company before it leaves: 40 ms when frames leave with
    /// pictures, and however long passes of the server's loop take.
    pub patience_us: u64,
    /// Most audio and video tracks of a stream (`limits.tracks`).
    pub tracks_max: usize,
    /// Largest frame or message, in bytes (`limits.frame_bytes`).
    pub frame_bytes_max: usize,
    /// What is served of HLS is judged: packages outlive the run, so that none begins anew under an old name.
    pub hls: bool,
    /// The API's numbers are judged: the run was seen from the server's birth on, and all connections.
    pub api: bool,
    /// False where settings differ from stream to stream or change on the way: then what depends on the
    /// settings above is not judged.
    pub settings_hold: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Rules {
            start: StartAt::NewestKey,
            second: SecondPublisher::Refused,
            ring_frames_max: 4_096,
            ring_bytes_max: 32 << 20,
            ring_keep_us: 4_000_000,
            patience_us: 100_000,
            tracks_max: 8,
            frame_bytes_max: 8 << 20,
            hls: true,
            api: true,
            settings_hold: true,
        }
    }
}
