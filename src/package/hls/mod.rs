//! Cuts a stream into HLS segments and serves its playlists (RFC 8216).
//!
//! ```text
//! frames ─▶ plan ─▶ segmenter ─▶ mux ─▶ keys ─▶ window ─▶ playlists, files, store
//!           which   when to cut  bytes  AES     what is
//!           tracks                              listed
//! ```
//!
//! In: the frames of one stream in order, and changes of its publisher. Out: playlists and files
//! ([`Hls::fetch`]), and changes to a directory ([`Hls::poll_store`]). Never: reads a clock, or holds more
//! than [`Hls::bytes_max`].
//!
//! Playlists have no end tag: the stream may come back, and an end tag cannot be removed (RFC 8216, 6.2.1).

mod consumer;
mod files;
mod keys;
mod mux;
mod plan;
mod rate;
mod segment;
mod segmenter;
mod store;
#[cfg(test)]
mod tests;
mod window;

pub use files::Fetch;

use crate::base::name::StreamName;
use crate::base::rng::Rng;
use crate::base::store::StoreOp;
use crate::base::time::Instant;
use crate::config;
use crate::media::frame::{Frame, TrackKind};
use crate::media::stream_info::StreamInfo;
use crate::media::timestamp::Timestamp;
use crate::package::Moment;
use crate::wire::m3u8::{Entry, HlsFile, Layout};
use files::Files;
use keys::Keys;
use mux::Mux;
use plan::Plan;
use rate::Rate;
use segment::{Open, Segment};
use segmenter::{Segmenter, Verdict};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::Store;
use window::{Sequences, Window};

/// The packager of one stream.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hls {
    settings: config::Hls,
    name: StreamName,
    /// Time of the last call.
    now: Instant,
    run: Run,
    /// The segment that takes frames.
    open: Option<Open>,
    /// True if the next segment does not continue the last one.
    discontinuity: bool,
    /// False once a segment began without a keyframe.
    independent: bool,
    /// Layout of the segments so far.
    layout: Option<Layout>,
    segmenter: Segmenter,
    mux: Mux,
    keys: Option<Keys>,
    window: Window,
    rate: Rate,
    files: Files,
    store: Store,
    /// When its files are removed, its publisher having gone.
    dispose_at: Option<Instant>,
    /// Its files were removed.
    finished: bool,
}

/// State that belongs to the present publisher.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Run {
    /// Number of the stream info that the plan was last made from.
    stream_info_number: Option<u64>,
    /// True if HLS has no place for any of its tracks.
    hopeless: bool,
    /// The tracks that are packaged.
    plan: Option<Plan>,
    /// The tracks that will be packaged from the next keyframe on.
    next_plan: Option<Plan>,
    /// Wall time in milliseconds since 1970, and the timestamp of the frame that came then.
    anchor: Option<(u64, Timestamp)>,
    /// Number of complete segments.
    segments: u64,
}

impl Hls {
    /// A packager before the first frame. `wall_ms` is wall time in milliseconds since 1970: sequence numbers
    /// begin there, so that they keep growing over a restart.
    pub fn new(settings: &config::Hls, name: &StreamName, rng: Rng, wall_ms: u64) -> Hls {
        let (bytes_max, first) = (Hls::bytes_max(settings), Sequences::at(wall_ms));
        Hls {
            now: Instant::default(),
            run: Run::default(),
            open: None,
            discontinuity: false,
            independent: true,
            layout: None,
            segmenter: Segmenter::new(settings),
            mux: Mux::new(wall_ms),
            keys: settings.encrypt.then(|| Keys::new(rng, settings.segments_per_key)),
            window: Window::new(settings.window, settings.keep, bytes_max, first),
            rate: Rate::default(),
            files: Files::new(name),
            store: Store::new(&settings.directory, name),
            dispose_at: None,
            finished: false,
            name: name.clone(),
            settings: settings.clone(),
        }
    }

    /// Most bytes that the complete segments of one stream may hold; the open one may hold
    /// `segment_bytes_max` more.
    pub fn bytes_max(settings: &config::Hls) -> usize {
        let segments = settings.window.saturating_add(settings.keep).saturating_add(1);
        settings.segment_bytes_max.saturating_mul(segments)
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.window.bytes() + self.open.as_ref().map_or(0, |open| open.bytes)
    }

    /// True if its parts fit each other. Loaded bytes may say anything.
    pub fn is_sound(&self) -> bool {
        let opened = self
            .open
            .as_ref()
            .is_none_or(|open| open.is_sound() && self.run.plan.is_some() && self.run.anchor.is_some());
        opened && self.window.is_sound() && self.segmenter.is_sound() && self.mux.is_sound()
    }

    /// Grows whenever the playlists change: fetches that were [`Fetch::NotYet`] may succeed then.
    pub fn version(&self) -> u64 {
        self.files.version()
    }

    /// Content of a file. May change with every call that takes `&mut self`.
    pub fn fetch(&self, file: HlsFile) -> Fetch {
        self.files.fetch(file, &self.window, self.run.hopeless)
    }

    /// The next change to the configured directory. Poll until `None` after every call that takes `&mut
    /// self`.
    pub fn poll_store(&mut self) -> Option<StoreOp> {
        self.store.poll()
    }

    /// Takes the stream's next frame, of whatever kind, and the stream info in force there.
    fn append(&mut self, Moment { now, wall_ms }: Moment, frame: &Frame, stream_info: &Arc<StreamInfo>) {
        self.now = now;
        self.follow(stream_info);
        if !self.switch_plan(frame) {
            return;
        }
        let Some(plan) = self.run.plan.as_ref().filter(|plan| plan.carries(frame)) else { return };
        let clean = plan.is_clean(frame);
        let Some(open) = &mut self.open else {
            // Frames before the first keyframe cannot be decoded.
            if clean {
                self.begin(wall_ms, frame, clean);
            }
            return;
        };
        match self.segmenter.verdict(open, frame, clean) {
            Verdict::Join => open.push(frame.clone()),
            Verdict::Cut => {
                self.close(Some(frame));
                self.begin(wall_ms, frame, clean);
            }
            Verdict::CutBefore => {
                reached!("an HLS segment was cut before its last frame");
                let last = open.pop();
                let last_clean = plan.is_clean(&last);
                self.close(Some(&last));
                self.begin(wall_ms, &last, last_clean);
                // Now it joins, or is a keyframe that was due.
                self.append(Moment { now, wall_ms }, frame, stream_info);
            }
            // The pause belongs to no segment: the next one is discontinuous, at a new wall time.
            Verdict::Gap => {
                reached!("time in an HLS segment leaped");
                self.break_off();
                if clean {
                    self.begin(wall_ms, frame, clean);
                }
            }
        }
    }

    /// The publisher has left or been replaced: what it sent becomes playable, and what follows does not
    /// continue it.
    pub fn discontinuity(&mut self, now: Instant) {
        self.now = now;
        self.close(None);
        // Even if no segment follows, this one must be playable now.
        self.files.show(&mut self.store);
        self.discontinuity = true;
        self.run = Run::default();
    }

    /// Closes the open segment: what follows does not continue it, though the publisher is the same.
    fn break_off(&mut self) {
        self.close(None);
        self.discontinuity = true;
        self.run.anchor = None;
    }

    /// The stream is gone for good: removes its files from the configured directory.
    pub fn dispose(&mut self) {
        self.store.dispose(&self.window);
    }

    /// Plans for new stream info; the plan takes effect at once if no segment contradicts it.
    fn follow(&mut self, stream_info: &StreamInfo) {
        // Nearly always: the info changes with configurations and metadata only.
        if self.run.stream_info_number == Some(stream_info.number) {
            return;
        }
        self.run.stream_info_number = Some(stream_info.number);
        self.run.hopeless = plan::is_hopeless(stream_info);
        let Some(next) = Plan::new(stream_info, self.settings.layout, self.begun_layout()) else { return };
        let Some(plan) = &self.run.plan else {
            self.run.plan = Some(next);
            return;
        };
        self.run.next_plan = None;
        if next.continues(plan) {
            return;
        }
        if self.run.segments == 0 && next.extends(plan) {
            // A track became known late, before the first segment was cut: no discontinuity is needed. But a
            // stream with video begins with a keyframe.
            if next.has_video() != plan.has_video()
                && let Some(open) = self.open.take()
            {
                // The dropped segment may have begun with a discontinuity: the next one inherits it.
                self.discontinuity |= open.discontinuity;
            }
            self.run.plan = Some(next);
        } else {
            self.run.next_plan = Some(next);
        }
    }

    /// Layout of the segments so far, the open one included.
    fn begun_layout(&self) -> Option<Layout> {
        let open = self.open.as_ref().and(self.run.plan.as_ref());
        self.layout.or(open.map(|plan| plan.layout))
    }

    /// Switches to the next plan if `frame` allows it. False if the frame has no place before the switch.
    fn switch_plan(&mut self, frame: &Frame) -> bool {
        let Some(next) = &self.run.next_plan else { return true };
        if next.carries(frame) && next.is_clean(frame) {
            reached!("HLS turned to other codecs in mid-stream");
            self.close(Some(frame));
            self.discontinuity = true;
            self.run.plan = self.run.next_plan.take();
            return true;
        }
        // Until then, tracks that the switch does not change go on.
        self.run.plan.as_ref().is_some_and(|plan| plan.keeps(frame.track, next))
    }

    fn begin(&mut self, wall_ms: u64, frame: &Frame, clean: bool) {
        if let Some(plan) = &mut self.run.plan {
            plan.learn(frame);
        }
        self.run.anchor.get_or_insert((wall_ms, frame.dts));
        let discontinuity = std::mem::take(&mut self.discontinuity);
        self.open = Some(Open::new(frame.clone(), discontinuity, clean));
    }

    /// Completes the open segment. `next` is the frame after it, if that continues it.
    fn close(&mut self, next: Option<&Frame>) {
        let Some(mut open) = self.open.take() else { return };
        // The keyframe after the segment ends its last group of pictures.
        if let Some(key) = next.filter(|frame| frame.is_video_key()) {
            open.mark_key(key.dts);
        }
        let (plan, sequence) = (self.run.plan.as_ref(), self.window.next_sequence());
        let plan = plan.expect("a plan opened the segment");
        // Nothing could be muxed: no segment, and what made this one discontinuous holds for the next.
        let Some(mut muxed) = self.mux.segment(plan, &open.frames, next, sequence) else {
            self.discontinuity |= open.discontinuity;
            return;
        };
        let duration_us = self.segmenter.duration_us(&open, next);
        let target_secs = self.segmenter.fix_target_secs(&open, duration_us);
        let (key, key_tag) = match &mut self.keys {
            Some(keys) => {
                let (key, tag) = keys.encrypt(sequence, &mut muxed.parts);
                (Some(key), Some(tag))
            }
            None => (None, None),
        };
        // The first segment has none before it to be discontinuous with.
        let follows = self.layout.is_some();
        let segment = Segment {
            sequence,
            entry: Entry {
                file: HlsFile::Segment { number: sequence, layout: plan.layout },
                duration_us,
                discontinuity: follows && (open.discontinuity || muxed.init_changed),
                date_unix_ms: self.run.date_unix_ms(open.start()),
                map: muxed.init.as_ref().map(|init| init.file()),
                key: key_tag,
            },
            parts: muxed.parts,
            init: muxed.init,
            key,
            pictures: next
                .map(|_| open.frames.iter().filter(|frame| frame.track.kind == TrackKind::Video).count()),
        };
        self.layout = Some(plan.layout);
        self.independent &= open.independent;
        self.run.segments += 1;
        self.publish(segment, target_secs);
    }

    /// Adds a complete segment to the playlist.
    fn publish(&mut self, segment: Segment, target_secs: u64) {
        let duration_ms = segment.entry.duration_us / 1000;
        let (sequence, bytes) = (segment.sequence, segment.len());
        log::debug!(stream:% = self.name, sequence, duration_ms, bytes; "HLS segment");
        self.store.segment(&segment);
        let gone = self.window.push(segment, self.now, target_secs);
        self.rate.measure(self.window.listed(), target_secs);
        let plan = self.run.plan.as_ref().expect("a plan opened the segment");
        self.files.update(plan, &self.window, &self.rate, target_secs, self.independent);
        // Once shown, playlists stay: players that have one must be able to reload it.
        if self.version() > 0 || self.window.is_worth_showing() {
            self.files.show(&mut self.store);
        }
        self.store.gone(&gone, &self.window);
    }
}

impl Run {
    /// Wall time at `start`: that of the publisher's first frame plus the media time since.
    fn date_unix_ms(&self, start: Timestamp) -> u64 {
        let (wall_ms, first) = self.anchor.expect("a segment was opened");
        wall_ms.saturating_add_signed((start - first) / 1000)
    }
}
