//! Writes log lines to a file or to standard error, in a thread.
//!
//! In: whole lines. Out: the same lines, in order. The loop never waits for a disk or a terminal: when the
//! queue of the thread is full, lines are lost, and their number is written when there is room again.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::thread;
use std::time::Duration;

/// Most lines that wait for the thread: about a megabyte with lines of common length.
pub const LINES_MAX: usize = 8192;

/// Most time that [`Sink::flush`] waits for a sink that hangs.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// A job of the thread.
enum Job {
    Line(Vec<u8>),
    /// Answer when all lines before it are written.
    Flush(SyncSender<()>),
}

/// A handle of the thread. Cheap to clone; the thread ends when the last handle is dropped.
#[derive(Clone)]
pub struct Sink {
    jobs: SyncSender<Job>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Number of lines that were lost since the last report.
    lost: AtomicU64,
    /// The file was renamed and must be opened again.
    reopen: AtomicBool,
}

/// Formats the line that reports a number of lost lines.
pub type Report = Box<dyn Fn(u64) -> String + Send>;

impl Sink {
    /// Opens `path`, or standard error if it is empty, and starts the thread.
    ///
    /// # Errors
    /// If the file cannot be opened or the operating system refuses a thread.
    pub fn open(path: &str, report: Report) -> io::Result<Sink> {
        if path.is_empty() {
            return Sink::start(Target::Stream(Box::new(io::stderr())), report);
        }
        let path = PathBuf::from(path);
        let file = append(&path).map_err(|error| {
            let kind = error.kind();
            io::Error::new(kind, format!("cannot open the log file {}: {error}", path.display()))
        })?;
        Sink::start(Target::File(path, file), report)
    }

    fn start(target: Target, report: Report) -> io::Result<Sink> {
        let (jobs, queue) = mpsc::sync_channel(LINES_MAX);
        let shared = Arc::new(Shared::default());
        let writer = Writer { target, shared: shared.clone(), report };
        thread::Builder::new().name("log".to_owned()).spawn(move || writer.run(queue))?;
        Ok(Sink { jobs, shared })
    }

    /// Queues a line, which must end with a newline. Never waits: a line that finds no room is lost.
    pub fn write(&self, line: Vec<u8>) {
        if self.jobs.try_send(Job::Line(line)).is_err() {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Opens the file again before the next line, after it was renamed.
    pub fn reopen(&self) {
        self.shared.reopen.store(true, Ordering::Release);
    }

    /// Waits until all lines queued so far are written, up to a time limit.
    pub fn flush(&self) {
        let (done, wait) = mpsc::sync_channel(1);
        let mut job = Job::Flush(done);
        for _ in 0..FLUSH_TIMEOUT.as_millis() {
            match self.jobs.try_send(job) {
                Ok(()) => {
                    // After the time limit the process goes on, or ends without these lines.
                    let _: Result<(), _> = wait.recv_timeout(FLUSH_TIMEOUT);
                    return;
                }
                Err(TrySendError::Full(back)) => job = back,
                Err(TrySendError::Disconnected(_)) => return,
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

enum Target {
    Stream(Box<dyn Write + Send>),
    File(PathBuf, File),
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// The state of the thread.
struct Writer {
    target: Target,
    shared: Arc<Shared>,
    report: Report,
}

impl Writer {
    fn run(mut self, queue: Receiver<Job>) {
        for job in queue {
            match job {
                Job::Line(line) => self.line(&line),
                // Fails if the waiting side has given up.
                Job::Flush(done) => drop(done.try_send(())),
            }
        }
    }

    fn line(&mut self, line: &[u8]) {
        if self.shared.reopen.swap(false, Ordering::Acquire)
            && let Target::File(path, file) = &mut self.target
            && let Ok(fresh) = append(path)
        {
            *file = fresh;
        }
        let lost = self.shared.lost.swap(0, Ordering::Relaxed);
        if lost > 0 && !self.put(format!("{}\n", (self.report)(lost)).as_bytes()) {
            self.shared.lost.fetch_add(lost, Ordering::Relaxed);
        }
        if !self.put(line) {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes a line. False on an error, such as a full disk or a closed pipe.
    fn put(&mut self, line: &[u8]) -> bool {
        let written = match &mut self.target {
            Target::Stream(stream) => stream.write_all(line).and_then(|()| stream.flush()),
            Target::File(_, file) => file.write_all(line),
        };
        written.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{LINES_MAX, Sink, Target};
    use std::fs;
    use std::io::{self, Write};
    use std::sync::{Arc, Condvar, Mutex};

    fn report() -> super::Report {
        Box::new(|lost| format!("{lost} lines were lost"))
    }

    /// A pipe that blocks until it is opened.
    #[derive(Clone, Default)]
    struct Gate(Arc<State>);

    #[derive(Default)]
    struct State {
        open: Mutex<bool>,
        opened: Condvar,
        text: Mutex<Vec<u8>>,
    }

    impl Gate {
        fn open(&self) {
            *self.0.open.lock().expect("not poisoned") = true;
            self.0.opened.notify_all();
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.text.lock().expect("not poisoned").clone()).expect("UTF-8")
        }
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let shut = self.0.open.lock().expect("not poisoned");
            drop(self.0.opened.wait_while(shut, |open| !*open).expect("not poisoned"));
            self.0.text.lock().expect("not poisoned").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_sink_that_does_not_move_costs_lines_and_no_time_and_the_loss_is_told() {
        let gate = Gate::default();
        let sink = Sink::start(Target::Stream(Box::new(gate.clone())), report()).expect("a thread");
        let written = LINES_MAX + 100;
        for number in 0..written {
            sink.write(format!("line {number}\n").into_bytes());
        }
        gate.open();
        sink.flush();
        sink.write(b"after\n".to_vec());
        sink.flush();
        let text = gate.text();
        let told: usize = text
            .lines()
            .filter_map(|line| line.strip_suffix(" lines were lost")?.parse::<usize>().ok())
            .sum();
        let kept = text.lines().filter(|line| line.starts_with("line ")).count();
        assert!((99..=100).contains(&told), "the thread holds one line in its hand, or none yet: {told}");
        assert_eq!(told + kept, written);
        let expected: Vec<_> = (0..kept).map(|number| format!("line {number}")).collect();
        assert_eq!(text.lines().filter(|line| line.starts_with("line ")).collect::<Vec<_>>(), expected);
        assert!(text.ends_with("after\n"));
    }

    #[test]
    fn a_file_is_appended_to_and_opened_again_after_it_was_moved() {
        let directory = std::env::temp_dir().join(format!("dacapo-sink-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a place for temporary files");
        let (path, moved) = (directory.join("log"), directory.join("log.1"));
        fs::write(&path, "before\n").expect("writable");
        let sink = Sink::open(path.to_str().expect("UTF-8"), report()).expect("writable");
        sink.write(b"one\n".to_vec());
        sink.flush();
        fs::rename(&path, &moved).expect("both in one directory");
        sink.write(b"two\n".to_vec());
        sink.flush();
        sink.reopen();
        sink.write(b"three\n".to_vec());
        sink.flush();
        assert_eq!(fs::read_to_string(&moved).expect("readable"), "before\none\ntwo\n");
        assert_eq!(fs::read_to_string(&path).expect("readable"), "three\n");
        fs::remove_dir_all(&directory).expect("it was made here");
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_named() {
        let error = Sink::open("/no/such/directory/log", report()).err().expect("there is none");
        let expected =
            "cannot open the log file /no/such/directory/log: No such file or directory (os error 2)";
        assert_eq!(error.to_string(), expected);
    }
}
