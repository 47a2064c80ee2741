//! Helper threads for what would block the loop: files, names, children.
//!
//! One thread writes and reads files, in the order in which it was asked, so that a playlist never
//! overtakes its segments; one looks names up; one looks after child processes. Results come back through a
//! channel, and the poll is woken. Queues are bounded: what does not fit is refused at once, as a result
//! like every other.

use crate::base::id::Ticket;
use crate::base::store::StoreOp;
use crate::net::processes::{self, CHILDREN_MAX, Job};
use crate::net::{dns, files};
use crate::server::Input;
use mio::Waker;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Most file operations that wait for their turn.
pub const FILE_JOBS_MAX: usize = 1024;

/// Most names that wait to be looked up.
pub const NAME_JOBS_MAX: usize = 256;

/// How long the threads may take to finish what they were asked when the server ends. A disk that hangs
/// must not keep the process.
const FINISH_TIMEOUT: Duration = Duration::from_secs(5);

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
    children: SyncSender<Job>,
    /// Those that are waited for at the end.
    threads: [JoinHandle<()>; 2],
}

impl Workers {
    /// Starts them; `waker` wakes the loop when there are results.
    pub fn start(waker: Arc<Waker>) -> io::Result<Self> {
        let (sender, results) = mpsc::channel();
        let desk = Desk { results: sender, waker };
        let (files, file_jobs) = mpsc::sync_channel(FILE_JOBS_MAX);
        let (names, name_jobs) = mpsc::sync_channel(NAME_JOBS_MAX);
        let (children, child_jobs) = mpsc::sync_channel(CHILDREN_MAX);
        let threads = [
            thread("files", &desk, move |desk| do_files(file_jobs, desk))?,
            thread("children", &desk, move |desk| do_children(&child_jobs, desk))?,
        ];
        // Not waited for: a name server may take half a minute, and nobody needs the answer at the end.
        thread("names", &desk, move |desk| do_names(name_jobs, desk))?;
        Ok(Workers { desk, results, files, names, children, threads })
    }

    /// The next result.
    pub fn next_result(&self) -> Option<Input<'static>> {
        self.results.try_recv().ok()
    }

    /// Changes a file, after all that was asked before.
    pub fn store(&self, ticket: Ticket, op: StoreOp) {
        if self.files.try_send(FileJob::Store(ticket, op)).is_err() {
            self.desk.hand_in(Input::Stored { ticket, result: Err(too_slow()) });
        }
    }

    /// Reads a file, after all that was asked before.
    pub fn load(&self, ticket: Ticket, path: String) {
        if self.files.try_send(FileJob::Load(ticket, path)).is_err() {
            self.desk.hand_in(Input::Loaded { ticket, result: Err(too_slow()) });
        }
    }

    /// Looks a name up.
    pub fn resolve(&self, ticket: Ticket, host: String) {
        if self.names.try_send((ticket, host)).is_err() {
            let result = Err(format!("{NAME_JOBS_MAX} names wait to be looked up"));
            self.desk.hand_in(Input::Resolved { ticket, result });
        }
    }

    /// Starts a child process: program and arguments, no shell in between, no terminal.
    pub fn spawn(&self, ticket: Ticket, argv: Vec<String>) {
        if self.children.try_send(Job { ticket, argv }).is_err() {
            let result = Err(format!("{CHILDREN_MAX} child processes wait to be started"));
            self.desk.hand_in(Input::Exited { ticket, result });
        }
    }

    /// Waits until all files are as they were asked to be and all children are gone, but not for ever.
    pub fn finish(self) {
        let Workers { files, names, children, threads, .. } = self;
        drop((files, names, children));
        let pause = Duration::from_millis(5);
        for _ in 0..FINISH_TIMEOUT.as_millis() / pause.as_millis() {
            if threads.iter().all(JoinHandle::is_finished) {
                return;
            }
            thread::sleep(pause);
        }
        log::warn!("files or child processes take longer than {FINISH_TIMEOUT:?} and are left behind");
    }
}

fn too_slow() -> String {
    format!("{FILE_JOBS_MAX} file operations wait: the disk is too slow")
}

fn thread(name: &str, desk: &Desk, work: impl FnOnce(&Desk) + Send + 'static) -> io::Result<JoinHandle<()>> {
    let desk = desk.clone();
    thread::Builder::new().name(name.to_owned()).spawn(move || work(&desk))
}

fn do_files(jobs: Receiver<FileJob>, desk: &Desk) {
    for job in jobs {
        desk.hand_in(match job {
            FileJob::Store(ticket, op) => Input::Stored { ticket, result: files::store(&op) },
            FileJob::Load(ticket, path) => Input::Loaded { ticket, result: files::load(&path) },
        });
    }
}

fn do_names(jobs: Receiver<NameJob>, desk: &Desk) {
    for (ticket, host) in jobs {
        desk.hand_in(Input::Resolved { ticket, result: dns::resolve(&host) });
    }
}

fn do_children(jobs: &Receiver<Job>, desk: &Desk) {
    processes::look_after(jobs, |ticket, result| desk.hand_in(Input::Exited { ticket, result }));
}

#[cfg(test)]
mod tests {
    use super::{FILE_JOBS_MAX, Workers};
    use crate::base::id::Ticket;
    use crate::base::store::StoreOp;
    use crate::server::Input;
    use bytes::Bytes;
    use mio::{Events, Poll, Token, Waker};
    use std::sync::Arc;
    use std::time::Duration;

    fn workers() -> (Poll, Workers) {
        let poll = Poll::new().expect("a poll");
        let waker = Arc::new(Waker::new(poll.registry(), Token(0)).expect("a waker"));
        (poll, Workers::start(waker).expect("threads"))
    }

    /// Waits as the loop does: for the poll to be woken.
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
    fn files_are_done_in_the_order_in_which_they_were_asked_for() {
        let (mut poll, workers) = workers();
        let directory = std::env::temp_dir().join(format!("dacapo-workers-{}", std::process::id()));
        let path = directory.join("live/index.m3u8").to_str().expect("UTF-8").to_owned();
        let body = vec![Bytes::from_static(b"#EXTM3U")];
        workers.store(Ticket(1), StoreOp::Write { path: path.clone(), body });
        workers.load(Ticket(2), path.clone());
        workers.store(Ticket(3), StoreOp::Remove { path: path.clone() });
        workers.load(Ticket(4), path);
        let stored = result(&mut poll, &workers);
        assert!(matches!(stored, Input::Stored { ticket: Ticket(1), result: Ok(()) }), "{stored:?}");
        let Input::Loaded { ticket: Ticket(2), result: Ok(bytes) } = result(&mut poll, &workers) else {
            panic!("not loaded")
        };
        assert_eq!(&bytes[..], b"#EXTM3U");
        let removed = result(&mut poll, &workers);
        assert!(matches!(removed, Input::Stored { ticket: Ticket(3), result: Ok(()) }), "{removed:?}");
        let gone = result(&mut poll, &workers);
        assert!(matches!(gone, Input::Loaded { ticket: Ticket(4), result: Err(_) }), "{gone:?}");
        workers.finish();
        std::fs::remove_dir_all(directory).expect("it was made here");
    }

    #[test]
    fn names_and_children_come_back_too() {
        let (mut poll, workers) = workers();
        workers.resolve(Ticket(1), "127.0.0.1".to_owned());
        let resolved = result(&mut poll, &workers);
        assert!(matches!(&resolved, Input::Resolved { ticket: Ticket(1), result: Ok(_) }), "{resolved:?}");
        workers.spawn(Ticket(2), vec!["false".to_owned()]);
        let exited = result(&mut poll, &workers);
        assert!(matches!(exited, Input::Exited { ticket: Ticket(2), result: Ok(Some(1)) }), "{exited:?}");
        workers.finish();
    }

    #[test]
    fn every_question_is_answered_even_those_that_found_no_room() {
        let (mut poll, workers) = workers();
        let asked = 4 * FILE_JOBS_MAX as u64;
        for number in 0..asked {
            workers.load(Ticket(number), "/no/such/file".to_owned());
        }
        let mut tickets: Vec<u64> = (0..asked)
            .map(|_| match result(&mut poll, &workers) {
                Input::Loaded { ticket, result: Err(_) } => ticket.0,
                other => panic!("{other:?}"),
            })
            .collect();
        tickets.sort_unstable();
        assert!(tickets.into_iter().eq(0..asked));
    }

    #[test]
    fn what_was_asked_is_done_before_the_end() {
        let (_poll, workers) = workers();
        let directory = std::env::temp_dir().join(format!("dacapo-finish-{}", std::process::id()));
        for number in 0..100 {
            let path = directory.join(number.to_string()).to_str().expect("UTF-8").to_owned();
            workers.store(Ticket(number), StoreOp::Write { path, body: vec![Bytes::from_static(b"x")] });
        }
        workers.finish();
        assert_eq!(directory.read_dir().expect("it was made").count(), 100);
        std::fs::remove_dir_all(directory).expect("it was made here");
    }
}
