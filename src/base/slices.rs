//! What leaves with one `writev`: a bounded list of borrowed slices.

use bytes::Bytes;
use std::io::IoSlice;

/// Most slices in one call; the kernel takes 1024, but a player that is caught up has a handful.
pub const SLICES_MAX: usize = 64;

/// Most bytes in one call: no connection holds the loop for longer than this takes to copy.
pub const SLICES_BYTES_MAX: usize = 1 << 20;

/// A list of slices, filled by the server and written by the shell.
#[derive(Debug)]
pub struct Slices<'a> {
    list: [IoSlice<'a>; SLICES_MAX],
    /// Which of them are the whole of something that many connections are sent.
    shared: [Option<&'a Bytes>; SLICES_MAX],
    count: usize,
    bytes: usize,
    /// Where frames begin, which are at the end.
    frames_from: Option<usize>,
}

impl Default for Slices<'_> {
    fn default() -> Self {
        Slices {
            list: [IoSlice::new(&[]); SLICES_MAX],
            shared: [None; SLICES_MAX],
            count: 0,
            bytes: 0,
            frames_from: None,
        }
    }
}

impl<'a> Slices<'a> {
    /// Appends a slice; false if there is no place for it (then it is not appended).
    pub fn push(&mut self, slice: &'a [u8]) -> bool {
        if slice.is_empty() {
            return true;
        }
        if self.count == SLICES_MAX || self.bytes >= SLICES_BYTES_MAX {
            return false;
        }
        self.list[self.count] = IoSlice::new(slice);
        self.count += 1;
        self.bytes += slice.len();
        true
    }

    /// Appends the whole of something that many connections are sent: who looks at what leaves needs to look
    /// at it only once. Otherwise like [`Slices::push`].
    pub fn push_shared(&mut self, bytes: &'a Bytes) -> bool {
        let place = self.count;
        let appended = self.push(bytes);
        if self.count > place {
            self.shared[place] = Some(bytes);
        }
        appended
    }

    /// What is appended from now on is frames, which all players of a stream are sent at about the same time.
    pub fn frames_follow(&mut self) {
        self.frames_from.get_or_insert(self.count);
    }

    /// How many slices stand before the frames: what the connection was sent because it asked for it.
    pub fn own_count(&self) -> usize {
        self.frames_from.unwrap_or(self.count)
    }

    /// The slices one by one, each with what it is the whole of, where that is known.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&'a Bytes>)> {
        self.as_io_slices().iter().zip(self.shared).map(|(slice, shared)| (&slice[..], shared))
    }

    /// The slices, ready for `write_vectored`.
    pub fn as_io_slices(&self) -> &[IoSlice<'a>] {
        &self.list[..self.count]
    }

    /// Bytes in all slices together.
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// True if there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }
}
