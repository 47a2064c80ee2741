//! Helper threads for what would block the loop: files, names, children.
//!
//! One thread writes and reads files, in the order in which it was asked, so that a playlist never
//! overtakes its segments; one looks names up; each child process has one that waits for it. Results come
//! back through a channel, and the poll is woken. Queues are bounded: what does not fit is refused at once,
//! as a result like every other.

use crate::base::id::Ticket;
use crate::base::store::StoreOp;
use crate::server::Input;
use bytes::Bytes;
use mio::Waker;
use std::fs;
use std::io::Write;
use std::net::{IpAddr, ToSocketAddrs};
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender, TrySendError};
use std::thread::{self, JoinHandle};

/// Most file operations that wait for their turn.
const FILE_JOBS_MAX: usize = 1024;

/// Most names that wait to be looked up.
const NAME_JOBS_MAX: usize = 256;

/// Most child processes at a time.
const CHILDREN_MAX: usize = 64;

/// Most bytes of a file that is loaded.
const LOAD_BYTES_MAX: u64 = 16 << 20;

enum FileJob {
    Store(Ticket, StoreOp),
    Load(Ticket, String),
}

type NameJob = (Ticket, String);

/// Sends results to the loop and wakes it.
#[derive(Clone)]
struct Desk {
    results: Sender<Input<'static>>,
    waker: Arc<Waker>,
}

impl Desk {
    fn hand_in(&self, input: Input<'static>) {
        // Nobody listens any more once the loop has ended; then results are of no use either.
        if self.results.send(input).is_ok()
            && let Err(error) = self.waker.wake()
        {
            log::error!("the loop cannot be woken: {error}");
        }
    }
}

/// The helper threads.
pub struct Workers {
    desk: Desk,
    results: Receiver<Input<'static>>,
    files: SyncSender<FileJob>,
    names: SyncSender<NameJob>,
    file_thread: JoinHandle<()>,
    children: Arc<AtomicUsize>,
}

impl Workers {
    /// Starts them; `waker` wakes the loop when there are results.
    pub fn start(waker: Waker) -> std::io::Result<Self> {
        let (sender, results) = mpsc::channel();
        let desk = Desk { results: sender, waker: Arc::new(waker) };
        let (files, file_jobs) = mpsc::sync_channel(FILE_JOBS_MAX);
        let (names, name_jobs) = mpsc::sync_channel(NAME_JOBS_MAX);
        let file_desk = desk.clone();
        let file_thread =
            thread::Builder::new().name("files".to_owned()).spawn(move || do_files(file_jobs, &file_desk))?;
        let name_desk = desk.clone();
        thread::Builder::new().name("names".to_owned()).spawn(move || do_names(name_jobs, &name_desk))?;
        Ok(Workers { desk, results, files, names, file_thread, children: Arc::default() })
    }

    /// The next result.
    pub fn next_result(&self) -> Option<Input<'static>> {
        self.results.try_recv().ok()
    }

    /// Changes a file, after all that was asked before.
    pub fn store(&self, ticket: Ticket, op: StoreOp) {
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            self.files.try_send(FileJob::Store(ticket, op))
        {
            let result = Err(format!("more than {FILE_JOBS_MAX} file operations wait: the disk is too slow"));
            self.desk.hand_in(Input::Stored { ticket, result });
        }
    }

    /// Reads a file, after all that was asked before.
    pub fn load(&self, ticket: Ticket, path: String) {
        if self.files.try_send(FileJob::Load(ticket, path)).is_err() {
            let result = Err(format!("more than {FILE_JOBS_MAX} file operations wait: the disk is too slow"));
            self.desk.hand_in(Input::Loaded { ticket, result });
        }
    }

    /// Looks a name up.
    pub fn resolve(&self, ticket: Ticket, host: String) {
        if self.names.try_send((ticket, host)).is_err() {
            let result = Err(format!("more than {NAME_JOBS_MAX} names wait to be looked up"));
            self.desk.hand_in(Input::Resolved { ticket, result });
        }
    }

    /// Starts a child process: program and arguments, no shell in between, no terminal.
    pub fn spawn(&self, ticket: Ticket, argv: Vec<String>) {
        let (desk, children) = (self.desk.clone(), self.children.clone());
        if children.fetch_add(1, Ordering::Relaxed) >= CHILDREN_MAX {
            children.fetch_sub(1, Ordering::Relaxed);
            let result = Err(format!("{CHILDREN_MAX} child processes run already"));
            desk.hand_in(Input::Exited { ticket, result });
            return;
        }
        let work = move || {
            let result = run_child(&argv);
            children.fetch_sub(1, Ordering::Relaxed);
            desk.hand_in(Input::Exited { ticket, result });
        };
        if let Err(error) = thread::Builder::new().name("child".to_owned()).spawn(work) {
            self.children.fetch_sub(1, Ordering::Relaxed);
            self.desk.hand_in(Input::Exited { ticket, result: Err(error.to_string()) });
        }
    }

    /// Waits until all files are as they were asked to be.
    pub fn finish(self) {
        drop(self.files);
        if self.file_thread.join().is_err() {
            log::error!("the thread that writes files has panicked");
        }
    }
}

fn do_files(jobs: Receiver<FileJob>, desk: &Desk) {
    for job in jobs {
        desk.hand_in(match job {
            FileJob::Store(ticket, op) => Input::Stored { ticket, result: store(&op) },
            FileJob::Load(ticket, path) => Input::Loaded { ticket, result: load(&path) },
        });
    }
}

fn do_names(jobs: Receiver<NameJob>, desk: &Desk) {
    for (ticket, host) in jobs {
        let addrs = (host.as_str(), 0).to_socket_addrs();
        let result = addrs.map_err(|error| format!("cannot look {host} up: {error}"));
        let result = result.map(|addrs| addrs.map(|addr| addr.ip()).collect::<Vec<IpAddr>>());
        desk.hand_in(Input::Resolved { ticket, result });
    }
}

/// A path as the core names it, with no step upwards: names of streams come from the network.
fn sound(path: &str) -> Result<PathBuf, String> {
    let path = Path::new(path);
    if path.components().any(|step| step == Component::ParentDir) {
        return Err(format!("{} steps out of its directory", path.display()));
    }
    Ok(path.to_owned())
}

fn store(op: &StoreOp) -> Result<(), String> {
    match op {
        StoreOp::Write { path, body } => {
            let path = sound(path)?;
            write(&path, body).map_err(|error| format!("cannot write {}: {error}", path.display()))
        }
        StoreOp::Remove { path } => {
            let path = sound(path)?;
            match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(format!("cannot remove {}: {error}", path.display()))
                }
                _ => Ok(()),
            }
        }
    }
}

/// Writes beside the file and renames: readers see the old content or the new one.
fn write(path: &Path, body: &[Bytes]) -> std::io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    let mut file = fs::File::create(&beside)?;
    for piece in body {
        file.write_all(piece)?;
    }
    drop(file);
    fs::rename(&beside, path)
}

fn load(path: &str) -> Result<Bytes, String> {
    let path = sound(path)?;
    let fail = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let len = fs::metadata(&path).map_err(fail)?.len();
    if len > LOAD_BYTES_MAX {
        return Err(format!("{} has {len} bytes, more than {LOAD_BYTES_MAX}", path.display()));
    }
    fs::read(&path).map(Bytes::from).map_err(fail)
}

fn run_child(argv: &[String]) -> Result<Option<i32>, String> {
    let (program, args) = argv.split_first().ok_or("no program was named")?;
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let status = command.status().map_err(|error| format!("cannot run {program}: {error}"))?;
    Ok(status.code())
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Events, Poll, Token};
    use std::time::Duration;

    fn workers() -> (Poll, Workers) {
        let poll = Poll::new().expect("a poll");
        let waker = Waker::new(poll.registry(), Token(0)).expect("a waker");
        (poll, Workers::start(waker).expect("threads"))
    }

    fn result(poll: &mut Poll, workers: &Workers) -> Input<'static> {
        let mut events = Events::with_capacity(4);
        for _ in 0..200 {
            if let Some(input) = workers.next_result() {
                return input;
            }
            poll.poll(&mut events, Some(Duration::from_millis(50))).expect("poll");
        }
        panic!("no result came");
    }

    #[test]
    fn a_file_is_written_whole_and_read_back() {
        let (mut poll, workers) = workers();
        let directory = std::env::temp_dir().join(format!("dacapo-workers-{}", std::process::id()));
        let path = directory.join("a/b.txt").to_string_lossy().into_owned();
        let body = vec![Bytes::from_static(b"one "), Bytes::from_static(b"two")];
        workers.store(Ticket(1), StoreOp::Write { path: path.clone(), body });
        workers.load(Ticket(2), path.clone());
        let stored = result(&mut poll, &workers);
        assert!(matches!(stored, Input::Stored { ticket: Ticket(1), result: Ok(()) }), "{stored:?}");
        let Input::Loaded { ticket: Ticket(2), result: Ok(bytes) } = result(&mut poll, &workers) else {
            panic!("not loaded")
        };
        assert_eq!(&bytes[..], b"one two");
        workers.store(Ticket(3), StoreOp::Remove { path: path.clone() });
        workers.store(Ticket(4), StoreOp::Remove { path });
        for _ in 0..2 {
            let removed = result(&mut poll, &workers);
            assert!(matches!(removed, Input::Stored { result: Ok(()), .. }), "{removed:?}");
        }
        fs::remove_dir_all(directory).expect("it was made here");
    }

    #[test]
    fn a_path_that_steps_upwards_is_refused() {
        let (mut poll, workers) = workers();
        workers.load(Ticket(1), "hls/../../etc/passwd".to_owned());
        let Input::Loaded { result: Err(error), .. } = result(&mut poll, &workers) else { panic!("loaded") };
        assert_eq!(error, "hls/../../etc/passwd steps out of its directory");
    }

    #[test]
    fn a_child_is_run_without_a_shell_and_its_exit_code_comes_back() {
        let (mut poll, workers) = workers();
        workers.spawn(Ticket(1), vec!["false".to_owned()]);
        let exited = result(&mut poll, &workers);
        assert!(matches!(exited, Input::Exited { ticket: Ticket(1), result: Ok(Some(1)) }), "{exited:?}");
        workers.spawn(Ticket(2), vec!["/no/such/program".to_owned()]);
        let Input::Exited { result: Err(error), .. } = result(&mut poll, &workers) else { panic!("it ran") };
        assert!(error.starts_with("cannot run /no/such/program: "), "{error}");
    }
}
