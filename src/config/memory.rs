//! The most memory that the limits of the configuration allow: one formula, in one place.
//!
//! In: a configuration. Out: a number of bytes that the server's buffers cannot exceed together, however
//! peers behave. It is a sum of worst cases that never coincide: every connection stalled with a full outbox,
//! every stream played in every format by a player that is behind. A server in ordinary use stays far below.
//! Not counted: the program itself, the kernel's socket buffers, tables without payload, and the rest of a
//! frame that a player had received a part of when it left, with what shares its piece of memory.

use crate::config::settings::{Config, StreamSettings};
use std::fmt;

/// Formats in which one stream can be played at a time: RTMP, FLV, WebSocket-FLV, TS, AAC and MP3, and those
/// that are HTTP bodies in chunks too (`wire::format`, whose test checks this number). All RTMP players share
/// one, since all are sent the same chunk size.
pub const FORMATS: u64 = 10;

/// Most bytes that framing adds to a frame in any format, besides a sixteenth of its length: stuffing, table
/// packets and PES header in a transport stream; less in other formats.
const FRAMING_BYTES: u64 = 3 * 188;

/// Most bytes of frames that are rendered into one piece of memory, if they are more than one
/// (`stream::rendition`). Beyond that, one slice less saves nothing that counts.
pub const BATCH_BYTES_MAX: usize = 64 << 10;

/// The memory bound and its parts, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryMax {
    /// All connections: what they sent, and what waits for them alone.
    pub connections: u64,
    /// All streams: frames, renditions, and HLS.
    pub streams: u64,
    /// The recorder: what waits for the disk, and the copy of the server at the beginning of a part.
    pub recorder: u64,
    /// Segments as pages.
    pub pages: u64,
}

impl MemoryMax {
    /// The sum.
    pub fn total(&self) -> u64 {
        [self.connections, self.streams, self.recorder, self.pages].into_iter().fold(0, u64::saturating_add)
    }
}

impl Config {
    /// The most memory that these limits allow.
    ///
    /// ```text
    /// connections × ( unproven_bytes                        read and not yet consumed
    ///               + max( frame_bytes + unproven_bytes     RTMP: incomplete messages, and own bytes
    ///                      + outbox_bytes,                        that wait to be sent
    ///                      response_bytes ) )               HTTP: bytes that wait to be sent
    /// streams     × ( ring.bytes_max                        the frames, once
    ///               + FORMATS × ( rendered(ring)            the frames in each format that is played
    ///                           + pinned_bytes )             frames that slow players have a part of
    ///               + hls × segment_bytes_max × (window + keep + 2) )
    /// rendered(ring) = bytes_max + bytes_max / 16 + frames_max × FRAMING_BYTES
    ///                + BATCH_BYTES_MAX                        frames that left the ring but share memory
    ///                                                       with frames that did not
    /// recorder    = queue_bytes_max                         bytes that wait for the disk
    ///             + 2 × (connections + streams)             the server's copy while a part begins: what it
    ///                                                       keeps alive, and its serialised form
    /// pages       = 2 × sendfile_bytes                      segments copied into pages, and segments
    ///                                                       that only these copies keep alive
    /// ```
    ///
    /// HLS holds the playlist, the segments kept after it, one segment more while it changes, and the open
    /// one. Of the stream rules, the most expensive value of each setting counts.
    pub fn memory_max(&self) -> MemoryMax {
        let limits = &self.limits;
        let inbox = wide(limits.unproven_bytes);
        let rtmp = wide(limits.frame_bytes).saturating_add(inbox).saturating_add(wide(limits.outbox_bytes));
        let connection = inbox.saturating_add(rtmp.max(wide(limits.response_bytes)));
        let stream = stream_bytes(&self.dearest(), wide(limits.pinned_bytes));
        let connections = wide(limits.connections).saturating_mul(connection);
        let streams = wide(limits.streams).saturating_mul(stream);
        let copy = connections.saturating_add(streams).saturating_mul(2);
        let recorder = wide(self.recorder.queue_bytes_max).saturating_add(copy);
        let records = self.recorder.enabled || self.recorder.api_token.is_set();
        let recorder = if records { recorder } else { 0 };
        MemoryMax { connections, streams, recorder, pages: wide(limits.sendfile_bytes).saturating_mul(2) }
    }

    /// Settings that cost at least as much as those of any stream.
    fn dearest(&self) -> StreamSettings {
        let mut dearest = self.stream.clone();
        for rule in &self.streams {
            let mut settings = self.stream.clone();
            rule.apply(&mut settings);
            let (ring, hls) = (&mut dearest.ring, &mut dearest.hls);
            ring.bytes_max = ring.bytes_max.max(settings.ring.bytes_max);
            ring.frames_max = ring.frames_max.max(settings.ring.frames_max);
            hls.enabled |= settings.hls.enabled;
            hls.segment_bytes_max = hls.segment_bytes_max.max(settings.hls.segment_bytes_max);
            hls.window = hls.window.max(settings.hls.window);
            hls.keep = hls.keep.max(settings.hls.keep);
        }
        dearest
    }
}

fn stream_bytes(settings: &StreamSettings, pinned: u64) -> u64 {
    let ring = wide(settings.ring.bytes_max);
    let framing = wide(settings.ring.frames_max).saturating_mul(FRAMING_BYTES);
    let rendered =
        ring.saturating_add(ring / 16).saturating_add(framing).saturating_add(wide(BATCH_BYTES_MAX));
    let formats = FORMATS.saturating_mul(rendered.saturating_add(pinned));
    let hls = &settings.hls;
    let segments =
        if hls.enabled { wide(hls.window).saturating_add(wide(hls.keep)).saturating_add(2) } else { 0 };
    let segments = segments.saturating_mul(wide(hls.segment_bytes_max));
    ring.saturating_add(formats).saturating_add(segments)
}

fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// A number of bytes for people: `1.5 GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, shift) = match self.0 {
            0..0x10_0000 => ("KiB", 10),
            0x10_0000..0x4000_0000 => ("MiB", 20),
            _ => ("GiB", 30),
        };
        // In tenths, rounded up: a bound must not be understated.
        let tenths = (u128::from(self.0) * 10).div_ceil(1 << shift);
        write!(f, "{}.{} {unit}", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::{Bytes, MemoryMax};
    use crate::config::load;

    fn memory(streams: &str) -> MemoryMax {
        let text = format!(
            "(
                limits: (connections: 10, streams: 2, frame_bytes: 65536, unproven_bytes: 8192,
                         outbox_bytes: 16384, response_bytes: 1000000, pinned_bytes: 65536,
                         sendfile_bytes: 3000),
                stream: (ring: (bytes_max: 160000, frames_max: 100),
                         hls: (segment_bytes_max: 70000, window: 3, keep: 1)),
                streams: [{streams}],
            )"
        );
        load(&text, "my.ron", &[]).expect("right").memory_max()
    }

    #[test]
    fn the_formula_is_what_it_says() {
        let stream = 160_000 + 10 * (160_000 + 10_000 + 100 * 564 + 65_536 + 65_536) + 70_000 * 6;
        let connection = 8_192 + 1_000_000;
        let (connections, streams) = (10 * connection, 2 * stream);
        assert_eq!(memory(""), MemoryMax { connections, streams, recorder: 0, pages: 6_000 });
        assert_eq!(memory("").total(), 10_081_920 + 8_309_440 + 6_000);
    }

    #[test]
    fn a_recorder_costs_its_queue_and_a_copy_of_the_server_twice() {
        let text = "(
            recorder: (enabled: true, directory: \"/tmp/flights\", queue_bytes_max: 2000000),
            limits: (connections: 10, streams: 2, sendfile_bytes: 0),
        )";
        let memory = load(text, "my.ron", &[]).expect("right").memory_max();
        assert_eq!(memory.recorder, 2_000_000 + 2 * (memory.connections + memory.streams));
        assert_eq!(memory.total(), 2_000_000 + 3 * (memory.connections + memory.streams));
    }

    #[test]
    fn of_protocols_the_dearer_counts() {
        let text = "(
            limits: (connections: 1, frame_bytes: 65536, unproven_bytes: 8192, outbox_bytes: 65536,
                     response_bytes: 65536),
            stream: (hls: (enabled: false)),
        )";
        let memory = load(text, "my.ron", &[]).expect("right").memory_max();
        assert_eq!(memory.connections, 8_192 + 65_536 + 8_192 + 65_536);
    }

    #[test]
    fn of_rules_the_dearest_value_counts() {
        let more = memory(
            r#"(pattern: "a/*", hls: (window: 5)), (pattern: "b/*", hls: (keep: 2, window: 4)),
               (pattern: "c/*", hls: (enabled: false))"#,
        );
        assert_eq!(more.streams - memory("").streams, 2 * 3 * 70_000);
    }

    #[test]
    fn a_bound_is_never_understated() {
        assert_eq!(Bytes(0).to_string(), "0.0 KiB");
        assert_eq!(Bytes(1).to_string(), "0.1 KiB");
        assert_eq!(Bytes(64 << 20).to_string(), "64.0 MiB");
        assert_eq!(Bytes((3 << 30) / 2).to_string(), "1.5 GiB");
        assert_eq!(Bytes((3 << 30) / 2 + 1).to_string(), "1.6 GiB");
        assert_eq!(Bytes(u64::MAX).to_string(), "17179869184.0 GiB");
    }
}
