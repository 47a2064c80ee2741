//! Asks an HTTP server the same thing ten times a second, each time on a new connection, as a monitor does.
//!
//! In a thread of its own, which only waits: what the players of this process do delays it by a moment.

use crate::clock::{self, MILLI};
use crate::histogram::Histogram;
use std::io::{self, Error, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// From one question to the next, in nanoseconds.
const EVERY: u64 = 100 * MILLI;

/// The longest wait for an answer.
const WAIT_MAX: Duration = Duration::from_secs(3);

/// A client that sends requests.
#[derive(Debug)]
pub struct Probe {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Answers>,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// From the first packet of the connection to the last byte of the answer, in nanoseconds.
    pub times: Histogram,
    /// Questions without an answer, or with another one than 200.
    pub failed: u64,
}

impl Probe {
    /// Begins to ask `addr` for `path`.
    pub fn start(addr: SocketAddr, path: String) -> io::Result<Probe> {
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let thread = Builder::new().name("probe".to_owned()).spawn(move || {
            let mut answers = Answers::default();
            while !told.load(Ordering::Relaxed) {
                let begin = clock::now();
                match ask(addr, &path) {
                    Ok(()) => answers.times.add(clock::now() - begin),
                    Err(_) => answers.failed += 1,
                }
                let rest = (begin + EVERY).saturating_sub(clock::now());
                std::thread::sleep(Duration::from_nanos(rest));
            }
            answers
        })?;
        Ok(Probe { stop, thread })
    }

    /// Ends, and tells.
    pub fn stop(self) -> Answers {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("a probe does not panic")
    }
}

fn ask(addr: SocketAddr, path: &str) -> io::Result<()> {
    let mut socket = TcpStream::connect_timeout(&addr, WAIT_MAX)?;
    socket.set_read_timeout(Some(WAIT_MAX))?;
    socket.set_nodelay(true)?;
    // In one write, as clients do.
    let question = format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n");
    socket.write_all(question.as_bytes())?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer)?;
    if answer.starts_with(b"HTTP/1.1 200") { Ok(()) } else { Err(Error::other("another answer")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn answers_are_timed_and_refusals_counted() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let addr = listener.local_addr().expect("bound");
        let probe = Probe::start(addr, "/x".to_owned()).expect("a thread");
        for answer in ["200 OK", "404 Not Found"] {
            let (mut socket, _) = listener.accept().expect("it comes");
            let mut question = [0; 1024];
            let len = socket.read(&mut question).expect("it asks");
            assert!(question[..len].starts_with(b"GET /x HTTP/1.1\r\n"));
            write!(socket, "HTTP/1.1 {answer}\r\n\r\n").expect("it listens");
        }
        drop(listener);
        let answers = probe.stop();
        assert_eq!(answers.times.total(), 1);
        assert!(answers.failed >= 1);
    }
}
