//! The frames that the publishers of a stream sent: the model that HLS segments are compared with.
//!
//! In: bodies of media messages that the server accepted. Out: the position of a frame, its publisher, and
//! whether a playlist may mark a discontinuity before it.

use super::frame_id::FrameId;
use crate::reader::flv::{self, Codec, VIDEO, What};
use std::collections::{BTreeMap, BTreeSet};

/// Where a frame stands: the publishing session in the upper half, in the lower its number in the session.
pub type Place = u64;

/// All that was published under a name, in order.
#[derive(Clone, Debug, Default)]
pub struct Published {
    frames: BTreeMap<Place, Accepted>,
    places: BTreeMap<(bool, FrameId), BTreeSet<Place>>,
    /// By number. The answer that lets a session publish may leave the server late, after a later session has
    /// published: the frames of each stand together, in the order of the sessions.
    sessions: BTreeMap<u32, Session>,
}

#[derive(Clone, Debug, Default)]
struct Session {
    /// The last frame and the configuration of video (`true`) and of sound.
    tracks: BTreeMap<bool, Track>,
    frames: u32,
    breaks: u32,
}

/// A frame that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Which publishing session it belongs to.
    pub publisher: u32,
    /// Grows each time something happens after which a player may have to begin anew: another publisher (in
    /// the upper half), another configuration, a jump in time.
    pub breaks: u64,
    /// A picture that decoding may begin at.
    pub key: bool,
}

#[derive(Clone, Debug, Default)]
struct Track {
    codec: Option<Codec>,
    config: Vec<u8>,
    /// Bytes of the length of a NAL unit.
    lengths: usize,
    last_ms: Option<u32>,
    step_ms: Option<i64>,
}

impl Published {
    /// Takes the body of a media message of session `publisher`, which the server accepted.
    pub fn push(&mut self, publisher: u32, kind: u8, timestamp: u32, body: &[u8]) {
        let session = self.sessions.entry(publisher).or_default();
        // A body that is not well-formed is none: the server leaves it out.
        for packet in flv::packets(kind, body).unwrap_or_default() {
            let video = kind == VIDEO;
            let payload = &body[packet.payload.clone()];
            let track = session.tracks.entry(video).or_default();
            let changed = track.codec.replace(packet.codec) != Some(packet.codec);
            match packet.what {
                What::Config if track.config != payload => {
                    track.config = payload.to_vec();
                    track.lengths = lengths(packet.codec, payload);
                    session.breaks += 1;
                }
                What::Coded if !payload.is_empty() => {
                    session.breaks += u32::from(changed || track.jumps(timestamp));
                    let frame_id = FrameId::of_sample(packet.codec, payload, track.lengths.max(1));
                    let (place, breaks) =
                        (numbered(publisher, session.frames), numbered(publisher, session.breaks));
                    session.frames += 1;
                    self.places.entry((video, frame_id)).or_default().insert(place);
                    self.frames.insert(place, Accepted { publisher, breaks, key: video && packet.key });
                }
                _ => {}
            }
        }
    }

    /// The first place from `floor` on at which there is this frame.
    pub fn find(&self, video: bool, frame_id: FrameId, floor: Place) -> Option<Place> {
        self.places.get(&(video, frame_id))?.range(floor..).next().copied()
    }

    /// True if there is just one frame like this: silence, and what is tiny, comes again and again.
    pub fn is_unique(&self, video: bool, frame_id: FrameId) -> bool {
        self.places.get(&(video, frame_id)).is_some_and(|places| places.len() == 1)
    }

    /// The frame at a place that [`Published::find`] gave.
    ///
    /// # Panics
    /// If there is none.
    pub fn frame(&self, place: Place) -> Accepted {
        self.frames[&place]
    }

    /// Whether something happened before the frame at a place, and there was no keyframe in between at which
    /// a player could have begun anew.
    pub fn turns_at(&self, place: Place) -> bool {
        let breaks = self.frames[&place].breaks;
        let mut before = self.frames.range(..place).rev().map(|(_, frame)| frame);
        before.find(|frame| frame.breaks < breaks || frame.key).is_some_and(|frame| frame.breaks < breaks)
    }

    /// True if nothing was accepted yet.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }
}

fn numbered(publisher: u32, number: u32) -> u64 {
    u64::from(publisher) << 32 | u64::from(number)
}

impl Track {
    /// Whether time goes on otherwise than it did.
    fn jumps(&mut self, timestamp: u32) -> bool {
        let Some(last) = self.last_ms.replace(timestamp) else { return false };
        let step = i64::from(timestamp.wrapping_sub(last).cast_signed());
        let before = self.step_ms.replace(step);
        step < 0 || before.is_some_and(|before| step > 2 * before.max(0) + 10)
    }
}

/// From a decoder's configuration record (ISO/IEC 14496-15).
fn lengths(codec: Codec, config: &[u8]) -> usize {
    let at = if codec == Codec::HEVC { 21 } else { 4 };
    config.get(at).map_or(4, |byte| usize::from(byte & 3) + 1)
}

#[cfg(test)]
mod tests {
    use super::Published;
    use crate::judge::frame_id::FrameId;
    use crate::reader::flv::{AUDIO, Codec};

    const MP3: u8 = 0x2f;

    #[test]
    fn frames_of_a_session_that_was_let_in_late_stand_before_those_of_the_next() {
        let mut published = Published::default();
        published.push(2, AUDIO, 0, &[MP3, 3]);
        published.push(1, AUDIO, 0, &[MP3, 1]);
        published.push(1, AUDIO, 26, &[MP3, 2]);
        published.push(2, AUDIO, 26, &[MP3, 4]);
        let find = |byte: u8, floor| published.find(false, FrameId::of_bytes(Codec::MP3, &[byte]), floor);
        let mut floor = 0;
        for byte in 1..=4 {
            floor = find(byte, floor).expect("in the order of the sessions") + 1;
        }
        assert!(published.turns_at(find(3, 0).expect("published")), "another publisher begins");
        assert!(!published.turns_at(find(2, 0).expect("published")), "nothing happened before it");
    }
}
