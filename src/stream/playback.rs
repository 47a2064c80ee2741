//! One stream: its players' side.
//!
//! A player's cursor is moved here and nowhere else. `advance` decides (where to start, whether the ring
//! has overtaken it, which stream info it lacks), `window` shows what leaves next, `sent` counts what has
//! left.

use crate::base::outbox::Outbox;
use crate::base::slices::Slices;
use crate::config::Start;
use crate::stream::cursor::{Cursor, Next, Partial};
use crate::stream::ingest::Stream;
use crate::stream::rendition::Rendition;
use crate::wire::format::Format;
use bytes::Bytes;

/// A player that is behind is sent whole frames until there are so many bytes; the rest leaves in a later
/// pass. Where there was more to do than a core could, players got up to five times as much as others when
/// each was sent all that it lacked, up to 1 MiB (`benches/README.md`).
const WINDOW_BYTES: usize = 256 << 10;

/// How a player stands after [`Stream::advance`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// There are bytes for it.
    Ready,
    /// It has everything; it is heard of again at the next flush.
    CaughtUp,
    /// The frame that it was in the middle of is gone: it can only be cut off.
    Lost,
}

impl Stream {
    /// A player joins. The rendition of its format is made if it is the first.
    pub fn join(&mut self, format: Format) -> Cursor {
        let from = match self.settings.play.start {
            Start::NextKey => self.ring.head(),
            Start::NewestKey => self.ring.newest_sync().unwrap_or(self.ring.head()),
            Start::OldestKey => self.ring.oldest_sync().unwrap_or(self.ring.head()),
        };
        let place = self.renditions.iter().position(|rendition| rendition.format() == format);
        let rendition = match place {
            Some(place) => &mut self.renditions[place],
            None => {
                self.renditions.push(Rendition::new(
                    format,
                    from.max(self.ring.first()),
                    self.pinned_bytes_max,
                ));
                self.renditions.last_mut().expect("one was just pushed")
            }
        };
        rendition.join();
        rendition.catch_up(&self.ring);
        Cursor::new(format, from)
    }

    /// A player leaves. The rendition of its format goes with the last.
    pub fn leave(&mut self, cursor: &Cursor) {
        let place = self.rendition_place(cursor.format);
        if let Some(partial) = cursor.partial {
            self.renditions[place].unpin(partial.number);
        }
        if self.renditions[place].leave() {
            self.renditions.remove(place);
        }
    }

    /// What is left of the frame that the player is in the middle of.
    pub fn rest(&self, cursor: &Cursor) -> Option<Bytes> {
        let partial = cursor.partial?;
        self.rendition(cursor.format).rest(partial.number, partial.offset)
    }

    /// True if the cursor stands where a player of this stream can: what was loaded may be anything.
    pub fn can_follow(&self, cursor: &Cursor) -> bool {
        let Some(rendition) = self.renditions.iter().find(|rendition| rendition.format() == cursor.format)
        else {
            return false;
        };
        cursor.partial.is_none_or(|partial| {
            rendition.get(partial.number).is_none_or(|bytes| partial.offset <= bytes.len())
        })
    }

    fn rendition_place(&self, format: Format) -> usize {
        self.renditions
            .iter()
            .position(|rendition| rendition.format() == format)
            .expect("a player's format has a rendition")
    }

    fn rendition(&self, format: Format) -> &Rendition {
        &self.renditions[self.rendition_place(format)]
    }

    /// Decides where the player goes on; stream info that it lacks joins its own bytes.
    pub fn advance(&mut self, cursor: &mut Cursor, own: &mut Outbox) -> Readiness {
        let place = self.rendition_place(cursor.format);
        if let Some(partial) = cursor.partial
            && self.renditions[place].get(partial.number).is_none()
        {
            reached!("a player lost the frame that it was in the middle of");
            return Readiness::Lost;
        }
        if let Next::At(number) = cursor.next
            && number < self.ring.first()
        {
            let resume = self.ring.newest_sync().unwrap_or(self.ring.head());
            cursor.dropped += resume - number;
            cursor.next = Next::Seek(resume);
        }
        if let Next::Seek(from) = cursor.next {
            self.seek(cursor, from, own);
        }
        self.pass_over(cursor);
        let behind = matches!(cursor.next, Next::At(number) if number < self.flushed);
        if cursor.partial.is_some() || !own.is_empty() || behind {
            Readiness::Ready
        } else {
            Readiness::CaughtUp
        }
    }

    fn seek(&mut self, cursor: &mut Cursor, sought: u64, own: &mut Outbox) {
        let place = self.rendition_place(cursor.format);
        let rendition = &mut self.renditions[place];
        let from = sought.max(rendition.start());
        // Before its flush a frame is not laid out yet. Where sound alone is a place to start, a transport
        // stream does not have its tables before each.
        let sync = self.ring.sync_from(from).and_then(|sync| rendition.entry_from(sync, self.flushed));
        let Some(sync) = sync else { return };
        let entry = self.ring.get(sync).expect("what is laid out is in the ring");
        if cursor.stream_info.is_some() {
            // It was overtaken, and nobody could go on where it was sent then: that is gone by now, too.
            cursor.dropped += sync - sought;
        }
        if !cursor.head_given {
            own.push(rendition.file_head(&entry.stream_info));
            cursor.head_given = true;
        }
        if cursor.stream_info != Some(entry.stream_info.number) {
            own.push(rendition.preamble(&entry.stream_info, entry.frame.dts));
            cursor.stream_info = Some(entry.stream_info.number);
        }
        cursor.next = Next::At(sync);
    }

    /// Moves past frames that have no bytes for this player.
    fn pass_over(&self, cursor: &mut Cursor) {
        let Next::At(mut number) = cursor.next else { return };
        let rendition = self.rendition(cursor.format);
        while number < self.flushed && self.bytes_for(cursor, rendition, number).is_empty() {
            self.note_headers(cursor, number);
            number += 1;
        }
        cursor.next = Next::At(number);
    }

    fn note_headers(&self, cursor: &mut Cursor, number: u64) {
        if let Some(entry) = self.ring.get(number) {
            cursor.stream_info = Some(entry.stream_info.number);
        }
    }

    fn bytes_for<'a>(&self, cursor: &Cursor, rendition: &'a Rendition, number: u64) -> &'a [u8] {
        let bytes = rendition.get(number).unwrap_or_default();
        if bytes.is_empty() || cursor.wants_all() {
            return bytes;
        }
        match self.ring.get(number) {
            Some(entry) if cursor.wants(entry.frame.track.kind) => bytes,
            _ => &[],
        }
    }

    /// What leaves next: the rest of a frame, the own bytes, whole frames.
    pub fn window<'a>(&'a self, cursor: &Cursor, own: &'a Outbox, slices: &mut Slices<'a>) {
        let rendition = self.rendition(cursor.format);
        if let Some(partial) = cursor.partial
            && let Some(bytes) = rendition.get(partial.number)
        {
            slices.push(&bytes[partial.offset..]);
        }
        if !own.show(slices) {
            return;
        }
        let Next::At(mut number) = cursor.next else { return };
        slices.frames_follow();
        while number < self.flushed && slices.len() < WINDOW_BYTES {
            let next = if cursor.wants_all() {
                rendition.show(number, self.flushed, slices)
            } else {
                slices.push(self.bytes_for(cursor, rendition, number)).then_some(number + 1)
            };
            let Some(next) = next else { return };
            number = next;
        }
    }

    /// The kernel took `len` bytes of what [`Stream::window`] showed.
    pub fn sent(&mut self, cursor: &mut Cursor, own: &mut Outbox, mut len: usize) {
        let place = self.rendition_place(cursor.format);
        if let Some(partial) = cursor.partial {
            let whole = self.renditions[place].get(partial.number).map_or(0, |bytes| bytes.len());
            let rest = whole.saturating_sub(partial.offset);
            if len < rest {
                cursor.partial = Some(Partial { offset: partial.offset + len, ..partial });
                return;
            }
            len -= rest;
            cursor.partial = None;
            self.renditions[place].unpin(partial.number);
        }
        let own_len = len.min(own.len());
        own.advance(own_len);
        len -= own_len;
        while len > 0 {
            let Next::At(number) = cursor.next else {
                panic!("bytes were sent to a player that holds still")
            };
            assert!(number < self.flushed, "more bytes were sent than shown");
            let whole = self.bytes_for(cursor, &self.renditions[place], number).len();
            self.note_headers(cursor, number);
            cursor.next = Next::At(number + 1);
            if len < whole {
                cursor.partial = Some(Partial { number, offset: len });
                self.renditions[place].pin(number);
                return;
            }
            len -= whole;
        }
    }

    /// The player wants something else delivered from now on. What it missed stays missed: it goes on at
    /// the next place to start at, with fresh headers.
    pub fn select_tracks(&self, cursor: &mut Cursor, audio: bool, video: bool) {
        if (cursor.audio, cursor.video) == (audio, video) {
            return;
        }
        let wanted_more = (audio && !cursor.audio) || (video && !cursor.video);
        cursor.audio = audio;
        cursor.video = video;
        let (Next::At(passed) | Next::Seek(passed) | Next::Hold(passed)) = cursor.next;
        if !audio && !video {
            cursor.next = Next::Hold(passed);
        } else if wanted_more {
            // After a pause the player goes on where the stream is now, and never before what it has seen.
            let now = match cursor.next {
                Next::Hold(_) => self.ring.newest_sync().unwrap_or(self.ring.head()),
                _ => passed,
            };
            cursor.stream_info = None;
            cursor.next = Next::Seek(passed.max(now));
        }
    }
}
