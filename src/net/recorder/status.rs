//! The state of the flight recorder as operators see it, and its refusals.

use serde::Serialize;

/// State of the flight recorder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RecorderStatus {
    /// Directory of the recordings.
    pub directory: String,
    /// The recording in progress, if there is one.
    pub recording: Option<RecordingStatus>,
    /// Number of recordings that ended because the disk was slow, full or failing.
    pub drops: u64,
    /// Why the last of these ended; empty if there is none.
    pub last_drop: String,
    /// Finished and unfinished parts, oldest first; at most the newest 1000.
    pub parts: Vec<PartStatus>,
}

/// The recording in progress.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RecordingStatus {
    /// Its name; the names of its parts begin with it.
    pub name: String,
    /// Patterns of the streams that are recorded; empty: everything.
    pub streams: Vec<String>,
    /// Number of the part that is being written, from 0.
    pub part: u32,
    /// Bytes of this part so far, without its beginning.
    pub part_bytes: u64,
    /// Bytes that wait for the disk.
    pub waiting_bytes: u64,
    /// Number of connections that are not recorded although they may belong to the streams: they sent too
    /// many bytes before they named a stream.
    pub forgotten: u64,
    /// Longest time that the loop took to copy the server, in microseconds.
    pub copy_us_max: u64,
}

/// A part of a recording: a file that replays alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PartStatus {
    /// Name of the file.
    pub name: String,
    /// Length of the file so far.
    pub bytes: u64,
    /// True if it is complete.
    pub finished: bool,
    /// Time of the last write, in milliseconds since 1970.
    pub modified_ms: u64,
}

/// Why the flight recorder refuses a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A recording is in progress already.
    Running,
    /// No recording is in progress.
    Idle,
    /// There is no such part, or it is not finished.
    NoPart,
    /// Too many requests wait, or too many parts are being downloaded.
    Busy,
    /// The request or a pattern in it cannot be parsed. Holds the reason.
    Unclear(String),
    /// The file could not be created. Holds the reason.
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

    /// What is wrong and, where it helps, what to do.
    pub fn message(&self) -> &str {
        match self {
            Refusal::Running => "a recording is in progress: stop it first",
            Refusal::Idle => "the recorder does not record",
            Refusal::NoPart => "no such part is finished; GET /api/v1/recorder lists all parts",
            Refusal::Unclear(why) | Refusal::Disk(why) => why,
            Refusal::Busy => "the recorder has too many requests: try again later",
        }
    }
}
