//! Media segments: a table of samples (`moof`), then the samples themselves (`mdat`).
//!
//! In: frames of the tracks of a [`Movie`], in order. Out: the segment in pieces: the head, then the
//! payloads, shared as they are; only small ones are copied together, once for all players.

use super::boxes::{boxed, full};
use super::{Movie, MovieTrack};
use crate::media::frame::{Codec, Frame, FrameKind, TrackKind};
use crate::media::timestamp::Timestamp;
use bytes::{BufMut, Bytes};

impl Movie {
    /// A media segment with `frames`; `None` if none of them belongs to a track of this movie.
    ///
    /// `sequence` grows with each segment. `next` is the frame after the last one and tells the duration of
    /// the last frame of its track; on other tracks the last frame is assumed to last as long as the one
    /// before it. Nothing depends on that: the next segment has a start time of its own.
    pub fn fragment(&self, sequence: u32, frames: &[Frame], next: Option<&Frame>) -> Option<Vec<Bytes>> {
        let runs: Vec<Run<'_>> =
            self.tracks.iter().filter_map(|track| Run::new(track, self.start_us, frames, next)).collect();
        if runs.is_empty() {
            return None;
        }
        let payload_len: usize = runs.iter().map(Run::payload_len).sum();
        // The head is written twice: the offset of the payload is known only when the head is complete.
        let head_len = head(sequence, &runs, 0).len() + MDAT_HEAD_BYTES;
        let mut bytes = STYP.to_vec();
        bytes.put_slice(&head(sequence, &runs, head_len));
        let mdat_len = payload_len + MDAT_HEAD_BYTES;
        bytes.put_u32(u32::try_from(mdat_len).expect("a segment is shorter than 4 GiB"));
        bytes.put_slice(b"mdat");
        Some(pieces(bytes, runs.iter().flat_map(|run| &run.samples)))
    }
}

/// `head`, then `payloads`, in pieces that are worth a slice each.
fn pieces<'a>(head: Vec<u8>, payloads: impl Iterator<Item = &'a Bytes>) -> Vec<Bytes> {
    let (mut pieces, mut small) = (Vec::new(), head);
    for payload in payloads {
        if payload.len() < SHARE_BYTES_MIN {
            small.extend_from_slice(payload);
            continue;
        }
        if !small.is_empty() {
            pieces.push(Bytes::from(std::mem::take(&mut small)));
        }
        pieces.push(payload.clone());
    }
    if !small.is_empty() {
        pieces.push(Bytes::from(small));
    }
    pieces
}

/// Payloads at least this long are shared, shorter ones copied: one more slice in every write to every player
/// costs more than a small copy.
const SHARE_BYTES_MIN: usize = 4096;

/// `styp`: a media segment by itself (ISO/IEC 23009-1, 6.3.4.2).
const STYP: &[u8; 24] = b"\0\0\0\x18stypmsdh\0\0\0\0msdhiso6";

/// Length and name of `mdat`.
const MDAT_HEAD_BYTES: usize = 8;

/// `moof`, with the samples of the first run `payload_at` bytes after its start.
fn head(sequence: u32, runs: &[Run<'_>], payload_at: usize) -> Vec<u8> {
    let mut out = Vec::new();
    boxed(&mut out, b"moof", |out| {
        full(out, b"mfhd", 0, 0, |out| out.put_u32(sequence));
        let mut at = payload_at;
        for run in runs {
            run.traf(out, at);
            at += run.payload_len();
        }
    });
    out
}

/// The samples of one track in one segment.
struct Run<'a> {
    track: &'a MovieTrack,
    /// Frames; at least one.
    frames: Vec<&'a Frame>,
    /// The stored bytes of each frame.
    samples: Vec<Bytes>,
    /// The stream's time zero, in ticks.
    start: i64,
    /// Start of the track's next frame, in ticks of the stream.
    end: i64,
}

impl<'a> Run<'a> {
    fn new(
        track: &'a MovieTrack,
        start_us: i64,
        frames: &'a [Frame],
        next: Option<&Frame>,
    ) -> Option<Run<'a>> {
        let belongs = |frame: &Frame| frame.track == track.track && frame.is_media();
        let frames: Vec<&Frame> = frames.iter().filter(|frame| belongs(frame)).collect();
        let last = *frames.last()?;
        let end = match (next.filter(|next| belongs(next)), frames.len()) {
            (Some(next), _) => track.ticks(next.dts),
            (None, 1) => track.ticks(last.dts) + track.frame_ticks,
            (None, len) => 2 * track.ticks(last.dts) - track.ticks(frames[len - 2].dts),
        };
        let samples = frames.iter().map(|frame| sample(frame)).collect();
        Some(Run { track, frames, samples, start: track.ticks(Timestamp(start_us)), end })
    }

    fn payload_len(&self) -> usize {
        self.samples.iter().map(Bytes::len).sum()
    }

    /// Writes the run's `traf`, its first sample `payload_at` bytes after the start of the `moof`.
    fn traf(&self, out: &mut Vec<u8>, payload_at: usize) {
        let video = self.track.track.kind == TrackKind::Video;
        boxed(out, b"traf", |out| {
            // default-base-is-moof and default-sample-flags-present.
            full(out, b"tfhd", 0, 0x02_0020, |out| {
                out.put_u32(self.track.id);
                out.put_u32(if video { FLAGS_INTER } else { FLAGS_KEY });
            });
            let begin = (self.start + self.track.ticks(self.frames[0].dts)).max(0);
            full(out, b"tfdt", 1, 0, |out| out.put_i64(begin));
            // data-offset, sample-duration, sample-size; with video also sample-flags and
            // sample-composition-time-offsets.
            let fields = if video { 0x0f01 } else { 0x0301 };
            full(out, b"trun", 0, fields, |out| {
                out.put_u32(self.frames.len() as u32);
                out.put_u32(payload_at as u32);
                self.table(out, video);
            });
        });
    }

    /// One entry per sample: duration, size, and for video flags and composition time offset.
    fn table(&self, out: &mut Vec<u8>, video: bool) {
        let ends = self.frames[1..].iter().map(|frame| self.track.ticks(frame.dts)).chain([self.end]);
        for ((frame, sample), end) in self.frames.iter().zip(&self.samples).zip(ends) {
            let dts = self.track.ticks(frame.dts);
            out.put_u32(u32::try_from(end - dts).unwrap_or(0));
            out.put_u32(sample.len() as u32);
            if video {
                out.put_u32(if frame.kind == FrameKind::Key { FLAGS_KEY } else { FLAGS_INTER });
                out.put_u32(u32::try_from(self.track.ticks(frame.pts()) - dts).unwrap_or(0));
            }
        }
    }
}

/// The part of a frame that MP4 stores: all but the temporal delimiter that FFmpeg leaves before AV1
/// ("Temporal delimiter OBUs [...] SHOULD NOT be present in AV1 samples", AV1-ISOBMFF 2.4).
fn sample(frame: &Frame) -> Bytes {
    const TEMPORAL_DELIMITER: &[u8] = &[0x12, 0x00];
    let delimited = frame.codec == Codec::Av1 && frame.payload.starts_with(TEMPORAL_DELIMITER);
    frame.payload.slice(if delimited { TEMPORAL_DELIMITER.len() } else { 0 }..)
}

/// Flags of a sample that depends on no other (ISO/IEC 14496-12, 8.8.3.1).
const FLAGS_KEY: u32 = 0x0200_0000;

/// Flags of a sample that depends on others and is no sync sample.
const FLAGS_INTER: u32 = 0x0101_0000;
