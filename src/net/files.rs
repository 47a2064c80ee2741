//! File operations of consumers: HLS segments and playlists.
//!
//! In: a [`StoreOp`]. Out: success, or the error as a sentence. Runs on a helper thread.
//! Never: leaves the directory through `..`, since stream names in paths come from the network.

use crate::base::store::StoreOp;
use bytes::Bytes;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};

/// Performs a file operation.
///
/// # Errors
/// The path and the error of the operating system, or that the path holds `..`.
pub fn store(op: &StoreOp) -> Result<(), String> {
    match op {
        StoreOp::Write { path, body } => {
            let path = sound(path)?;
            replace(&path, body).map_err(|error| format!("cannot write {}: {error}", path.display()))
        }
        StoreOp::Remove { path } => {
            let path = sound(path)?;
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(format!("cannot remove {}: {error}", path.display()))
                }
                _ => Ok(()),
            }
        }
        StoreOp::Clear { path, prefixes } => {
            let path = sound(path)?;
            clear(&path, prefixes).map_err(|error| format!("cannot clear {}: {error}", path.display()))
        }
    }
}

/// Removes the files in a directory whose names begin with one of the prefixes.
fn clear(directory: &Path, prefixes: &[String]) -> io::Result<()> {
    let entries = match directory.read_dir() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let ours =
            name.to_str().is_some_and(|name| prefixes.iter().any(|prefix| name.starts_with(prefix.as_str())));
        if ours && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// The path, if it has no `..`.
fn sound(path: &str) -> Result<PathBuf, String> {
    let path = Path::new(path);
    if path.components().any(|step| step == Component::ParentDir) {
        return Err(format!("the path {} leaves its directory", path.display()));
    }
    Ok(path.to_owned())
}

/// Writes to another file and renames it: readers see the old content or the new one, never a part.
///
/// Not synced to the disk: the last seconds of a live stream are worth nothing after a loss of power, and a
/// sync for each segment would wear out the disk.
fn replace(path: &Path, body: &[Bytes]) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let beside = beside(path);
    let written = write(&beside, body).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // A second error would say the same as the first.
        let _: io::Result<()> = fs::remove_file(&beside);
    }
    written
}

fn write(path: &Path, body: &[Bytes]) -> io::Result<()> {
    let mut file = File::create(path)?;
    body.iter().try_for_each(|piece| file.write_all(piece))
}

/// A hidden name in the same directory. Always the same for a file, so that the next write replaces what a
/// crash has left.
fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".part");
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::store;
    use crate::base::store::StoreOp;
    use bytes::Bytes;
    use std::fs;
    use std::path::PathBuf;

    /// A directory of a test's own, gone when it ends.
    struct Place(PathBuf);

    impl Place {
        fn new(test: &str) -> Self {
            let path = std::env::temp_dir().join(format!("dacapo-files-{test}-{}", std::process::id()));
            fs::create_dir_all(&path).expect("a place for temporary files");
            Place(path)
        }

        fn path(&self, below: &str) -> String {
            self.0.join(below).to_str().expect("UTF-8").to_owned()
        }

        fn names(&self) -> Vec<String> {
            let entries = self.0.read_dir().expect("a directory");
            let name = |entry: fs::DirEntry| entry.file_name().into_string().expect("UTF-8");
            entries.map(|entry| name(entry.expect("readable"))).collect()
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).expect("it was made here");
        }
    }

    fn write(path: String, body: &[&'static str]) -> Result<(), String> {
        let body = body.iter().map(|piece| Bytes::from_static(piece.as_bytes())).collect();
        store(&StoreOp::Write { path: path.into(), body })
    }

    fn read(path: &str) -> Vec<u8> {
        fs::read(path).expect("it was written")
    }

    #[test]
    fn what_was_left_behind_is_cleared_and_nothing_else() {
        let place = Place::new("clear");
        let clear = || {
            store(&StoreOp::Clear {
                path: place.path("cam").into(),
                prefixes: ["seg-", ".seg-"].map(str::to_owned).to_vec(),
            })
        };
        clear().expect("nothing there is as good");
        for name in ["cam/seg-1.ts", "cam/.seg-2.ts.part", "cam/other.m3u8", "cam/seg-dir/file"] {
            write(place.path(name), &["x"]).expect("writable");
        }
        clear().expect("readable");
        let mut left: Vec<String> = fs::read_dir(place.path("cam"))
            .expect("a directory")
            .map(|entry| entry.expect("readable").file_name().into_string().expect("UTF-8"))
            .collect();
        left.sort();
        assert_eq!(left, ["other.m3u8", "seg-dir"]);
    }

    #[test]
    fn a_file_is_written_whole_replaced_and_removed() {
        let place = Place::new("whole");
        let path = place.path("seg-1.ts");
        write(path.clone(), &["one ", "two"]).expect("writable");
        assert_eq!(read(&path), b"one two");
        write(path.clone(), &["three"]).expect("writable");
        assert_eq!(read(&path), b"three");
        assert_eq!(place.names(), ["seg-1.ts"], "nothing is left beside it");
        for _ in 0..2 {
            store(&StoreOp::Remove { path: path.clone().into() }).expect("gone already is as good");
        }
        assert_eq!(place.names(), [""; 0]);
    }

    #[test]
    fn missing_directories_are_made() {
        let place = Place::new("deep");
        let path = place.path("live/cam/index.m3u8");
        write(path.clone(), &["#EXTM3U"]).expect("writable");
        assert_eq!(read(&path), b"#EXTM3U");
    }

    #[test]
    fn a_step_upwards_is_refused() {
        let expected = Err("the path hls/../../etc/passwd leaves its directory".to_owned());
        let path = "hls/../../etc/passwd".to_owned();
        assert_eq!(write(path.clone(), &["x"]), expected);
        assert_eq!(store(&StoreOp::Remove { path: path.into() }), expected);
    }

    #[test]
    fn what_cannot_be_done_is_said_and_leaves_nothing() {
        let place = Place::new("refused");
        let path = place.path("taken");
        fs::create_dir(&path).expect("writable");
        let error = write(path.clone(), &["x"]).expect_err("a directory has this name");
        assert_eq!(error, format!("cannot write {path}: Is a directory (os error 21)"));
        assert_eq!(place.names(), ["taken"]);
    }
}
