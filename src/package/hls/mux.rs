//! Muxes the frames of a segment in the layout of the plan.
//!
//! In: a plan and frames. Out: one part, and the initialisation section that it needs. State between
//! segments: continuity counters and fragment numbers.

use super::plan::Plan;
use super::segment::{Init, Part};
use crate::media::frame::Frame;
use crate::wire::m3u8::Layout;
use crate::wire::{fmp4, ts};
use bytes::BytesMut;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Both muxers; a stream seldom needs more than one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Mux {
    ts: ts::Muxer,
    ahead_secs: u32,
    fragments: u32,
    init: Option<Arc<Init>>,
}

/// The content of a segment.
#[derive(Debug)]
pub struct Muxed {
    /// Content, in order.
    pub parts: Vec<Part>,
    /// Initialisation section; fragmented MP4 only.
    pub init: Option<Arc<Init>>,
    /// True if the initialisation section differs from that of the segment before.
    pub init_changed: bool,
}

impl Mux {
    /// Muxers that put the stream's time zero at wall time `wall_ms` (milliseconds since 1970).
    ///
    /// The timelines of two processes then follow one another: a player that saw the first does not take the
    /// second for a step back, even if both use the same discontinuity number.
    pub fn new(wall_ms: u64) -> Mux {
        let ahead_secs = u32::try_from(wall_ms / 1000 % AHEAD_SECS_MAX).expect("hours have few seconds");
        Mux { ts: ts::Muxer::ahead(ahead_secs), ahead_secs, fragments: 0, init: None }
    }

    /// True if it begins at a possible time. Loaded bytes may say anything.
    pub fn is_sound(&self) -> bool {
        u64::from(self.ahead_secs) < AHEAD_SECS_MAX
    }

    /// Content of the segment with number `sequence`; `next` is the frame after it. `None` if no frame could
    /// be muxed.
    pub fn segment(
        &mut self,
        plan: &Plan,
        frames: &[Frame],
        next: Option<&Frame>,
        sequence: u64,
    ) -> Option<Muxed> {
        match plan.layout {
            Layout::Ts => self.ts_segment(plan, frames),
            Layout::Fmp4 => self.fmp4_segment(plan, frames, next, sequence),
        }
    }

    fn ts_segment(&mut self, plan: &Plan, frames: &[Frame]) -> Option<Muxed> {
        let mut out = BytesMut::with_capacity(frames.iter().map(ts::len_hint).sum());
        self.ts.tables(&plan.stream_info, &mut out);
        let mut written = false;
        for frame in frames {
            written |= self.ts.frame(frame, &plan.stream_info, &mut out);
        }
        let parts = vec![Part { body: vec![out.freeze()] }];
        written.then_some(Muxed { parts, init: None, init_changed: false })
    }

    fn fmp4_segment(
        &mut self,
        plan: &Plan,
        frames: &[Frame],
        next: Option<&Frame>,
        sequence: u64,
    ) -> Option<Muxed> {
        let movie = fmp4::Movie::new(&plan.stream_info, frames).ahead(self.ahead_secs);
        let body = movie.fragment(self.fragments.wrapping_add(1), frames, next)?;
        self.fragments = self.fragments.wrapping_add(1);
        let init = movie.init();
        let init_changed = self.init.as_ref().is_none_or(|before| before.body != init);
        if init_changed {
            self.init = Some(Arc::new(Init { number: sequence, body: init }));
        }
        Some(Muxed { parts: vec![Part { body }], init: self.init.clone(), init_changed })
    }
}

/// Half of the period of the transport stream's clock, so that no stream meets the wrap in its first thirteen
/// hours: some players cannot follow it.
const AHEAD_SECS_MAX: u64 = (1 << 32) / 90_000;
