//! The content of one `writev`: a bounded list of borrowed slices.

use bytes::Bytes;
use std::io::IoSlice;

/// Most slices in one call; the kernel takes 1024, but a player that is caught up has a handful.
pub const SLICES_MAX: usize = 64;

/// Most bytes in one call: copying them must not hold up the loop for long.
pub const SLICES_BYTES_MAX: usize = 1 << 20;

/// A list of slices, filled by the server and written by the shell.
#[derive(Debug)]
pub struct Slices<'a> {
    list: [IoSlice<'a>; SLICES_MAX],
    /// For each slice, the shared buffer if the slice covers all of it.
    shared: [Option<&'a Bytes>; SLICES_MAX],
    count: usize,
    bytes: usize,
    /// Index of the first slice of frames, which come last.
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
    /// Appends a slice; false, and not appended, if the list is full.
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

    /// Appends all of a buffer that many connections are sent; readers can recognise it by its address.
    /// Otherwise like [`Slices::push`].
    pub fn push_shared(&mut self, bytes: &'a Bytes) -> bool {
        let place = self.count;
        let appended = self.push(bytes);
        if self.count > place {
            self.shared[place] = Some(bytes);
        }
        appended
    }

    /// Marks the begin of the frames, which are sent to all players of a stream at about the same time.
    pub fn frames_follow(&mut self) {
        self.frames_from.get_or_insert(self.count);
    }

    /// Number of slices before the frames: bytes for this connection alone.
    pub fn own_count(&self) -> usize {
        self.frames_from.unwrap_or(self.count)
    }

    /// The first `max` bytes.
    pub fn first(&self, max: usize) -> Slices<'_> {
        let mut first = Slices::default();
        for slice in self.as_io_slices() {
            first.push(&slice[..slice.len().min(max - first.len())]);
        }
        first
    }

    /// Iterates over the slices. The second item is the shared buffer if the slice covers all of it.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&'a Bytes>)> {
        self.as_io_slices().iter().zip(self.shared).map(|(slice, shared)| (&slice[..], shared))
    }

    /// The slices, for `write_vectored`.
    pub fn as_io_slices(&self) -> &[IoSlice<'a>] {
        &self.list[..self.count]
    }

    /// Number of bytes in all slices.
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// True if there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }
}
