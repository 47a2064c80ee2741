//! The flight recorder: writes all inputs of the server to files that can be replayed.
//!
//! In: connections, inputs, writes and outputs, as a [`Monitor`] of the server, and orders of operators. Out:
//! parts of recordings in a directory. Modules: `writer` (the thread that writes), `directory`, `control`
//! (the endpoint for operators, with `request`, `status` and `download`).
//!
//! The loop never waits for it. When the disk is full, fails or is too slow, the recording ends and the
//! service goes on. While nothing is recorded, each call costs one branch.

pub mod control;
pub mod directory;
mod download;
mod request;
mod slot;
pub mod status;
#[cfg(test)]
mod tests;
pub mod writer;

use crate::base::id::{ConnId, ListenerId};
use crate::base::rng::Seed;
use crate::base::slices::Slices;
use crate::base::time::{Epoch, Instant};
use crate::config::{self, Config, Pattern};
use crate::net::clock::unix_micros;
use crate::record::{Scope, Tape};
use crate::server::{Input, Monitor, Output, Server, Taken};
use control::{Answer, Command, Desk, Order};
use directory::{Directory, Disk};
use status::{RecorderStatus, RecordingStatus, Refusal};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;
use writer::{Beginning, Waiting, Writer};

/// With this many bytes on the tape, they are given to the thread before [`config::Recorder::flush_ms`] pass.
const FLUSH_BYTES: usize = 1 << 20;

/// Time between two checks: records of what each connection was sent so far.
const CHECK_PERIOD: Duration = Duration::from_secs(1);

/// The thread's result for an order that waits for the beginning or end of a recording.
type Told = (Waiting, Result<(), Refusal>);

/// Wakes the loop.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// The loop's side of the recorder.
pub struct Recorder {
    settings: config::Recorder,
    config: Arc<Config>,
    seed: Seed,
    epoch: Epoch,
    running: Option<Box<Running>>,
    writer: Option<Writer>,
    desk: Desk,
    /// Orders of operators that were not performed yet.
    orders: Receiver<Order>,
    told: Receiver<Told>,
    tell: Sender<Told>,
    wake: Wake,
    /// Number of recordings that this process has begun.
    begun: u64,
    drops: u64,
    last_drop: String,
}

/// The recording in progress.
struct Running {
    tape: Tape,
    number: u64,
    name: String,
    patterns: Vec<Pattern>,
    part: u32,
    /// Bytes of this part without its beginning.
    part_bytes: u64,
    part_since: Instant,
    /// The latest time at which the tape is given to the thread.
    flush_at: Instant,
    check_at: Instant,
    copy_us_max: u64,
}

impl Recorder {
    /// A recorder for the server that is made from these. `wake` wakes the loop when the thread has a result.
    pub fn new(config: &Config, seed: Seed, epoch: Epoch, wake: Wake) -> Self {
        let (tell, told) = mpsc::channel();
        let (desk, orders) = Desk::new(config.recorder.api_token.clone(), Arc::clone(&wake));
        Recorder {
            settings: config.recorder.clone(),
            config: Arc::new(config.clone()),
            seed,
            epoch,
            running: None,
            writer: None,
            desk,
            orders,
            told,
            tell,
            wake,
            begun: 0,
            drops: 0,
            last_drop: String::new(),
        }
    }

    /// Begins recording a new server if the setting `recorder.enabled` is true. Starts the thread if
    /// operators may use the recorder, so that it lists the parts in the directory.
    pub fn begin_at_birth(&mut self, now: Instant) {
        if self.settings.api_token.is_set()
            && let Err(refusal) = self.start_writer()
        {
            log::error!("cannot start the recorder: {refusal:?}");
        }
        if self.settings.enabled {
            let patterns = self.settings.streams.clone();
            if let Err(refusal) = self.start(now, None, patterns, None, || now) {
                self.give_up(&format!("{refusal:?}"));
            }
        }
    }

    /// Gives the tape to the thread if that is due, and begins another part if this one is full or old. To be
    /// called when all outputs of the server are performed.
    pub fn maintain(&mut self, server: &Server, now: Instant, clock: impl Fn() -> Instant) {
        let Some(running) = &mut self.running else { return };
        let waiting = running.tape.waiting_bytes();
        if waiting >= FLUSH_BYTES || waiting > 0 && running.flush_at <= now {
            self.flush(now, false);
        }
        let Some(running) = &self.running else { return };
        let age = Duration::from_millis(self.settings.part_ms_max);
        let full = running.part_bytes >= self.settings.part_bytes_max;
        let old = running.part_bytes > 0 && running.part_since + age <= now;
        // While the disk is behind, the part grows: every part that waits would hold a copy of the server.
        if (full || old) && self.writer.as_ref().is_some_and(Writer::has_room) {
            self.next_part(server, now, clock);
        }
    }

    /// When [`Recorder::maintain`] is due at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        let running = self.running.as_ref()?;
        (running.tape.waiting_bytes() > 0).then_some(running.flush_at)
    }

    /// Gives the tape to the thread.
    fn flush(&mut self, now: Instant, last: bool) {
        let (Some(running), Some(writer)) = (&mut self.running, &self.writer) else { return };
        if last || running.check_at <= now {
            running.tape.check(now);
            running.check_at = now + CHECK_PERIOD;
        }
        running.flush_at = now + Duration::from_millis(self.settings.flush_ms);
        let block = running.tape.take();
        running.part_bytes += block.len() as u64;
        if let Some(why) = writer.failure(running.number) {
            return self.give_up(&why);
        }
        if !writer.append(block) {
            let why = format!("the disk is too slow: {} bytes wait for it", writer.waiting_bytes());
            self.give_up(&why);
        }
    }

    /// Ends the recording because of an error. The service goes on.
    fn give_up(&mut self, why: &str) {
        self.drops += 1;
        why.clone_into(&mut self.last_drop);
        let name = self.running.take().map(|running| running.name).unwrap_or_default();
        log::error!("the recording {name} ended because of an error: {why}; the service goes on");
        if let Some(writer) = &self.writer {
            writer.end(false, None);
        }
    }

    fn start(
        &mut self,
        now: Instant,
        server: Option<&Server>,
        patterns: Vec<Pattern>,
        waiting: Option<Waiting>,
        clock: impl Fn() -> Instant,
    ) -> Result<(), Refusal> {
        if self.running.is_some() {
            return Err(Refusal::Running);
        }
        if self.settings.directory.is_empty() {
            return Err(Refusal::Disk("recorder.directory is empty".to_owned()));
        }
        self.start_writer()?;
        if !self.writer.as_ref().is_some_and(Writer::has_room) {
            return Err(Refusal::Busy);
        }
        self.begun += 1;
        let mut running = Running {
            tape: tape(&patterns),
            number: self.begun,
            name: directory::recording_name(unix_micros()),
            patterns,
            part: 0,
            part_bytes: 0,
            part_since: now,
            flush_at: now,
            check_at: now + CHECK_PERIOD,
            copy_us_max: 0,
        };
        self.begin_part(&mut running, server, now, waiting, clock);
        self.running = Some(Box::new(running));
        Ok(())
    }

    /// Starts the thread if it does not run. One thread writes all recordings of a directory.
    fn start_writer(&mut self) -> Result<(), Refusal> {
        if self.writer.is_some() {
            return Ok(());
        }
        self.write_to(Box::new(Directory(PathBuf::from(&*self.settings.directory))))
    }

    fn write_to(&mut self, disk: Box<dyn Disk>) -> Result<(), Refusal> {
        let (tell, wake) = (self.tell.clone(), Arc::clone(&self.wake));
        let tell = Box::new(move |waiting, result| {
            // Fails when the loop has ended.
            if tell.send((waiting, result)).is_ok() {
                wake();
            }
        });
        let started = Writer::start(&self.settings, disk, tell);
        self.writer = Some(started.map_err(|error| Refusal::Disk(error.to_string()))?);
        Ok(())
    }

    /// Begins a part with a copy of `server`, or at the start of the run if there is none.
    fn begin_part(
        &self,
        running: &mut Running,
        server: Option<&Server>,
        now: Instant,
        waiting: Option<Waiting>,
        clock: impl Fn() -> Instant,
    ) {
        let Some(writer) = &self.writer else { return };
        let begin = clock();
        let saved = server.map(|server| Box::new(copy(server, &running.patterns)));
        if let Some(server) = &saved {
            running.tape.resume(server, now);
        }
        let us = u64::try_from(clock().since(begin).as_micros()).unwrap_or(u64::MAX);
        running.copy_us_max = running.copy_us_max.max(us);
        let patterns = running.patterns.iter().map(|pattern| pattern.as_str().to_owned()).collect();
        writer.begin(Beginning {
            number: running.number,
            waiting,
            name: running.name.clone(),
            part: running.part,
            config: Arc::clone(&self.config),
            seed: self.seed,
            epoch: self.epoch,
            at: now,
            scope: if running.patterns.is_empty() { Scope::All } else { Scope::Streams(patterns) },
            saved,
        });
        log::info!(us; "the recorder began part {} of {}", running.part, running.name);
    }

    /// Ends the part and begins the next one.
    fn next_part(&mut self, server: &Server, now: Instant, clock: impl Fn() -> Instant) {
        self.flush(now, true);
        let Some(mut running) = self.running.take() else { return };
        if let Some(writer) = &self.writer {
            writer.end(true, None);
        }
        running.part += 1;
        running.part_bytes = 0;
        running.part_since = now;
        self.begin_part(&mut running, Some(server), now, None, clock);
        self.running = Some(running);
    }

    /// Ends the recording with its last block.
    fn stop(&mut self, now: Instant, waiting: Option<Waiting>) -> Result<(), Refusal> {
        self.flush(now, true);
        let running = self.running.take().ok_or(Refusal::Idle)?;
        if let Some(writer) = &self.writer {
            writer.end(true, waiting);
        }
        log::info!("the recorder ended {}", running.name);
        Ok(())
    }

    /// Ends the recording and waits until it is written, up to a time limit. For a process that ends.
    pub fn finish(&mut self, now: Instant) {
        if self.running.is_some() {
            // Cannot fail: a recording is in progress.
            let _stopped = self.stop(now, None);
        }
        if let Some(mut writer) = self.writer.take() {
            writer.finish();
        }
    }
}

impl Monitor for Recorder {
    fn accepted(
        &mut self,
        server: &Server,
        now: Instant,
        listener: ListenerId,
        peer: SocketAddr,
        conn: Option<ConnId>,
    ) {
        if let Some(running) = &mut self.running {
            running.tape.accepted(server, now, listener, peer, conn);
        }
    }

    fn input(&mut self, server: &Server, now: Instant, input: &Input<'_>) {
        if let Some(running) = &mut self.running {
            running.tape.input(server, now, input);
        }
        if let Input::Reload { config } = input {
            let directory = std::mem::take(&mut self.settings.directory);
            self.settings = config.recorder.clone();
            self.desk.set_token(self.settings.api_token.clone());
            // The thread keeps the directory that it was started with.
            if self.writer.is_some() {
                self.settings.directory = directory;
            }
            self.config = Arc::new((**config).clone());
        }
    }

    fn sent(&mut self, now: Instant, conn: ConnId, shown: &Slices<'_>, taken: Taken) {
        if let Some(running) = &mut self.running {
            running.tape.sent(now, conn, shown, taken);
        }
    }

    fn after_input(&mut self, server: &Server) {
        if let Some(running) = &mut self.running {
            running.tape.after_input(server);
        }
    }

    fn output(&mut self, now: Instant, output: &Output) {
        if let Some(running) = &mut self.running {
            running.tape.output(now, output);
        }
    }
}

// Orders of operators.
impl Recorder {
    /// The connection of the control endpoint to the loop.
    pub fn desk(&self) -> Desk {
        self.desk.clone()
    }

    /// Performs the orders that have come since the last pass. To be called when all outputs of the server
    /// are performed, so that a recording begins between two inputs.
    pub fn take_orders(&mut self, server: &Server, now: Instant, clock: impl Fn() -> Instant) {
        while let Ok((waiting, result)) = self.told.try_recv() {
            self.answer(server, &waiting, result);
        }
        // An order that comes during this loop wakes the next pass.
        while let Ok(Order { command, answer: waiting }) = self.orders.try_recv() {
            let result = match command {
                Command::Look => Ok(()),
                Command::Start(streams) => match self.start_by_order(server, now, &streams, &waiting, &clock)
                {
                    // Answered when the file exists.
                    Ok(()) => continue,
                    refused => refused,
                },
                Command::Stop => match self.stop(now, Some(waiting.clone())) {
                    // Answered when the part is finished.
                    Ok(()) => continue,
                    refused => refused,
                },
            };
            self.answer(server, &waiting, result);
        }
    }

    fn start_by_order(
        &mut self,
        server: &Server,
        now: Instant,
        streams: &[String],
        waiting: &Waiting,
        clock: impl Fn() -> Instant,
    ) -> Result<(), Refusal> {
        let patterns = streams.iter().map(|text| Pattern::new(text)).collect::<Result<_, _>>();
        self.start(now, Some(server), patterns.map_err(Refusal::Unclear)?, Some(waiting.clone()), clock)
    }

    fn answer(&self, server: &Server, waiting: &Waiting, result: Result<(), Refusal>) {
        let answer = Answer {
            identity: server.identity().clone(),
            result,
            status: self.status(),
            parts: self.writer.as_ref().map(Writer::parts),
        };
        // Fails if the connection has given up; one that waits has room for the answer.
        let _gone = waiting.try_send(answer);
    }

    /// The state of the recorder without the list of parts, which may be long.
    fn status(&self) -> RecorderStatus {
        let waiting = self.writer.as_ref().map_or(0, Writer::waiting_bytes);
        RecorderStatus {
            directory: self.settings.directory.to_string(),
            recording: self.running.as_ref().map(|running| RecordingStatus {
                name: running.name.clone(),
                streams: running.patterns.iter().map(|pattern| pattern.as_str().to_owned()).collect(),
                part: running.part,
                part_bytes: running.part_bytes,
                waiting_bytes: (waiting + running.tape.waiting_bytes()) as u64,
                forgotten: running.tape.forgotten(),
                copy_us_max: running.copy_us_max,
            }),
            drops: self.drops,
            last_drop: self.last_drop.clone(),
            parts: Vec::new(),
        }
    }
}

/// After a panic of the loop the tape holds the inputs that led to it, and must be written.
impl Drop for Recorder {
    fn drop(&mut self) {
        if let (Some(running), Some(writer)) = (&mut self.running, &mut self.writer) {
            writer.append(running.tape.take());
            writer.end(false, None);
            writer.finish();
        }
    }
}

/// A copy of the server, or of its part for the chosen streams.
fn copy(server: &Server, patterns: &[Pattern]) -> Server {
    if patterns.is_empty() {
        return server.clone();
    }
    server.subset(|name| patterns.iter().any(|pattern| pattern.fits(name)))
}

fn tape(patterns: &[Pattern]) -> Tape {
    if patterns.is_empty() { Tape::new() } else { Tape::of(patterns.to_vec()) }
}
