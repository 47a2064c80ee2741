//! What can be fuzzed: for each parser, each independent reader and the server as a whole, a function that
//! takes any bytes and panics only over a bug.
//!
//! In: bytes. Out: nothing, or a panic. `src/main.rs` puts the coverage-guided fuzzer in front of them
//! (`conformance/fuzz.sh`); `tests/` gives them what the fuzzer once found, and a little damage to what real
//! programs said.

pub mod codecs;
pub mod readers;
pub mod saved;
pub mod seeds;
pub mod server;
pub mod wire;
pub mod words;

/// Something that takes bytes.
pub struct Target {
    /// What it is called on the command line, and the folder under `fixtures/fuzz` with what was found.
    pub name: &'static str,
    /// What it does with the bytes, in a few words.
    pub about: &'static str,
    /// Does it. Panics over a bug.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "server", about: "a list of inputs for the whole server", run: server::run },
    Target { name: "amf", about: "AMF0 and AMF3 values", run: wire::amf },
    Target { name: "rtmp_handshake", about: "the server's side of a handshake", run: wire::rtmp_handshake },
    Target {
        name: "rtmp_chunks",
        about: "chunks to messages, against our own reader",
        run: wire::rtmp_chunks,
    },
    Target { name: "rtmp_message", about: "what messages say, aggregates too", run: wire::rtmp_message },
    Target { name: "flv", about: "media bodies to frames and back, against our own reader", run: wire::flv },
    Target { name: "render", about: "frames in every format, read again", run: wire::render },
    Target { name: "http", about: "request heads and bodies", run: wire::http },
    Target { name: "websocket", about: "frames of a client", run: wire::websocket },
    Target { name: "codecs", about: "configurations and frames of all codecs", run: codecs::run },
    Target { name: "config", about: "a configuration file", run: readers::config },
    Target { name: "saved", about: "a forged saved server, replayed and redacted", run: saved::run },
    Target { name: "record", about: "a recording", run: readers::record },
    Target { name: "read_rtmp", about: "our own reader of chunks and AMF0", run: readers::rtmp },
    Target { name: "read_http", about: "our own readers of HTTP and WebSocket", run: readers::http },
    Target { name: "read_flv", about: "our own reader of FLV", run: readers::flv },
    Target { name: "read_ts", about: "our own reader of transport streams", run: readers::ts },
    Target { name: "read_mp4", about: "our own reader of fragmented MP4", run: readers::mp4 },
    Target { name: "read_m3u8", about: "our own reader of playlists", run: readers::m3u8 },
    Target { name: "read_pcap", about: "the import of captures", run: readers::pcap },
    Target { name: "judge_hls", about: "the judge of HLS", run: readers::judge_hls },
];

/// The target of this name.
///
/// # Panics
/// If there is none.
pub fn target(name: &str) -> &'static Target {
    let found = TARGETS.iter().find(|target| target.name == name);
    found.unwrap_or_else(|| {
        let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        panic!("no target {name:?}; there are {}", names.join(", "))
    })
}

/// Bytes that are read off the front of an input. Where they have run out, they are zero.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a>(pub &'a [u8]);

impl<'a> Source<'a> {
    /// The next number of 8 bits.
    pub fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    /// The next number of 16 bits.
    pub fn word(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// The next number of 32 bits.
    pub fn long(&mut self) -> u32 {
        u32::from(self.word()) | u32::from(self.word()) << 16
    }

    /// At most `count` bytes.
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Bytes behind their length of 16 bits.
    pub fn bytes(&mut self) -> &'a [u8] {
        let length = self.word();
        self.take(usize::from(length))
    }

    /// True if nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// `bytes` in pieces whose sizes follow from `seed`.
pub fn pieces(bytes: &[u8], seed: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    let mut state = u32::from(seed) | 1;
    std::iter::from_fn(move || {
        state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        let size = match state >> 16 & 7 {
            0 => 1,
            1..=4 => (state >> 20 & 15) as usize + 1,
            _ => (state >> 20) as usize + 1,
        };
        let (piece, after) = rest.split_at(size.min(rest.len()));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}
