//! How the flight recorder stands, as an operator is told, and why it may refuse.

use serde::Serialize;

/// How the flight recorder stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RecorderStatus {
    /// Where the files are.
    pub directory: String,
    /// What is being recorded, if anything is.
    pub recording: Option<RecordingStatus>,
    /// Recordings that ended by themselves, since the disk was slow, full or failing.
    pub drops: u64,
    /// Why the last of these ended; empty if none did.
    pub last_drop: String,
    /// Finished and unfinished parts, oldest first; of many only the newest.
    pub parts: Vec<PartStatus>,
}

/// A recording that goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RecordingStatus {
    /// Its name; those of its parts begin with it.
    pub name: String,
    /// Patterns of the streams that are recorded; none: everything.
    pub streams: Vec<String>,
    /// Which part is being written, from 0.
    pub part: u32,
    /// Bytes of this part so far, but for what it began with.
    pub part_bytes: u64,
    /// Bytes that wait for the disk.
    pub waiting_bytes: u64,
    /// Connections that are not recorded although they may belong to the streams: they said too much before
    /// they said what they are about.
    pub forgotten: u64,
    /// The longest that the loop stood still to copy the server, in microseconds.
    pub copy_us_max: u64,
}

/// A part of a recording: a file that replays alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PartStatus {
    /// The file's name.
    pub name: String,
    /// Its length so far.
    pub bytes: u64,
    /// Whether nothing more is written to it.
    pub finished: bool,
    /// When it was last written to: milliseconds since 1970.
    pub modified_ms: u64,
}

/// Why the flight recorder does not do what an operator requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It records already.
    Running,
    /// It does not record.
    Idle,
    /// There is no such part, or it is being written.
    NoPart,
    /// Too many requests wait, or too many parts are being downloaded.
    Busy,
    /// The request is not understood, or names no pattern; why.
    Unclear(String),
    /// The file could not be made; why.
    Disk(String),
}

impl Refusal {
    /// The code of the answer. SRS leaves the codes from 9000 on to others.
    pub fn code(&self) -> u32 {
        match self {
            Refusal::Running => 9001,
            Refusal::Idle => 9002,
            Refusal::NoPart => 9003,
            Refusal::Unclear(_) => 9004,
            Refusal::Disk(_) => 9005,
            Refusal::Busy => 9006,
        }
    }

    /// The answer in words: what is wrong and, where it helps, what to do.
    pub fn message(&self) -> &str {
        match self {
            Refusal::Running => "it records already: stop it first",
            Refusal::Idle => "it does not record",
            Refusal::NoPart => {
                "there is no such part, or it is being written; GET /api/v1/recorder lists them"
            }
            Refusal::Unclear(why) | Refusal::Disk(why) => why,
            Refusal::Busy => "too many wait for the recorder: ask again later",
        }
    }
}
