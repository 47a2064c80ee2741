//! Files that packages want on disk. The core requests changes; a helper thread of the shell makes them.

use crate::base::secret::LocalPath;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// One change to the files below a configured directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoreOp {
    /// Creates or replaces a file atomically: readers see the old content or the new one, never a part.
    /// Missing directories are created.
    Write {
        /// Path: the configured directory and a path below it.
        path: LocalPath,
        /// Content, in shared pieces.
        body: Vec<Bytes>,
    },
    /// Removes a file; a missing file is no error.
    Remove {
        /// Path.
        path: LocalPath,
    },
    /// Removes the files of an earlier process: those directly in a directory whose names begin with one of
    /// the prefixes. A missing directory is no error; directories stay.
    Clear {
        /// The directory.
        path: LocalPath,
        /// Prefixes of names.
        prefixes: Vec<String>,
    },
}
