//! The recorder's thread: writes what the loop hands over, begins and ends parts, deletes old ones.
//!
//! In: jobs, in their order. Out: files, and a state that the loop can look at without waiting. Never blocks
//! the loop: what waits is counted in bytes, and who hands over more than may wait is told so at once. When
//! the disk fails, everything up to the next beginning is thrown away, and the loop finds the reason here.
//!
//! What was handed over is given to the operating system at once: it survives the end of the process,
//! however sudden. A part is synced to the disk itself when it ends; until then a loss of power costs what
//! the system had not written yet, some 30 seconds on Linux.

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

/// What a job costs that is none but words.
const JOB_BYTES: usize = 4096;

/// How long the thread may take to finish when the server ends.
const FINISH_TIMEOUT: Duration = Duration::from_secs(5);

/// Most parts that are listed.
const LISTED_MAX: usize = 1000;

/// With what a part begins.
#[derive(Debug)]
pub struct Beginning {
    /// Which recording of this process: [`Writer::failure`] tells whose failure it was.
    pub number: u64,
    /// The order that waits for the file to be there, if one does.
    pub waiting: Option<Waiting>,
    /// The recording's name.
    pub name: String,
    /// Which part.
    pub part: u32,
    /// The configuration that holds.
    pub config: Arc<config::Config>,
    /// The server's seed.
    pub seed: Seed,
    /// Wall time at the server's birth.
    pub epoch: Epoch,
    /// The server's time now.
    pub at: Instant,
    /// What is recorded.
    pub scope: Scope,
    /// A copy of the server as it is now, from which a replay starts; none: it is newborn.
    pub saved: Option<Box<Server>>,
}

enum Job {
    Begin(Box<Beginning>),
    Block(Vec<u8>),
    /// In peace or not: a recording that was dropped has no last block. An order may wait for the file.
    End {
        whole: bool,
        waiting: Option<Waiting>,
    },
}

/// Where the answer to an order goes that waits for the thread.
pub type Waiting = SyncSender<Answer>;

/// Tells the loop how the beginning or the end of a recording went, so that it can answer the order.
pub type Tell = Box<dyn Fn(Waiting, Result<(), Refusal>) + Send>;

/// The loop's end of the thread.
pub struct Writer {
    jobs: Option<Sender<Job>>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    queue_bytes_max: usize,
}

#[derive(Default)]
struct Shared {
    waiting: AtomicUsize,
    /// True while the copy of a server waits to be written.
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

/// The list of parts, for other threads than the loop's.
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
    /// Starts the thread.
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

    /// Begins a part; the one before has ended.
    pub fn begin(&self, beginning: Beginning) {
        self.shared.saving.store(beginning.saved.is_some(), Ordering::Relaxed);
        self.hand_over(Job::Begin(Box::new(beginning)), JOB_BYTES);
    }

    /// Appends to the part. False if too much waits already; nothing was appended then.
    pub fn append(&self, block: Vec<u8>) -> bool {
        let len = block.len();
        if self.waiting_bytes() + len > self.queue_bytes_max {
            return false;
        }
        self.hand_over(Job::Block(block), len);
        true
    }

    /// Ends the part; `whole`: nothing is missing at its end. `waiting`: the order that waits for that.
    pub fn end(&self, whole: bool, waiting: Option<Waiting>) {
        self.hand_over(Job::End { whole, waiting }, JOB_BYTES);
    }

    fn hand_over(&self, job: Job, len: usize) {
        self.shared.waiting.fetch_add(len, Ordering::Relaxed);
        if let Some(jobs) = &self.jobs
            && jobs.send(job).is_err()
        {
            self.shared.state().failure.get_or_insert((u64::MAX, "its thread is gone".to_owned()));
        }
    }

    /// Bytes that wait for the disk.
    pub fn waiting_bytes(&self) -> usize {
        self.shared.waiting.load(Ordering::Relaxed)
    }

    /// True if another part may begin: not behind a queue that is full, and not while the copy of the server
    /// for the last one is still held.
    pub fn has_room(&self) -> bool {
        self.waiting_bytes() < self.queue_bytes_max / 2 && !self.shared.saving.load(Ordering::Relaxed)
    }

    /// Why the recording with this number cannot go on.
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

    /// Waits until everything is written, but not for ever: a disk that hangs must not keep the process.
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
        log::warn!("the end of the recording takes longer than {FINISH_TIMEOUT:?} and is left behind");
    }
}

/// The thread's own.
struct Desk {
    parts_max: usize,
    age_ms_max: u64,
    shared: Arc<Shared>,
    disk: Box<dyn Disk>,
    tell: Tell,
    /// The part that is being written; none after a failure.
    open: Option<Box<dyn Part>>,
    /// Which recording that is.
    number: u64,
}

impl Desk {
    fn work(&mut self, queue: Receiver<Job>) {
        match self.disk.parts() {
            Ok(parts) => self.shared.state().parts = parts,
            Err(error) => log::warn!("the directory of recordings cannot be listed: {error}"),
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
        let told = told.map_err(|error| format!("{name} cannot be made: {error}"));
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
                    log::warn!("{name} cannot be deleted: {error}");
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
            Err(error) => self.fail(format!("the disk does not take it: {error}")),
        }
    }

    fn end(&mut self, whole: bool) {
        if whole {
            self.write(&block_end());
        }
        let Some(mut part) = self.open.take() else { return };
        if let Err(error) = part.sync() {
            log::warn!("a part of a recording may not be on the disk: {error}");
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
