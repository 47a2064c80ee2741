//! Writes RTMP messages as chunks (Adobe RTMP 1.0, section 5.3), with the variations of real programs.
//!
//! In: messages. Out: bytes. Drawn for each writer: full or compressed headers, repeated extended timestamps
//! or not, chunk stream ids of one, two or three bytes, interleaved messages or not.

use conformance::reader::flv;
use conformance::reader::rtmp::Message;
use conformance::rng::Rng;
use std::collections::BTreeMap;

/// How a program writes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Habits {
    /// Leaves out of headers what is known.
    pub brief: bool,
    /// Does not repeat extended timestamps, as older FFmpeg and librtmp.
    pub forgets_time: bool,
    /// Weaves the chunks of messages that it has at the same time.
    pub weaves: bool,
    /// What is added to the usual numbers of chunk streams.
    pub shift: u32,
}

impl Habits {
    /// Draws any.
    pub fn draw(rng: &mut Rng) -> Self {
        Habits {
            brief: rng.one_in(2),
            forgets_time: rng.one_in(4),
            weaves: rng.one_in(3),
            shift: rng.pick(&[0, 0, 0, 1, 60, 300, 65_000]),
        }
    }
}

/// Writes one direction of a connection.
#[derive(Clone, Debug)]
pub struct ChunkWriter {
    habits: Habits,
    size: usize,
    last: BTreeMap<u32, Last>,
}

/// What the reader knows of a chunk stream.
#[derive(Clone, Copy, Debug)]
struct Last {
    timestamp: u32,
    /// What a message without a header would add; unknown behind an extended timestamp.
    delta: Option<u32>,
    shape: (usize, u8),
    stream: u32,
}

/// A message that is being written: its header, and what goes in front of each further chunk.
struct Draft<'a> {
    head: Vec<u8>,
    next: Vec<u8>,
    body: &'a [u8],
    begun: bool,
}

impl ChunkWriter {
    /// Begins with chunks of 128 bytes, as the protocol does.
    pub fn new(habits: Habits) -> Self {
        ChunkWriter { habits, size: 128, last: BTreeMap::new() }
    }

    /// Says that chunks have `size` bytes from here on, and keeps to it.
    pub fn set_size(&mut self, size: usize, out: &mut Vec<u8>) {
        let announced = u32::try_from(size).expect("a chunk size has 31 bits");
        self.write(&[Message::set_chunk_size(announced)], out);
        self.size = size;
    }

    /// Writes messages, in their order or woven.
    pub fn write(&mut self, messages: &[Message], out: &mut Vec<u8>) {
        let ids = messages.iter().map(|message| self.id(message.kind)).collect::<Vec<_>>();
        let distinct = (1..ids.len()).all(|at| !ids[..at].contains(&ids[at]));
        let mut drafts: Vec<Draft<'_>> = Vec::new();
        for (message, id) in messages.iter().zip(ids) {
            let draft = self.draft(id, message);
            drafts.push(draft);
        }
        if !self.habits.weaves || !distinct {
            for draft in &mut drafts {
                while draft.step(self.size, out) {}
            }
            return;
        }
        while !drafts.is_empty() {
            drafts.retain_mut(|draft| draft.step(self.size, out));
        }
    }

    fn id(&self, kind: u8) -> u32 {
        match kind {
            1..=6 => 2,
            flv::AUDIO => 4 + self.habits.shift,
            flv::VIDEO => 6 + self.habits.shift,
            flv::DATA => 8 + self.habits.shift,
            22 => 9 + self.habits.shift,
            _ => 3,
        }
    }

    fn draft<'a>(&mut self, id: u32, message: &'a Message) -> Draft<'a> {
        let shape = (message.body.len(), message.kind);
        let step = self.last.get(&id).map(|last| message.timestamp.wrapping_sub(last.timestamp));
        let known = self.last.get(&id).filter(|last| {
            // A step back, or one that a header cannot hold, needs a full header.
            let forward = step.is_some_and(|step| step < EXTENDED);
            self.habits.brief && forward && last.stream == message.stream && last.timestamp < EXTENDED
        });
        let format = match known {
            None => 0,
            Some(last) if last.shape != shape => 1,
            Some(last) if last.delta != step => 2,
            Some(_) => 3,
        };
        let time = if format == 0 { message.timestamp } else { step.unwrap_or(0) };
        let extended = format == 0 && time >= EXTENDED;
        let mut head = basic(format, id);
        if format < 3 {
            head.extend(&time.min(EXTENDED).to_be_bytes()[1..]);
        }
        if format < 2 {
            let length = u32::try_from(shape.0).expect("a message below 16 MiB");
            head.extend(&length.to_be_bytes()[1..]);
            head.push(shape.1);
        }
        if format == 0 {
            head.extend(message.stream.to_le_bytes());
        }
        let mut next = basic(3, id);
        if extended {
            head.extend(time.to_be_bytes());
            if !self.habits.forgets_time {
                next.extend(time.to_be_bytes());
            }
        }
        // Behind a full header the specification has the timestamp itself for a delta. Programs agree on
        // that for no longer than they send the same header again, so this writer does not rely on it.
        let delta = if format == 0 { None } else { step };
        self.last.insert(id, Last { timestamp: message.timestamp, delta, shape, stream: message.stream });
        Draft { head, next, body: &message.body, begun: false }
    }
}

impl Draft<'_> {
    /// Writes a chunk; false when that was the last.
    fn step(&mut self, size: usize, out: &mut Vec<u8>) -> bool {
        out.extend(if self.begun { &self.next } else { &self.head });
        self.begun = true;
        let (piece, rest) = self.body.split_at(size.min(self.body.len()));
        out.extend(piece);
        self.body = rest;
        !rest.is_empty()
    }
}

/// A basic header in as few bytes as its number needs.
fn basic(format: u8, id: u32) -> Vec<u8> {
    let format = format << 6;
    let small = |number: u32| u8::try_from(number & 0xff).expect("masked");
    match id {
        2..=63 => vec![format | small(id)],
        64..=319 => vec![format, small(id - 64)],
        _ => vec![format | 1, small(id - 64), small((id - 64) >> 8)],
    }
}

/// Timestamps from here on follow the header.
const EXTENDED: u32 = 0x00ff_ffff;

#[cfg(test)]
mod tests {
    use super::{ChunkWriter, Habits};
    use conformance::reader::chunk::ChunkReader;
    use conformance::reader::rtmp::Message;
    use conformance::rng::Rng;

    #[test]
    fn whatever_the_habits_the_messages_are_read_again() {
        for seed in 0..200 {
            let mut rng = Rng::new(seed);
            let mut writer = ChunkWriter::new(Habits::draw(&mut rng));
            let mut reader = ChunkReader::new().lenient();
            let mut time: u32 = rng.pick(&[0, 1000, 0x00ff_fff0, 0xffff_fff0]);
            for round in 0..40 {
                let mut out = Vec::new();
                if rng.one_in(10) {
                    writer.set_size(rng.pick(&[1, 100, 4096, 65_536]), &mut out);
                }
                time = time.wrapping_add(rng.pick(&[0, 20, 20, 20, 40, 70_000]));
                let mut message = |kind, most: u64| {
                    let length = rng.between(0, most);
                    // None that a reader could take for the beginning of a timestamp.
                    let mut body = rng.bytes(usize::try_from(length).expect("short"));
                    body.iter_mut().for_each(|byte| *byte = 0x20 | *byte >> 3);
                    Message { kind, stream: 1, timestamp: time, body }
                };
                let mut sent = vec![message(9, 3000), message(8, if round % 2 == 0 { 0 } else { 300 })];
                writer.write(&sent, &mut out);
                let read = reader.push(&out).expect("good chunks");
                let mut read: Vec<_> = read.into_iter().filter(|message| message.kind != 1).collect();
                read.sort_by_key(|message| message.kind);
                sent.sort_by_key(|message| message.kind);
                assert!(read == sent, "seed {seed} round {round}");
            }
        }
    }
}
