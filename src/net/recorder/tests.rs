//! Tests of the recorder with disks that are slow, full or missing while the server goes on.

use super::Recorder;
use super::control::{Answer, Command};
use super::directory::{Directory, Disk, Part};
use super::status::{PartStatus, RecorderStatus, Refusal};
use crate::base::id::{ConnId, ListenerId, Ticket};
use crate::base::rng::Seed;
use crate::base::slices::Slices;
use crate::base::time::{Epoch, Instant};
use crate::config::{self, Config};
use crate::record::{Contents, Difference, Entry, Observer, Replay, Start, read};
use crate::server::direct::{Direct, Peers};
use crate::server::{Input, Server, Taken};
use crate::status::Vitals;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

const EPOCH: Epoch = Epoch(1_700_000_000_000_000);
const API: ListenerId = ListenerId(2);

/// A disk in memory that can be full, and that can hang.
#[derive(Clone, Default)]
struct Fake {
    files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    /// Most bytes that it takes, all files together; `None`: any number.
    room: Arc<Mutex<Option<usize>>>,
    /// The disk blocks while this is locked.
    hang: Arc<Mutex<()>>,
}

impl Fake {
    fn files(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.files.lock().expect("no thread panics with it")
    }

    fn contents(&self) -> Vec<Contents> {
        self.files().values().map(|file| read(Bytes::copy_from_slice(file)).expect("a recording")).collect()
    }
}

struct FakePart(Fake, String);

impl Disk for Fake {
    fn create(&mut self, name: &str) -> io::Result<Box<dyn Part>> {
        self.files().insert(name.to_owned(), Vec::new());
        Ok(Box::new(FakePart(self.clone(), name.to_owned())))
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.files().remove(name).map(|_| ()).ok_or(io::ErrorKind::NotFound.into())
    }

    fn parts(&mut self) -> io::Result<Vec<PartStatus>> {
        Ok(Vec::new())
    }
}

impl Part for FakePart {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        drop(self.0.hang.lock());
        let mut files = self.0.files();
        let held: usize = files.values().map(Vec::len).sum();
        let room =
            self.0.room.lock().expect("no thread panics with it").map_or(usize::MAX, |room| room - held);
        let taken = bytes.len().min(room);
        files.get_mut(&self.1).expect("it was made").extend_from_slice(&bytes[..taken]);
        if taken < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The reactor without sockets: a peer of the API is the whole world.
struct Shell {
    direct: Direct<Sinks, Recorder>,
    port: u16,
}

/// Peers that take everything.
struct Sinks;

impl Peers for Sinks {
    fn write(&mut self, _: Instant, _: ConnId, slices: &Slices<'_>) -> Taken {
        Taken { len: slices.len(), room: true }
    }
}

impl Shell {
    fn new(change: impl FnOnce(&mut config::Recorder)) -> Self {
        let mut config = Config::default();
        config.recorder.directory = "flights".into();
        config.recorder.flush_ms = 10;
        change(&mut config.recorder);
        let (seed, now) = (Seed::from_u64(5), Instant::ZERO);
        let recorder = Recorder::new(&config, seed, EPOCH, Arc::new(|| {}));
        let server = Server::new(config, seed, now, EPOCH);
        Shell { direct: Direct::new(server, Sinks, recorder), port: 9000 }
    }

    /// Records from birth on, to `disk`.
    fn recording(disk: impl Disk + 'static, change: impl FnOnce(&mut config::Recorder)) -> Self {
        let mut shell = Shell::new(|settings| {
            settings.enabled = true;
            change(settings);
        });
        shell.recorder().write_to(Box::new(disk)).expect("a thread");
        shell.recorder().begin_at_birth(Instant::ZERO);
        shell
    }

    fn recorder(&mut self) -> &mut Recorder {
        &mut self.direct.monitor
    }

    fn now(&self) -> Instant {
        self.direct.now()
    }

    fn tell(&mut self, input: Input<'_>) {
        self.direct.tell(input);
    }

    fn connect(&mut self) -> ConnId {
        self.port += 1;
        let peer = SocketAddr::from(([192, 0, 2, 7], self.port));
        self.direct.accept(API, peer).expect("there is room")
    }

    /// Some milliseconds in which a peer asks for the streams and something of `size` bytes happens.
    fn turn(&mut self, conn: ConnId, size: usize) {
        self.direct.pass(Duration::from_millis(11));
        self.tell(Input::Received { conn, bytes: b"GET /api/v1/streams HTTP/1.1\r\nHost: a\r\n\r\n" });
        let vitals = Vitals { argv: "x".repeat(size).into(), ..Vitals::default() };
        self.tell(Input::Measured { ticket: Ticket(0), vitals: Box::new(vitals) });
        self.take_orders();
        let now = self.now();
        let (server, recorder) = self.direct.monitored();
        recorder.maintain(server, now, || now);
    }

    fn take_orders(&mut self) {
        let now = self.now();
        let (server, recorder) = self.direct.monitored();
        recorder.take_orders(server, now, || now);
    }

    /// The thread writes all that it was given: without that, how soon a part is full would depend on how
    /// fast this machine is.
    fn rest(&self) {
        let writer = self.direct.monitor.writer.as_ref().expect("it was started");
        for _ in 0..20_000 {
            if writer.has_room() && writer.waiting_bytes() == 0 {
                return;
            }
            std::thread::sleep(Duration::from_micros(100));
        }
        panic!("the thread does not write");
    }

    /// What the recorder answers to an operator's order, once it does.
    fn order(&mut self, command: Command) -> Answer {
        let desk = self.recorder().desk();
        std::thread::scope(|scope| {
            let asking = scope.spawn(move || desk.order(command));
            while !asking.is_finished() {
                self.take_orders();
                std::thread::sleep(Duration::from_millis(1));
            }
            asking.join().expect("it only waits").expect("the recorder answers")
        })
    }

    /// The same where it is to be performed.
    #[track_caller]
    fn perform(&mut self, command: Command) -> RecorderStatus {
        let answer = self.order(command);
        assert_eq!(answer.result, Ok(()));
        let parts = answer.parts.map(|parts| parts.list()).unwrap_or_default();
        RecorderStatus { parts, ..answer.status }
    }

    fn status(&mut self) -> RecorderStatus {
        self.perform(Command::Look)
    }

    /// Waits for what the thread is to bring about.
    fn until(&mut self, what: impl Fn(&RecorderStatus) -> bool) -> RecorderStatus {
        for _ in 0..2000 {
            let status = self.status();
            if what(&status) {
                return status;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("it does not come about: {:?}", self.status())
    }
}

#[derive(Default)]
struct Differences(Vec<Difference>);

impl Observer for Differences {
    fn differs(&mut self, difference: &Difference) {
        self.0.push(difference.clone());
    }
}

/// Plays a part alone; returns the number of inputs.
fn replay(contents: &Contents) -> u64 {
    replay_from(contents, contents.entries.clone())
}

fn replay_from(contents: &Contents, entries: Vec<Entry>) -> u64 {
    let mut differences = Differences::default();
    let mut replay = Replay::begin(contents).expect("it is of this build");
    replay.run(entries, &mut differences);
    assert_eq!(differences.0, []);
    replay.summary().inputs
}

#[test]
fn a_run_is_recorded_from_birth_to_its_end() {
    let disk = Fake::default();
    let mut shell = Shell::recording(disk.clone(), |_| {});
    let conn = shell.connect();
    for _ in 0..300 {
        shell.turn(conn, 100);
    }
    let now = shell.now();
    shell.recorder().finish(now);
    let [contents] = &disk.contents()[..] else { panic!("one part") };
    assert!(contents.ended && contents.torn.is_none());
    assert!(replay(contents) > 900);
}

#[test]
fn parts_replay_alone_and_one_after_the_other() {
    let disk = Fake::default();
    let mut shell = Shell::recording(disk.clone(), |settings| {
        settings.part_bytes_max = 64 << 10;
        settings.parts_max = 1000;
    });
    let conn = shell.connect();
    for turn in 0..400 {
        if turn % 100 == 50 {
            let _another = shell.connect();
        }
        shell.turn(conn, 1000);
        shell.rest();
    }
    let now = shell.now();
    shell.recorder().finish(now);
    let parts = disk.contents();
    assert!(parts.len() > 4, "{} parts", parts.len());
    let starts: Vec<Start> = parts.iter().map(|part| part.header.start).collect();
    assert!(starts[0] == Start::Birth && starts[1..].iter().all(|start| *start == Start::Saved));
    let alone: Vec<u64> = parts.iter().map(replay).collect();
    assert!(alone.iter().all(|inputs| *inputs > 20), "{alone:?}");
    let all: Vec<Entry> = parts.iter().flat_map(|part| part.entries.clone()).collect();
    assert_eq!(replay_from(&parts[0], all), alone.iter().sum::<u64>());
    let names: Vec<String> = disk.files().keys().cloned().collect();
    assert!(names.is_sorted() && names[2].ends_with("-000002.dacapo"), "{names:?}");
}

#[test]
fn a_part_ends_by_age_too_and_the_oldest_are_deleted() {
    let disk = Fake::default();
    let mut shell = Shell::recording(disk.clone(), |settings| {
        settings.part_ms_max = 1000;
        settings.parts_max = 2;
    });
    let conn = shell.connect();
    for _ in 0..600 {
        shell.turn(conn, 10);
        shell.rest();
    }
    let now = shell.now();
    shell.recorder().finish(now);
    let parts = disk.contents();
    let numbers: Vec<u32> = parts.iter().map(|part| part.header.part).collect();
    assert_eq!(numbers, [5, 6], "of 6.6 seconds the last two");
    parts.iter().for_each(|part| assert!(part.ended && replay(part) > 10));
}

#[test]
fn a_recording_that_begins_in_mid_run_replays() {
    let disk = Fake::default();
    let mut shell = Shell::new(|_| {});
    shell.recorder().write_to(Box::new(disk.clone())).expect("a thread");
    let conn = shell.connect();
    (0..20).for_each(|_| shell.turn(conn, 100));
    shell.perform(Command::Start(Vec::new()));
    (0..20).for_each(|_| shell.turn(conn, 100));
    shell.perform(Command::Stop);
    let [contents] = &disk.contents()[..] else { panic!("one part") };
    assert!(contents.ended && contents.header.start == Start::Saved);
    assert!(replay(contents) > 40);
}

#[test]
fn while_the_disk_hangs_no_copies_of_the_server_pile_up() {
    let disk = Fake::default();
    let mut shell = Shell::recording(disk.clone(), |settings| settings.part_bytes_max = 64 << 10);
    let conn = shell.connect();
    shell.turn(conn, 100);
    let hang = Arc::clone(&disk.hang);
    let hanging = hang.lock().expect("no thread panics with it");
    for _ in 0..20 {
        shell.turn(conn, 100_000);
    }
    let recording = shell.status().recording.expect("it goes on");
    assert!(recording.part <= 1 && recording.waiting_bytes > 1_000_000, "{recording:?}");
    drop(hanging);
    shell.until(|status| status.recording.as_ref().is_some_and(|recording| recording.waiting_bytes < 5_000));
    (0..3).for_each(|_| shell.turn(conn, 100_000));
    let now = shell.now();
    shell.recorder().finish(now);
    let parts = disk.contents();
    assert!(parts.len() >= 3, "{} parts", parts.len());
    // The last part may have begun with nothing left to happen.
    let inputs: Vec<u64> = parts.iter().map(replay).collect();
    assert!(parts.iter().all(|part| part.ended) && inputs.iter().sum::<u64>() > 20, "{inputs:?}");
}

#[test]
fn a_slow_disk_costs_the_recording_and_not_the_service() {
    let disk = Fake::default();
    let mut shell = Shell::recording(disk.clone(), |settings| settings.queue_bytes_max = 1 << 20);
    let conn = shell.connect();
    shell.turn(conn, 100);
    shell.rest();
    let hang = Arc::clone(&disk.hang);
    let hanging = hang.lock().expect("no thread panics with it");
    for _ in 0..30 {
        shell.turn(conn, 100_000);
    }
    let status = shell.status();
    assert_eq!((status.drops, status.recording), (1, None));
    assert!(status.last_drop.contains("too slow"), "{}", status.last_drop);
    assert_eq!(shell.order(Command::Start(Vec::new())).result, Err(Refusal::Busy));
    drop(hanging);
    shell.turn(conn, 100);
    let status = shell.until(|status| matches!(&status.parts[..], [part] if part.finished));
    assert_eq!(status.drops, 1, "it is counted once");
    let contents = disk.contents();
    let [contents] = &contents[..] else { panic!("{} parts and not one", contents.len()) };
    assert!(!contents.ended && contents.torn.is_none());
    assert!(replay(contents) > 8, "it is good up to where it was dropped");
}

#[test]
fn a_full_disk_costs_the_recording_and_another_can_begin_when_there_is_room() {
    let disk = Fake::default();
    *disk.room.lock().expect("no thread panics with it") = Some(300_000);
    let mut shell = Shell::recording(disk.clone(), |_| {});
    let conn = shell.connect();
    for _ in 0..200 {
        shell.turn(conn, 10_000);
        if shell.status().drops > 0 {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let status = shell.status();
    assert!(status.last_drop.contains("cannot write to the disk"), "{status:?}");
    let [contents] = &disk.contents()[..] else { panic!("one part") };
    let torn = contents.torn.expect("the disk was full in mid-block");
    assert!(torn.lost > 0 && replay(contents) > 20);
    *disk.room.lock().expect("no thread panics with it") = None;
    let status = shell.perform(Command::Start(Vec::new()));
    assert!(status.recording.is_some() && status.drops == 1);
}

#[test]
fn a_directory_that_cannot_be_made_is_told_to_who_asked() {
    let mut shell = Shell::new(|settings| settings.directory = "/proc/flights".into());
    let refused = shell.order(Command::Start(Vec::new())).result;
    assert!(matches!(&refused, Err(Refusal::Disk(why)) if why.contains("cannot create")), "{refused:?}");
}

#[test]
fn orders_are_performed_or_refused_with_the_reason() {
    let directory = std::env::temp_dir().join(format!("dacapo-recorder-{}", std::process::id()));
    let place = directory.to_str().expect("UTF-8").to_owned();
    let mut shell = Shell::new(|settings| settings.directory = place.into());
    assert_eq!(shell.order(Command::Stop).result, Err(Refusal::Idle));
    let wrong = shell.order(Command::Start(vec!["live/[".to_owned()])).result;
    assert!(matches!(&wrong, Err(Refusal::Unclear(why)) if why.contains("live/[")), "{wrong:?}");
    let status = shell.perform(Command::Start(vec!["live/*".to_owned()]));
    assert_eq!(status.recording.expect("it records").streams, ["live/*"]);
    let name = status.parts[0].name.clone();
    assert!(!status.parts[0].finished);
    assert_eq!(shell.order(Command::Start(Vec::new())).result, Err(Refusal::Running));
    let status = shell.perform(Command::Stop);
    assert!(status.parts[0].finished && status.recording.is_none(), "{status:?}");
    let file = directory.join(&name);
    let mode = |path: &std::path::Path| path.metadata().expect("it is there").permissions().mode() & 0o777;
    assert_eq!((mode(&directory), mode(&file)), (0o700, 0o600));
    let written = std::fs::read(&file).expect("it is there");
    assert_eq!(written.len() as u64, status.parts[0].bytes);
    assert!(String::from_utf8_lossy(&written[..40]).contains("SECRET"));
    std::fs::write(directory.join("notes.txt"), b"not ours").expect("a directory");
    let names: Vec<String> =
        Directory(directory.clone()).parts().expect("a list").into_iter().map(|part| part.name).collect();
    assert_eq!(names, [name]);
    std::fs::remove_dir_all(directory).expect("it was made here");
}

#[test]
fn what_led_to_a_panic_is_not_lost() {
    let disk = Fake::default();
    let mut shell = Shell::recording(disk.clone(), |settings| settings.flush_ms = 1000);
    let conn = shell.connect();
    shell.tell(Input::Received { conn, bytes: b"GET /the/last/words" });
    drop(shell);
    let [contents] = &disk.contents()[..] else { panic!("one part") };
    assert_eq!(contents.entries.len(), 2, "{:?}", contents.entries);
    assert!(!contents.ended);
}
