//! The recorder's thread: writes parts, begins and ends them, deletes old ones.
//!
//! In: jobs, in order. Out: files, and a state that the loop reads without waiting. The queue is bounded in
//! bytes; a block that finds no room is refused at once. After an error of the disk, jobs are dropped up to
//! the next beginning of a part, and the loop finds the error here.
//!
//! Each block is given to the operating system at once, so it survives a crash of the process. A part is
//! synced to the disk when it ends; a loss of power before that costs what the system had not written yet,
//! about 30 seconds on Linux.

use crate::base::rng::Seed;
use crate::base::time::{Epoch, Instant};
use crate::config;
use crate::net::clock::unix_micros;
use crate::net::recorder::control::Answer;
use crate::net::recorder::directory::{Disk, Part, outdated, part_name};
use crate::net::recorder::status::{PartStatus, Refusal};
use crate::record::{Header, Scope, Start, block_end, block_saved, head};
use crate::server::Server;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Bytes that count for a job without a block.
const JOB_BYTES: usize = 4096;

/// Most time that the thread may take to finish when the server ends.
const FINISH_TIMEOUT: Duration = Duration::from_secs(5);

/// Most parts that are listed.
const LISTED_MAX: usize = 1000;

/// The beginning of a part.
#[derive(Debug)]
pub struct Beginning {
    /// Number of the recording in this process, for [`Writer::failure`].
    pub number: u64,
    /// The order that waits for the file, if one does.
    pub waiting: Option<Waiting>,
    /// Name of the recording.
    pub name: String,
    /// Number of the part.
    pub part: u32,
    /// The configuration in force.
    pub config: Arc<config::Config>,
    /// Seed of the server.
    pub seed: Seed,
    /// Wall time that belongs to time zero.
    pub epoch: Epoch,
    /// Time of the server.
    pub at: Instant,
    /// What is recorded.
    pub scope: Scope,
    /// A copy of the server, from which a replay starts. `None`: the part begins with the run.
    pub saved: Option<Box<Server>>,
}

enum Job {
    Begin(Box<Beginning>),
    Block(Vec<u8>),
    /// `whole` is false for a recording that was dropped: it has no last block. An order may wait for it.
    End {
        whole: bool,
        waiting: Option<Waiting>,
    },
}

/// Receives the answer to an order that waits for the thread.
pub type Waiting = SyncSender<Answer>;

/// Sends the result of a beginning or end to the loop, which answers the order.
pub type Tell = Box<dyn Fn(Waiting, Result<(), Refusal>) + Send>;

/// The handle of the thread.
pub struct Writer {
    jobs: Option<Sender<Job>>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    queue_bytes_max: usize,
}

#[derive(Default)]
struct Shared {
    waiting: AtomicUsize,
    /// True while a copy of the server waits to be written.
    saving: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    failure: Option<(u64, String)>,
    parts: Vec<PartStatus>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// The list of parts, for other threads.
#[derive(Clone)]
pub struct Parts(Arc<Shared>);

impl Parts {
    /// The newest parts, oldest first.
    pub fn list(&self) -> Vec<PartStatus> {
        let state = self.0.state();
        state.parts[state.parts.len().saturating_sub(LISTED_MAX)..].to_vec()
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Parts")
    }
}

impl Writer {
    /// Starts the thread. It sends results of orders with `tell`.
    ///
    /// # Errors
    /// If the operating system refuses a thread.
    pub fn start(settings: &config::Recorder, disk: Box<dyn Disk>, tell: Tell) -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel();
        let shared = Arc::new(Shared::default());
        let mut desk = Desk {
            parts_max: settings.parts_max,
            age_ms_max: settings.age_ms_max,
            shared: Arc::clone(&shared),
            disk,
            tell,
            open: None,
            number: 0,
        };
        let thread = thread::Builder::new().name("recorder".to_owned()).spawn(move || desk.work(queue))?;
        let queue_bytes_max = settings.queue_bytes_max;
        Ok(Writer { jobs: Some(jobs), shared, thread: Some(thread), queue_bytes_max })
    }

    /// Begins a part. The part before must have ended.
    pub fn begin(&self, beginning: Beginning) {
        self.shared.saving.store(beginning.saved.is_some(), Ordering::Relaxed);
        self.hand_over(Job::Begin(Box::new(beginning)), JOB_BYTES);
    }

    /// Appends a block to the part. False if the queue is full: nothing was appended.
    pub fn append(&self, block: Vec<u8>) -> bool {
        let len = block.len();
        if self.waiting_bytes() + len > self.queue_bytes_max {
            return false;
        }
        self.hand_over(Job::Block(block), len);
        true
    }

    /// Ends the part; with the last block if `whole`. `waiting` is the order that waits for it.
    pub fn end(&self, whole: bool, waiting: Option<Waiting>) {
        self.hand_over(Job::End { whole, waiting }, JOB_BYTES);
    }

    fn hand_over(&self, job: Job, len: usize) {
        self.shared.waiting.fetch_add(len, Ordering::Relaxed);
        if let Some(jobs) = &self.jobs
            && jobs.send(job).is_err()
        {
            self.shared.state().failure.get_or_insert((u64::MAX, "the thread has ended".to_owned()));
        }
    }

    /// Bytes in the queue.
    pub fn waiting_bytes(&self) -> usize {
        self.shared.waiting.load(Ordering::Relaxed)
    }

    /// True if another part may begin: the queue is less than half full, and no copy of the server waits in
    /// it.
    pub fn has_room(&self) -> bool {
        self.waiting_bytes() < self.queue_bytes_max / 2 && !self.shared.saving.load(Ordering::Relaxed)
    }

    /// The error that ended the recording with this number, if one did.
    pub fn failure(&self, number: u64) -> Option<String> {
        let state = self.shared.state();
        state
            .failure
            .as_ref()
            .filter(|(whose, _)| *whose == number || *whose == u64::MAX)
            .map(|(_, why)| why.clone())
    }

    /// The list of parts.
    pub fn parts(&self) -> Parts {
        Parts(Arc::clone(&self.shared))
    }

    /// Waits until the queue is written, up to a time limit: a disk that hangs must not keep the process from
    /// ending.
    pub fn finish(&mut self) {
        self.jobs = None;
        let Some(thread) = self.thread.take() else { return };
        let pause = Duration::from_millis(5);
        for _ in 0..FINISH_TIMEOUT.as_millis() / pause.as_millis() {
            if thread.is_finished() {
                return;
            }
            thread::sleep(pause);
        }
        log::warn!("the end of the recording was abandoned after {FINISH_TIMEOUT:?}");
    }
}

/// The state of the thread.
struct Desk {
    parts_max: usize,
    age_ms_max: u64,
    shared: Arc<Shared>,
    disk: Box<dyn Disk>,
    tell: Tell,
    /// The part that is being written; `None` after a failure.
    open: Option<Box<dyn Part>>,
    /// Number of its recording.
    number: u64,
}

impl Desk {
    fn work(&mut self, queue: Receiver<Job>) {
        match self.disk.parts() {
            Ok(parts) => self.shared.state().parts = parts,
            Err(error) => log::warn!("cannot list the directory of recordings: {error}"),
        }
        for job in queue {
            let len = match &job {
                Job::Block(block) => block.len(),
                Job::Begin(_) | Job::End { .. } => JOB_BYTES,
            };
            match job {
                Job::Begin(beginning) => self.begin(*beginning),
                Job::Block(block) => self.write(&block),
                Job::End { whole, waiting } => {
                    self.end(whole);
                    if let Some(waiting) = waiting {
                        (self.tell)(waiting, Ok(()));
                    }
                }
            }
            self.shared.waiting.fetch_sub(len, Ordering::Relaxed);
        }
    }

    fn begin(&mut self, beginning: Beginning) {
        self.end(false);
        self.make_room();
        self.number = beginning.number;
        let name = part_name(&beginning.name, beginning.part);
        let begun = self.disk.create(&name);
        let told = begun.map(|part| {
            let new = PartStatus { name: name.clone(), modified_ms: now_ms(), ..PartStatus::default() };
            self.shared.state().parts.push(new);
            self.open = Some(part);
            self.write(&beginning.head());
        });
        let told = told.map_err(|error| format!("cannot create {name}: {error}"));
        match (&told, beginning.saved) {
            (Err(why), _) => self.fail(why.clone()),
            (Ok(()), Some(server)) => self.write(&block_saved(&server.save())),
            (Ok(()), None) => {}
        }
        self.shared.saving.store(false, Ordering::Relaxed);
        if let Some(waiting) = beginning.waiting {
            (self.tell)(waiting, told.map_err(Refusal::Disk));
        }
    }

    fn make_room(&mut self) {
        let parts = self.shared.state().parts.clone();
        for name in outdated(&parts, self.parts_max, self.age_ms_max, now_ms()) {
            match self.disk.remove(&name) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    log::warn!("cannot delete {name}: {error}");
                }
                _ => self.shared.state().parts.retain(|part| part.name != name),
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        let Some(part) = &mut self.open else { return };
        match part.write(bytes) {
            Ok(()) => {
                let mut state = self.shared.state();
                if let Some(part) = state.parts.last_mut() {
                    part.bytes += bytes.len() as u64;
                    part.modified_ms = now_ms();
                }
            }
            Err(error) => self.fail(format!("cannot write to the disk: {error}")),
        }
    }

    fn end(&mut self, whole: bool) {
        if whole {
            self.write(&block_end());
        }
        let Some(mut part) = self.open.take() else { return };
        if let Err(error) = part.sync() {
            log::warn!("cannot sync a part of a recording to the disk: {error}");
        }
        self.close();
    }

    fn fail(&mut self, why: String) {
        self.open = None;
        self.close();
        self.shared.state().failure = Some((self.number, why));
    }

    fn close(&mut self) {
        if let Some(part) = self.shared.state().parts.last_mut() {
            part.finished = true;
        }
    }
}

impl Beginning {
    fn head(&self) -> Vec<u8> {
        head(&Header {
            start_us: self.at.as_micros(),
            scope: self.scope.clone(),
            start: if self.saved.is_some() { Start::Saved } else { Start::Birth },
            name: self.name.clone(),
            part: self.part,
            ..Header::new(&self.config, &self.seed, self.epoch)
        })
    }
}

fn now_ms() -> u64 {
    unix_micros() / 1000
}
