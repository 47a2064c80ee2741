//! A stream laid out in one format, once for all its players.
//!
//! A rendition stands beside the ring: for each frame from its `start` on it holds the frame's bytes in its
//! format. Frames that left the ring leave the rendition too, but for those that some player is in the middle
//! of: they stay pinned until the last such player is through, within a byte limit, so that no player ever
//! gets half a frame.
//!
//! Frames that leave together stand one behind the other in one piece of memory, a batch. Whoever lacks them
//! all, as every player that is caught up does, is sent one slice: `send`, not `writev`, and less of it for
//! each frame. Never: knows who the players are.

use crate::base::slices::Slices;
use crate::config::BATCH_BYTES_MAX;
use crate::media::stream_info::StreamInfo;
use crate::media::timestamp::Timestamp;
use crate::stream::cursor::Cursor;
use crate::stream::ring::Ring;
use crate::wire::format::Format;
use crate::wire::render::Renderer;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

/// Frames that were laid out together: one at least.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Batch {
    /// Number of the first.
    first: u64,
    bytes: Bytes,
    slots: Vec<Slot>,
}

/// A frame in a batch. It begins where the one before it ends.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Slot {
    end: usize,
    /// Whether a player that begins here can read it.
    entry: bool,
    /// Players in the middle of it.
    pins: u32,
}

impl Batch {
    /// `parts` one behind the other.
    fn new(first: u64, parts: &[Bytes], mut slots: Vec<Slot>) -> Self {
        slots.shrink_to_fit();
        let bytes = match parts {
            [alone] => alone.clone(),
            several => several.concat().into(),
        };
        Batch { first, bytes, slots }
    }

    /// Number of the frame behind the last.
    fn end(&self) -> u64 {
        self.first.saturating_add(self.slots.len() as u64)
    }

    /// Where the frame at `place` stands. What was loaded may be anything: then it is nowhere.
    fn range(&self, place: usize) -> Range<usize> {
        let begin = place.checked_sub(1).map_or(0, |before| self.slots[before].end);
        let end = self.slots[place].end;
        if begin <= end && end <= self.bytes.len() { begin..end } else { 0..0 }
    }

    /// The frame at `place`, alive without the batch: nothing of others is kept for it.
    fn keep(&self, place: usize) -> Bytes {
        if self.slots.len() == 1 { self.bytes.clone() } else { Bytes::copy_from_slice(self.get(place)) }
    }

    fn get(&self, place: usize) -> &[u8] {
        &self.bytes[self.range(place)]
    }
}

/// A frame that left the ring while players were in the middle of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Pinned {
    bytes: Bytes,
    pins: u32,
}

/// One format of a stream.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rendition {
    format: Format,
    renderer: Renderer,
    batches: VecDeque<Batch>,
    /// Number of the first frame that has not left the ring: one of the first batch, if there is one.
    start: u64,
    /// Bytes in `batches`.
    bytes: usize,
    pinned: BTreeMap<u64, Pinned>,
    pinned_bytes: usize,
    pinned_bytes_max: usize,
    /// Players that follow it.
    followers: usize,
    /// The last preamble made, and for which stream info and time: joiners at one keyframe share it.
    preamble: Option<(u64, Timestamp, Bytes)>,
}

impl Rendition {
    /// A rendition that begins at frame `start`.
    pub fn new(format: Format, start: u64, pinned_bytes_max: usize) -> Self {
        Rendition {
            format,
            renderer: Renderer::new(format),
            batches: VecDeque::new(),
            start,
            bytes: 0,
            pinned: BTreeMap::new(),
            pinned_bytes: 0,
            pinned_bytes_max,
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
        self.batches.back().map_or(self.start, Batch::end)
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
            self.lay_out_batch(ring);
        }
    }

    /// Lays out the frames that come next, until there are none or the batch is full.
    fn lay_out_batch(&mut self, ring: &Ring) {
        let first = self.end();
        let (mut parts, mut slots, mut len) = (Vec::new(), Vec::new(), 0);
        for number in first..ring.head() {
            let entry = ring.get(number).expect("the rendition begins inside the ring");
            if number > first && len + entry.frame.payload.len() > BATCH_BYTES_MAX {
                break;
            }
            let bytes = if self.format.carries(entry.frame.track.kind) {
                self.renderer.frame(&entry.frame, &entry.stream_info)
            } else {
                Bytes::new()
            };
            len += bytes.len();
            parts.push(bytes);
            slots.push(Slot { end: len, entry: self.renderer.is_entry(), pins: 0 });
        }
        self.bytes += len;
        self.batches.push_back(Batch::new(first, &parts, slots));
    }

    /// The first frame has left the ring.
    fn pop(&mut self) {
        if let Some((batch, place)) = self.find(self.start) {
            let (pins, last) = (batch.slots[place].pins, place + 1 == batch.slots.len());
            if pins > 0 {
                reached!("a frame that somebody is in the middle of left the ring");
                let bytes = batch.keep(place);
                self.pinned_bytes += bytes.len();
                self.pinned.insert(self.start, Pinned { bytes, pins });
            }
            if last && let Some(batch) = self.batches.pop_front() {
                self.bytes -= batch.bytes.len();
            }
        }
        self.start += 1;
        while self.pinned_bytes > self.pinned_bytes_max {
            reached!("the pinned frames of a rendition were too many");
            // Whoever was in the middle of it has stalled the longest; it is cut off when it wakes up.
            let (_, pinned) = self.pinned.pop_first().expect("pinned bytes belong to frames");
            self.pinned_bytes -= pinned.bytes.len();
        }
    }

    /// The batch of frame `number`, and its place there.
    fn find(&self, number: u64) -> Option<(&Batch, usize)> {
        let (index, place) = self.place_of(number)?;
        Some((&self.batches[index], place))
    }

    /// Which batch frame `number` is in, and where there. A player that is caught up asks for the last one.
    /// What was loaded may be anything: then it is nowhere.
    fn place_of(&self, number: u64) -> Option<(usize, usize)> {
        let last = self.batches.len().checked_sub(1)?;
        let index = if self.batches[last].first <= number {
            last
        } else {
            self.batches.partition_point(|batch| batch.first <= number).checked_sub(1)?
        };
        let batch = &self.batches[index];
        let place = usize::try_from(number.checked_sub(batch.first)?).ok()?;
        (number >= self.start && place < batch.slots.len()).then_some((index, place))
    }

    /// The bytes of frame `number`: `None` if it is gone, or not laid out yet.
    pub fn get(&self, number: u64) -> Option<&[u8]> {
        match self.find(number) {
            Some((batch, place)) => Some(batch.get(place)),
            None => self.pinned.get(&number).map(|pinned| &pinned.bytes[..]),
        }
    }

    /// The bytes of frame `number` from `offset` on, to keep.
    pub fn rest(&self, number: u64, offset: usize) -> Option<Bytes> {
        match self.find(number) {
            Some((batch, place)) => Some(batch.bytes.slice(batch.range(place)).slice(offset..)),
            None => self.pinned.get(&number).map(|pinned| pinned.bytes.slice(offset..)),
        }
    }

    /// Appends frame `number` to `slices`, with those below `end` that stand behind it in its batch. Gives
    /// the number of the frame that comes next, or `None` if `slices` is full.
    pub fn show<'a>(&'a self, number: u64, end: u64, slices: &mut Slices<'a>) -> Option<u64> {
        let (batch, place) = self.find(number)?;
        let next = batch.end().min(end);
        let count = usize::try_from(next - batch.first).ok()?;
        let range = batch.range(place).start..batch.range(count.checked_sub(1)?).end;
        let shown = if range == (0..batch.bytes.len()) {
            slices.push_shared(&batch.bytes)
        } else {
            slices.push(batch.bytes.get(range).unwrap_or_default())
        };
        shown.then_some(next)
    }

    /// The first of the frames from `from` on, below `end`, that a player which knows nothing can read: where
    /// a transport stream has its tables; any in other formats.
    pub fn entry_from(&self, from: u64, end: u64) -> Option<u64> {
        let entry = |number| self.find(number).is_some_and(|(batch, place)| batch.slots[place].entry);
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
            && let Some(pinned) = self.pinned.remove(&number)
        {
            self.pinned_bytes -= pinned.bytes.len();
        }
    }

    /// How many players are in the middle of frame `number`.
    fn pins(&mut self, number: u64) -> Option<&mut u32> {
        match self.place_of(number) {
            Some((batch, place)) => Some(&mut self.batches[batch].slots[place].pins),
            None => self.pinned.get_mut(&number).map(|pinned| &mut pinned.pins),
        }
    }

    /// What every player gets once, before anything else.
    pub fn file_head(&self, stream_info: &StreamInfo) -> Bytes {
        self.renderer.file_head(stream_info)
    }

    /// What a player gets before the frame at `at`, if it does not know this stream info yet.
    pub fn preamble(&mut self, stream_info: &StreamInfo, at: Timestamp) -> Bytes {
        match &self.preamble {
            Some((number, time, bytes)) if *number == stream_info.number && *time == at => bytes.clone(),
            _ => {
                let bytes = self.renderer.preamble(stream_info, at);
                self.preamble = Some((stream_info.number, at, bytes.clone()));
                bytes
            }
        }
    }

    /// True if its numbers fit its frames and these players. Loaded bytes may say anything.
    pub fn is_sound(&self, players: &[&Cursor]) -> bool {
        let whole = |batch: &Batch| {
            let ends = batch.slots.iter().map(|slot| slot.end);
            ends.is_sorted() && batch.slots.last().is_some_and(|slot| slot.end == batch.bytes.len())
        };
        let adjacent = self.batches.iter().zip(self.batches.iter().skip(1));
        let begins =
            self.batches.front().is_none_or(|batch| (batch.first..batch.end()).contains(&self.start));
        let bytes: usize = self.batches.iter().map(|batch| batch.bytes.len()).sum();
        let pinned: usize = self.pinned.values().map(|pinned| pinned.bytes.len()).sum();
        let mut followers = 0;
        let mut pins: BTreeMap<u64, u32> = BTreeMap::new();
        for player in players.iter().filter(|player| player.format == self.format) {
            followers += 1;
            // Of a frame that is gone there is nothing to pin.
            if let Some(partial) = player.partial.filter(|partial| self.get(partial.number).is_some()) {
                *pins.entry(partial.number).or_default() += 1;
            }
        }
        let slots = self.batches.iter().flat_map(|batch| (batch.first..).zip(&batch.slots));
        let laid_out =
            slots.filter(|(number, _)| *number >= self.start).map(|(number, slot)| (number, slot.pins));
        let counted = self.pinned.iter().map(|(number, pinned)| (*number, pinned.pins)).chain(laid_out);
        self.batches.iter().all(whole)
            && adjacent.into_iter().all(|(one, next)| one.end() == next.first)
            && begins
            && (self.bytes, self.pinned_bytes) == (bytes, pinned)
            && self.pinned.keys().all(|number| *number < self.start)
            && self.followers == followers
            && counted.filter(|(_, pins)| *pins > 0).eq(pins)
    }

    /// Bytes held: laid out and pinned.
    pub fn bytes(&self) -> usize {
        self.bytes + self.pinned_bytes
    }

    /// Bytes of pinned frames.
    pub fn pinned_bytes(&self) -> usize {
        self.pinned_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::{Batch, Rendition, Slot};
    use crate::base::slices::Slices;
    use crate::wire::format::Container;
    use bytes::Bytes;

    /// A saved server may be made up: its batches may overlap, stand in any order, and end outside of their
    /// bytes.
    #[test]
    fn runs_that_make_no_sense_do_no_harm() {
        let slot = |end| Slot { end, entry: true, pins: 0 };
        let batch = |first, slots| Batch { first, bytes: Bytes::from_static(b"abc"), slots };
        let mut rendition = Rendition::new(Container::Flv.bare(), 0, 100);
        rendition.batches.extend([
            batch(7, vec![slot(9), slot(2)]),
            batch(2, vec![slot(3), slot(1), slot(3)]),
            batch(5, Vec::new()),
            batch(u64::MAX, vec![slot(1), slot(usize::MAX)]),
        ]);
        for number in (0..12).chain([u64::MAX - 1, u64::MAX]) {
            let len = rendition.get(number).map_or(0, <[u8]>::len);
            assert!(len <= 3);
            assert_eq!(rendition.rest(number, len).unwrap_or_default().len(), 0);
            rendition.pin(number);
            rendition.unpin(number);
            let mut slices = Slices::default();
            rendition.show(number, u64::MAX, &mut slices);
            assert!(slices.len() <= 3);
        }
    }
}
