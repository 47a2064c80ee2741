//! The file format of recordings: a line of text, a header, blocks.
//!
//! Each block has a length and a checksum. A recording whose writer was killed is valid up to the last
//! complete block, and the number of lost bytes is known.

use crate::base::rng::Seed;
use crate::base::time::{Epoch, Instant};
use crate::config::{self, Config};
use crate::record::codec;
use crate::record::event::Entry;
use bytes::{Buf, Bytes};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// This build: its version, and its commit if that is known (`0.1.0+52ad553f0c`).
pub const BUILD: &str = env!("BUILD_OF_DACAPO");

/// The first line of every recording.
const LINE: &str = "dacapo recording 1 SECRET: it holds stream keys, addresses and the server's seed\n";

/// The part of [`LINE`] that is the same in every version of the format.
const MAGIC: &str = "dacapo recording ";

/// Most bytes of one block; a longer length means damage.
pub const BLOCK_BYTES_MAX: usize = 256 << 20;

/// Entries per block in [`write`]. An entry has about a mebibyte at most.
const BLOCK_ENTRIES: usize = 64;

/// Most bytes of a saved server in one block.
const SAVED_BYTES: usize = 32 << 20;

const HEADER: u8 = b'H';
const SAVED: u8 = b'S';
const ENTRIES: u8 = b'E';
const ORDERED: u8 = b'O';
const END: u8 = b'Z';

/// What a replay needs besides the entries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The build that recorded.
    pub build: String,
    /// Seed of the server, 64 hexadecimal digits. A secret.
    pub seed: String,
    /// Wall time that belongs to time zero, in microseconds since 1970.
    pub epoch_us: u64,
    /// Time of the server when the recording began, in microseconds.
    pub start_us: u64,
    /// The configuration as RON text with every setting.
    pub config: String,
    /// What was recorded.
    pub scope: Scope,
    /// How writes are replayed.
    pub kernel: Kernel,
    /// The state that the recording begins with.
    pub start: Start,
    /// Name of the recording, the same in all parts; empty if there is one part.
    #[serde(default)]
    pub name: String,
    /// Number of the part, from 0.
    #[serde(default)]
    pub part: u32,
}

/// What was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scope {
    /// Everything.
    All,
    /// The connections of the streams that match one of these patterns (`live/*`).
    Streams(Vec<String>),
}

/// How writes are replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kernel {
    /// As recorded: every write and every tick is in the recording.
    Recorded,
    /// Every write is taken whole, and the clock ticks at every deadline.
    Open,
}

/// The state that a recording begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Start {
    /// A new server.
    Birth,
    /// A saved server, which follows in blocks of its own. It has the configuration and the seed of the
    /// header; [`crate::record::Event::Resumed`] entries give its connections.
    Saved,
    /// The end of the part before, which must be replayed first.
    Part,
}

impl Header {
    /// A header for the run of a server that is made from these.
    pub fn new(config: &Config, seed: &Seed, epoch: Epoch) -> Self {
        Header {
            build: BUILD.to_owned(),
            seed: seed.reveal().iter().map(|byte| format!("{byte:02x}")).collect(),
            epoch_us: epoch.0,
            start_us: 0,
            config: config::print(config),
            scope: Scope::All,
            kernel: Kernel::Recorded,
            start: Start::Birth,
            name: String::new(),
            part: 0,
        }
    }

    /// Parses the seed.
    ///
    /// # Errors
    /// [`Fault::Header`] if it is not 64 hexadecimal digits.
    pub fn seed(&self) -> Result<Seed, Fault> {
        let digits = self.seed.as_bytes();
        let byte = |at: usize| {
            let pair = std::str::from_utf8(digits.get(2 * at..2 * at + 2)?).ok()?;
            u8::from_str_radix(pair, 16).ok()
        };
        let mut bytes = [0; 32];
        for (at, place) in bytes.iter_mut().enumerate() {
            *place =
                byte(at).ok_or_else(|| Fault::Header("the seed is not 64 hexadecimal digits".to_owned()))?;
        }
        if digits.len() != 64 {
            return Err(Fault::Header("the seed is not 64 hexadecimal digits".to_owned()));
        }
        Ok(Seed::new(bytes))
    }

    /// Parses the configuration.
    ///
    /// # Errors
    /// [`Fault::Config`] if it is not valid in this build.
    pub fn config(&self) -> Result<Config, Fault> {
        config::load(&self.config, "the recording's configuration", &[])
            .map_err(|error| Fault::Config(error.to_string()))
    }

    /// Time of the server when the recording began.
    pub fn start_at(&self) -> Instant {
        Instant::from_micros(self.start_us)
    }
}

/// Why this build cannot replay a recording.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// The bytes do not begin as a recording does.
    #[error("not a recording: it does not begin with \"{MAGIC}\"")]
    Stranger,
    /// Another version of the format.
    #[error("the recording has format {0}; this build reads format 1")]
    Format(String),
    /// There is no complete block behind the first line.
    #[error("the recording ends before its header: nothing was recorded, or the file is incomplete")]
    Headless,
    /// The header cannot be parsed.
    #[error("the header of the recording is not valid: {0}")]
    Header(String),
    /// The configuration is not valid in this build.
    #[error("the configuration in the recording is not valid in this build: {0}")]
    Config(String),
    /// The saved server is missing or cannot be loaded.
    #[error("cannot load the server that the recording begins with: {0}")]
    Saved(String),
    /// It begins where another part ended.
    #[error("part {0} of the recording begins where the part before ended: replay that one first")]
    Part(u32),
    /// A block has a correct checksum and cannot be parsed.
    #[error("the block at byte {0} is complete, but this build cannot parse it")]
    Content(usize),
}

/// What is missing at the end of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Torn {
    /// The recording is valid up to this byte.
    pub at: usize,
    /// Number of bytes behind it, which are not a complete block.
    pub lost: usize,
}

/// A parsed recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Contents {
    /// The header.
    pub header: Header,
    /// The saved server that it begins with, if there is one.
    pub saved: Option<Bytes>,
    /// The entries, in the order of time.
    pub entries: Vec<Entry>,
    /// True if the recorder finished it; false if it was killed or still records.
    pub ended: bool,
    /// The damage at the end, if there is any.
    pub torn: Option<Torn>,
}

/// Encodes the beginning of a recording.
pub fn head(header: &Header) -> Vec<u8> {
    let text = ron::ser::to_string_pretty(header, ron::ser::PrettyConfig::new().new_line("\n"))
        .expect("a header is plain data");
    let mut out = LINE.as_bytes().to_vec();
    block(&mut out, HEADER, text.as_bytes());
    out
}

/// Encodes a saved server ([`crate::server::Server::save`]) as blocks, which go behind the head. Another
/// thread may do this while the run goes on.
pub fn block_saved(saved: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(saved.len() + 64);
    saved.chunks(SAVED_BYTES).for_each(|piece| block(&mut out, SAVED, piece));
    out
}

/// Encodes the last block of a recording that was finished.
pub fn block_end() -> Vec<u8> {
    let mut out = Vec::new();
    block(&mut out, END, &[]);
    out
}

/// Encodes entries as a block; the body begins with the time of the first. With `ordered` each entry begins
/// with its place in the run, since the blocks are not in order.
pub(super) fn block_entries(body: &[u8], ordered: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 16);
    block(&mut out, if ordered { ORDERED } else { ENTRIES }, body);
    out
}

/// Encodes a whole recording of `entries`, which must be in the order of time. [`read`] gives the same list.
pub fn write(header: &Header, entries: &[Entry]) -> Vec<u8> {
    let mut out = head(header);
    for entries in entries.chunks(BLOCK_ENTRIES) {
        let mut last = entries[0].at;
        let mut body = last.as_micros().to_le_bytes().to_vec();
        for entry in entries {
            codec::put(&mut body, last, entry.at, &entry.event);
            last = last.max(entry.at);
        }
        out.extend(block_entries(&body, false));
    }
    out.extend(block_end());
    out
}

fn block(out: &mut Vec<u8>, kind: u8, body: &[u8]) {
    let len = u32::try_from(body.len()).expect("blocks are limited");
    out.push(kind);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&checksum(kind, body).to_le_bytes());
    out.extend_from_slice(body);
}

fn checksum(kind: u8, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[kind]);
    hasher.update(body);
    hasher.finalize()
}

/// Parses a recording. One with a damaged end is valid: [`Contents::torn`] tells the damage.
///
/// # Errors
/// If the first line, the header or a block with a correct checksum cannot be parsed.
pub fn read(bytes: Bytes) -> Result<Contents, Fault> {
    let whole = bytes.len();
    let mut rest = after_line(bytes)?;
    let mut contents: Option<Contents> = None;
    let mut list = Vec::new();
    let mut torn = None;
    while !rest.is_empty() {
        let at = whole - rest.len();
        let Some((kind, body)) = next_block(&mut rest) else {
            torn = Some(Torn { at, lost: whole - at });
            break;
        };
        match (kind, &mut contents) {
            (HEADER, None) => {
                let text = std::str::from_utf8(&body).map_err(|error| Fault::Header(error.to_string()))?;
                let header = ron::from_str(text).map_err(|error| Fault::Header(error.to_string()))?;
                contents =
                    Some(Contents { header, saved: None, entries: Vec::new(), ended: false, torn: None });
            }
            (SAVED, Some(contents)) => contents.saved = Some(joined(contents.saved.take(), body)),
            (ENTRIES, Some(_)) => entries(body, false, &mut list).ok_or(Fault::Content(at))?,
            (ORDERED, Some(_)) => entries(body, true, &mut list).ok_or(Fault::Content(at))?,
            (END, Some(contents)) => contents.ended = true,
            _ => return Err(Fault::Content(at)),
        }
    }
    let mut contents = contents.ok_or(Fault::Headless)?;
    contents.torn = torn;
    // With chosen streams, the first entries of a connection are written late: when it has named a stream.
    list.sort_by_key(|(place, _)| *place);
    contents.entries = list.into_iter().map(|(_, entry)| entry).collect();
    Ok(contents)
}

fn joined(first: Option<Bytes>, rest: Bytes) -> Bytes {
    match first {
        None => rest,
        Some(first) => [first, rest].concat().into(),
    }
}

fn after_line(mut bytes: Bytes) -> Result<Bytes, Fault> {
    if !bytes.starts_with(MAGIC.as_bytes()) {
        return Err(Fault::Stranger);
    }
    let end = bytes.iter().take(256).position(|byte| *byte == b'\n').ok_or(Fault::Headless)?;
    let line = String::from_utf8_lossy(&bytes[MAGIC.len()..end]).into_owned();
    let format = line.split(' ').next().unwrap_or_default();
    if format != "1" {
        return Err(Fault::Format(format.to_owned()));
    }
    bytes.advance(end + 1);
    Ok(bytes)
}

fn next_block(rest: &mut Bytes) -> Option<(u8, Bytes)> {
    let mut look = rest.clone();
    let kind = look.try_get_u8().ok()?;
    let len = usize::try_from(look.try_get_u32_le().ok()?).ok()?;
    let sum = look.try_get_u32_le().ok()?;
    if len > look.len() || len > BLOCK_BYTES_MAX {
        return None;
    }
    let body = look.split_to(len);
    if checksum(kind, &body) != sum {
        return None;
    }
    *rest = look;
    Some((kind, body))
}

fn entries(mut body: Bytes, ordered: bool, list: &mut Vec<(u64, Entry)>) -> Option<()> {
    let mut last = Instant::from_micros(body.try_get_u64_le().ok()?);
    let mut place = list.last().map_or(0, |(place, _)| *place);
    while !body.is_empty() {
        place = if ordered { codec::take_number(&mut body)? } else { place };
        let entry = codec::take(&mut body, last)?;
        last = entry.at;
        list.push((place, entry));
    }
    Some(())
}
