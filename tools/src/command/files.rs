//! Files that hold what a recording holds: for their owner alone, and never in the place of others.

use crate::dump::Part;
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Makes a file that only its owner can read. Fails if there is one of this name.
pub fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Where a dump is written to.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    made: BTreeSet<String>,
}

impl Folder {
    /// Makes the directory if it is not there.
    pub fn open(path: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(path)?;
        Ok(Folder { path: path.to_owned(), made: BTreeSet::new() })
    }

    /// Writes parts of files: the first of a file makes it, the others join it.
    pub fn write(&mut self, parts: Vec<Part>) -> Result<(), String> {
        for part in parts {
            let path = self.path.join(&part.file);
            let first = self.made.insert(part.file);
            let file = if first { create(&path) } else { OpenOptions::new().append(true).open(&path) };
            let written = file.and_then(|mut file| file.write_all(&part.bytes));
            written.map_err(|error| format!("{}: {error}", path.display()))?;
        }
        Ok(())
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many files were made.
    pub fn count(&self) -> usize {
        self.made.len()
    }
}
