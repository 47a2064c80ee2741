//! A stream laid out in one format, once for all its players.
//!
//! The log runs beside the ring: for each frame from its `start` on it holds the frame's bytes in its
//! format. Frames that left the ring leave the log too, but for those that some player is in the middle
//! of: they wait in the attic until the last such player is through, within a byte limit, so that no
//! player ever gets half a frame.
//!
//! Frames that leave together stand one behind the other in one piece of memory, a run. Whoever lacks them
//! all, which is everybody in step, is sent one slice: `send`, not `writev`, and less of it for each frame.
//! Never: knows who the players are.

use crate::base::slices::Slices;
use crate::config::RUN_BYTES_MAX;
use crate::media::headers::Headers;
use crate::media::timestamp::Timestamp;
use crate::stream::ring::Ring;
use crate::wire::format::Format;
use crate::wire::render::Renderer;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

/// Frames that were laid out together: one at least.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Run {
    /// Number of the first.
    first: u64,
    bytes: Bytes,
    pieces: Vec<Piece>,
}

/// A frame in a run. It begins where the one before it ends.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Piece {
    end: usize,
    /// Whether a player that begins here can read it.
    entry: bool,
    /// Players in the middle of it.
    pins: u32,
}

impl Run {
    /// `parts` one behind the other.
    fn new(first: u64, parts: &[Bytes], mut pieces: Vec<Piece>) -> Self {
        pieces.shrink_to_fit();
        let bytes = match parts {
            [alone] => alone.clone(),
            several => several.concat().into(),
        };
        Run { first, bytes, pieces }
    }

    /// Number of the frame behind the last.
    fn end(&self) -> u64 {
        self.first.saturating_add(self.pieces.len() as u64)
    }

    /// Where the frame at `place` stands. What was loaded may be anything: then it is nowhere.
    fn range(&self, place: usize) -> Range<usize> {
        let begin = place.checked_sub(1).map_or(0, |before| self.pieces[before].end);
        let end = self.pieces[place].end;
        if begin <= end && end <= self.bytes.len() { begin..end } else { 0..0 }
    }

    /// The frame at `place`, alive without the run: nothing of others is kept for it.
    fn keep(&self, place: usize) -> Bytes {
        if self.pieces.len() == 1 { self.bytes.clone() } else { Bytes::copy_from_slice(self.get(place)) }
    }

    fn get(&self, place: usize) -> &[u8] {
        &self.bytes[self.range(place)]
    }
}

/// A frame that left the ring while players were in the middle of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Relic {
    bytes: Bytes,
    pins: u32,
}

/// One format of a stream.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Log {
    format: Format,
    renderer: Renderer,
    runs: VecDeque<Run>,
    /// Number of the first frame that has not left the ring: one of the first run, if there is one.
    start: u64,
    /// Bytes in `runs`.
    bytes: usize,
    attic: BTreeMap<u64, Relic>,
    attic_bytes: usize,
    attic_bytes_max: usize,
    /// Players that follow it.
    followers: usize,
    /// The last preamble made, and for which headers and time: joiners at one keyframe share it.
    preamble: Option<(u64, Timestamp, Bytes)>,
}

impl Log {
    /// A log that begins at frame `start`.
    pub fn new(format: Format, start: u64, attic_bytes_max: usize) -> Self {
        Log {
            format,
            renderer: Renderer::new(format),
            runs: VecDeque::new(),
            start,
            bytes: 0,
            attic: BTreeMap::new(),
            attic_bytes: 0,
            attic_bytes_max,
            followers: 0,
            preamble: None,
        }
    }

    /// Its format.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Number of the first frame that it can give.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Number of the first frame that it has not laid out yet.
    pub fn end(&self) -> u64 {
        self.runs.back().map_or(self.start, Run::end)
    }

    /// A player joins.
    pub fn join(&mut self) {
        self.followers += 1;
    }

    /// A player leaves; its pin, if it has one, was taken off before. True if it was the last.
    pub fn leave(&mut self) -> bool {
        self.followers = self.followers.checked_sub(1).expect("who leaves has joined");
        self.followers == 0
    }

    /// Lays out what the ring has got since the last call, and lets go of what it has lost.
    pub fn catch_up(&mut self, ring: &Ring) {
        while self.start < ring.first() {
            self.pop();
        }
        while self.end() < ring.head() {
            self.lay_out_run(ring);
        }
    }

    /// Lays out the frames that come next, until there are none or the run is full.
    fn lay_out_run(&mut self, ring: &Ring) {
        let first = self.end();
        let (mut parts, mut pieces, mut len) = (Vec::new(), Vec::new(), 0);
        for number in first..ring.head() {
            let entry = ring.get(number).expect("the log begins inside the ring");
            if number > first && len + entry.frame.payload.len() > RUN_BYTES_MAX {
                break;
            }
            let bytes = if self.format.carries(entry.frame.track.kind) {
                self.renderer.frame(&entry.frame, &entry.headers)
            } else {
                Bytes::new()
            };
            len += bytes.len();
            parts.push(bytes);
            pieces.push(Piece { end: len, entry: self.renderer.is_entry(), pins: 0 });
        }
        self.bytes += len;
        self.runs.push_back(Run::new(first, &parts, pieces));
    }

    /// The first frame has left the ring.
    fn pop(&mut self) {
        if let Some((run, place)) = self.find(self.start) {
            let (pins, last) = (run.pieces[place].pins, place + 1 == run.pieces.len());
            if pins > 0 {
                reached!("a frame that somebody is in the middle of left the ring");
                let bytes = run.keep(place);
                self.attic_bytes += bytes.len();
                self.attic.insert(self.start, Relic { bytes, pins });
            }
            if last && let Some(run) = self.runs.pop_front() {
                self.bytes -= run.bytes.len();
            }
        }
        self.start += 1;
        while self.attic_bytes > self.attic_bytes_max {
            reached!("the attic was full");
            // Whoever was in the middle of it has stalled the longest; it is cut off when it wakes up.
            let (_, relic) = self.attic.pop_first().expect("bytes in the attic belong to frames");
            self.attic_bytes -= relic.bytes.len();
        }
    }

    /// The run of frame `number`, and its place there.
    fn find(&self, number: u64) -> Option<(&Run, usize)> {
        let (index, place) = self.place_of(number)?;
        Some((&self.runs[index], place))
    }

    /// Which run frame `number` is in, and where there. Who is in step asks for one of the last run. What was
    /// loaded may be anything: then it is nowhere.
    fn place_of(&self, number: u64) -> Option<(usize, usize)> {
        let last = self.runs.len().checked_sub(1)?;
        let index = if self.runs[last].first <= number {
            last
        } else {
            self.runs.partition_point(|run| run.first <= number).checked_sub(1)?
        };
        let run = &self.runs[index];
        let place = usize::try_from(number.checked_sub(run.first)?).ok()?;
        (number >= self.start && place < run.pieces.len()).then_some((index, place))
    }

    /// The bytes of frame `number`: `None` if it is gone, or not laid out yet.
    pub fn get(&self, number: u64) -> Option<&[u8]> {
        match self.find(number) {
            Some((run, place)) => Some(run.get(place)),
            None => self.attic.get(&number).map(|relic| &relic.bytes[..]),
        }
    }

    /// The bytes of frame `number` from `offset` on, to keep.
    pub fn rest(&self, number: u64, offset: usize) -> Option<Bytes> {
        match self.find(number) {
            Some((run, place)) => Some(run.bytes.slice(run.range(place)).slice(offset..)),
            None => self.attic.get(&number).map(|relic| relic.bytes.slice(offset..)),
        }
    }

    /// Appends frame `number` to `slices`, with those below `end` that stand behind it in its run. Gives the
    /// number of the frame that comes next, or `None` if `slices` is full.
    pub fn show<'a>(&'a self, number: u64, end: u64, slices: &mut Slices<'a>) -> Option<u64> {
        let (run, place) = self.find(number)?;
        let next = run.end().min(end);
        let count = usize::try_from(next - run.first).ok()?;
        let range = run.range(place).start..run.range(count.checked_sub(1)?).end;
        let shown = if range == (0..run.bytes.len()) {
            slices.push_shared(&run.bytes)
        } else {
            slices.push(run.bytes.get(range).unwrap_or_default())
        };
        shown.then_some(next)
    }

    /// The first of the frames from `from` on, below `end`, that a player which knows nothing can read: where
    /// a transport stream has its tables; any in other formats.
    pub fn entry_from(&self, from: u64, end: u64) -> Option<u64> {
        let entry = |number| self.find(number).is_some_and(|(run, place)| run.pieces[place].entry);
        (from..end).find(|number| entry(*number))
    }

    /// A player is in the middle of frame `number` from now on.
    pub fn pin(&mut self, number: u64) {
        if let Some(pins) = self.pins(number) {
            *pins += 1;
        }
    }

    /// A player is through with frame `number`.
    pub fn unpin(&mut self, number: u64) {
        let Some(pins) = self.pins(number) else { return };
        *pins = pins.checked_sub(1).expect("who is through was in the middle");
        if *pins == 0
            && let Some(relic) = self.attic.remove(&number)
        {
            self.attic_bytes -= relic.bytes.len();
        }
    }

    /// How many players are in the middle of frame `number`.
    fn pins(&mut self, number: u64) -> Option<&mut u32> {
        match self.place_of(number) {
            Some((run, place)) => Some(&mut self.runs[run].pieces[place].pins),
            None => self.attic.get_mut(&number).map(|relic| &mut relic.pins),
        }
    }

    /// What every player gets once, before anything else.
    pub fn file_head(&self, headers: &Headers) -> Bytes {
        self.renderer.file_head(headers)
    }

    /// What a player gets before the frame at `at`, if it does not know these headers yet.
    pub fn preamble(&mut self, headers: &Headers, at: Timestamp) -> Bytes {
        match &self.preamble {
            Some((number, time, bytes)) if *number == headers.number && *time == at => bytes.clone(),
            _ => {
                let bytes = self.renderer.preamble(headers, at);
                self.preamble = Some((headers.number, at, bytes.clone()));
                bytes
            }
        }
    }

    /// Bytes held: laid out and in the attic.
    pub fn bytes(&self) -> usize {
        self.bytes + self.attic_bytes
    }

    /// Bytes in the attic.
    pub fn attic_bytes(&self) -> usize {
        self.attic_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::{Log, Piece, Run};
    use crate::base::slices::Slices;
    use crate::wire::format::Format;
    use bytes::Bytes;

    /// A saved server may be made up: its runs may overlap, stand in any order, and end outside of their
    /// bytes.
    #[test]
    fn runs_that_make_no_sense_do_no_harm() {
        let piece = |end| Piece { end, entry: true, pins: 0 };
        let run = |first, pieces| Run { first, bytes: Bytes::from_static(b"abc"), pieces };
        let mut log = Log::new(Format::Flv, 0, 100);
        log.runs.extend([
            run(7, vec![piece(9), piece(2)]),
            run(2, vec![piece(3), piece(1), piece(3)]),
            run(5, Vec::new()),
            run(u64::MAX, vec![piece(1), piece(usize::MAX)]),
        ]);
        for number in (0..12).chain([u64::MAX - 1, u64::MAX]) {
            let len = log.get(number).map_or(0, <[u8]>::len);
            assert!(len <= 3);
            assert_eq!(log.rest(number, len).unwrap_or_default().len(), 0);
            log.pin(number);
            log.unpin(number);
            let mut slices = Slices::default();
            log.show(number, u64::MAX, &mut slices);
            assert!(slices.len() <= 3);
        }
    }
}
