//! The players' side of a stream: the only place that moves cursors.
//!
//! [`Stream::advance`] decides where to start, whether the ring has overtaken the cursor, and which stream
//! info the player lacks. [`Stream::window`] shows the bytes that are sent next, [`Stream::sent`] counts sent
//! bytes.

use crate::base::outbox::Outbox;
use crate::base::slices::Slices;
use crate::config::Start;
use crate::stream::cursor::{Cursor, Next, Partial};
use crate::stream::ingest::Stream;
use crate::stream::rendition::Rendition;
use crate::wire::format::Format;
use bytes::Bytes;

/// A window ends with the frame that reaches this number of bytes; the rest is sent in a later pass. With 1
/// MiB some players got up to five times as much as others under overload (`benches/README.md`).
const WINDOW_BYTES: usize = 256 << 10;

/// Result of [`Stream::advance`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Bytes wait to be sent to the player.
    Ready,
    /// The player has received all flushed frames; it becomes ready at the next flush.
    CaughtUp,
    /// The frame that was sent in part is gone: the connection must be closed.
    Lost,
}

impl Stream {
    /// Adds a player. Makes the rendition of its format if it is the first with that format.
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
        // The first player of a format needs frames that were flushed before it came.
        rendition.join(&self.ring);
        Cursor::new(format, from)
    }

    /// Removes a player. Removes the rendition of its format if it was the last with that format.
    ///
    /// # Panics
    /// If the cursor is of another stream.
    pub fn leave(&mut self, cursor: &Cursor) {
        let place = self.rendition_place(cursor.format);
        if let Some(partial) = cursor.partial {
            self.renditions[place].unpin(partial.number);
        }
        // Rendering for no player would cost time and memory.
        if self.renditions[place].leave() {
            self.renditions.remove(place);
        }
    }

    /// The rest of the frame that was sent to the player in part.
    pub fn rest(&self, cursor: &Cursor) -> Option<Bytes> {
        let partial = cursor.partial?;
        self.rendition(cursor.format).rest(partial.number, partial.offset)
    }

    /// True if ring, renditions and these players fit each other. Loaded bytes may say anything.
    pub fn is_sound(&self, players: &[&Cursor]) -> bool {
        let once = |format| self.renditions.iter().filter(|other| other.format() == format).count() == 1;
        self.ring.is_sound()
            && self.flushed <= self.ring.head()
            && self.renditions.iter().all(|rendition| {
                let laid_out = self.flushed..=self.ring.head();
                once(rendition.format()) && rendition.is_sound(players) && laid_out.contains(&rendition.end())
            })
            && players.iter().all(|player| self.can_follow(player))
    }

    fn can_follow(&self, cursor: &Cursor) -> bool {
        let Some(rendition) = self.renditions.iter().find(|rendition| rendition.format() == cursor.format)
        else {
            return false;
        };
        cursor.partial.is_none_or(|partial| {
            rendition.frame_bytes(partial.number).is_none_or(|len| partial.offset <= len)
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

    /// Decides where the player goes on. Stream info that it lacks is added to its outbox.
    pub fn advance(&mut self, cursor: &mut Cursor, own: &mut Outbox) -> Readiness {
        let place = self.rendition_place(cursor.format);
        if let Some(partial) = cursor.partial
            && self.renditions[place].frame_bytes(partial.number).is_none()
        {
            reached!("a player lost the frame that it was in the middle of");
            return Readiness::Lost;
        }
        if let Next::At(number) = cursor.next
            && number < self.ring.first()
        {
            // To the newest keyframe: nearer ones would be overtaken too.
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
        // Only flushed frames are rendered. In a transport stream of audio alone not every frame is an entry:
        // its tables stand before some of them.
        let sync = self.ring.sync_from(from).and_then(|sync| rendition.entry_from(sync, self.flushed));
        let Some(sync) = sync else { return };
        let entry = self.ring.get(sync).expect("what is laid out is in the ring");
        if cursor.stream_info.is_some() {
            // The player was overtaken; the keyframe that it was sent to may have been overtaken as well.
            cursor.dropped += sync - sought;
        }
        // Once per response, before all frames.
        if !cursor.head_given {
            own.push(rendition.file_head(&entry.stream_info));
            cursor.head_given = true;
        }
        // A player that already has this info would restart its decoder for nothing.
        if cursor.stream_info != Some(entry.stream_info.number) {
            own.push(rendition.preamble(&entry.stream_info, entry.frame.dts));
            cursor.stream_info = Some(entry.stream_info.number);
        }
        cursor.next = Next::At(sync);
    }

    /// Skips frames that have no bytes for this player.
    fn pass_over(&self, cursor: &mut Cursor) {
        let Next::At(mut number) = cursor.next else { return };
        let rendition = self.rendition(cursor.format);
        while number < self.flushed && self.bytes_for(cursor, rendition, number) == 0 {
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

    /// How many bytes of frame `number` are for this player.
    fn bytes_for(&self, cursor: &Cursor, rendition: &Rendition, number: u64) -> usize {
        let bytes = rendition.frame_bytes(number).unwrap_or(0);
        let wanted = || self.ring.get(number).is_some_and(|entry| cursor.wants(entry.frame.track.kind));
        if cursor.wants_all() || wanted() { bytes } else { 0 }
    }

    /// Shows the bytes that are sent next: the rest of a frame, the bytes in the outbox, whole frames.
    pub fn window<'a>(&'a self, cursor: &Cursor, own: &'a Outbox, slices: &mut Slices<'a>) {
        let rendition = self.rendition(cursor.format);
        if let Some(Partial { number, offset }) = cursor.partial
            && !rendition.show_rest(number, offset, slices)
        {
            return;
        }
        if !own.show(slices) {
            return;
        }
        let Next::At(mut number) = cursor.next else { return };
        slices.frames_follow();
        while number < self.flushed && slices.len() < WINDOW_BYTES {
            let next = if cursor.wants_all() {
                rendition.show(number, self.flushed, slices)
            } else if self.bytes_for(cursor, rendition, number) > 0 {
                rendition.show(number, number + 1, slices)
            } else {
                Some(number + 1)
            };
            let Some(next) = next else { return };
            number = next;
        }
    }

    /// Counts `len` sent bytes of those that [`Stream::window`] showed.
    ///
    /// # Panics
    /// If `len` is larger than what was shown.
    pub fn sent(&mut self, cursor: &mut Cursor, own: &mut Outbox, mut len: usize) {
        let place = self.rendition_place(cursor.format);
        if let Some(partial) = cursor.partial {
            let whole = self.renditions[place].frame_bytes(partial.number).unwrap_or(0);
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
            let whole = self.bytes_for(cursor, &self.renditions[place], number);
            self.note_headers(cursor, number);
            cursor.next = Next::At(number + 1);
            // The rest of this frame must be sent even if the ring drops it: the rendition keeps its bytes.
            if len < whole {
                cursor.partial = Some(Partial { number, offset: len });
                self.renditions[place].pin(number);
                return;
            }
            len -= whole;
        }
    }

    /// Changes the kinds of tracks that a player is sent. If a kind is added, the player goes on at the next
    /// frame to start at, with new stream info.
    pub fn select_tracks(&self, cursor: &mut Cursor, audio: bool, video: bool) {
        if (cursor.audio, cursor.video) == (audio, video) {
            return;
        }
        let adds = (audio && !cursor.audio) || (video && !cursor.video);
        cursor.audio = audio;
        cursor.video = video;
        let (Next::At(passed) | Next::Seek(passed) | Next::Hold(passed)) = cursor.next;
        if !audio && !video {
            cursor.next = Next::Hold(passed);
        } else if adds {
            // After a pause the player goes on at the newest keyframe, but never at a frame that it was sent.
            let now = match cursor.next {
                Next::Hold(_) => self.ring.newest_sync().unwrap_or(self.ring.head()),
                _ => passed,
            };
            // Configurations may have passed while the kind was not sent.
            cursor.stream_info = None;
            cursor.next = Next::Seek(passed.max(now));
        }
    }
}
