//! The synthetic stream: 25 pictures a second with a keyframe every two seconds, and 43 blocks of sound.
//!
//! Everything but the send time follows from the number of the frame, so that every stream of every run is
//! the same. The decoder configurations are real (H.264 Constrained Baseline 640x360, AAC-LC 44.1 kHz
//! stereo); the coded data is not meant to be decoded.

use crate::clock::MILLI;
use crate::stamp::{AUDIO_HEAD_LEN, BODY_LEN_MAX, Kind, STAMP_LEN, Stamp, VIDEO_HEAD_LEN, filler};

/// Pictures per second.
pub const VIDEO_RATE: u64 = 25;

/// Pictures from one keyframe to the next.
pub const GOP_LEN: u64 = 50;

/// Samples in a block of sound, and per second.
const AUDIO_BLOCK: u64 = 1024;
const AUDIO_RATE: u64 = 44_100;

/// FLV tag body with an AVCDecoderConfigurationRecord.
pub const VIDEO_CONFIG: &[u8] = &[
    0x17, 0, 0, 0, 0, // keyframe, AVC, sequence header
    1, 0x42, 0xC0, 0x1E, 0xFF, 0xE1, // version, profile, compatibility, level, 4-byte lengths, one SPS
    0x00, 0x09, 0x67, 0x42, 0xC0, 0x1E, 0xDA, 0x02, 0x80, 0xBF, 0xE5, // 640x360
    0x01, 0x00, 0x04, 0x68, 0xCE, 0x3C, 0x80, // one PPS
];

/// FLV tag body with an AudioSpecificConfig: AAC-LC, 44.1 kHz, stereo.
pub const AUDIO_CONFIG: &[u8] = &[0xAF, 0, 0x12, 0x10];

/// One frame, ready to be wrapped.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Audio or video.
    pub kind: Kind,
    /// True for a keyframe.
    pub key: bool,
    /// Milliseconds since the first frame.
    pub timestamp: u32,
    /// The FLV tag body.
    pub body: &'a [u8],
}

/// One endless stream.
#[derive(Debug)]
pub struct Source {
    stream: u16,
    seq: u32,
    video: u64,
    audio: u64,
    key_len: usize,
    inter_len: usize,
    audio_len: usize,
    body: Vec<u8>,
}

impl Source {
    /// Stream number `stream` with `bitrate` bits per second of FLV tag bodies, sound included.
    pub fn new(stream: u16, bitrate: u64) -> Self {
        let bytes = usize::try_from(bitrate / 8).expect("a second of media fits in memory");
        let shortest = VIDEO_HEAD_LEN + STAMP_LEN + 8;
        let audio_len = (bytes / 16 * 1024 / 44_100).clamp(AUDIO_HEAD_LEN + STAMP_LEN + 8, 500);
        let gop = (bytes * 2).saturating_sub(audio_len * 86);
        // A keyframe weighs about as much as seven others.
        let inter_len = (gop / 56).clamp(shortest, BODY_LEN_MAX);
        let key_len = gop.saturating_sub(inter_len * 49).clamp(shortest, BODY_LEN_MAX);
        Source { stream, seq: 0, video: 0, audio: 0, key_len, inter_len, audio_len, body: Vec::new() }
    }

    /// When the next frame is due, in nanoseconds since the first.
    pub fn due(&self) -> u64 {
        self.video_micros().min(self.audio_micros()) * 1000
    }

    fn video_micros(&self) -> u64 {
        self.video * 1_000_000 / VIDEO_RATE
    }

    fn audio_micros(&self) -> u64 {
        self.audio * AUDIO_BLOCK * 1_000_000 / AUDIO_RATE
    }

    /// The next frame, stamped as sent at `now`.
    pub fn next(&mut self, now: u64) -> Frame<'_> {
        let micros = self.due() / 1000;
        let timestamp = u32::try_from(self.due() / MILLI).expect("runs end before 49 days");
        let (kind, key) = if self.video_micros() == micros {
            self.video += 1;
            (Kind::Video, (self.video - 1).is_multiple_of(GOP_LEN))
        } else {
            self.audio += 1;
            (Kind::Audio, false)
        };
        self.write_body(kind, key, now);
        self.seq += 1;
        Frame { kind, key, timestamp, body: &self.body }
    }

    fn write_body(&mut self, kind: Kind, key: bool, now: u64) {
        let body = &mut self.body;
        body.clear();
        let len = match (kind, key) {
            (Kind::Audio, _) => self.audio_len,
            (Kind::Video, true) => self.key_len,
            (Kind::Video, false) => self.inter_len,
        };
        let len32 = u32::try_from(len).expect("frames are clamped");
        match kind {
            Kind::Audio => body.extend_from_slice(&[0xAF, 1]),
            Kind::Video => {
                body.extend_from_slice(&[if key { 0x17 } else { 0x27 }, 1, 0, 0, 0]);
                body.extend_from_slice(&(len32 - 9).to_be_bytes());
                body.push(if key { 0x65 } else { 0x41 });
            }
        }
        let mut nibbles = [0; STAMP_LEN];
        Stamp { stream: self.stream, seq: self.seq, len: len32, sent: now }.write(&mut nibbles);
        body.extend_from_slice(&nibbles);
        body.extend_from_slice(filler(self.seq, body.len(), len - body.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_seconds_hold_what_is_promised() {
        let mut source = Source::new(0, 1_000_000);
        let (mut bytes, mut video, mut keys, mut audio) = (0, 0, 0, 0);
        while source.due() < 10_000 * MILLI {
            let frame = source.next(0);
            bytes += frame.body.len();
            match frame.kind {
                Kind::Video => video += 1,
                Kind::Audio => audio += 1,
            }
            keys += u32::from(frame.key);
        }
        assert_eq!((video, keys, audio), (250, 5, 431));
        let bits = bytes as f64 * 8.0 / 10.0;
        assert!((990_000.0..1_010_000.0).contains(&bits), "{bits} bit/s");
    }

    #[test]
    fn the_first_frame_is_a_keyframe_and_timestamps_never_go_back() {
        let mut source = Source::new(0, 1_000_000);
        assert!(source.next(0).key);
        let mut last = 0;
        for _ in 0..1000 {
            let frame = source.next(0);
            assert!(frame.timestamp >= last);
            last = frame.timestamp;
        }
    }
}
