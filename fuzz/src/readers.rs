//! Our own readers, the judge, configurations and recordings: none panics or hoards, whatever it is given.

use crate::{Source, pieces};
use bytes::Bytes;
use conformance::import;
use conformance::judge::hls::{Answer, HlsJudge, HlsRules};
use conformance::reader::chunk::{ChunkReader, PARTIAL_BYTES_MAX};
use conformance::reader::flv::TagReader;
use conformance::reader::fmp4::Movie;
use conformance::reader::http::{RequestReader, ResponseReader};
use conformance::reader::m3u8::{self, Playlist};
use conformance::reader::ts::TsReader;
use conformance::reader::ws::WsReader;
use conformance::reader::{Wrong, es};
use dacapo::base::rng::Seed;
use dacapo::config as settings;
use dacapo::record::{self as recording, Replay};
use std::collections::BTreeSet;
use tools::redact::redact;

/// A configuration file: what is read is printed, and read again as the same.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match settings::load(text, "a.ron", &[]) {
        Ok(config) => {
            let printed = settings::print(&config);
            let again = settings::load(&printed, "b.ron", &[]).expect("what was printed is read again");
            assert_eq!(settings::print(&again), printed, "and is the same");
        }
        Err(error) => assert!(!error.to_string().is_empty(), "an error has words"),
    }
}

/// A recording: what is read is written, read again as the same, played and redacted.
pub fn record(bytes: &[u8]) {
    // Checksums keep a fuzzer out: an input without a recording's line is put into one.
    let whole = if bytes.starts_with(b"dacapo recording") { bytes.to_vec() } else { framed(bytes) };
    let Ok(contents) = recording::read(Bytes::from(whole)) else { return };
    let _ = (contents.header.seed(), contents.header.config());
    let written = recording::write(&contents.header, &contents.entries);
    let again = recording::read(Bytes::from(written)).expect("what was written is read again");
    assert_eq!(again.entries, contents.entries, "and is the same");
    let Ok(mut replay) = Replay::begin(&contents) else { return };
    replay.run(contents.entries.iter().cloned(), &mut ());
    let _ = redact(&contents, Seed::from_u64(3));
}

/// The bytes as the entries of a recording.
fn framed(bytes: &[u8]) -> Vec<u8> {
    let seed = Seed::from_u64(1);
    let header = recording::Header::new(&settings::Config::default(), &seed, dacapo::base::time::Epoch(0));
    let mut whole = recording::head(&header);
    whole.push(ENTRIES);
    let mut check = u32::MAX;
    for byte in [ENTRIES].iter().chain(bytes) {
        check ^= u32::from(*byte);
        for _ in 0..8 {
            check = check >> 1 ^ if check & 1 == 1 { 0xedb8_8320 } else { 0 };
        }
    }
    whole.extend(u32::try_from(bytes.len()).expect("a short input").to_le_bytes());
    whole.extend((!check).to_le_bytes());
    whole.extend_from_slice(bytes);
    whole
}

/// The kind of block that holds entries.
const ENTRIES: u8 = b'E';

/// Chunks, in pieces.
pub fn rtmp(bytes: &[u8]) {
    let mut source = Source(bytes);
    let seed = source.byte();
    let new = || if seed & 1 == 0 { ChunkReader::new() } else { ChunkReader::new().lenient() };
    let whole = all(std::iter::once(source.0), new(), |reader, piece| reader.push(piece));
    let cut = all(pieces(source.0, seed), new(), |reader, piece| reader.push(piece));
    assert_eq!(whole, cut, "the same however it is cut");
    let held: usize = whole.0.iter().map(|message| message.body.len()).sum();
    assert!(held <= bytes.len().max(PARTIAL_BYTES_MAX), "messages come out of bytes");
}

/// What comes out of a reader until the first error.
fn all<'a, R, T>(
    pieces: impl Iterator<Item = &'a [u8]>,
    mut reader: R,
    mut push: impl FnMut(&mut R, &[u8]) -> Result<Vec<T>, Wrong>,
) -> (Vec<T>, bool) {
    let mut found = Vec::new();
    for piece in pieces {
        match push(&mut reader, piece) {
            Ok(more) => found.extend(more),
            Err(_) => return (found, false),
        }
    }
    // A reader that gives what stands before a fault tells of the fault when it is asked again.
    let sound = push(&mut reader, &[]).is_ok();
    (found, sound)
}

/// Responses, requests and WebSocket frames, in pieces.
pub fn http(bytes: &[u8]) {
    let mut source = Source(bytes);
    let seed = source.byte();
    let mut responses = ResponseReader::new();
    let mut requests = RequestReader::new();
    let (mut frames, mut of_client) = (WsReader::new(), WsReader::of_client());
    for piece in pieces(source.0, seed) {
        let _ = responses.push(piece);
        let _ = requests.push(piece);
        let _ = frames.push(piece);
        let _ = of_client.push(piece);
    }
    let _ = responses.finish();
}

/// FLV, in pieces: the same tags however it is cut.
pub fn flv(bytes: &[u8]) {
    let mut source = Source(bytes);
    let seed = source.byte();
    let mut whole = TagReader::new();
    let tags = whole.push(source.0);
    for tag in tags.iter().flatten() {
        for packet in tag.packets().unwrap_or_default() {
            assert!(tag.body.get(packet.payload).is_some(), "a payload is inside its body");
        }
    }
    let mut cut = TagReader::new();
    let (found, sound) = all(pieces(source.0, seed), &mut cut, |reader, piece| reader.push(piece));
    assert_eq!(tags.is_ok(), sound, "the same however it is cut");
    assert!(tags.is_err() || tags == Ok(found), "the same however it is cut");
    let _ = (whole.finish(), whole.wants());
}

/// Transport streams, in pieces. An input need not have right checksums or sync bytes: those are repaired.
pub fn ts(bytes: &[u8]) {
    let mut source = Source(bytes);
    let seed = source.byte();
    let repaired = repaired(source.0);
    for mut reader in [TsReader::new(), TsReader::with_gaps()] {
        let (units, _) = all(pieces(&repaired, seed), &mut reader, |reader, piece| reader.push(piece));
        let held = units.len();
        let _ = (reader.finish(), reader.packets(), held);
    }
    for range in es::byte_stream(source.0).unwrap_or_default() {
        assert!(source.0.get(range).is_some_and(|unit| !unit.is_empty()), "a unit is inside");
    }
    let _ = (es::adts(source.0), es::opus(source.0), es::length_prefixed(source.0, usize::from(seed % 6)));
}

/// Packets of 188 bytes with sync bytes, and tables with right checksums.
fn repaired(bytes: &[u8]) -> Vec<u8> {
    let mut repaired = Vec::new();
    for packet in bytes.chunks(187) {
        let mut packet = [&[0x47], packet].concat();
        packet.resize(188, 0xff);
        let length = 3 + (usize::from(packet[6] & 0x0f) << 8 | usize::from(packet[7]));
        if packet[4] == 0 && (12..=183).contains(&length) {
            let mut crc = u32::MAX;
            for byte in &packet[5..5 + length - 4] {
                crc ^= u32::from(*byte) << 24;
                for _ in 0..8 {
                    crc = crc << 1 ^ if crc & 0x8000_0000 == 0 { 0 } else { 0x04c1_1db7 };
                }
            }
            packet[5 + length - 4..5 + length].copy_from_slice(&crc.to_be_bytes());
        }
        repaired.extend(packet);
    }
    repaired
}

/// An initialisation section and a segment in one.
pub fn mp4(bytes: &[u8]) {
    let Ok(movie) = Movie::parse(bytes) else { return };
    for sample in movie.samples(bytes).unwrap_or_default() {
        assert!(bytes.get(sample.payload).is_some(), "a sample is inside the file");
    }
}

/// Playlists of both kinds.
pub fn m3u8(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(list) = Playlist::read(text) {
        assert!(list.numbered().count() == list.segments.len(), "each segment has a number");
    }
    let _ = (m3u8::read_variants(text), m3u8::attributes(text), m3u8::is_multivariant(text));
}

/// A capture of a network.
pub fn pcap(bytes: &[u8]) {
    let _ = import::read(bytes, &BTreeSet::from([1935, 8080]));
}

/// Answers of a server of HLS, and what was published to it.
pub fn judge_hls(bytes: &[u8]) {
    let mut source = Source(bytes);
    let mut judge = HlsJudge::new(HlsRules::default());
    let mut now_us = 0;
    for _ in 0..64 {
        if source.is_empty() {
            break;
        }
        let (what, step) = (source.byte(), source.word());
        now_us += u64::from(step) * 1000;
        let paths = ["/live/a/index.m3u8", "/live/a/seg-1.ts", "/live/a/seg-2.m4s", "/live/a/init-1.mp4"];
        let path = paths[usize::from(what >> 4) % paths.len()];
        match what & 3 {
            0 | 1 => {
                let status = if what & 1 == 0 { 200 } else { 404 };
                let (asked_us, at_us) = (now_us.saturating_sub(u64::from(step)), now_us);
                judge.answered(Answer { conn_no: 1, asked_us, at_us, path, status, body: source.bytes() });
            }
            2 => judge.published(
                "live/a",
                u32::from(what >> 6),
                8 + (what >> 2 & 1),
                step.into(),
                source.bytes(),
            ),
            _ => judge.published("live/b", 9, 9, step.into(), source.bytes()),
        }
    }
    let _ = judge.violations().len();
}
