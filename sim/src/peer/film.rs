//! The media of a publisher: video and audio on a timeline, each frame different from every other.
//!
//! In: a plan, drawn. Out: media messages in the order of sending, each with its due time. Every payload
//! begins with the stream's name, the session's number, and the kind and number of the frame, so that each
//! frame can be identified. Never: decides whether frames are sent in bursts or one by one; the publisher
//! does.

use super::codec::{AudioCodec, VideoCodec};
use conformance::reader::amf::Amf;
use conformance::reader::flv::{AUDIO, DATA, VIDEO};
use conformance::reader::rtmp::Message;
use conformance::rng::Rng;

/// What a film is like.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The pictures, if there are any.
    pub video: Option<Pictures>,
    /// The sound, if there is any.
    pub audio: Option<Sound>,
    /// The first timestamp, in milliseconds.
    pub start_ms: u32,
    /// It tells what it is before it begins.
    pub metadata: bool,
    /// What happens to it on the way, by the time from its beginning, in microseconds; in order.
    pub twists: Vec<(u64, Twist)>,
}

/// Pictures.
#[derive(Clone, Copy, Debug)]
pub struct Pictures {
    /// How they are coded.
    pub codec: VideoCodec,
    /// From one to the next, in microseconds.
    pub frame_us: u64,
    /// From one keyframe to the next; 0: there is never one.
    pub gop: u64,
    /// Some are shown before those that are sent before them.
    pub reordered: bool,
    /// Longest content of a usual picture, in bytes; keyframes have four times that.
    pub bytes: u64,
    /// One in so many has up to 8 MiB; 0: none.
    pub giants: usize,
    /// One in so many has no content at all; 0: none.
    pub empties: usize,
}

/// Sound.
#[derive(Clone, Copy, Debug)]
pub struct Sound {
    /// How it is coded.
    pub codec: AudioCodec,
    /// When it begins, in microseconds from the film's beginning.
    pub from_us: u64,
    /// Longest content, in bytes.
    pub bytes: u64,
}

/// Something that happens to a film.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Twist {
    /// Timestamps go on so many milliseconds later, or earlier.
    Jump(i32),
    /// Timestamps begin at zero again.
    Reset,
    /// The pictures' configuration changes; they begin anew with a keyframe.
    Picture,
    /// The pictures' codec changes.
    Codec,
    /// The sound's configuration changes.
    Sound,
}

/// A film that is being shown.
#[derive(Clone, Debug)]
pub struct Film {
    plan: Plan,
    label: String,
    /// Added to the time to make a timestamp, in milliseconds.
    offset_ms: u32,
    edition: u32,
    sound_edition: u32,
    video_at_us: u64,
    audio_at_us: u64,
    pictures: u64,
    /// Pictures since the last keyframe.
    in_gop: u64,
    sounds: u64,
}

impl Film {
    /// The `session`th showing of a film under the name of `stream`.
    pub fn new(plan: Plan, stream: &str, session: u32) -> Self {
        Film {
            label: format!("{stream}#{session}"),
            offset_ms: plan.start_ms,
            edition: 0,
            sound_edition: 0,
            video_at_us: if plan.video.is_some() { 0 } else { u64::MAX },
            audio_at_us: plan.audio.map_or(u64::MAX, |sound| sound.from_us),
            pictures: 0,
            in_gop: 0,
            sounds: 0,
            plan,
        }
    }

    /// When the next message is due, in microseconds from the beginning.
    pub fn due_us(&self) -> u64 {
        self.video_at_us.min(self.audio_at_us)
    }

    /// Whether it has pictures.
    pub fn has_video(&self) -> bool {
        self.plan.video.is_some()
    }

    /// Longest time between two keyframes that the plan allows, in microseconds; without pictures, 0.
    pub fn gop_us(&self) -> u64 {
        self.plan.video.map_or(0, |video| if video.gop == 0 { u64::MAX } else { video.gop * video.frame_us })
    }

    /// What is due next; several messages where something else has to be said first.
    pub fn next(&mut self, rng: &mut Rng) -> Vec<Message> {
        let mut messages = Vec::new();
        let at_us = self.due_us();
        while let Some((_, twist)) = self.plan.twists.first().filter(|(due, _)| *due <= at_us) {
            let twist = *twist;
            self.plan.twists.remove(0);
            self.twist(twist, at_us, &mut messages);
        }
        if self.pictures == 0 && self.sounds == 0 {
            messages.extend(self.introduction());
        }
        if self.video_at_us <= self.audio_at_us {
            messages.extend(self.picture(rng));
        } else {
            messages.extend(self.sound(rng));
        }
        messages
    }

    fn introduction(&self) -> Option<Message> {
        if !self.plan.metadata {
            return None;
        }
        let members = [
            ("encoder".to_owned(), Amf::text("sim")),
            ("title".to_owned(), Amf::String(self.label.clone())),
            ("width".to_owned(), Amf::Number(320.0)),
        ];
        let values = [Amf::text("@setDataFrame"), Amf::text("onMetaData"), Amf::Object(members.to_vec())];
        let mut body = Vec::new();
        values.iter().for_each(|value| value.write(&mut body));
        Some(Message { kind: DATA, stream: 1, timestamp: self.offset_ms, body })
    }

    fn twist(&mut self, twist: Twist, at_us: u64, messages: &mut Vec<Message>) {
        match twist {
            Twist::Jump(ms) => self.offset_ms = self.offset_ms.wrapping_add_signed(ms),
            Twist::Reset => self.offset_ms = 0_u32.wrapping_sub(millis(at_us)),
            Twist::Picture => self.change_picture(at_us, messages),
            Twist::Codec => {
                if let Some(video) = &mut self.plan.video {
                    let other = [VideoCodec::Avc, VideoCodec::Hevc];
                    video.codec = other[usize::from(video.codec == VideoCodec::Avc)];
                }
                self.change_picture(at_us, messages);
            }
            Twist::Sound => {
                self.sound_edition += 1;
                if let Some(sound) = self.plan.audio.filter(|_| self.sounds > 0) {
                    messages.push(self.message(AUDIO, at_us, sound.codec.config(self.sound_edition)));
                }
            }
        }
    }

    fn change_picture(&mut self, at_us: u64, messages: &mut Vec<Message>) {
        self.edition += 1;
        if let Some(video) = self.plan.video.filter(|_| self.pictures > 0) {
            self.in_gop = 0;
            messages.push(self.message(VIDEO, at_us, video.codec.config(self.edition)));
        }
    }

    fn picture(&mut self, rng: &mut Rng) -> Vec<Message> {
        let video = self.plan.video.expect("the next is a picture");
        let at_us = self.video_at_us;
        let mut messages = Vec::new();
        if self.pictures == 0 {
            messages.push(self.message(VIDEO, at_us, video.codec.config(self.edition)));
        }
        let key = video.gop > 0 && self.in_gop.is_multiple_of(video.gop);
        let place = if key { 0 } else { self.in_gop % video.gop.max(4) };
        let steps = match place {
            _ if !video.reordered || !video.codec.reorders() => 0,
            0 => 1,
            place if place % 3 == 1 => 3,
            _ => 0,
        };
        let most = if key { video.bytes * 4 } else { video.bytes };
        let mut length = rng.between(1, most.max(1));
        if video.giants > 0 && rng.one_in(video.giants) {
            length = rng.between(most, GIANT_BYTES);
        }
        let content = self.content('v', self.pictures, length);
        let mut body = video.codec.picture(key, millis(steps * video.frame_us), &content);
        if video.empties > 0 && rng.one_in(video.empties) {
            body.truncate(rng.pick(&[0, 5]));
        }
        messages.push(self.message(VIDEO, at_us, body));
        self.pictures += 1;
        self.in_gop = if key { 1 } else { self.in_gop + 1 };
        self.video_at_us += video.frame_us;
        messages
    }

    fn sound(&mut self, rng: &mut Rng) -> Vec<Message> {
        let sound = self.plan.audio.expect("the next is sound");
        let at_us = self.audio_at_us;
        let mut messages = Vec::new();
        if self.sounds == 0 {
            messages.push(self.message(AUDIO, at_us, sound.codec.config(self.sound_edition)));
        }
        let length = rng.between(1, sound.bytes.max(1));
        let content = self.content('a', self.sounds, length);
        messages.push(self.message(AUDIO, at_us, sound.codec.sound(&content)));
        self.sounds += 1;
        self.audio_at_us += sound.codec.frame_us(self.sound_edition);
        messages
    }

    fn message(&self, kind: u8, at_us: u64, body: Vec<u8>) -> Message {
        let timestamp = self.offset_ms.wrapping_add(millis(at_us));
        Message { kind, stream: 1, timestamp, body }
    }

    /// The frame's name, and as much behind it as makes `length` bytes; never a zero.
    fn content(&self, kind: char, number: u64, length: u64) -> Vec<u8> {
        let mut content = format!("{} {kind}{number} ", self.label).into_bytes();
        let length = usize::try_from(length).expect("below 16 MiB");
        let letter = b'a' + u8::try_from(number % 26).expect("below 26");
        content.resize(content.len().max(length), letter);
        content
    }
}

impl Plan {
    /// A film as any encoder makes it: what a healthy stream is.
    pub fn tame(rng: &mut Rng) -> Self {
        let frame_us = rng.pick(&[33_333, 40_000, 66_666]);
        let video = Pictures {
            codec: VideoCodec::Avc,
            frame_us,
            gop: rng.between(500_000, 2_000_000) / frame_us,
            reordered: rng.one_in(2),
            bytes: 600,
            giants: 0,
            empties: 0,
        };
        let audio = Sound { codec: AudioCodec::Aac, from_us: 0, bytes: 100 };
        let start_ms = rng.pick(&[0, 0, 1_000]);
        Plan { video: Some(video), audio: Some(audio), start_ms, metadata: true, twists: Vec::new() }
    }

    /// Any media that encoders are known to send.
    pub fn wild(rng: &mut Rng) -> Self {
        let tracks = rng.pick(&[3, 3, 3, 3, 1, 2]);
        let wrap = rng.pick(&[0x0100_0000_u32, 0, 0x8000_0000]);
        let before = u32::try_from(rng.between(0, 8_000)).expect("small");
        Plan {
            video: (tracks & 1 != 0).then(|| Pictures::wild(rng)),
            audio: (tracks & 2 != 0).then(|| Sound {
                codec: rng.pick(&[AudioCodec::Aac, AudioCodec::Aac, AudioCodec::Opus]),
                from_us: rng.pick(&[0, 0, 0, 300_000, 5_000_000]),
                bytes: rng.pick(&[50, 200, 800]),
            }),
            start_ms: rng.pick(&[0, 0, before, wrap.wrapping_sub(before), u32::MAX / 3]),
            metadata: !rng.one_in(3),
            twists: twists(rng),
        }
    }
}

impl Pictures {
    fn wild(rng: &mut Rng) -> Self {
        let codecs = [VideoCodec::Avc, VideoCodec::Avc, VideoCodec::Avc, VideoCodec::Hevc, VideoCodec::Av1];
        let frame_us = rng.pick(&[16_666, 33_333, 40_000, 40_000, 100_000, 500_000]);
        let gop_us = rng.pick(&[0, 500_000, 1_000_000, 2_000_000, 5_000_000, 60_000_000]);
        Pictures {
            codec: rng.pick(&codecs),
            frame_us,
            gop: if rng.one_in(40) { 0 } else { (gop_us / frame_us).max(1) },
            reordered: rng.one_in(2),
            bytes: rng.pick(&[40, 300, 300, 1_500, 6_000]),
            giants: if rng.one_in(8) { rng.pick(&[30, 400]) } else { 0 },
            empties: if rng.one_in(6) { 30 } else { 0 },
        }
    }
}

/// None in most films, a few in the others, within the first half minute.
fn twists(rng: &mut Rng) -> Vec<(u64, Twist)> {
    let count = rng.pick(&[0, 0, 1, 2, 4]);
    let jump = |rng: &mut Rng| {
        let ms = rng.pick(&[50, 900, 3_000, 9_000, 11_000, 3_600_000]);
        Twist::Jump(if rng.one_in(2) { ms } else { -ms })
    };
    let mut twists: Vec<(u64, Twist)> = (0..count)
        .map(|_| {
            let jump = jump(rng);
            let all = [jump, jump, Twist::Reset, Twist::Picture, Twist::Picture, Twist::Codec, Twist::Sound];
            (rng.between(0, 30_000_000), rng.pick(&all))
        })
        .collect();
    twists.sort_by_key(|(at, _)| *at);
    twists
}

fn millis(us: u64) -> u32 {
    u32::try_from((us / 1000) & 0xffff_ffff).expect("masked")
}

/// The largest content of a picture: with what is around it, below the 8 MiB that the server takes.
const GIANT_BYTES: u64 = (8 << 20) - 1024;

#[cfg(test)]
mod tests {
    use super::{Film, Plan};
    use conformance::reader::flv::VIDEO;
    use conformance::rng::Rng;
    use std::collections::BTreeSet;

    #[test]
    fn every_payload_is_unique_and_time_goes_on() {
        for seed in 0..30 {
            let mut rng = Rng::new(seed);
            let plan = if seed % 2 == 0 { Plan::tame(&mut rng) } else { Plan::wild(&mut rng) };
            let mut film = Film::new(plan, "live/a", 1);
            let (mut seen, mut due, mut messages) = (BTreeSet::new(), 0, 0);
            while film.due_us() < 10_000_000 && messages < 500 {
                assert!(film.due_us() >= due);
                due = film.due_us();
                for message in film.next(&mut rng).iter().filter(|message| message.body.len() > 60) {
                    messages += 1;
                    assert!(seen.insert((message.kind, message.body.clone())), "seed {seed}");
                }
            }
        }
    }

    #[test]
    fn a_tame_film_begins_with_its_headers_and_a_keyframe() {
        let mut rng = Rng::new(1);
        let mut film = Film::new(Plan::tame(&mut rng), "live/a", 1);
        let first = film.next(&mut rng);
        let kinds: Vec<_> = first.iter().map(|message| (message.kind, message.tag().is_key())).collect();
        assert_eq!(kinds, [(18, false), (VIDEO, false), (VIDEO, true)]);
        assert!(film.gop_us() <= 2_000_000);
    }
}
