//! The directory of recordings: names of parts, the list of parts, and which parts are deleted.
//!
//! In: parts that begin, grow and end. Out: files, and a list of them. The name of a part holds the time when
//! its recording began and its number, so that the order of names is the order of time. Other files in the
//! directory are not touched.

use crate::base::calendar::{DAY_SECS, civil};
use crate::net::recorder::status::PartStatus;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// File extension of parts.
const ENDING: &str = ".dacapo";

/// Only the server's user may read recordings.
const FILE_MODE: u32 = 0o600;
const DIRECTORY_MODE: u32 = 0o700;

/// Storage of parts. Tests replace it by one that is full or slow.
pub trait Disk: Send {
    /// Creates a part.
    ///
    /// # Errors
    /// If the part exists or cannot be created.
    fn create(&mut self, name: &str) -> io::Result<Box<dyn Part>>;
    /// Deletes a part.
    ///
    /// # Errors
    /// If there is no such part or it cannot be deleted.
    fn remove(&mut self, name: &str) -> io::Result<()>;
    /// All parts, oldest first.
    ///
    /// # Errors
    /// If the directory cannot be read. One that does not exist is empty.
    fn parts(&mut self) -> io::Result<Vec<PartStatus>>;
}

/// A part that is being written.
pub trait Part: Send {
    /// Gives bytes to the operating system.
    ///
    /// # Errors
    /// The error of the operating system.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Waits until all bytes are on the disk.
    ///
    /// # Errors
    /// The error of the operating system.
    fn sync(&mut self) -> io::Result<()>;
}

impl Part for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// A directory of the file system.
#[derive(Debug)]
pub struct Directory(pub PathBuf);

impl Disk for Directory {
    fn create(&mut self, name: &str) -> io::Result<Box<dyn Part>> {
        DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(&self.0)?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(FILE_MODE);
        Ok(Box::new(options.open(self.0.join(name))?))
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.0.join(name))
    }

    fn parts(&mut self) -> io::Result<Vec<PartStatus>> {
        let entries = match self.0.read_dir() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut parts = Vec::new();
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().into_string().unwrap_or_default();
            let meta = entry.metadata()?;
            if is_part(&name) && meta.is_file() {
                let modified = meta.modified()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
                let modified_ms = u64::try_from(modified.as_millis()).unwrap_or(u64::MAX);
                parts.push(PartStatus { name, bytes: meta.len(), finished: true, modified_ms });
            }
        }
        parts.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(parts)
    }
}

/// Name of a recording that begins at this wall time in microseconds: `20261125T165229.123456Z`.
pub fn recording_name(unix_us: u64) -> String {
    let (secs, us) = (unix_us / 1_000_000, unix_us % 1_000_000);
    let (year, month, day) = civil(secs / DAY_SECS);
    let (hour, minute, second) = (secs / 3600 % 24, secs / 60 % 60, secs % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}.{us:06}Z")
}

/// File name of a part.
pub fn part_name(recording: &str, part: u32) -> String {
    format!("{recording}-{part:06}{ENDING}")
}

/// True for names that [`part_name`] gives. Never true for a path that leaves the directory.
pub fn is_part(name: &str) -> bool {
    let plain = |name: &str| name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'T' | b'Z' | b'.' | b'-'));
    name.strip_suffix(ENDING).is_some_and(|name| name.len() >= 30 && plain(name) && !name.contains(".."))
}

/// Path of a part; `None` if the name is not that of a part.
pub fn path_of(directory: &Path, name: &str) -> Option<PathBuf> {
    is_part(name).then(|| directory.join(name))
}

/// Names of the parts that are deleted before a new one: all but the newest `parts_max - 1`, and those older
/// than `age_ms_max` (0: no limit). `parts` must be in the order of age, oldest first.
pub fn outdated(parts: &[PartStatus], parts_max: usize, age_ms_max: u64, now_ms: u64) -> Vec<String> {
    let surplus = (parts.len() + 1).saturating_sub(parts_max);
    let too_old = |part: &PartStatus| age_ms_max > 0 && part.modified_ms.saturating_add(age_ms_max) < now_ms;
    let outdated = parts.iter().enumerate().filter(|(at, part)| *at < surplus || too_old(part));
    outdated.filter(|(_, part)| part.finished).map(|(_, part)| part.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::{is_part, outdated, part_name, recording_name};
    use crate::net::recorder::status::PartStatus;

    #[test]
    fn names_tell_when_and_stand_in_the_order_of_time() {
        let name = recording_name(1_795_625_549_123_456);
        assert_eq!(part_name(&name, 7), "20261125T165229.123456Z-000007.dacapo");
        assert!(part_name(&name, 7) < part_name(&name, 10));
    }

    #[test]
    fn only_names_of_parts_are_names_of_parts() {
        assert!(is_part("20261125T165229.123456Z-000007.dacapo"));
        for name in ["", ".dacapo", "../20261125T165229.123456Z-0007.dacapo", "notes.txt", "a/b.dacapo"] {
            assert!(!is_part(name), "{name}");
        }
    }

    #[test]
    fn the_oldest_parts_make_room() {
        let part = |number: u64| PartStatus {
            name: number.to_string(),
            finished: true,
            modified_ms: number * 1000,
            ..PartStatus::default()
        };
        let parts: Vec<PartStatus> = (0..5).map(part).collect();
        assert_eq!(outdated(&parts, 3, 0, 4_000), ["0", "1", "2"]);
        assert_eq!(outdated(&parts, 100, 1_500, 4_000), ["0", "1", "2"]);
        assert_eq!(outdated(&parts, 100, 0, 1 << 50), Vec::<String>::new());
        assert_eq!(outdated(&parts[..1], 2, 0, 0), Vec::<String>::new());
    }
}
