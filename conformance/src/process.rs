//! External programs, each with a time limit and a process group of its own.
//!
//! A missing program fails the test and names the command that installs it. Dropping the value ends its
//! processes. Output goes to files, so that no pipe can fill up and block a tool.

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A program about to be started.
pub struct Tool {
    command: Command,
    name: String,
}

impl Tool {
    /// The program `name`, found in `PATH` or, where it holds a slash, at that path.
    ///
    /// # Panics
    /// If it is not installed.
    pub fn new(name: impl AsRef<OsStr>) -> Self {
        let path = find(name.as_ref()).unwrap_or_else(|| {
            panic!("{} is not installed; run: bash conformance/install.sh", name.as_ref().display())
        });
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Tool { command: Command::new(path), name }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(mut self, args: I) -> Self {
        self.command.args(args);
        self
    }

    /// Adds the words of `line`, which are parted by white space and hold none.
    #[must_use]
    pub fn words(self, line: &str) -> Self {
        self.args(line.split_whitespace())
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    /// Starts it where `folder` is the current one.
    #[must_use]
    pub fn folder(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start(mut self) -> Running {
        let output = TempDir::new().expect("a temporary directory");
        let file = |name: &str| File::create(output.path().join(name)).expect("a file for its output");
        self.command.stdin(Stdio::null()).stdout(file("stdout")).stderr(file("stderr")).process_group(0);
        let child = self.command.spawn().unwrap_or_else(|e| panic!("{} does not start: {e}", self.name));
        Running { child, name: self.name, output, ended: None }
    }

    /// Runs it to its end, which must come within `limit` and be a good one.
    ///
    /// # Panics
    /// If it takes longer or fails; says what it wrote.
    #[track_caller]
    pub fn run(self, limit: Duration) -> Finished {
        let finished = self.start().finish(limit);
        assert!(finished.status.success(), "{finished}");
        finished
    }
}

/// Where the program `name` is.
fn find(name: &OsStr) -> Option<PathBuf> {
    let runnable = |path: &PathBuf| path.is_file();
    if name.as_encoded_bytes().contains(&b'/') {
        return Some(PathBuf::from(name)).filter(runnable);
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/bin:/bin"));
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(runnable)
}

/// A program that runs. Dropping it ends it and all that it started.
pub struct Running {
    child: Child,
    name: String,
    output: TempDir,
    ended: Option<ExitStatus>,
}

impl Running {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote to standard output so far.
    pub fn stdout(&self) -> String {
        self.written("stdout")
    }

    /// What it wrote to standard error so far.
    pub fn stderr(&self) -> String {
        self.written("stderr")
    }

    fn written(&self, name: &str) -> String {
        let bytes = std::fs::read(self.output.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().expect("a child can be waited for");
        }
        self.ended
    }

    /// Waits until it ends by itself.
    ///
    /// # Panics
    /// If it still runs after `limit`; says what it wrote.
    #[track_caller]
    pub fn finish(mut self, limit: Duration) -> Finished {
        let ended = until(limit, || self.ended());
        let Some(status) = ended else {
            panic!("{} still runs after {limit:?}\n{}", self.name, tail(&self.stderr()));
        };
        Finished { name: self.name.clone(), status, stdout: self.stdout(), stderr: self.stderr() }
    }

    /// Asks it to end (SIGTERM), waits for at most five seconds, then makes it.
    pub fn stop(mut self) -> Finished {
        self.signal(Signal::TERM);
        if until(Duration::from_secs(5), || self.ended()).is_none() {
            self.kill();
        }
        let status = self.ended().unwrap_or(ExitStatus::from_raw(Signal::KILL.as_raw()));
        Finished { name: self.name.clone(), status, stdout: self.stdout(), stderr: self.stderr() }
    }

    /// Sends `signal` to the program alone.
    pub fn signal(&mut self, signal: Signal) {
        if self.ended().is_none() {
            let _ = kill_process(self.pid_for_signals(), signal);
        }
    }

    /// Ends it at once, and all that it started.
    pub fn kill(&mut self) {
        let _ = kill_process_group(self.pid_for_signals(), Signal::KILL);
        let _ = self.child.wait();
    }

    fn pid_for_signals(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A program that ended.
pub struct Finished {
    name: String,
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl std::fmt::Display for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}\n{}\n{}", self.name, self.status, tail(&self.stdout), tail(&self.stderr))
    }
}

/// The last lines of a long text.
pub fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// Asks again and again for at most `limit`.
pub fn until<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if start.elapsed() > limit {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Seconds, shortly.
pub const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[cfg(test)]
mod tests {
    use super::{Tool, secs, until};

    #[test]
    fn a_tool_that_ends_hands_over_what_it_wrote() {
        let finished = Tool::new("sh").args(["-c", "echo out; echo err >&2"]).run(secs(5));
        assert_eq!((finished.stdout.as_str(), finished.stderr.as_str()), ("out\n", "err\n"));
    }

    #[test]
    #[should_panic(expected = "still runs after")]
    fn a_tool_that_hangs_fails_the_test() {
        let _ = Tool::new("sleep").arg("60").run(secs(0));
    }

    #[test]
    #[should_panic(expected = "run: bash conformance/install.sh")]
    fn a_tool_that_is_missing_fails_the_test() {
        let _ = Tool::new("no-such-program");
    }

    #[test]
    fn what_a_tool_started_ends_with_it() {
        let running = Tool::new("sh").args(["-c", "sleep 60 & echo $!; wait"]).start();
        let pid = until(secs(5), || running.stdout().trim().parse::<u32>().ok()).expect("it says its pid");
        drop(running);
        let state = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let gone = until(secs(5), || (state(pid).is_empty() || state(pid).contains(" Z ")).then_some(()));
        assert!(gone.is_some(), "the child of a child still runs");
    }
}
