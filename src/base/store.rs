//! Files that packages want kept. The core names what should be on disk; the shell's helper thread does it.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// One change to the files below a configured directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoreOp {
    /// Creates or replaces a file, atomically: readers see the old content or the new one, never a part.
    /// Missing directories are created.
    Write {
        /// Where, as the configuration's directory and a path below it.
        path: String,
        /// The content, in shared pieces.
        body: Vec<Bytes>,
    },
    /// Removes a file; it is no error if there is none.
    Remove {
        /// Where.
        path: String,
    },
    /// Removes what an earlier process left behind: the files directly in a directory whose names begin with
    /// one of the prefixes. It is no error if there are none; directories stay.
    Clear {
        /// The directory.
        path: String,
        /// How the names begin.
        prefixes: Vec<String>,
    },
}
