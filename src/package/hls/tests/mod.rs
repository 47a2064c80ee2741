//! Streams as publishers send them, and what players see of them.

mod invariants;
mod lifecycle;
mod segmentation;
mod serving;
mod timeline;

use super::*;
use crate::base::fetched::Fetched;
use crate::base::rng::Seed;
use crate::media::codec::{AudioParams, Params, VideoParams};
use crate::media::frame::{Codec, FrameKind, Track};
use crate::wire::m3u8::HlsFile::{Master, Media};
use crate::wire::m3u8::{Layout, MediaPlaylist, reader};
use bytes::Bytes;
use std::time::Duration;

/// 2026-11-22T18:39:00Z: 28 147 140 seconds into the year, 469 119 minutes.
const WALL_MS: u64 = 1_795_372_740_000;
const FIRST: u64 = 56_294_280;
const FIRST_DISCONTINUITY: u64 = 469_119;

/// One set of each kind, four bytes of length before each NAL unit.
const AVCC: &[u8] = b"\x01\x64\x00\x1f\xff\xe1\x00\x04\x67\x64\x00\x1f\x01\x00\x02\x68\xee";
const OTHER_AVCC: &[u8] = b"\x01\x64\x00\x1f\xff\xe1\x00\x04\x67\x64\x00\x20\x01\x00\x02\x68\xee";

fn ts(number: u64) -> HlsFile {
    HlsFile::Segment { number, layout: Layout::Ts }
}

fn m4s(number: u64) -> HlsFile {
    HlsFile::Segment { number, layout: Layout::Fmp4 }
}

/// A stream on its way into a packager.
struct Stage {
    hls: Hls,
    stream_info: Arc<StreamInfo>,
    /// Where the publisher is in its stream, in microseconds.
    at_us: i64,
    /// How much later the wall clock is than the stream, in microseconds.
    late_us: i64,
}

fn settings() -> config::Hls {
    config::Hls::default()
}

impl Stage {
    fn new(settings: config::Hls) -> Stage {
        let name = StreamName::new("live", "cam");
        let hls = Hls::new(&settings, &name, Seed::from_u64(1).fork(b"hls"), WALL_MS);
        Stage { hls, stream_info: Arc::default(), at_us: 0, late_us: 0 }
    }

    /// With H.264 and AAC.
    fn with_both(settings: config::Hls) -> Stage {
        let mut stage = Stage::new(settings);
        stage.configure(Track::VIDEO, Codec::H264, AVCC);
        stage.configure(Track::AUDIO, Codec::Aac, b"\x12\x10");
        stage
    }

    fn with_audio(settings: config::Hls) -> Stage {
        let mut stage = Stage::new(settings);
        stage.configure(Track::AUDIO, Codec::Aac, b"\x12\x10");
        stage
    }

    fn configure(&mut self, track: Track, codec: Codec, config: &'static [u8]) {
        let params = match track.kind {
            TrackKind::Video => Params::Video(VideoParams {
                width: 1280,
                height: 720,
                rfc6381: "avc1.64001f".to_owned(),
                ..VideoParams::default()
            }),
            _ => Params::Audio(AudioParams {
                sample_rate: 44_100,
                channels: 2,
                rfc6381: "mp4a.40.2".to_owned(),
                ..AudioParams::default()
            }),
        };
        let frame = self.frame_of(track, codec, FrameKind::Config, Bytes::from_static(config));
        self.learn(&frame, Some(params));
        self.send(&frame);
    }

    fn learn(&mut self, frame: &Frame, params: Option<Params>) {
        if let Some(stream_info) = self.stream_info.with(frame, params) {
            self.stream_info = stream_info;
        }
    }

    fn frame_of(&self, track: Track, codec: Codec, kind: FrameKind, payload: Bytes) -> Frame {
        Frame { track, codec, kind, sound: 0, dts: Timestamp(self.at_us), cts: 0, payload }
    }

    fn now(&self) -> Instant {
        Instant::default()
            + Duration::from_micros(u64::try_from(self.at_us + self.late_us).expect("after birth"))
    }

    fn send(&mut self, frame: &Frame) {
        let wall_ms = WALL_MS + self.now().as_millis();
        let at = Moment { now: self.now(), wall_ms };
        self.hls.append(at, frame, &self.stream_info.clone());
    }

    fn picture(&mut self, kind: FrameKind) {
        let slice = if kind == FrameKind::Key { 0x65 } else { 0x41 };
        let payload = Bytes::from(vec![0, 0, 0, 2, slice, (self.at_us / 1000) as u8]);
        self.send(&self.frame_of(Track::VIDEO, Codec::H264, kind, payload));
    }

    fn sound(&mut self) {
        self.send(&self.frame_of(
            Track::AUDIO,
            Codec::Aac,
            FrameKind::Key,
            Bytes::from_static(b"\x21\x00\x49"),
        ));
    }

    /// `gops` groups of pictures of `gop_ms` each, 25 a second, with sound.
    fn gops(&mut self, gops: usize, gop_ms: i64) -> &mut Self {
        for _ in 0..gops {
            let begin = self.at_us;
            while self.at_us < begin + gop_ms * 1000 {
                self.picture(if self.at_us == begin { FrameKind::Key } else { FrameKind::Inter });
                self.sound();
                self.at_us += 40_000;
            }
            self.at_us = begin + gop_ms * 1000;
        }
        self
    }

    /// Nothing but sound, in whole milliseconds.
    fn sounds(&mut self, count: usize) -> &mut Self {
        for _ in 0..count {
            self.sound();
            self.at_us += 23_000;
        }
        self
    }

    /// The publisher leaves.
    fn end(&mut self) {
        self.hls.discontinuity(self.now());
    }

    /// The publisher leaves and another one comes, `pause_ms` later by the wall clock.
    fn republish(&mut self, pause_ms: i64) -> &mut Self {
        self.end();
        self.late_us += pause_ms * 1000;
        self.hls.discontinuity(self.now());
        self.stream_info =
            Arc::new(StreamInfo { number: self.stream_info.number + 1, ..(*self.stream_info).clone() });
        self
    }

    fn fetch(&self, file: HlsFile) -> Fetched {
        match self.hls.fetch(file) {
            Fetch::Ready(fetched) => fetched,
            other => panic!("{file} is {other:?}"),
        }
    }

    fn text(&self, file: HlsFile) -> String {
        String::from_utf8(self.fetch(file).body.concat()).expect("playlists are UTF-8")
    }

    fn playlist(&self) -> (MediaPlaylist<'static>, Vec<Entry>) {
        reader::read(&self.text(Media))
    }

    fn entries(&self) -> Vec<Entry> {
        self.playlist().1
    }

    fn durations_ms(&self) -> Vec<u64> {
        self.entries().iter().map(|entry| entry.duration_us / 1000).collect()
    }

    /// Which segments of the playlist do not continue those before.
    fn breaks(&self) -> Vec<bool> {
        self.entries().iter().map(|entry| entry.discontinuity).collect()
    }
}
