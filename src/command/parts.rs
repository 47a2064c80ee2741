//! Recordings as they lie on a disk: one file, some parts, or a directory of parts.
//!
//! In: what the user named. Out: the parts of one recording in their order, taken apart. Parts of several
//! recordings are refused, since nobody could tell which one is meant.

use dacapo::record::{self, Contents};
use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

/// How every recording begins; other files of a directory are passed over.
const MAGIC: &[u8] = b"dacapo recording ";

/// One file of a recording.
#[derive(Debug)]
pub struct Part {
    /// The file.
    pub path: PathBuf,
    /// How long it is, in bytes.
    pub bytes: usize,
    /// What is in it.
    pub contents: Contents,
}

/// Reads all parts that `paths` name, files or directories. Otherwise says in words what is wrong.
pub fn read(paths: &[PathBuf]) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    for path in paths {
        if path.is_dir() {
            let files = recordings_in(path).map_err(|error| complaint(path, error))?;
            if files.is_empty() {
                return Err(format!("{}: there is no recording in this directory", path.display()));
            }
            parts.extend(files.iter().map(|file| part(file)).collect::<Result<Vec<_>, _>>()?);
        } else {
            parts.push(part(path)?);
        }
    }
    parts.sort_by_key(|part| part.contents.header.part);
    check(&parts)?;
    Ok(parts)
}

fn recordings_in(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in folder.read_dir()? {
        let path = entry?.path();
        if path.is_file() && is_recording(&path)? {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn is_recording(file: &Path) -> std::io::Result<bool> {
    let mut begin = Vec::new();
    std::fs::File::open(file)?.take(MAGIC.len() as u64).read_to_end(&mut begin)?;
    Ok(begin == MAGIC)
}

fn part(file: &Path) -> Result<Part, String> {
    let bytes = std::fs::read(file).map_err(|error| complaint(file, error))?;
    let len = bytes.len();
    let contents = record::read(bytes.into()).map_err(|fault| complaint(file, fault))?;
    Ok(Part { path: file.to_owned(), bytes: len, contents })
}

fn complaint(path: &Path, error: impl std::fmt::Display) -> String {
    format!("{}: {error}", path.display())
}

/// All parts must be of one recording, each of them once.
fn check(parts: &[Part]) -> Result<(), String> {
    let names: BTreeSet<&str> = parts.iter().map(|part| part.contents.header.name.as_str()).collect();
    if names.len() > 1 {
        let names: Vec<&str> = names.into_iter().collect();
        return Err(format!("these are parts of several recordings, name one of them: {}", names.join(", ")));
    }
    for pair in parts.windows(2) {
        let [one, two] = [&pair[0], &pair[1]].map(|part| part.contents.header.part);
        if one == two {
            let [one, two] = [&pair[0], &pair[1]].map(|part| part.path.display().to_string());
            return Err(format!("{one} and {two} are the same part of a recording"));
        }
    }
    Ok(())
}
