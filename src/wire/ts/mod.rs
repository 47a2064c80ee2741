//! MPEG transport streams (ISO/IEC 13818-1): one programme, for live players and for HLS segments.
//!
//! In: frames with the stream info in force. Out: whole transport packets. PAT and PMT come before every
//! keyframe and twice a second, so that a player may start wherever it can decode; parameter sets stand
//! before every keyframe; the clock runs [`CLOCK_LEAD_TICKS`] behind the decoding times.
//!
//! State: what the format itself counts (continuity counters, table version, clock).

mod es;
mod packet;
mod pes;
mod psi;
#[cfg(test)]
mod tests;

pub use packet::PACKET_BYTES;

use crate::media::frame::{Frame, Track, TrackKind};
use crate::media::stream_info::{StreamInfo, TrackInfo};
use crate::media::timestamp::Timestamp;
use bytes::BytesMut;
use es::Es;
use packet::{Adaptation, BODY_BYTES, Pid};
use pes::PesHead;
use psi::{PAT_PID, PMT_PID, STREAMS_MAX, Stream};
use serde::{Deserialize, Serialize};

/// The stream's time zero on the 90 kHz clock: 1.4 s, so that the clock, which runs behind, and a track that
/// begins a little before the first frame still have positive times.
pub const START_TICKS: i64 = 126_000;

/// How much earlier than decoded the bytes of a frame arrive by the clock: 0.3 s. Covers publishers that are
/// a little late with one of their tracks; players that go by the clock (VLC) add it to their delay.
pub const CLOCK_LEAD_TICKS: i64 = 27_000;

/// Muxes frames into transport packets.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Muxer {
    /// The stream info that the tracks below were made from.
    number: Option<u64>,
    tracks: Vec<MuxTrack>,
    /// Tracks that had a place and have none now, with their counters, in case they come back.
    absent: Vec<(Track, Pid)>,
    version: u8,
    pat: Pid,
    pmt: Pid,
    tables: Tables,
    /// The clock as written last.
    clock: Option<i64>,
    /// The stream's time zero, in ticks.
    start: i64,
    /// True if tables stand before the last frame.
    entry: bool,
}

/// When PAT and PMT were written last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Tables {
    /// Never, or they have changed since.
    Due,
    /// Just now: no frame has come since.
    Fresh,
    /// Before the frame of this time.
    Since(Timestamp),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct MuxTrack {
    track: Track,
    es: Es,
    pid: Pid,
}

impl Default for Muxer {
    fn default() -> Self {
        Muxer {
            number: None,
            tracks: Vec::new(),
            absent: Vec::new(),
            version: 0,
            pat: Pid::new(PAT_PID),
            pmt: Pid::new(PMT_PID),
            tables: Tables::Due,
            clock: None,
            start: START_TICKS,
            entry: false,
        }
    }
}

/// True if the track has a place in a transport stream.
pub fn has_place(info: &TrackInfo) -> bool {
    Es::new(info).is_some()
}

/// Estimate of the bytes that a frame becomes; seldom too low.
pub fn len_hint(frame: &Frame) -> usize {
    const HEADS_BYTES: usize = 64;
    (frame.payload.len() + HEADS_BYTES).div_ceil(BODY_BYTES) * PACKET_BYTES
}

impl Muxer {
    /// A muxer before the first frame.
    pub fn new() -> Muxer {
        Muxer::default()
    }

    /// A muxer whose clock is `secs` seconds ahead of that of [`Muxer::new`].
    pub fn ahead(secs: u32) -> Muxer {
        Muxer { start: START_TICKS + i64::from(secs) * 90_000, ..Muxer::default() }
    }

    /// Appends PAT and PMT for `stream_info`.
    pub fn tables(&mut self, stream_info: &StreamInfo, out: &mut BytesMut) {
        self.follow(stream_info);
        self.write_tables(out);
    }

    /// Appends `frame`, after tables where they are due. `stream_info` is the one in force at the frame.
    /// False, and nothing appended, if the frame has no place here.
    pub fn frame(&mut self, frame: &Frame, stream_info: &StreamInfo, out: &mut BytesMut) -> bool {
        self.entry = false;
        if !frame.is_media() {
            return false;
        }
        self.follow(stream_info);
        let Some(index) = self.tracks.iter().position(|track| track.track == frame.track) else {
            return false;
        };
        let (pts, dts) = (self.start + frame.pts().as_90k(), self.start + frame.dts.as_90k());
        let mut payload_len = 0;
        self.tracks[index].es.access_unit(frame, &mut |bytes| payload_len += bytes.len());
        let stream_id = self.tracks[index].es.stream_id(frame.track);
        let Some(head) = PesHead::new(stream_id, pts, dts, payload_len).filter(|_| payload_len > 0) else {
            return false;
        };
        if self.tables_due(frame) {
            self.write_tables(out);
        }
        if self.tables == Tables::Fresh {
            self.tables = Tables::Since(frame.dts);
            self.entry = true;
        }
        let pcr = self.clock(index, dts - CLOCK_LEAD_TICKS, out);
        let track = &mut self.tracks[index];
        let random_access = frame.is_video_key() || pcr.is_some() && frame.track.kind == TrackKind::Audio;
        let adaptation = Adaptation { random_access, pcr };
        let mut unit = track.pid.unit(adaptation, head.as_slice().len() + payload_len, out);
        unit.put(head.as_slice());
        track.es.access_unit(frame, &mut |bytes| unit.put(bytes));
        unit.finish();
        true
    }

    /// True if tables stand right before the frame that was appended last: a player may start there.
    pub fn is_entry(&self) -> bool {
        self.entry
    }

    /// Takes the tracks of `stream_info`. Tables that differ get another version and are due at once.
    fn follow(&mut self, stream_info: &StreamInfo) {
        if self.number == Some(stream_info.number) {
            return;
        }
        self.number = Some(stream_info.number);
        let before = self.streams();
        let mut known = std::mem::take(&mut self.tracks);
        for (track, info) in &stream_info.tracks {
            let Some(es) = Es::new(info).filter(|_| self.tracks.len() < STREAMS_MAX) else { continue };
            let absent = self.absent.iter().position(|(known, _)| known == track);
            let pid = match known.iter().position(|known| known.track == *track) {
                Some(index) => known.swap_remove(index).pid,
                None => absent.map_or(Pid::new(pid_of(*track)), |index| self.absent.swap_remove(index).1),
            };
            self.tracks.push(MuxTrack { track: *track, es, pid });
        }
        self.absent.extend(known.into_iter().map(|track| (track.track, track.pid)));
        if self.streams() != before && !before.is_empty() {
            self.version = (self.version + 1) % 32;
            self.tables = Tables::Due;
        }
    }

    fn streams(&self) -> Vec<Stream> {
        self.tracks.iter().map(|track| track.es.stream(track.pid.number())).collect()
    }

    /// The track whose packets carry the clock: the first video track, else the first track.
    fn clock_track(&self) -> usize {
        self.tracks.iter().position(|track| track.track.kind == TrackKind::Video).unwrap_or(0)
    }

    fn tables_due(&self, frame: &Frame) -> bool {
        match self.tables {
            Tables::Due => true,
            Tables::Fresh => false,
            Tables::Since(at) => frame.is_video_key() || (frame.dts - at).abs() >= TABLES_EVERY_US,
        }
    }

    fn write_tables(&mut self, out: &mut BytesMut) {
        let clock_pid = self.tracks.get(self.clock_track()).map_or(NO_PID, |track| track.pid.number());
        let pmt = psi::pmt(self.version, clock_pid, &self.streams());
        for (pid, table) in [(&mut self.pat, psi::pat()), (&mut self.pmt, pmt)] {
            let mut unit = pid.unit(Adaptation::default(), table.len(), out);
            unit.put(&table);
            unit.finish();
        }
        self.tables = Tables::Fresh;
    }

    /// The clock to write with a frame of the track at `index`, if one is due. If the track that carries it
    /// has been silent for too long, the clock is written in a packet of its own. It never runs backwards.
    fn clock(&mut self, index: usize, now: i64, out: &mut BytesMut) -> Option<i64> {
        let clock_track = self.clock_track();
        let since = self.clock.map_or(i64::MAX, |clock| now - clock);
        let every = match (index == clock_track, self.tracks[index].track.kind) {
            (true, TrackKind::Video) => 1,
            (true, _) => CLOCK_EVERY_TICKS,
            (false, _) => CLOCK_LATE_TICKS,
        };
        // A player that starts here needs the time with the first frame that it can use.
        if since < every || (self.clock.is_none() && index != clock_track) {
            return None;
        }
        self.clock = Some(now);
        if index == clock_track {
            return Some(now);
        }
        self.tracks[clock_track].pid.clock(now, out);
        None
    }
}

/// The PID of a track: the same whatever other tracks there are.
fn pid_of(track: Track) -> u16 {
    let base = if track.kind == TrackKind::Video { 0x100 } else { 0x200 };
    base + u16::from(track.id)
}

/// Longest distance of tables, in microseconds of the stream.
const TABLES_EVERY_US: i64 = 500_000;

/// Shortest distance of clocks on audio: 40 ms.
const CLOCK_EVERY_TICKS: i64 = 3_600;

/// When a clock of its own is due: the specification wants one every 100 ms (2.7.2), and the next audio frame
/// may be half of that away.
const CLOCK_LATE_TICKS: i64 = 4_500;

/// The PID for "no clock" (2.4.4.9).
const NO_PID: u16 = 0x1fff;
