//! The server under test: the release binary on free ports, ended when dropped.
//!
//! A log line at ERROR or a panic fails the test that caused it.

use crate::process::{Running, Tool, secs, tail, until};
use rustix::process::Signal;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::OnceLock;
use std::time::Duration;
use tempfile::TempDir;

/// A running server.
pub struct Server {
    running: Option<Running>,
    folder: TempDir,
    tolerated: Vec<&'static str>,
    /// Where it speaks RTMP.
    pub rtmp: SocketAddr,
    /// Where it serves streams over HTTP.
    pub http: SocketAddr,
    /// Where its API is.
    pub api: SocketAddr,
}

impl Server {
    /// Starts it on its defaults, but for free ports on loopback.
    #[track_caller]
    pub fn start() -> Self {
        Server::with(&[])
    }

    /// Starts it with settings by their paths: `("stream.hls.layout", "Ts")`.
    #[track_caller]
    pub fn with(settings: &[(&str, &str)]) -> Self {
        Server::launch(Tool::new(binary()), settings)
    }

    /// Starts it by `tool`, which runs the binary in its own way.
    ///
    /// # Panics
    /// If it does not say within ten seconds where it listens.
    #[track_caller]
    pub fn launch(tool: Tool, settings: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().expect("a temporary directory");
        let mut tool = tool.env("DACAPO_LOG__LEVEL", "debug").folder(folder.path());
        for listener in ["RTMP", "HTTP", "API", "RECORDER"] {
            tool = tool.env(&format!("DACAPO_{listener}__LISTEN"), "127.0.0.1:0");
        }
        for (path, value) in settings {
            tool = tool.env(&variable(path), value);
        }
        let mut running = tool.start();
        let found = until(secs(10), || {
            assert!(running.ended().is_none(), "the server ended at once:\n{}", running.stderr());
            listeners(&written(&running, folder.path()))
        });
        let Some([rtmp, http, api]) = found else {
            panic!("the server does not say where it listens:\n{}", running.stderr());
        };
        Server { running: Some(running), folder, tolerated: Vec::new(), rtmp, http, api }
    }

    /// Lets lines at ERROR pass that hold `text`: for tests that take away what the server needs.
    #[must_use]
    pub fn tolerating(mut self, text: &'static str) -> Self {
        self.tolerated.push(text);
        self
    }

    /// `rtmp://…/live/NAME`.
    pub fn rtmp_url(&self, name: &str) -> String {
        format!("rtmp://{}/live/{name}", self.rtmp)
    }

    /// `http://…/live/NAME`, `name` with its ending.
    pub fn http_url(&self, name: &str) -> String {
        format!("http://{}/live/{name}", self.http)
    }

    /// Where its flight recorder is controlled.
    ///
    /// # Panics
    /// If it does not say so: it has no token.
    #[track_caller]
    pub fn recorder(&self) -> SocketAddr {
        let found = until(secs(10), || {
            let log = self.log();
            let line = log.lines().find(|line| line.contains("/api/v1/recorder"))?;
            address(line, "http://")
        });
        found.expect("it says where its recorder is controlled")
    }

    /// The folder that it runs in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it logged so far, to standard error or into files of its folder.
    pub fn log(&self) -> String {
        self.running.as_ref().map(|running| written(running, self.folder.path())).unwrap_or_default()
    }

    /// Its process id.
    ///
    /// # Panics
    /// If it was stopped.
    pub fn pid(&self) -> u32 {
        self.running.as_ref().expect("it runs").pid()
    }

    /// Resident memory in KiB.
    ///
    /// # Panics
    /// If it does not run.
    #[track_caller]
    pub fn rss_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has memory");
        line.trim_end_matches("kB").trim().parse().expect("a number")
    }

    /// Sends it a signal.
    pub fn signal(&mut self, signal: Signal) {
        if let Some(running) = &mut self.running {
            running.signal(signal);
        }
    }

    /// How it ends by itself within `limit`.
    ///
    /// # Panics
    /// If it does not.
    #[track_caller]
    pub fn finish(&mut self, limit: Duration) -> ExitStatus {
        let mut running = self.running.take().expect("it was not stopped before");
        let ended = until(limit, || running.ended());
        self.judge(&written(&running, self.folder.path()));
        ended.unwrap_or_else(|| panic!("the server still runs after {limit:?}:\n{}", tail(&running.stderr())))
    }

    /// Waits until a line of the log holds `text`.
    ///
    /// # Panics
    /// If none does within ten seconds.
    #[track_caller]
    pub fn await_log(&self, text: &str) {
        let found = until(secs(10), || self.log().contains(text).then_some(()));
        assert!(found.is_some(), "the log does not say {text:?}:\n{}", tail(&self.log()));
    }

    /// Waits until `name` is published and its first audio or video frame has come.
    ///
    /// # Panics
    /// If that takes more than ten seconds.
    #[track_caller]
    pub fn await_stream(&self, name: &str) {
        let live = until(secs(10), || {
            let streams = crate::http::get(self.api, "/api/v1/streams/?count=10000").json();
            let mut streams = streams["streams"].as_array()?.iter();
            let live = |stream: &&serde_json::Value| {
                stream["name"] == name && stream["publish"]["active"] == true && stream["frames"] != 0
            };
            streams.find(live).map(|_| ())
        });
        assert!(live.is_some(), "{name} is not live:\n{}", tail(&self.log()));
    }

    #[track_caller]
    fn judge(&self, log: &str) {
        let bad: Vec<&str> = log
            .lines()
            .filter(|line| line.contains("ERROR") || line.contains("panicked at"))
            .filter(|line| !self.tolerated.iter().any(|text| line.contains(text)))
            .collect();
        assert!(bad.is_empty(), "the server finds fault with itself:\n{}\n…\n{}", bad.join("\n"), tail(log));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        let alive = running.ended().is_none();
        running.kill();
        let log = written(&running, self.folder.path());
        if std::thread::panicking() {
            eprintln!("the server's log ends with:\n{}", tail(&log));
        } else {
            self.judge(&log);
            assert!(alive, "the server ended by itself:\n{}", tail(&log));
        }
    }
}

/// What `running` logged to standard error and into files of `folder`.
fn written(running: &Running, folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let logs =
        entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "log"));
    let logs = logs.map(|path| std::fs::read_to_string(path).unwrap_or_default());
    running.stderr() + &logs.collect::<String>()
}

/// `stream.hls.layout` is `DACAPO_STREAM__HLS__LAYOUT` in the environment.
pub fn variable(path: &str) -> String {
    format!("DACAPO_{}", path.to_uppercase().replace('.', "__"))
}

/// The release binary, built anew if the source is newer.
pub fn binary() -> PathBuf {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(build).clone()
}

fn build() -> PathBuf {
    if let Some(path) = std::env::var_os("CONFORMANCE_BINARY") {
        return PathBuf::from(path);
    }
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("conformance stands in the repository");
    let _ = Tool::new(env!("CARGO"))
        .words("build --release --locked --quiet -p dacapo-server")
        .folder(top)
        .run(secs(1800));
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| top.join("target"), PathBuf::from);
    target.join("release/dacapo")
}

/// Finds in the log where RTMP, HTTP and the API listen: the URLs that are printed at start.
fn listeners(log: &str) -> Option<[SocketAddr; 3]> {
    let first = |prefix: &str, wanted: &dyn Fn(&str) -> bool| {
        log.lines().filter(|line| wanted(line)).find_map(|line| address(line, prefix))
    };
    let api = |line: &str| line.contains("/api/");
    Some([first("rtmp://", &|_| true)?, first("http://", &|line| !api(line))?, first("http://", &api)?])
}

/// The address behind `prefix` in a line.
fn address(line: &str, prefix: &str) -> Option<SocketAddr> {
    let rest = &line[line.find(prefix)? + prefix.len()..];
    rest[..rest.find(|c: char| !(c.is_ascii_hexdigit() || ".:[]".contains(c)))?].parse().ok()
}
