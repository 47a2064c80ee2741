//! A stream in one format, rendered once for all its players.
//!
//! A rendition stands beside the ring: for each frame from its `start` on it holds the frame in its format.
//! Frames that left the ring leave the rendition too, but for those that a player has a part of: they stay
//! pinned until the last such player has the rest, within a byte limit, so that no player ever gets half a
//! frame.
//!
//! With many players, frames that are sent together stand one behind the other in one piece of memory. A
//! player that lacks them all, as every player that is caught up does, is sent one slice: `send`, not
//! `writev`, and less of it for each frame. With few players the copy of a large frame costs more than the
//! slices that it saves: the rendition shares the payload with the ring and holds only the bytes around it.
//! Never: knows the players.

use crate::base::slices::Slices;
use crate::config::BATCH_BYTES_MAX;
use crate::media::frame::Frame;
use crate::media::stream_info::StreamInfo;
use crate::media::timestamp::Timestamp;
use crate::stream::cursor::Cursor;
use crate::stream::ring::{Entry, Ring};
use crate::wire::format::{Container, Format};
use crate::wire::render::{Parts, Renderer};
use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

/// Frames that leave in one go.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Piece {
    /// One frame.
    Single(Single),
    /// Frames in one piece of memory.
    Batch(Batch),
}

/// A frame that stands alone.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Single {
    number: u64,
    parts: Parts,
    /// Whether the payload is that of the ring.
    shared: bool,
    /// Whether a player that begins here can read it.
    entry: bool,
    /// Players that have a part of it.
    pins: u32,
}

/// Frames that were laid out together.
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
    /// Players that have a part of it.
    pins: u32,
}

impl Batch {
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

    /// Appends the frames from `place` on whose numbers are below `end`, without the first `offset` bytes.
    fn show<'a>(&'a self, place: usize, end: u64, offset: usize, slices: &mut Slices<'a>) -> Option<u64> {
        let next = self.end().min(end);
        let count = usize::try_from(next.checked_sub(self.first)?).ok()?;
        let range = self.range(place).start + offset..self.range(count.checked_sub(1)?).end;
        let shown = if range == (0..self.bytes.len()) {
            slices.push_shared(&self.bytes)
        } else {
            slices.push(self.bytes.get(range).unwrap_or_default())
        };
        shown.then_some(next)
    }
}

impl Single {
    /// Bytes that it holds for itself.
    fn bytes(&self) -> usize {
        self.parts.len() - if self.shared { self.parts.payload().len() } else { 0 }
    }

    /// Appends the frame, without the first `offset` bytes. Returns the number of the next, or `None` if
    /// `slices` is full.
    fn show<'a>(&'a self, offset: usize, slices: &mut Slices<'a>) -> Option<u64> {
        let (head, payload, tail) = (self.parts.head(), self.parts.payload(), self.parts.tail());
        let behind = offset.saturating_sub(head.len());
        let shown = slices.push(head.get(offset..).unwrap_or_default())
            && if behind == 0 {
                slices.push_shared(payload)
            } else {
                slices.push(payload.get(behind..).unwrap_or_default())
            }
            && slices.push(tail.get(behind.saturating_sub(payload.len())..).unwrap_or_default());
        shown.then(|| self.number.saturating_add(1))
    }
}

impl Piece {
    /// True if its frames stand one behind the other. Loaded bytes may say anything.
    fn is_sound(&self) -> bool {
        match self {
            Piece::Single(single) => single.number < u64::MAX,
            Piece::Batch(batch) => {
                let ends = batch.slots.iter().map(|slot| slot.end);
                ends.is_sorted() && batch.slots.last().is_some_and(|slot| slot.end == batch.bytes.len())
            }
        }
    }

    /// Number of the first frame.
    fn first(&self) -> u64 {
        match self {
            Piece::Single(single) => single.number,
            Piece::Batch(batch) => batch.first,
        }
    }

    /// Number of the frame behind the last.
    fn end(&self) -> u64 {
        match self {
            Piece::Single(single) => single.number.saturating_add(1),
            Piece::Batch(batch) => batch.end(),
        }
    }

    /// Bytes that it holds for itself.
    fn bytes(&self) -> usize {
        match self {
            Piece::Single(single) => single.bytes(),
            Piece::Batch(batch) => batch.bytes.len(),
        }
    }

    /// Length of the frame at `place` in bytes.
    fn frame_bytes(&self, place: usize) -> usize {
        match self {
            Piece::Single(single) => single.parts.len(),
            Piece::Batch(batch) => batch.range(place).len(),
        }
    }

    /// The bytes of the frame at `place` from `offset` on. They may keep others of their piece alive.
    fn rest(&self, place: usize, offset: usize) -> Bytes {
        match self {
            Piece::Single(single) => single.parts.to_bytes().slice(offset..),
            Piece::Batch(batch) => batch.bytes.slice(batch.range(place)).slice(offset..),
        }
    }

    /// The frame at `place`, alive without its piece: nothing of others is kept for it.
    fn keep(&self, place: usize) -> Bytes {
        match self {
            Piece::Batch(batch) => {
                Bytes::copy_from_slice(batch.bytes.get(batch.range(place)).unwrap_or_default())
            }
            Piece::Single(single) => single.parts.to_bytes(),
        }
    }

    /// How many players have a part of the frame at `place`.
    fn pins(&self, place: usize) -> u32 {
        match self {
            Piece::Single(single) => single.pins,
            Piece::Batch(batch) => batch.slots[place].pins,
        }
    }

    fn pins_mut(&mut self, place: usize) -> &mut u32 {
        match self {
            Piece::Single(single) => &mut single.pins,
            Piece::Batch(batch) => &mut batch.slots[place].pins,
        }
    }

    /// Whether a player can begin at the frame at `place`.
    fn is_entry(&self, place: usize) -> bool {
        match self {
            Piece::Single(single) => single.entry,
            Piece::Batch(batch) => batch.slots[place].entry,
        }
    }

    /// Appends the frame at `place`, without its first `offset` bytes, and the whole frames behind it that
    /// are below `end`. Returns the number of the frame that comes next, or `None` if `slices` is full.
    fn show<'a>(&'a self, place: usize, end: u64, offset: usize, slices: &mut Slices<'a>) -> Option<u64> {
        match self {
            Piece::Batch(batch) => batch.show(place, end, offset, slices),
            Piece::Single(single) => single.show(offset, slices),
        }
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
    pieces: VecDeque<Piece>,
    /// Number of the first frame that has not left the ring: one of the first piece, if there is one.
    start: u64,
    /// Bytes that `pieces` hold for themselves.
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
            pieces: VecDeque::new(),
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
        self.pieces.back().map_or(self.start, Piece::end)
    }

    /// A player joins. With one more than few players, frames that stand alone are laid out together: the
    /// slices that each of them would be sent cost more than the copy.
    pub fn join(&mut self, ring: &Ring) {
        self.followers += 1;
        if self.followers == SHARING_FOLLOWERS_MAX + 1 {
            self.lay_out_singles();
        }
        self.leave_behind(ring);
        // What a new rendition lacks is much at once, and more players may want it soon.
        while self.end() < ring.head() {
            self.lay_out_batch(ring);
        }
    }

    /// A player leaves; its pin, if it has one, was taken off before. True if it was the last.
    pub fn leave(&mut self) -> bool {
        self.followers = self.followers.checked_sub(1).expect("a player that leaves has joined");
        self.followers == 0
    }

    /// Takes what the ring has got since the last call, and drops what it has lost.
    pub fn catch_up(&mut self, ring: &Ring) {
        self.leave_behind(ring);
        while self.end() < ring.head() {
            if !self.share(ring) {
                self.lay_out_batch(ring);
            }
        }
    }

    /// Drops what the ring has lost.
    fn leave_behind(&mut self, ring: &Ring) {
        while self.start < ring.first() {
            self.pop();
        }
    }

    /// True if the payload of such a frame should be shared with the ring, not copied.
    fn is_shared(&self, frame: &Frame) -> bool {
        self.followers <= SHARING_FOLLOWERS_MAX
            && frame.payload.len() >= SHARED_BYTES_MIN
            && self.format.container != Container::Ts
            && self.format.carries(frame.track.kind)
    }

    /// Takes the frame that comes next with the payload that the ring holds. False if it is not to be shared,
    /// or this format does not have it in one piece.
    fn share(&mut self, ring: &Ring) -> bool {
        let number = self.end();
        let entry = ring.get(number).expect("the rendition begins inside the ring");
        let frame = &entry.frame;
        if !self.is_shared(frame) {
            return false;
        }
        let Some(parts) = self.renderer.parts(frame, &entry.stream_info) else { return false };
        self.push(Piece::Single(Single { number, parts, shared: true, entry: true, pins: 0 }));
        true
    }

    fn push(&mut self, piece: Piece) {
        self.bytes += piece.bytes();
        self.pieces.push_back(piece);
    }

    /// Frame `number` in this format. No bytes if this format does not carry it.
    fn render(&mut self, ring: &Ring, number: u64) -> Bytes {
        let Entry { frame, stream_info, .. } =
            ring.get(number).expect("the rendition begins inside the ring");
        if !self.format.carries(frame.track.kind) {
            return Bytes::new();
        }
        self.renderer.frame(frame, stream_info)
    }

    /// Lays out the frames that come next, until there are none or the batch is full.
    fn lay_out_batch(&mut self, ring: &Ring) {
        let first = self.end();
        let bytes = self.render(ring, first);
        let (mut len, mut end) = (bytes.len(), first + 1);
        let entry = self.renderer.is_entry();
        let has_place = |rendition: &Self, number, len| {
            ring.get(number).is_some_and(|entry| {
                len + entry.frame.payload.len() <= BATCH_BYTES_MAX && !rendition.is_shared(&entry.frame)
            })
        };
        // Most often one frame comes at a time.
        if !has_place(self, end, len) {
            let parts = Parts::whole(bytes);
            self.push(Piece::Single(Single { number: first, parts, shared: false, entry, pins: 0 }));
            return;
        }
        let (mut parts, mut slots) = (vec![bytes], vec![Slot { end: len, entry, pins: 0 }]);
        while has_place(self, end, len) {
            let bytes = self.render(ring, end);
            len += bytes.len();
            end += 1;
            parts.push(bytes);
            slots.push(Slot { end: len, entry: self.renderer.is_entry(), pins: 0 });
        }
        slots.shrink_to_fit();
        self.push(Piece::Batch(Batch { first, bytes: parts.concat().into(), slots }));
    }

    /// Lays out together the frames that stand alone. A player that has a part of one has the same part
    /// afterwards.
    fn lay_out_singles(&mut self) {
        reached!("frames that stood alone were laid out together");
        let mut laid_out = VecDeque::new();
        let (mut out, mut first, mut slots) = (BytesMut::new(), 0, Vec::new());
        let mut finish = |out: &mut BytesMut, first: u64, slots: &mut Vec<Slot>, next: Option<Piece>| {
            if !slots.is_empty() {
                let (bytes, slots) = (std::mem::take(out).freeze(), std::mem::take(slots));
                laid_out.push_back(Piece::Batch(Batch { first, bytes, slots }));
            }
            laid_out.extend(next);
        };
        for piece in std::mem::take(&mut self.pieces) {
            match piece {
                Piece::Single(single) => {
                    if out.len() + single.parts.len() > BATCH_BYTES_MAX {
                        finish(&mut out, first, &mut slots, None);
                    }
                    if slots.is_empty() {
                        first = single.number;
                    }
                    single.parts.put(&mut out);
                    slots.push(Slot { end: out.len(), entry: single.entry, pins: single.pins });
                }
                batch @ Piece::Batch(_) => finish(&mut out, first, &mut slots, Some(batch)),
            }
        }
        finish(&mut out, first, &mut slots, None);
        self.pieces = laid_out;
        self.bytes = self.pieces.iter().map(Piece::bytes).sum();
    }

    /// The first frame has left the ring.
    fn pop(&mut self) {
        if let Some((index, place)) = self.place_of(self.start) {
            let piece = &self.pieces[index];
            let (pins, last) = (piece.pins(place), piece.end() == self.start + 1);
            if pins > 0 {
                reached!("a frame that a player had received in part left the ring");
                let bytes = piece.keep(place);
                self.pinned_bytes += bytes.len();
                self.pinned.insert(self.start, Pinned { bytes, pins });
            }
            if last && let Some(piece) = self.pieces.pop_front() {
                self.bytes = self.bytes.saturating_sub(piece.bytes());
            }
        }
        self.start += 1;
        while self.pinned_bytes > self.pinned_bytes_max {
            reached!("the pinned frames of a rendition were too many");
            // The player that had a part of it has stalled the longest; it is closed when it can be written
            // to.
            let (_, pinned) = self.pinned.pop_first().expect("pinned bytes belong to frames");
            self.pinned_bytes -= pinned.bytes.len();
        }
    }

    /// The piece of frame `number`, and its place there.
    fn find(&self, number: u64) -> Option<(&Piece, usize)> {
        let (index, place) = self.place_of(number)?;
        Some((&self.pieces[index], place))
    }

    /// Which piece frame `number` is in, and where there. A player that is caught up asks for one of the
    /// last, and the first is the next that leaves: a search in between would touch memory that is cold. What
    /// was loaded may be anything: then it is nowhere.
    fn place_of(&self, number: u64) -> Option<(usize, usize)> {
        let last = self.pieces.len().checked_sub(1)?;
        let near = |index: &usize| {
            self.pieces.get(*index).is_some_and(|piece| piece.first() <= number && number < piece.end())
        };
        let index = [last, last.wrapping_sub(1), 0].into_iter().find(near);
        let index = match index {
            Some(index) => index,
            None => self.pieces.partition_point(|piece| piece.first() <= number).checked_sub(1)?,
        };
        let piece = &self.pieces[index];
        let place = usize::try_from(number.checked_sub(piece.first())?).ok()?;
        (number >= self.start && number < piece.end()).then_some((index, place))
    }

    /// Length of frame `number` in bytes: `None` if it is gone, or not here yet.
    pub fn frame_bytes(&self, number: u64) -> Option<usize> {
        match self.find(number) {
            Some((piece, place)) => Some(piece.frame_bytes(place)),
            None => self.pinned.get(&number).map(|pinned| pinned.bytes.len()),
        }
    }

    /// The bytes of frame `number` from `offset` on, to keep.
    pub fn rest(&self, number: u64, offset: usize) -> Option<Bytes> {
        match self.find(number) {
            Some((piece, place)) => Some(piece.rest(place, offset)),
            None => self.pinned.get(&number).map(|pinned| pinned.bytes.slice(offset..)),
        }
    }

    /// Appends the bytes of frame `number` from `offset` on to `slices`. False if `slices` is full.
    pub fn show_rest<'a>(&'a self, number: u64, offset: usize, slices: &mut Slices<'a>) -> bool {
        match self.find(number) {
            Some((piece, place)) => piece.show(place, number.saturating_add(1), offset, slices).is_some(),
            None => self.pinned.get(&number).is_some_and(|pinned| slices.push(&pinned.bytes[offset..])),
        }
    }

    /// Appends frame `number` to `slices`, with those below `end` that stand behind it in its piece. Returns
    /// the number of the frame that comes next, or `None` if `slices` is full.
    pub fn show<'a>(&'a self, number: u64, end: u64, slices: &mut Slices<'a>) -> Option<u64> {
        let (piece, place) = self.find(number)?;
        piece.show(place, end, 0, slices)
    }

    /// The first of the frames from `from` on, below `end`, that a player which knows nothing can read: where
    /// a transport stream has its tables; any in other formats.
    pub fn entry_from(&self, from: u64, end: u64) -> Option<u64> {
        let entry = |number| self.find(number).is_some_and(|(piece, place)| piece.is_entry(place));
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
        *pins = pins.checked_sub(1).expect("a player that has the rest had a part");
        if *pins == 0
            && let Some(pinned) = self.pinned.remove(&number)
        {
            self.pinned_bytes -= pinned.bytes.len();
        }
    }

    /// How many players are in the middle of frame `number`.
    fn pins(&mut self, number: u64) -> Option<&mut u32> {
        match self.place_of(number) {
            Some((piece, place)) => Some(self.pieces[piece].pins_mut(place)),
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
        let adjacent = self.pieces.iter().zip(self.pieces.iter().skip(1));
        let begins =
            self.pieces.front().is_none_or(|piece| (piece.first()..piece.end()).contains(&self.start));
        let bytes: usize = self.pieces.iter().map(Piece::bytes).sum();
        let pinned: usize = self.pinned.values().map(|pinned| pinned.bytes.len()).sum();
        let mut followers = 0;
        let mut pins: BTreeMap<u64, u32> = BTreeMap::new();
        for player in players.iter().filter(|player| player.format == self.format) {
            followers += 1;
            // Of a frame that is gone there is nothing to pin.
            if let Some(partial) = player.partial.filter(|partial| self.frame_bytes(partial.number).is_some())
            {
                *pins.entry(partial.number).or_default() += 1;
            }
        }
        let places = self.pieces.iter().flat_map(|piece| {
            (piece.first()..piece.end()).enumerate().map(|(place, number)| (number, piece.pins(place)))
        });
        let held = places.filter(|(number, _)| *number >= self.start);
        let counted = self.pinned.iter().map(|(number, pinned)| (*number, pinned.pins)).chain(held);
        self.pieces.iter().all(Piece::is_sound)
            && adjacent.into_iter().all(|(one, next)| one.end() == next.first())
            && begins
            && (self.bytes, self.pinned_bytes) == (bytes, pinned)
            && self.pinned.keys().all(|number| *number < self.start)
            && self.followers == followers
            && counted.filter(|(_, pins)| *pins > 0).eq(pins)
    }

    /// Bytes held, besides the payloads that the ring holds: laid out and pinned.
    pub fn bytes(&self) -> usize {
        self.bytes + self.pinned_bytes
    }

    /// Bytes of pinned frames.
    pub fn pinned_bytes(&self) -> usize {
        self.pinned_bytes
    }
}

/// Most players of a format for which its frames share the payload with the ring. Each of them is sent two or
/// three slices for a frame; a copy costs its allocation, its bytes, and memory that is cold when it goes.
const SHARING_FOLLOWERS_MAX: usize = 4;

/// Fewest bytes of a payload that is shared. A smaller one is copied for less than its slices cost.
const SHARED_BYTES_MIN: usize = 2 << 10;

#[cfg(test)]
mod tests {
    use super::{Batch, Piece, Rendition, Slot};
    use crate::base::slices::Slices;
    use crate::wire::format::Container;
    use bytes::Bytes;

    /// A saved server may be made up: its batches may overlap, stand in any order, and end outside of their
    /// bytes.
    #[test]
    fn runs_that_make_no_sense_do_no_harm() {
        let slot = |end| Slot { end, entry: true, pins: 0 };
        let batch = |first, slots| Piece::Batch(Batch { first, bytes: Bytes::from_static(b"abc"), slots });
        let mut rendition = Rendition::new(Container::Flv.bare(), 0, 100);
        rendition.pieces.extend([
            batch(7, vec![slot(9), slot(2)]),
            batch(2, vec![slot(3), slot(1), slot(3)]),
            batch(5, Vec::new()),
            batch(u64::MAX, vec![slot(1), slot(usize::MAX)]),
        ]);
        for number in (0..12).chain([u64::MAX - 1, u64::MAX]) {
            let len = rendition.frame_bytes(number).unwrap_or(0);
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
