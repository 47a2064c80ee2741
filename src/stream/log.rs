//! A stream laid out in one format, once for all its players.
//!
//! The log runs beside the ring: for each frame from its `start` on it holds the frame's bytes in its
//! format. Frames that left the ring leave the log too, but for those that some player is in the middle
//! of: they wait in the attic until the last such player is through, within a byte limit, so that no
//! player ever gets half a frame.
//! Never: knows who the players are.

use crate::media::headers::Headers;
use crate::media::timestamp::Timestamp;
use crate::stream::ring::Ring;
use crate::wire::format::Format;
use crate::wire::render::Renderer;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Piece {
    bytes: Bytes,
    /// Whether a player that begins here can read it.
    entry: bool,
    /// Players in the middle of it.
    pins: u32,
}

/// One format of a stream.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Log {
    format: Format,
    renderer: Renderer,
    pieces: VecDeque<Piece>,
    /// Number of the frame at the front of `pieces`.
    start: u64,
    /// Bytes in `pieces`.
    bytes: usize,
    attic: BTreeMap<u64, Piece>,
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
            pieces: VecDeque::new(),
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
        self.start + self.pieces.len() as u64
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
        for number in self.end()..ring.head() {
            let entry = ring.get(number).expect("the log begins inside the ring");
            let bytes = if self.format.carries(entry.frame.track.kind) {
                self.renderer.frame(&entry.frame, &entry.headers)
            } else {
                Bytes::new()
            };
            self.bytes += bytes.len();
            let entry = self.renderer.is_entry();
            self.pieces.push_back(Piece { bytes, entry, pins: 0 });
        }
    }

    fn pop(&mut self) {
        if let Some(piece) = self.pieces.pop_front() {
            self.bytes -= piece.bytes.len();
            if piece.pins > 0 {
                reached!("a frame that somebody is in the middle of left the ring");
                self.attic_bytes += piece.bytes.len();
                self.attic.insert(self.start, piece);
            }
        }
        self.start += 1;
        while self.attic_bytes > self.attic_bytes_max {
            reached!("the attic was full");
            // Whoever was in the middle of it has stalled the longest; it is cut off when it wakes up.
            let (_, piece) = self.attic.pop_first().expect("bytes in the attic belong to pieces");
            self.attic_bytes -= piece.bytes.len();
        }
    }

    /// The bytes of frame `number`: `None` if it is gone, or not laid out yet.
    pub fn get(&self, number: u64) -> Option<&Bytes> {
        match number.checked_sub(self.start) {
            Some(place) => self.pieces.get(usize::try_from(place).ok()?).map(|piece| &piece.bytes),
            None => self.attic.get(&number).map(|piece| &piece.bytes),
        }
    }

    /// The first of the frames from `from` on, below `end`, that a player which knows nothing can read: where
    /// a transport stream has its tables; any in other formats.
    pub fn entry_from(&self, from: u64, end: u64) -> Option<u64> {
        let piece = |number: u64| self.pieces.get(usize::try_from(number.checked_sub(self.start)?).ok()?);
        (from..end).find(|number| piece(*number).is_some_and(|piece| piece.entry))
    }

    /// A player is in the middle of frame `number` from now on.
    pub fn pin(&mut self, number: u64) {
        if let Some(piece) = self.piece_mut(number) {
            piece.pins += 1;
        }
    }

    /// A player is through with frame `number`.
    pub fn unpin(&mut self, number: u64) {
        let Some(piece) = self.piece_mut(number) else { return };
        piece.pins = piece.pins.checked_sub(1).expect("who is through was in the middle");
        if piece.pins == 0 && number < self.start {
            let piece = self.attic.remove(&number).expect("it was found there");
            self.attic_bytes -= piece.bytes.len();
        }
    }

    fn piece_mut(&mut self, number: u64) -> Option<&mut Piece> {
        match number.checked_sub(self.start) {
            Some(place) => self.pieces.get_mut(usize::try_from(place).ok()?),
            None => self.attic.get_mut(&number),
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
