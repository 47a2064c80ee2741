//! A recording as bytes: a line for people, a header, blocks that are whole or are not there.
//!
//! Each block has its length and a checksum, so that a recording whose writer was killed is good up to the
//! last whole block, and says how much was lost.

use crate::base::rng::Seed;
use crate::base::time::{Epoch, Instant};
use crate::config::{self, Config};
use crate::record::codec;
use crate::record::event::Entry;
use bytes::{Buf, Bytes};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Which build this is: its version, and its commit where that is known (`0.1.0+52ad553f0c`).
pub const BUILD: &str = env!("BUILD_OF_DACAPO");

/// How every recording begins.
const LINE: &str = "dacapo recording 1 SECRET: it holds stream keys, addresses and the server's seed\n";

/// What [`LINE`] must begin with to be ours at all.
const MAGIC: &str = "dacapo recording ";

/// Most bytes of one block; a longer length is damage.
pub const BLOCK_BYTES_MAX: usize = 256 << 20;

/// Entries of one block of a recording that is written at once; no entry has more than a mebibyte or so.
const BLOCK_ENTRIES: usize = 64;

/// Most bytes of a saved server in one block.
const SAVED_BYTES: usize = 32 << 20;

const HEADER: u8 = b'H';
const SAVED: u8 = b'S';
const ENTRIES: u8 = b'E';
const ORDERED: u8 = b'O';
const END: u8 = b'Z';

/// What a run needs besides its inputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Which build recorded.
    pub build: String,
    /// The server's seed, 64 hexadecimal digits. A secret.
    pub seed: String,
    /// Wall time at the server's birth, microseconds since 1970.
    pub epoch_us: u64,
    /// The server's time when the recording began, microseconds.
    pub start_us: u64,
    /// The configuration with every setting, as RON text.
    pub config: String,
    /// What was recorded.
    pub scope: Scope,
    /// What took the server's bytes.
    pub kernel: Kernel,
    /// From what the run began.
    pub start: Start,
    /// Names all parts of one recording; empty if there is one part.
    #[serde(default)]
    pub name: String,
    /// Which part this is, from 0.
    #[serde(default)]
    pub part: u32,
}

/// What was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scope {
    /// Everything.
    All,
    /// The connections of the streams that fit one of these patterns (`live/*`).
    Streams(Vec<String>),
}

/// What took the server's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kernel {
    /// What stands in the recording: every write and every tick.
    Recorded,
    /// One that takes everything at once, and a clock that ticks whenever the server wants it.
    Open,
}

/// From what a run began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Start {
    /// A newborn server.
    Birth,
    /// A saved server, which follows in blocks of its own. The configuration and seed of the header are what
    /// it runs with too; who is connected is said by [`crate::record::Event::Resumed`] entries.
    Saved,
    /// Where the part before ended: it cannot be played without that one.
    Part,
}

impl Header {
    /// A header for the run of a server that is born with these.
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

    /// The seed.
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

    /// The configuration.
    pub fn config(&self) -> Result<Config, Fault> {
        config::load(&self.config, "the recording's configuration", &[])
            .map_err(|error| Fault::Config(error.to_string()))
    }

    /// When the recording began.
    pub fn start_at(&self) -> Instant {
        Instant::from_micros(self.start_us)
    }
}

/// Why bytes are not a recording that this build can play.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// Something else.
    #[error("this is no recording: it does not begin with \"{MAGIC}\"")]
    Stranger,
    /// From the future.
    #[error("this recording is of format {0}; this build reads format 1")]
    Format(String),
    /// Nothing behind the first line is whole.
    #[error("the recording ends before its header: nothing was recorded, or the file was cut off")]
    Headless,
    /// The header is not right.
    #[error("the header of the recording is not right: {0}")]
    Header(String),
    /// The configuration in it is not one for this build.
    #[error("the configuration in the recording does not suit this build: {0}")]
    Config(String),
    /// The server that it begins with is none for this build, or is missing.
    #[error("the server that the recording begins with cannot go on: {0}")]
    Saved(String),
    /// It goes on where another part ended.
    #[error("this is part {0} of a recording and goes on where the part before ended: play that one first")]
    Part(u32),
    /// Whole blocks with nonsense in them.
    #[error("the block at byte {0} is whole but its content makes no sense to this build")]
    Content(usize),
}

/// What is missing at the end of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Torn {
    /// The recording is good up to this byte.
    pub at: usize,
    /// So many bytes behind it are no whole block.
    pub lost: usize,
}

/// A recording, taken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Contents {
    /// What the run needs besides its inputs.
    pub header: Header,
    /// The saved server that it began with, if it did.
    pub saved: Option<Bytes>,
    /// What happened, in the order of time.
    pub entries: Vec<Entry>,
    /// Whether the recorder closed it; false: it was killed, or records still.
    pub ended: bool,
    /// What is damaged or missing at the end.
    pub torn: Option<Torn>,
}

/// The beginning of a recording.
pub fn head(header: &Header) -> Vec<u8> {
    let text = ron::ser::to_string_pretty(header, ron::ser::PrettyConfig::new().new_line("\n"))
        .expect("a header is plain data");
    let mut out = LINE.as_bytes().to_vec();
    block(&mut out, HEADER, text.as_bytes());
    out
}

/// A saved server as blocks: what [`crate::server::Server::save`] gave, to be written behind the head. May be
/// made in another thread than the one that records.
pub fn block_saved(saved: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(saved.len() + 64);
    saved.chunks(SAVED_BYTES).for_each(|piece| block(&mut out, SAVED, piece));
    out
}

/// What a recorder that ends in peace writes last.
pub fn block_end() -> Vec<u8> {
    let mut out = Vec::new();
    block(&mut out, END, &[]);
    out
}

/// Entries as a block: the body begins with the time of the first. `ordered`: each entry has its place in
/// the run in front, since blocks do not follow each other in order.
pub(super) fn block_entries(body: &[u8], ordered: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 16);
    block(&mut out, if ordered { ORDERED } else { ENTRIES }, body);
    out
}

/// A whole recording of `entries`, which are in the order of time: what [`read`] reads as the same list.
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

/// Takes a recording apart. A torn tail is told, not refused.
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
    // Of chosen streams, a connection's first words are written once it is known whose they are.
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
