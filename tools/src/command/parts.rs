//! Recordings as they lie on a disk: one file, some parts, or a directory of parts.
//!
//! In: what the user named. Out: the parts of one recording in their order, taken apart. Parts of several
//! recordings are refused: it is not clear which one is meant.

use dacapo::record::{self, Contents, Event, Scope};
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

/// The parts as one recording, if they follow each other and are of everything. Otherwise says what is wrong.
pub fn join(parts: Vec<Part>) -> Result<Contents, String> {
    let mut parts = parts.into_iter();
    let Some(first) = parts.next() else { return Err("there is no part".to_owned()) };
    let (mut whole, mut last) = (first.contents, first.path);
    let mut number = whole.header.part;
    for part in parts {
        let contents = part.contents;
        if contents.header.part != number + 1 || contents.header.scope != Scope::All {
            let (one, two) = (last.display(), part.path.display());
            return Err(format!("{two} does not go on where {one} ended: name one part of the recording"));
        }
        // The connections are known already.
        let entries = contents.entries.into_iter();
        whole.entries.extend(entries.filter(|entry| !matches!(entry.event, Event::Resumed { .. })));
        number = contents.header.part;
        (whole.ended, whole.torn, last) = (contents.ended, contents.torn, part.path);
    }
    Ok(whole)
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
