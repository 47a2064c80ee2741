//! The helper thread for file operations, which would block the loop.
//!
//! In: file operations. Out: results through a channel, with the poll woken. Operations are done in order, so
//! that a playlist never names a segment that is not written yet. The queue is bounded: when it is full, an
//! operation fails at once, with a result as any other.

use crate::base::id::Ticket;
use crate::base::store::StoreOp;
use crate::net::files;
use crate::server::Input;
use mio::Waker;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Most file operations that wait.
pub const FILE_JOBS_MAX: usize = 1024;

/// Most time that the thread may take to finish its queue when the server ends. A disk that hangs must not
/// keep the process from ending.
const FINISH_TIMEOUT: Duration = Duration::from_secs(5);

/// Sends results to the loop and wakes the loop.
#[derive(Clone)]
struct Desk {
    results: Sender<Input<'static>>,
    waker: Arc<Waker>,
}

impl Desk {
    fn hand_in(&self, ticket: Ticket, result: Result<(), String>) {
        // Fails when the loop has ended and needs no results.
        if self.results.send(Input::Stored { ticket, result }).is_ok()
            && let Err(error) = self.waker.wake()
        {
            log::error!("cannot wake the loop: {error}");
        }
    }
}

/// The helper thread.
pub struct Workers {
    desk: Desk,
    results: Receiver<Input<'static>>,
    files: SyncSender<(Ticket, StoreOp)>,
    thread: JoinHandle<()>,
}

impl Workers {
    /// Starts the thread. It wakes the loop with `waker` after each result.
    ///
    /// # Errors
    /// If the operating system refuses a thread.
    pub fn start(waker: Arc<Waker>) -> io::Result<Self> {
        let (sender, results) = mpsc::channel();
        let desk = Desk { results: sender, waker };
        let (files, jobs) = mpsc::sync_channel::<(Ticket, StoreOp)>(FILE_JOBS_MAX);
        let thread = {
            let desk = desk.clone();
            let work =
                move || jobs.into_iter().for_each(|(ticket, op)| desk.hand_in(ticket, files::store(&op)));
            thread::Builder::new().name("files".to_owned()).spawn(work)?
        };
        Ok(Workers { desk, results, files, thread })
    }

    /// The next result, if there is one.
    pub fn next_result(&self) -> Option<Input<'static>> {
        self.results.try_recv().ok()
    }

    /// Queues a file operation. If the queue is full, its result is an error.
    pub fn store(&self, ticket: Ticket, op: StoreOp) {
        if self.files.try_send((ticket, op)).is_err() {
            let result = Err(format!("{FILE_JOBS_MAX} file operations wait: the disk is too slow"));
            self.desk.hand_in(ticket, result);
        }
    }

    /// Waits until the queue is empty, up to a time limit.
    pub fn finish(self) {
        let Workers { files, thread, .. } = self;
        drop(files);
        let pause = Duration::from_millis(5);
        for _ in 0..FINISH_TIMEOUT.as_millis() / pause.as_millis() {
            if thread.is_finished() {
                return;
            }
            thread::sleep(pause);
        }
        log::warn!("file operations were abandoned after {FINISH_TIMEOUT:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::{FILE_JOBS_MAX, Workers};
    use crate::base::id::Ticket;
    use crate::base::store::StoreOp;
    use crate::server::Input;
    use bytes::Bytes;
    use mio::{Events, Poll, Token, Waker};
    use std::path::PathBuf;
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

    fn directory(test: &str) -> PathBuf {
        std::env::temp_dir().join(format!("dacapo-workers-{test}-{}", std::process::id()))
    }

    #[test]
    fn files_are_done_in_the_order_in_which_they_were_asked_for() {
        let (mut poll, workers) = workers();
        let directory = directory("order");
        let path = directory.join("live/index.m3u8").to_str().expect("UTF-8").to_owned();
        let write = |text: &'static [u8]| StoreOp::Write {
            path: path.clone().into(),
            body: vec![Bytes::from_static(text)],
        };
        let ops =
            [write(b"one"), write(b"two"), StoreOp::Remove { path: path.clone().into() }, write(b"last")];
        for (place, op) in ops.into_iter().enumerate() {
            workers.store(Ticket(place as u64), op);
        }
        for place in 0..4 {
            let stored = result(&mut poll, &workers);
            let Input::Stored { ticket, result: Ok(()) } = stored else { panic!("{stored:?}") };
            assert_eq!(ticket, Ticket(place));
        }
        assert_eq!(std::fs::read(&path).expect("it was written"), b"last");
        workers.finish();
        std::fs::remove_dir_all(directory).expect("it was made here");
    }

    #[test]
    fn every_request_is_answered_even_those_that_found_no_room() {
        let (mut poll, workers) = workers();
        let asked = 4 * FILE_JOBS_MAX as u64;
        for number in 0..asked {
            workers.store(Ticket(number), StoreOp::Remove { path: "../up".into() });
        }
        let mut tickets: Vec<u64> = (0..asked)
            .map(|_| match result(&mut poll, &workers) {
                Input::Stored { ticket, result: Err(_) } => ticket.0,
                other => panic!("{other:?}"),
            })
            .collect();
        tickets.sort_unstable();
        assert!(tickets.into_iter().eq(0..asked));
    }

    #[test]
    fn what_was_asked_is_done_before_the_end() {
        let (_poll, workers) = workers();
        let directory = directory("finish");
        for number in 0..100 {
            let path = directory.join(number.to_string()).to_str().expect("UTF-8").to_owned();
            workers.store(
                Ticket(number),
                StoreOp::Write { path: path.into(), body: vec![Bytes::from_static(b"x")] },
            );
        }
        workers.finish();
        assert_eq!(directory.read_dir().expect("it was made").count(), 100);
        std::fs::remove_dir_all(directory).expect("it was made here");
    }
}
