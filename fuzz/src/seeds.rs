//! What fuzzing begins with: what real programs said, cut into the pieces that each target takes, and the
//! inputs that were found before.

use crate::Target;
use crate::{server as runs, words};
use conformance::capture::{Capture, fixtures, names, shelf};
use conformance::reader::chunk::ChunkReader;
use conformance::reader::flv::{AUDIO, Tag, VIDEO, packets};
use conformance::reader::rtmp::Message;
use dacapo::record::{ConnNo, Event, head, write};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The longest seed: what is longer teaches no more, only slower.
const BYTES_MAX: usize = 8192;

/// The most seeds of a target.
const SEEDS_MAX: usize = 120;

/// The seeds of a target, in a fixed order.
pub fn of(target: &Target) -> Vec<Vec<u8>> {
    let mut seeds = found(target);
    seeds.extend(match target.name {
        "server" => server(),
        "saved" => saved(),
        "amf" => messages(&[18, 20]).into_iter().map(|message| message.body).collect(),
        "rtmp_handshake" => cut(said("rtmp/", 3)),
        "rtmp_chunks" | "read_rtmp" => cut(chunks()),
        "rtmp_message" => messages(&[]).into_iter().map(|message| typed(&message)).collect(),
        "flv" => bodies().into_iter().map(|(kind, body)| [&[kind - 8][..], &body].concat()).collect(),
        "render" => render(),
        "http" => cut([said("h", b'G'), requests()].concat()),
        "websocket" => cut((0..=15).map(|kind| words::ws_frame(kind, b"\x03\xe8hello")).collect()),
        "codecs" => codecs(),
        "config" => configs(),
        "record" => recordings(),
        "read_http" => cut([requests(), said("h", b'H')].concat()),
        "read_flv" => cut(vec![flv()]),
        "read_m3u8" => vec![PLAYLIST.as_bytes().to_vec(), MULTIVARIANT.as_bytes().to_vec()],
        "judge_hls" => {
            let length = u16::try_from(PLAYLIST.len()).expect("short").to_le_bytes();
            vec![[&[0, 100, 0, length[0], length[1]][..], PLAYLIST.as_bytes()].concat()]
        }
        "read_ts" => cut(segments(".ts")),
        "read_mp4" => segments(".mp4"),
        _ => Vec::new(),
    });
    seeds.iter_mut().for_each(|seed| seed.truncate(BYTES_MAX));
    seeds.retain(|seed| !seed.is_empty());
    seeds.truncate(SEEDS_MAX);
    seeds
}

/// With the byte in front that says how the rest is cut.
fn cut(seeds: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    seeds.into_iter().map(|seed| [&[2], &seed[..]].concat()).collect()
}

/// Where the inputs that fuzzing found are kept.
pub fn folder(target: &Target) -> PathBuf {
    fixtures().join("fuzz").join(target.name)
}

/// The inputs that fuzzing found.
pub fn found(target: &Target) -> Vec<Vec<u8>> {
    let files = std::fs::read_dir(folder(target)).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = files.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).expect("a fixture is readable")).collect()
}

/// All that clients (and servers, in references) said on each connection of the captures whose names begin
/// so, where the first byte is `first`.
fn said(begin: &str, first: u8) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for name in names(&shelf()).into_iter().filter(|name| name.starts_with(begin)) {
        let Ok(capture) = Capture::load(&shelf(), &name) else { continue };
        for entries in [&capture.entries, &capture.reference] {
            let mut said: BTreeMap<ConnNo, Vec<u8>> = BTreeMap::new();
            for entry in entries {
                if let Event::Received { conn_no, bytes } = &entry.event {
                    said.entry(*conn_no).or_default().extend_from_slice(bytes);
                }
            }
            found.extend(said.into_values().filter(|bytes| bytes.first() == Some(&first)));
        }
    }
    found
}

fn chunks() -> Vec<Vec<u8>> {
    let behind = |bytes: Vec<u8>| bytes.get(3073..).unwrap_or_default().to_vec();
    said("rtmp/", 3).into_iter().map(behind).collect()
}

/// The short messages of the captures of these types, or of all types; a few of each.
fn messages(kinds: &[u8]) -> Vec<Message> {
    let mut by_kind: BTreeMap<u8, Vec<Message>> = BTreeMap::new();
    for bytes in chunks() {
        for message in ChunkReader::new().lenient().push(&bytes).unwrap_or_default() {
            let kept = by_kind.entry(message.kind).or_default();
            let wanted = kinds.is_empty() || kinds.contains(&message.kind);
            if wanted && message.body.len() < 1000 && kept.len() < 40 && !kept.contains(&message) {
                kept.push(message);
            }
        }
    }
    by_kind.into_values().flatten().collect()
}

fn typed(message: &Message) -> Vec<u8> {
    [&[message.kind][..], &message.timestamp.to_le_bytes(), &message.body].concat()
}

fn bodies() -> Vec<(u8, Vec<u8>)> {
    let media = messages(&[AUDIO, VIDEO]).into_iter().map(|message| (message.kind, message.body));
    let canned = (0..=255_u8).step_by(5).map(|which| words::media(which, 0, b"content"));
    let canned = canned.filter(|message| message.kind < 10).map(|message| (message.kind, message.body));
    media.chain(canned).collect()
}

/// For each codec and format a configuration, a key picture and sound.
fn render() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for format in 0..4 {
        for codecs in [0, 0x10, 0x20, 0x40] {
            let mut seed = vec![format];
            for kind in [0, 2, 4, 11, 7, 7, 11] {
                let message = words::media(codecs | kind, 0, b"content");
                let length = u16::try_from(message.body.len()).expect("a short body").to_le_bytes();
                seed.extend([message.kind - 8, 40, length[0], length[1]]);
                seed.extend(message.body);
            }
            seeds.push(seed);
        }
    }
    seeds
}

fn requests() -> Vec<Vec<u8>> {
    let post =
        b"POST /api/v1/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n";
    let canned = (0..=255).step_by(7).map(|which| words::request(which, "a"));
    canned.chain([post.to_vec()]).collect()
}

/// The configurations and frames inside the bodies.
fn codecs() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (kind, body) in bodies() {
        for packet in packets(kind, &body).unwrap_or_default() {
            let payload = &body[packet.payload];
            let length = u16::try_from(payload.len()).expect("a short body").to_le_bytes();
            for codec in 0..13 {
                let seed = [&[codec, length[0], length[1]][..], payload, payload].concat();
                if !seeds.contains(&seed) {
                    seeds.push(seed);
                }
            }
        }
    }
    let step = seeds.len().div_ceil(SEEDS_MAX).max(1);
    seeds.into_iter().step_by(step).collect()
}

fn configs() -> Vec<Vec<u8>> {
    let folder = fixtures().join("../conf");
    let read = |name: &str| std::fs::read(folder.join(name)).expect("a configuration is readable");
    let rules = b"(streams: [(pattern: \"live/*\", play: (flush: ms(40)))], http: (listen: [\"8081\"]))";
    vec![read("minimal.ron"), rules.to_vec(), read("dacapo.ron")]
}

fn flv() -> Vec<u8> {
    let head = [b'F', b'L', b'V', 1, 5, 0, 0, 0, 9, 0, 0, 0, 0];
    let tags = bodies().into_iter().take(9).map(|(kind, body)| Tag { kind, timestamp: 40, body }.bytes());
    head.into_iter().chain(tags.flatten()).collect()
}

/// The begin of what servers sent of HLS in the captures; for MP4 an initialisation section and a segment.
fn segments(kind: &str) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for answer in said("h", b'H') {
        let mut reader = conformance::reader::http::ResponseReader::new();
        let mut bodies: Vec<Vec<u8>> = Vec::new();
        for event in reader.push(&answer).unwrap_or_default() {
            match event {
                conformance::reader::http::HttpEvent::Head { .. } => bodies.push(Vec::new()),
                conformance::reader::http::HttpEvent::Body(more) => {
                    bodies.last_mut().into_iter().for_each(|body| body.extend_from_slice(&more));
                }
                conformance::reader::http::HttpEvent::End => {}
            }
        }
        if kind == ".ts" {
            let own = bodies.into_iter().filter(|body| body.first() == Some(&0x47));
            // Without sync bytes: the target puts them back.
            found.extend(
                own.map(|body| body.chunks(188).flat_map(|packet| packet[1..].to_vec()).collect::<Vec<u8>>()),
            );
        } else {
            let init = bodies.iter().find(|body| body.get(4..8) == Some(b"ftyp")).cloned();
            let segment = bodies.iter().find(|body| body.get(4..8) == Some(b"styp")).cloned();
            found.extend(init.map(|init| [init, segment.unwrap_or_default()].concat()));
        }
    }
    found
}

/// What people do with a server, as inputs of the target `server`.
fn server() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for settings in [[0x62, 0x00, 1], [0x63, 0x41, 1], [0xe6, 0x22, 1], [0x12, 0x06, 1], [0x62, 0x08, 0]] {
        for codecs in [0, 0x10, 0x20] {
            let mut seed = settings.to_vec();
            // Players that wait, a publisher, more players; GOPs; the publisher goes, time passes.
            seed.extend([19, 0, 0, 19, 0, 5, 18, 0, codecs | 8]);
            for which in [0, 1, 2, 4, 5, 8, 9, 13] {
                seed.extend([19, 0, which]);
            }
            for _ in 0..3 {
                seed.extend([16, 2, codecs, 20, 9, 3, 100, 0, 0, 13, 0, 200, 0, 10, 3]);
            }
            seed.extend([18, 0, codecs, 16, 11, codecs, 9, 11, 2, 13, 3, 0, 4]);
            seeds.push(seed);
        }
    }
    for bytes in said("rtmp/", 3).into_iter().take(20) {
        let piece = bytes[..bytes.len().min(4000)].to_vec();
        let length = u16::try_from(piece.len()).expect("short").to_le_bytes();
        seeds.push([&[0x62, 0, 1, 0, 0, 3, 0][..], &length, &piece, &[13, 0, 255, 0]].concat());
    }
    seeds
}

/// One change to each saved server, and what comes then: see [`crate::saved`].
fn saved() -> Vec<Vec<u8>> {
    let then = [2, 16, 2, 0, 20, 9, 3, 100, 0, 0, 13, 0, 200, 0, 19, 0, 1, 10, 3, 13, 3, 0, 4];
    let seed = |which: u8| [&[which, 1, which * 7, which, 0, 0, which][..], &then].concat();
    (0..12).map(seed).collect()
}

/// The first entries of recordings, as they stand in a block.
fn recordings() -> Vec<Vec<u8>> {
    let recorded = |run: Vec<u8>| {
        let (header, mut entries) = runs::decode(&run);
        entries.truncate(24);
        let whole = write(&header, &entries);
        let (block_head, rest) = whole[head(&header).len()..].split_first_chunk::<BLOCK_HEAD_BYTES>()?;
        let [_, len @ .., _, _, _, _] = *block_head;
        rest.get(..u32::from_le_bytes(len) as usize).map(<[u8]>::to_vec)
    };
    server().into_iter().take(6).filter_map(recorded).collect()
}

/// A block begins with its kind, length and checksum.
const BLOCK_HEAD_BYTES: usize = 9;

/// Servers in the middle of a run, as inputs of the target `server`.
pub fn running() -> Vec<Vec<u8>> {
    let mut seeds = server();
    seeds.truncate(15);
    seeds.into_iter().step_by(4).collect()
}

const PLAYLIST: &str = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:1\n\
    #EXT-X-DISCONTINUITY-SEQUENCE:3\n#EXT-X-INDEPENDENT-SEGMENTS\n\
    #EXT-X-PROGRAM-DATE-TIME:2026-11-22T18:39:14.000Z\n#EXTINF:2.000000,\nseg-1.ts\n#EXT-X-DISCONTINUITY\n";

const MULTIVARIANT: &str = "#EXTM3U\n#EXT-X-INDEPENDENT-SEGMENTS\n\
    #EXT-X-STREAM-INF:BANDWIDTH=1200000,AVERAGE-BANDWIDTH=1000000,CODECS=\"avc1.64001f,mp4a.40.2\",\
    RESOLUTION=1280x720,FRAME-RATE=29.970\na/index.m3u8\n";
