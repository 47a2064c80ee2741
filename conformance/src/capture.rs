//! Captures: recorded bytes of real programs, in folders that a reviewer can read.
//!
//! ```text
//! fixtures/captures/<protocol>/<peer>-<version>-<what>/
//!   about.ron     the program, how it was captured, seed and settings of the server that answers
//!   inputs        what was said and when, as a recording (src/record); or client.bin: the bytes of one
//!                 connection, given at once
//!   reference     what the server of that day answered, as a recording too; may be missing
//!   expected.txt  what our server answers; written by UPDATE=1
//! ```
//!
//! Knows files and how they belong together. Never: plays anything.

use bytes::Bytes;
use dacapo::base::id::ListenerId;
use dacapo::base::rng::Seed;
use dacapo::base::time::{Epoch, Instant};
use dacapo::config::{Config, Service};
use dacapo::record::{self, ConnNo, Contents, Entry, Event, Header, Kernel};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};

/// What a person wants to know of a capture, and what the server needs besides the inputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// The program that spoke: `ffmpeg`.
    pub peer: String,
    /// Its version.
    pub version: String,
    /// What it did, in a sentence.
    pub what: String,
    /// The server that answered when this was recorded: `dacapo`, `nginx-rtmp 1.2.2`.
    pub server: String,
    /// The commands that made it.
    pub made: String,
    /// Seed of the server that answers now.
    pub seed: u64,
    /// Wall time at its birth, microseconds since 1970: when it was recorded, since HLS numbers follow from
    /// it.
    pub epoch_us: u64,
    /// Its settings, where they are not the defaults, as RON.
    pub config: String,
}

impl Default for About {
    fn default() -> Self {
        let empty = String::new;
        About {
            peer: empty(),
            version: empty(),
            what: empty(),
            server: empty(),
            made: empty(),
            seed: 1,
            epoch_us: 1_700_000_000_000_000,
            config: "()".to_owned(),
        }
    }
}

/// A capture.
#[derive(Clone, Debug, PartialEq)]
pub struct Capture {
    /// `rtmp/ffmpeg-5.1-publish`.
    pub name: String,
    /// Where it comes from.
    pub about: About,
    /// What happened.
    pub entries: Vec<Entry>,
    /// What took the server's bytes.
    pub kernel: Kernel,
    /// What the server of that day said: each [`Event::Received`] is what came from it on that connection.
    pub reference: Vec<Entry>,
}

/// A capture that cannot be read or written: which file, and why.
#[derive(Debug)]
pub struct Unreadable {
    file: PathBuf,
    why: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file.display(), self.why)
    }
}

impl std::error::Error for Unreadable {}

fn unreadable(file: &Path, why: impl fmt::Display) -> Unreadable {
    Unreadable { file: file.to_owned(), why: why.to_string() }
}

impl Capture {
    /// Reads the capture `name` of `shelf`, which is [`shelf`] but in tests.
    ///
    /// # Errors
    /// If a file is missing that must be there, or is not what it should be.
    pub fn load(shelf: &Path, name: &str) -> Result<Self, Unreadable> {
        let folder = shelf.join(name);
        let about = folder.join("about.ron");
        let text = std::fs::read_to_string(&about).map_err(|error| unreadable(&about, error))?;
        let about: About = ron::from_str(&text).map_err(|error| unreadable(&about, error))?;
        let words = folder.join("client.bin");
        let (entries, kernel) = if words.exists() {
            let words = std::fs::read(&words).map_err(|error| unreadable(&words, error))?;
            (one_connection(words.into()), Kernel::Open)
        } else {
            let contents = recording(&folder.join("inputs"))?;
            (contents.entries, contents.header.kernel)
        };
        let reference = folder.join("reference");
        let reference = if reference.exists() { recording(&reference)?.entries } else { Vec::new() };
        let capture = Capture { name: name.to_owned(), about, entries, kernel, reference };
        capture.header().config().map_err(|fault| unreadable(&folder.join("about.ron"), fault))?;
        Ok(capture)
    }

    /// Writes all but the expectation.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn save(&self, shelf: &Path) -> Result<(), Unreadable> {
        let folder = shelf.join(&self.name);
        std::fs::create_dir_all(&folder).map_err(|error| unreadable(&folder, error))?;
        let pretty = ron::ser::PrettyConfig::new().new_line("\n");
        let about = ron::ser::to_string_pretty(&self.about, pretty).expect("it is plain data") + "\n";
        let mut files = vec![("about.ron", about.into_bytes())];
        files.push(("inputs", record::write(&self.header(), &self.entries)));
        if !self.reference.is_empty() {
            files.push(("reference", record::write(&self.header(), &self.reference)));
        }
        for (name, bytes) in files {
            let file = folder.join(name);
            std::fs::write(&file, bytes).map_err(|error| unreadable(&file, error))?;
        }
        Ok(())
    }

    /// What a replay needs besides the entries.
    pub fn header(&self) -> Header {
        let seed = Seed::from_u64(self.about.seed);
        let header = Header::new(&Config::default(), &seed, Epoch(self.about.epoch_us));
        // Only what differs from the defaults, so that a new setting leaves captures as they are.
        Header { config: self.about.config.clone(), kernel: self.kernel, ..header }
    }

    /// Where its expectation stands.
    pub fn expectation(&self, shelf: &Path) -> PathBuf {
        shelf.join(&self.name).join("expected.txt")
    }
}

/// Where the captures are kept.
pub fn shelf() -> PathBuf {
    fixtures().join("captures")
}

/// The folder of all fixtures.
pub fn fixtures() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("conformance stands in the repository").join("fixtures")
}

/// The names of all captures, in order: folders of folders that hold an `about.ron`.
pub fn names(shelf: &Path) -> Vec<String> {
    let folders = |folder: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
    };
    let all = folders(shelf).into_iter().flat_map(|protocol| folders(&protocol));
    let named = all.filter(|folder| folder.join("about.ron").exists());
    let mut names: Vec<String> = named
        .filter_map(|folder| Some(folder.strip_prefix(shelf).ok()?.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    names
}

/// Reads a file as a recording.
///
/// # Errors
/// If it is none.
pub fn recording(file: &Path) -> Result<Contents, Unreadable> {
    let bytes = std::fs::read(file).map_err(|error| unreadable(file, error))?;
    record::read(bytes.into()).map_err(|fault| unreadable(file, fault))
}

/// The listener for a service, of a server with the default listeners.
pub fn listener(service: Service) -> ListenerId {
    let listeners = Config::default().listeners();
    listeners.iter().find(|(_, other, _)| *other == service).map(|(id, ..)| *id).expect("it has all three")
}

/// A peer that comes, says `words` at once and stays.
fn one_connection(words: Bytes) -> Vec<Entry> {
    let peer = "192.0.2.1:50000".parse().expect("an address");
    let conn_no = ConnNo(0);
    let came = Event::Accepted { listener: listener(Service::Rtmp), peer, conn_no: Some(conn_no) };
    let at = Instant::from_micros;
    vec![
        Entry { at: at(0), event: came },
        Entry { at: at(1000), event: Event::Received { conn_no, bytes: words } },
    ]
}

#[cfg(test)]
mod tests {
    use super::{About, Capture, one_connection};
    use dacapo::record::Kernel;

    #[test]
    fn a_capture_comes_back_as_it_was_saved() {
        let shelf = tempfile::tempdir().expect("a folder");
        let about =
            About { peer: "ffmpeg".to_owned(), what: "says \"hello\"".to_owned(), ..About::default() };
        let about = About { config: "(stream: (hls: (enabled: false)))".to_owned(), ..about };
        let entries = one_connection(b"words".to_vec().into());
        let reference = entries[1..].to_vec();
        let name = "rtmp/a-1.0-b".to_owned();
        let capture = Capture { name, about, entries, kernel: Kernel::Open, reference };
        capture.save(shelf.path()).expect("it is saved");
        assert_eq!(super::names(shelf.path()), ["rtmp/a-1.0-b"]);
        assert_eq!(Capture::load(shelf.path(), "rtmp/a-1.0-b").expect("it is read"), capture);
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_file() {
        let shelf = tempfile::tempdir().expect("a folder");
        let told = |name: &str| Capture::load(shelf.path(), name).expect_err("it is none").to_string();
        assert!(told("rtmp/none").contains("rtmp/none/about.ron: No such file"), "{}", told("rtmp/none"));
        let folder = shelf.path().join("rtmp/some");
        std::fs::create_dir_all(&folder).expect("a folder");
        let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).expect("a file");
        write("about.ron", "(peer: 1)");
        assert!(told("rtmp/some").contains("about.ron: 1:"), "{}", told("rtmp/some"));
        let about = About { config: "(rtmp: (listn: 1))".to_owned(), ..About::default() };
        write("about.ron", &ron::to_string(&about).expect("plain data"));
        assert!(told("rtmp/some").contains("inputs: No such file"), "{}", told("rtmp/some"));
        write("inputs", "FLV");
        assert!(told("rtmp/some").contains("inputs: not a recording"), "{}", told("rtmp/some"));
        write("client.bin", "");
        assert!(told("rtmp/some").contains("listn"), "{}", told("rtmp/some"));
    }
}
