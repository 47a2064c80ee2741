//! HLS as a consumer of a stream: what frames, publishers and time mean for the packager.

use super::{Fetch, Hls};
use crate::base::time::Instant;
use crate::media::frame::Frame;
use crate::media::stream_info::StreamInfo;
use crate::package::{Consumer, Effect, Moment};
use crate::wire::m3u8::HlsFile;
use std::sync::Arc;
use std::time::Duration;

impl Consumer for Hls {
    fn publishing(&mut self, at: Moment, on: bool) {
        self.discontinuity(at.now);
        let dispose = Duration::from_millis(self.settings.dispose_ms);
        self.dispose_at = (!on).then_some(at.now + dispose);
    }

    fn frame(&mut self, at: Moment, frame: &Frame, info: &Arc<StreamInfo>) {
        self.append(at, frame, info);
    }

    fn gap(&mut self, at: Moment) {
        self.now = at.now;
        self.break_off();
    }

    fn poll(&mut self) -> Option<Effect> {
        self.poll_store().map(Effect::Store)
    }

    /// The server has logged it. The next playlist names other files, and is written whole.
    fn stored(&mut self, _: Moment, _: Result<(), String>) {}

    fn tick(&mut self, at: Moment) {
        if self.dispose_at.is_some_and(|dispose_at| dispose_at <= at.now) {
            reached!("the HLS files of a stream were let go of");
            log::debug!(stream:% = self.name; "the HLS files of a stream that has ended are removed");
            self.dispose_at = None;
            self.dispose();
            self.finished = true;
        }
    }

    fn deadline(&self) -> Option<(Instant, &'static str)> {
        self.dispose_at.map(|at| (at, "hls dispose"))
    }

    fn is_finished(&self) -> bool {
        self.finished
    }

    fn bytes(&self) -> usize {
        Hls::bytes(self)
    }

    fn is_sound(&self) -> bool {
        Hls::is_sound(self)
    }

    fn fetch(&self, file: HlsFile) -> Fetch {
        Hls::fetch(self, file)
    }

    fn version(&self) -> u64 {
        Hls::version(self)
    }
}
