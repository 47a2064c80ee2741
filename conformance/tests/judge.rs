//! The judge sees what it should: each invariant is broken once by hand, in bytes that no server sent.
//!
//! A check that sees nothing would let everything pass; so every test here begins with a run that is clean,
//! and breaks one thing.

use conformance::judge::{Judge, Rules, SecondPublisher, Service, StartAt, Violation};
use conformance::reader::amf::Amf;
use conformance::reader::flv::{AUDIO, DATA, Tag, VIDEO};
use conformance::reader::rtmp::{self, Message};
use conformance::reader::ws;

/// A moment, in microseconds.
const MOMENT: u64 = 1_000;

/// Pictures of a film, each 40 ms long; every tenth is a keyframe.
const PICTURES: u32 = 40;

/// Something that happens on a stage.
struct Stage {
    judge: Judge,
    at_us: u64,
}

impl Stage {
    fn new(rules: Rules) -> Self {
        Stage { judge: Judge::new(rules), at_us: 0 }
    }

    fn open(&mut self, conn_no: u32, service: Service) {
        self.at_us += MOMENT;
        self.judge.opened(self.at_us, conn_no, service);
    }

    fn said(&mut self, conn_no: u32, bytes: &[u8]) {
        self.at_us += MOMENT;
        self.judge.from_client(self.at_us, conn_no, bytes);
    }

    fn told(&mut self, conn_no: u32, bytes: &[u8]) {
        self.at_us += MOMENT;
        self.judge.to_client(self.at_us, conn_no, bytes);
    }

    /// Connects, shakes hands.
    fn rtmp(&mut self, conn_no: u32) {
        self.open(conn_no, Service::Rtmp);
        self.said(conn_no, &[rtmp::handshake(), rtmp::connect("live").chunks(128)].concat());
        self.told(conn_no, &[0; 3073]);
    }

    fn asks_to_publish(&mut self, conn_no: u32, stream: &str) {
        self.rtmp(conn_no);
        self.said(conn_no, &rtmp::publish(stream).chunks(128));
        self.said(conn_no, &Message::set_chunk_size(4096).chunks(128));
    }

    /// A publisher that is let in.
    fn publisher(&mut self, conn_no: u32, stream: &str) {
        self.asks_to_publish(conn_no, stream);
        self.told(conn_no, &status("NetStream.Publish.Start"));
    }

    fn publishes(&mut self, conn_no: u32, tags: &[Tag]) {
        for tag in tags {
            self.said(conn_no, &Message::media(tag).chunks(4096));
        }
    }

    /// A player of FLV that is let in.
    fn player(&mut self, conn_no: u32, stream: &str) {
        self.open(conn_no, Service::Http);
        self.said(conn_no, format!("GET /live/{stream}.flv HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes());
        self.told(conn_no, b"HTTP/1.1 200 OK\r\nContent-Type: video/x-flv\r\n\r\n");
        self.told(conn_no, b"FLV\x01\x05\0\0\0\x09\0\0\0\0");
    }

    fn gets(&mut self, conn_no: u32, tags: &[Tag]) {
        for tag in tags {
            self.told(conn_no, &tag.bytes());
        }
    }

    fn close(&mut self, conn_no: u32) {
        self.at_us += MOMENT;
        self.judge.closed(self.at_us, conn_no, false);
    }

    /// What was found, without repeats.
    fn found(&mut self) -> Vec<&'static str> {
        self.judge.finish(self.at_us);
        let mut found: Vec<_> = self.judge.violations().iter().map(|violation| violation.invariant).collect();
        found.dedup();
        found
    }

    #[track_caller]
    fn is_clean(&mut self) {
        self.judge.finish(self.at_us);
        assert_eq!(self.judge.violations(), &[] as &[Violation]);
    }
}

fn status(code: &str) -> Vec<u8> {
    let info = Amf::Object(vec![("code".to_owned(), Amf::text(code))]);
    Message::command(1, &[Amf::text("onStatus"), Amf::Number(0.0), Amf::Null, info]).chunks(128)
}

fn tag(kind: u8, timestamp: u32, body: &[u8]) -> Tag {
    Tag { kind, timestamp, body: body.to_vec() }
}

/// Configurations of H.264 and AAC that are told apart by a number.
fn headers(number: u8) -> Vec<Tag> {
    vec![tag(VIDEO, 0, &[0x17, 0, 0, 0, 0, 1, number]), tag(AUDIO, 0, &[0xaf, 0, 0x12, number])]
}

/// A picture; its composition time is 40 ms.
fn picture(number: u8, at: u32, origin: u32) -> Tag {
    let first = if at.is_multiple_of(10) { 0x17 } else { 0x27 };
    let [_, _, high, low] = at.to_be_bytes();
    tag(VIDEO, origin.wrapping_add(at * 40), &[first, 1, 0, 0, 40, 0, 0, 0, 4, 0x65, number, high, low])
}

fn sound(number: u8, at: u32, origin: u32) -> Tag {
    let [_, _, high, low] = at.to_be_bytes();
    tag(AUDIO, origin.wrapping_add(at * 40 + 10), &[0xaf, 1, number, high, low])
}

/// Pictures and sound in turn, told apart from other films by `number`.
fn film_from(number: u8, origin: u32) -> Vec<Tag> {
    (0..PICTURES).flat_map(|at| [picture(number, at, origin), sound(number, at, origin)]).collect()
}

fn film(number: u8) -> Vec<Tag> {
    film_from(number, 0)
}

/// One publisher, and a player that gets what `change` makes of the headers and the film.
fn run(change: impl FnOnce(&mut Vec<Tag>)) -> Vec<&'static str> {
    let mut stage = Stage::new(Rules::default());
    stage.publisher(1, "a");
    stage.player(2, "a");
    stage.publishes(1, &[headers(1), film(1)].concat());
    let mut got = [headers(1), film(1)].concat();
    change(&mut got);
    stage.gets(2, &got);
    stage.found()
}

/// Where in what a player gets the picture `at` stands.
fn place(at: usize) -> usize {
    2 + at * 2
}

#[test]
fn a_clean_run_is_clean_and_counted() {
    assert_eq!(run(|_| {}), [] as [&str; 0]);
    let mut stage = Stage::new(Rules::default());
    stage.publisher(1, "a");
    stage.publishes(1, &[headers(1), film(1)].concat());
    stage.player(2, "a");
    // A joiner begins at the newest keyframe, the thirtieth picture.
    stage.gets(2, &[headers(1), film(1)[60..].to_vec()].concat());
    stage.is_clean();
    let report = stage.judge.report();
    let publisher = &report.streams["live/a"].publishers[0];
    assert_eq!((publisher.video_frames, publisher.audio_frames, publisher.refused_frames), (40, 40, 0));
    let play = &report.plays[0];
    assert_eq!((play.conn_no, play.format, play.stream.as_str(), play.gaps), (2, "flv", "live/a", 0));
    let video = &play.tracks[&(VIDEO, 0)];
    assert_eq!((video.frames, video.keys, video.configs, video.dts_us), (10, 1, 1, (1_200_000, 1_560_000)));
}

#[test]
fn i1_a_frame_twice_or_two_frames_swapped() {
    assert_eq!(run(|got| got.insert(place(5) + 1, got[place(5) + 1].clone()))[..1], ["I1"]);
    assert!(run(|got| got.swap(place(5) + 1, place(6) + 1)).contains(&"I1"));
    assert!(run(|got| got.swap(place(5), place(6))).contains(&"I1"));
}

#[test]
fn i2_a_beginning_without_keyframe_or_headers() {
    assert_eq!(run(|got| drop(got.drain(place(0)..place(1))))[..1], ["I2"]);
    assert_eq!(run(|got| drop(got.remove(0)))[..1], ["I5"]);
    assert!(run(|got| drop(got.remove(0))).contains(&"I2"));
    assert_eq!(run(|got| got.insert(0, got[0].clone())), ["I2"], "headers twice");
}

#[test]
fn i3_a_gap_that_ends_at_no_keyframe() {
    let mut stage = Stage::new(Rules::default());
    stage.publisher(1, "a");
    stage.player(2, "a");
    stage.judge.stalled(stage.at_us, 2);
    stage.publishes(1, &[headers(1), film(1)].concat());
    let mut got = [headers(1), film(1)].concat();
    got.drain(place(5)..place(10));
    stage.gets(2, &got[..place(8)]);
    stage.is_clean();
    let mut again = film(1);
    again.drain(..place(15) - 2);
    stage.gets(2, &again);
    assert_eq!(stage.found(), ["I3"]);
}

#[test]
fn i4_a_gap_though_everything_was_taken() {
    assert_eq!(run(|got| drop(got.drain(place(5)..place(10)))), ["I4"]);
    assert_eq!(run(|got| drop(got.remove(place(5) + 1))), ["I3"], "one sound");
}

#[test]
fn i4_a_ring_that_is_smaller_than_what_comes_at_once() {
    let ring = |ring_frames_max| {
        let rules = Rules { ring_frames_max, patience_us: 1_000_000, ..Rules::default() };
        let mut stage = Stage::new(rules);
        stage.publisher(1, "a");
        stage.player(2, "a");
        let all = [headers(1), film(1)].concat();
        stage.publishes(1, &all[..place(5)]);
        stage.gets(2, &all[..place(5)]);
        stage.publishes(1, &all[place(5)..]);
        stage.gets(2, &all[place(20)..]);
        stage.found()
    };
    assert_eq!(ring(16), [] as [&str; 0]);
    assert_eq!(ring(100), ["I4"]);
}

#[test]
fn i5_frames_that_need_other_headers_than_the_player_has() {
    let change = |skip: bool| {
        let mut stage = Stage::new(Rules::default());
        stage.publisher(1, "a");
        stage.player(2, "a");
        let tags = [headers(1), film(1)[..40].to_vec(), headers(2), film(1)[40..].to_vec()].concat();
        stage.publishes(1, &tags);
        let mut got = tags;
        if skip {
            got.remove(place(20));
        }
        stage.gets(2, &got);
        stage.found()
    };
    assert_eq!(change(false), [] as [&str; 0]);
    assert_eq!(change(true), ["I5"]);
}

#[test]
fn i6_a_payload_with_another_bit() {
    assert_eq!(run(|got| *got[place(5)].body.last_mut().expect("a body") ^= 0x80)[..1], ["I6"]);
}

#[test]
fn i7_frames_of_another_stream_and_of_a_former_publisher() {
    let mut stage = Stage::new(Rules::default());
    stage.publisher(1, "a");
    stage.publisher(2, "b");
    stage.player(3, "a");
    stage.publishes(1, &[headers(1), film(1)].concat());
    stage.publishes(2, &[headers(2), film(2)].concat());
    stage.gets(3, &[headers(1), film(1)[..20].to_vec(), film(2)[20..21].to_vec()].concat());
    assert_eq!(stage.found(), ["I7"]);

    let mut stage = Stage::new(Rules::default());
    stage.publisher(1, "a");
    stage.player(3, "a");
    stage.publishes(1, &[headers(1), film(1)].concat());
    stage.gets(3, &[headers(1), film(1)].concat());
    stage.close(1);
    stage.publisher(2, "a");
    stage.publishes(2, &[headers(2), film(2)].concat());
    // The second film goes on where the first ended: its last sound was at 1570 ms.
    let second = film_from(2, 1_610);
    stage.gets(3, &[headers(2), second[..20].to_vec()].concat());
    stage.is_clean();
    let late = tag(VIDEO, 2_010, &film(1)[20].body);
    stage.gets(3, &[late]);
    assert_eq!(stage.found(), ["I7"]);
}

#[test]
fn i8_a_burst_from_an_old_keyframe() {
    let late = |start, from: usize| {
        let mut stage = Stage::new(Rules { start, patience_us: 10 * MOMENT, ..Rules::default() });
        stage.publisher(1, "a");
        stage.publishes(1, &[headers(1), film(1)].concat());
        stage.at_us += 1_000_000;
        stage.player(2, "a");
        stage.gets(2, &[headers(1), film(1)[from..].to_vec()].concat());
        stage.found()
    };
    assert_eq!(late(StartAt::NewestKey, 60), [] as [&str; 0]);
    assert_eq!(late(StartAt::NewestKey, 40), ["I8"]);
    assert_eq!(late(StartAt::OldestKey, 0), [] as [&str; 0]);
    assert_eq!(late(StartAt::NextKey, 60), ["I8"]);
}

#[test]
fn i9_time_that_steps_back_or_stands() {
    assert_eq!(run(|got| got[place(5)].timestamp -= 80)[..1], ["I9"]);
    assert_eq!(run(|got| got[place(5)].timestamp -= 40)[..1], ["I9"]);
}

#[test]
fn i10_a_picture_that_is_shown_at_another_time() {
    assert_eq!(run(|got| got[place(5)].body[4] = 80), ["I10"]);
    assert!(run(|got| got[place(5)].body[2..5].fill(0xff)).contains(&"I10"), "before it is decoded");
}

#[test]
fn i11_sound_that_drifts_away_from_the_picture() {
    let drift = |got: &mut Vec<Tag>| {
        for (at, tag) in got.iter_mut().enumerate().filter(|(_, tag)| tag.kind == AUDIO) {
            tag.timestamp += u32::try_from(at).expect("few");
        }
    };
    assert_eq!(run(drift), ["I11"]);
}

#[test]
fn i12_time_that_ends_with_its_bits() {
    // A publisher that starts at a large time is moved near zero; one that runs for 50 days is not at hand.
    // So the player's timestamps are those of a stream that began elsewhere.
    let shift = 0xffff_ffff - 400;
    let wrapped = |got: &mut Vec<Tag>| {
        for tag in got.iter_mut().skip(2) {
            tag.timestamp = tag.timestamp.wrapping_add(shift);
        }
    };
    assert_eq!(run(wrapped), [] as [&str; 0]);
    let stuck = |got: &mut Vec<Tag>| {
        for tag in got.iter_mut().skip(2) {
            tag.timestamp = tag.timestamp.saturating_add(shift);
        }
    };
    assert!(run(stuck).contains(&"I12"));
}

#[test]
fn i23_bytes_after_the_end_and_ends_that_come_twice() {
    let mut stage = Stage::new(Rules::default());
    stage.player(1, "a");
    stage.close(1);
    stage.is_clean();
    stage.told(1, b"x");
    assert_eq!(stage.found(), ["I23"]);
    let mut stage = Stage::new(Rules::default());
    stage.player(1, "a");
    stage.close(1);
    stage.close(1);
    assert_eq!(stage.found(), ["I23"]);
}

#[test]
fn i24_two_publishers_of_one_name() {
    let two = |second, first_leaves: bool| {
        let mut stage = Stage::new(Rules { second, ..Rules::default() });
        stage.publisher(1, "a");
        stage.publishes(1, &[headers(1), film(1)].concat());
        stage.publisher(2, "a");
        if first_leaves {
            stage.close(1);
        }
        stage.at_us += 10_000_000;
        stage.found()
    };
    assert_eq!(two(SecondPublisher::Replaces, true), [] as [&str; 0]);
    assert_eq!(two(SecondPublisher::Replaces, false), ["I24"]);
    assert_eq!(two(SecondPublisher::Refused, false), ["I24"]);
    let mut stage = Stage::new(Rules::default());
    stage.publisher(1, "a");
    stage.asks_to_publish(2, "a");
    stage.told(2, &status("NetStream.Publish.BadName"));
    stage.at_us += 10_000_000;
    stage.is_clean();
}

#[test]
fn i37_media_that_nobody_was_granted() {
    let mut stage = Stage::new(Rules::default());
    stage.publisher(1, "a");
    stage.publishes(1, &[headers(1), film(1)].concat());
    stage.rtmp(2);
    stage.said(2, &rtmp::play("a").chunks(128));
    stage.told(2, &Message::media(&film(1)[60]).chunks(128));
    assert_eq!(stage.found(), ["I37"]);
}

#[test]
fn w1_bytes_that_are_malformed() {
    assert_eq!(run(|got| got[place(5)].kind = 7), ["W1"]);
    let mut stage = Stage::new(Rules::default());
    stage.rtmp(1);
    stage.told(1, &[0xc3]);
    assert_eq!(stage.found(), ["W1"]);
    let mut stage = Stage::new(Rules::default());
    stage.open(1, Service::Api);
    stage.told(1, b"no HTTP\r\n\r\n");
    assert_eq!(stage.found(), ["W1"]);
}

#[test]
fn players_of_rtmp_and_web_sockets_are_judged_alike() {
    let mut stage = Stage::new(Rules::default());
    stage.publisher(1, "a");
    stage.rtmp(2);
    stage.said(2, &rtmp::play("a").chunks(128));
    stage.told(2, &status("NetStream.Play.Start"));
    stage.open(3, Service::Http);
    stage.said(3, b"GET /live/a.flv HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
    stage.told(3, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n");
    stage.told(3, &ws::frame(ws::opcode::BINARY, b"FLV\x01\x05\0\0\0\x09\0\0\0\0", None));
    stage.publishes(1, &[headers(1), film(1)].concat());
    for tag in [headers(1), film(1)].concat() {
        stage.told(2, &Message::media(&tag).chunks(128));
        stage.told(3, &ws::frame(ws::opcode::BINARY, &tag.bytes(), None));
    }
    stage.is_clean();
    let formats: Vec<_> = stage.judge.report().plays.iter().map(|play| (play.conn_no, play.format)).collect();
    assert_eq!(formats, [(2, "rtmp"), (3, "ws-flv")]);
    stage.told(2, &Message::media(&film(1)[60]).chunks(128));
    stage.told(3, &ws::frame(ws::opcode::BINARY, &film(1)[60].bytes(), None));
    let conns: Vec<_> = stage.judge.violations().iter().map(|violation| violation.conn_no).collect();
    assert!(conns.contains(&Some(2)) && conns.contains(&Some(3)), "{:?}", stage.judge.violations());
}

#[test]
fn a_player_that_pauses_may_miss_what_it_did_not_want() {
    let mut stage = Stage::new(Rules::default());
    stage.publisher(1, "a");
    stage.rtmp(2);
    stage.said(2, &rtmp::play("a").chunks(128));
    stage.told(2, &status("NetStream.Play.Start"));
    let steer = |name: &str, flag: bool| {
        let values = [Amf::text(name), Amf::Number(0.0), Amf::Null, Amf::Boolean(flag)];
        Message::command(1, &values).chunks(128)
    };
    let all = [headers(1), film(1)].concat();
    let get = |stage: &mut Stage, tags: &[Tag]| {
        for tag in tags {
            stage.told(2, &Message::media(tag).chunks(128));
        }
    };
    stage.publishes(1, &all[..place(12)]);
    get(&mut stage, &all[..place(12)]);
    stage.said(2, &steer("receiveVideo", false));
    stage.publishes(1, &all[place(12)..place(15)]);
    get(&mut stage, &[all[place(12) + 1].clone(), all[place(13) + 1].clone(), all[place(14) + 1].clone()]);
    stage.said(2, &steer("receiveVideo", true));
    stage.said(2, &steer("pause", true));
    stage.publishes(1, &all[place(15)..place(25)]);
    stage.said(2, &steer("pause", false));
    stage.publishes(1, &all[place(25)..]);
    get(&mut stage, &all[place(30)..]);
    stage.is_clean();
}

#[test]
fn what_a_publisher_sends_before_it_is_let_in_counts_from_then_on() {
    let mut stage = Stage::new(Rules::default());
    stage.asks_to_publish(1, "a");
    stage.player(2, "a");
    stage.publishes(1, &[headers(1), film(1)].concat());
    assert!(stage.judge.report().streams["live/a"].publishers.is_empty());
    // Its socket is full, so it never gets the answer that admits it; but a player gets its frames.
    stage.gets(2, &[headers(1), film(1)].concat());
    stage.is_clean();
    assert_eq!(stage.judge.report().streams["live/a"].publishers[0].video_frames, 40);
}

#[test]
fn data_is_counted_and_leaves_time_alone() {
    let mut stage = Stage::new(Rules::default());
    stage.publisher(1, "a");
    stage.player(2, "a");
    stage.publishes(1, &[headers(1), film(1)].concat());
    let meta = tag(DATA, 0, b"\x02\0\x0aonMetaData\x05");
    let got = [headers(1), film(1)[..30].to_vec(), vec![meta], film(1)[30..].to_vec()].concat();
    stage.gets(2, &got);
    stage.is_clean();
    assert_eq!(stage.judge.report().plays[0].data, 1);
}
