//! The progress of a player. In: video frames, keyframes and audio that it got. Out: what is missing, in
//! words.

/// When a player last got what.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// A keyframe, in microseconds.
    pub key_us: Option<u64>,
    /// Any picture, in microseconds.
    pub video_us: Option<u64>,
    /// Sound, in microseconds.
    pub audio_us: Option<u64>,
    /// Frames of any kind.
    pub frames: u64,
}

impl Progress {
    /// A picture came at `now_us`.
    pub fn video(&mut self, now_us: u64, key: bool) {
        self.frames += 1;
        self.video_us = Some(now_us);
        if key {
            self.key_us = Some(now_us);
        }
    }

    /// Sound came at `now_us`.
    pub fn audio(&mut self, now_us: u64) {
        self.frames += 1;
        self.audio_us = Some(now_us);
    }

    /// What has not come since `since_us`. A player that got audio and never video plays audio only.
    pub fn missing(&self, since_us: u64) -> Option<&'static str> {
        let since = |at: Option<u64>| at.is_some_and(|at| at >= since_us);
        match (since(self.key_us), since(self.video_us), since(self.audio_us)) {
            (true, ..) => None,
            (false, true, _) => Some("pictures and no keyframe"),
            (false, false, true) if self.video_us.is_none() => None,
            (false, false, true) => Some("sound and no pictures any more"),
            (false, false, false) => Some("nothing"),
        }
    }
}
