//! Our readers see what others see: FFmpeg in FLV, MPEG-TS and MP4 files, tshark in RTMP.
//!
//! Packet by packet: which track, when, how long, whether decoding may begin there, and a checksum of its
//! bytes. Readers that agree with these programs on films of many kinds may judge what the server sends.

use conformance::capture::{Capture, names, shelf};
use conformance::ffmpeg::{Ffmpeg, ffprobe};
use conformance::media;
use conformance::process::{Tool, secs};
use conformance::reader::chunk::ChunkReader;
use conformance::reader::es;
use conformance::reader::flv::{AUDIO, Codec, Flv, VIDEO, What};
use conformance::reader::fmp4::Movie;
use conformance::reader::ts::{TsReader, Unit};
use dacapo::record::{ConnNo, Event};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A packet as a reader sees it.
#[derive(Clone, PartialEq, Eq)]
struct Seen {
    video: bool,
    dts: i64,
    pts: i64,
    size: usize,
    key: bool,
    check: u32,
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.video { "video" } else { "audio" };
        let key = if self.key { " key" } else { "" };
        write!(f, "{kind} {}/{} {} bytes {:08x}{key}", self.dts, self.pts, self.size, self.check)
    }
}

/// Adler-32 (RFC 1950), as FFmpeg prints it on demand.
fn check(bytes: &[u8]) -> u32 {
    let (mut a, mut b) = (1, 0);
    for byte in bytes {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    b << 16 | a
}

/// What ffprobe sees in `file`: its packets, and the check of each track's configuration by kind.
#[track_caller]
fn probed(options: &str, file: &Path) -> (Vec<Seen>, BTreeMap<String, u32>) {
    let show = "-show_data_hash adler32 -of compact -show_entries \
                packet=codec_type,pts,dts,size,flags,data_hash:stream=codec_type,extradata_hash";
    let text = ffprobe().words(show).words(options).arg(file).run(secs(60)).stdout;
    let (mut packets, mut configs) = (Vec::new(), BTreeMap::new());
    for line in text.lines() {
        let fields: BTreeMap<&str, &str> =
            line.split('|').filter_map(|field| field.split_once('=')).collect();
        let hash = |name: &str| {
            let digits = fields.get(name)?.strip_prefix("adler32:")?;
            u32::from_str_radix(digits, 16).ok()
        };
        if line.starts_with("packet|") {
            let number =
                |name: &str| fields[name].parse::<i64>().unwrap_or_else(|_| panic!("{name} in {line}"));
            packets.push(Seen {
                video: fields["codec_type"] == "video",
                dts: number("dts"),
                pts: number("pts"),
                size: usize::try_from(number("size")).expect("a size"),
                key: fields["flags"].starts_with('K'),
                check: hash("data_hash").expect("a checksum"),
            });
        } else if let (Some(kind), Some(hash)) = (fields.get("codec_type"), hash("extradata_hash")) {
            configs.insert((*kind).to_owned(), hash);
        }
    }
    assert!(!packets.is_empty(), "ffprobe sees packets: {text}");
    (packets, configs)
}

#[track_caller]
fn assert_same(what: &str, theirs: &[Seen], ours: &[Seen]) {
    let pair = theirs.iter().zip(ours).position(|(a, b)| a != b);
    if let Some(at) = pair {
        panic!("{what}, packet {at}: ffprobe sees {:?}, we see {:?}", theirs[at], ours[at]);
    }
    assert_eq!(theirs.len(), ours.len(), "{what}: how many packets");
}

/// Every film there is: H.264, HEVC, AV1, VP9; AAC, Opus, MP3; B-frames; enhanced FLV and old.
fn films() -> Vec<PathBuf> {
    vec![
        media::h264_aac(),
        media::h264_only(),
        media::aac_only(),
        media::h264_mp3(),
        media::hevc_aac(),
        media::hevc_opus(),
        media::av1_opus(),
        media::vp9_opus(),
    ]
}

/// FFmpeg's copy of `film` in another container.
fn remuxed(film: &Path, folder: &TempDir, name: &str, options: &str) -> PathBuf {
    let file = folder.path().join(name);
    let tool = Ffmpeg::V8.tool().arg("-i").arg(film).words("-c copy -strict -2").words(options);
    let done = tool.arg(&file).run(secs(60));
    assert!(done.status.success(), "{done}");
    file
}

#[test]
fn flv_is_read_as_ffprobe_reads_it() {
    for film in films() {
        let (theirs, configs) = probed("", &film);
        let file = Flv::parse(&std::fs::read(&film).expect("a film"));
        let mut ours = Vec::new();
        for tag in &file.tags {
            for packet in tag.packets().unwrap_or_else(|wrong| panic!("{}: {wrong}", film.display())) {
                let payload = &tag.body[packet.payload.clone()];
                let dts = i64::from(tag.timestamp);
                let pts = dts + i64::from(packet.composition_ms);
                let (video, size) = (tag.kind == VIDEO, payload.len());
                match packet.what {
                    What::Coded => {
                        ours.push(Seen { video, dts, pts, size, key: packet.key, check: check(payload) });
                    }
                    What::Config => {
                        let kind = if tag.kind == AUDIO { "audio" } else { "video" };
                        // ffprobe counts version and flags of a box to what VP9 has there.
                        let theirs = configs.get(kind).filter(|_| packet.codec != Codec::VP9);
                        let same = theirs.is_none_or(|theirs| *theirs == check(payload));
                        assert!(same, "{}: the configuration of {}", film.display(), packet.codec);
                    }
                    What::End | What::Info => {}
                }
            }
        }
        assert_same(&film.display().to_string(), &theirs, &ours);
    }
}

#[test]
fn transport_streams_are_read_as_ffprobe_reads_them() {
    let folder = TempDir::new().expect("a temporary directory");
    for film in films() {
        let name = film.file_stem().expect("a name").to_string_lossy().into_owned();
        if name.starts_with("av1") || name.starts_with("vp9") {
            // These have no place in a transport stream that all readers agree on.
            continue;
        }
        let file = remuxed(&film, &folder, &format!("{name}.ts"), "-f mpegts");
        let bytes = std::fs::read(&file).expect("a stream");
        let mut reader = TsReader::new();
        let units = bytes.chunks(1000).map(|piece| reader.push(piece));
        let mut units =
            units.collect::<Result<Vec<_>, _>>().unwrap_or_else(|w| panic!("{name}: {w}")).concat();
        units.extend(reader.finish().unwrap_or_else(|wrong| panic!("{name}: {wrong}")));
        let (mut ours, mut sound) = (Vec::new(), Vec::new());
        for unit in units {
            let Unit::Pes(pes) = unit else { continue };
            let codec = reader.program().streams[&pes.pid].codec().expect("a codec that is known");
            let video = codec == Codec::AVC || codec == Codec::HEVC;
            let nals = if video { es::byte_stream(&pes.payload).expect("a byte stream") } else { Vec::new() };
            let key = nals.iter().any(|nal| es::random_access(codec, &pes.payload[nal.clone()]));
            assert_eq!(video && pes.random_access, key, "{name}: decoding may begin there: {:?}", pes.dts);
            sound.extend(match codec {
                Codec::AAC => es::adts(&pes.payload)
                    .expect("ADTS frames")
                    .into_iter()
                    .map(|frame| check(&pes.payload[frame.payload.start - 7..frame.payload.end]))
                    .collect(),
                Codec::OPUS => {
                    let packets = es::opus(&pes.payload).expect("Opus packets");
                    packets.into_iter().map(|packet| check(&pes.payload[packet])).collect()
                }
                _ => Vec::new(),
            });
            let time = |ticks: u64| i64::try_from(ticks).expect("33 bits");
            let (size, check) = (pes.payload.len(), check(&pes.payload));
            ours.push(Seen { video, dts: time(pes.dts), pts: time(pes.pts), size, key, check });
        }
        // Without its parsers, ffprobe shows PES packets as they are; but then it knows no keyframes.
        let (theirs, _) = probed("-fflags +noparse+nofillin", &file);
        for video in [true, false] {
            let of = |packets: &[Seen], key: bool| -> Vec<Seen> {
                let own = packets.iter().filter(|packet| packet.video == video);
                own.map(|packet| Seen { key: key && packet.key, ..packet.clone() }).collect()
            };
            assert_same(&name, &of(&theirs, false), &of(&ours, false));
            if video {
                assert_same(&name, &of(&probed("", &file).0, true), &of(&ours, true));
            }
        }
        // With its parsers it parts what a PES packet joins.
        if !sound.is_empty() {
            let (theirs, _) = probed("-select_streams a", &file);
            assert_eq!(theirs.iter().map(|packet| packet.check).collect::<Vec<_>>(), sound, "{name}: sound");
        }
    }
}

#[test]
fn fragmented_mp4_is_read_as_ffprobe_reads_it() {
    let folder = TempDir::new().expect("a temporary directory");
    for film in films() {
        let name = film.file_stem().expect("a name").to_string_lossy().into_owned();
        for (layout, base) in [("moof", "+default_base_moof"), ("file", "")] {
            let options = format!("-f mp4 -movflags frag_keyframe+empty_moov{base}");
            let file = remuxed(&film, &folder, &format!("{name}-{layout}.mp4"), &options);
            let bytes = std::fs::read(&file).expect("a file");
            let movie = Movie::parse(&bytes).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
            let samples = movie.samples(&bytes).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
            let (theirs, configs) = probed("-ignore_editlist 1", &file);
            for (id, track) in &movie.tracks {
                let own = samples.iter().filter(|sample| sample.track == *id);
                let ours: Vec<Seen> = own
                    .map(|sample| Seen {
                        video: track.video,
                        dts: i64::try_from(sample.dts).expect("a small number"),
                        pts: sample.pts,
                        size: sample.payload.len(),
                        key: sample.key,
                        check: check(&bytes[sample.payload.clone()]),
                    })
                    .collect();
                let theirs = theirs.iter().filter(|packet| packet.video == track.video);
                assert_same(&name, &theirs.cloned().collect::<Vec<_>>(), &ours);
                let kind = if track.video { "video" } else { "audio" };
                // It makes what it calls configuration of Opus and VP9 itself, from other boxes.
                let as_is = [Codec::AVC, Codec::HEVC, Codec::AAC, Codec::AV1].contains(&track.codec);
                if let Some(theirs) = configs.get(kind).filter(|_| as_is) {
                    assert_eq!(*theirs, check(&track.config), "{name}: the configuration of {}", track.codec);
                }
            }
            assert_eq!(theirs.len(), samples.len(), "{name}: all tracks were compared");
        }
    }
}

/// A message as tshark's header tells it: type, length, timestamp.
type Told = (u8, usize, u32);

/// The messages that tshark sees in one direction of a connection, which is written as a capture for it.
#[track_caller]
fn dissected(bytes: &[u8], folder: &TempDir) -> Vec<Told> {
    let file = folder.path().join("one.pcap");
    std::fs::write(&file, pcap(bytes)).expect("a file");
    let tool =
        Tool::new("tshark").words("-o rtmpt.max_packet_size:10000000 -d tcp.port==1935,rtmpt -T pdml -r");
    let text = tool.arg(&file).run(secs(60)).stdout;
    let mut known: BTreeMap<String, (u8, usize)> = BTreeMap::new();
    let mut told = Vec::new();
    for proto in text.split("<proto name=\"rtmpt\"").skip(1) {
        let show = |name: &str| {
            let (_, behind) = proto.split_once(&format!("name=\"rtmpt.header.{name}\""))?;
            Some(behind.split_once("show=\"")?.1.split_once('"')?.0.to_owned())
        };
        let Some(chunk_stream) = show("csid") else { continue };
        let number = |name: &str| show(name).map(|text| text.parse::<u32>().expect("a number"));
        if let (Some(kind), Some(size)) = (show("typeid"), number("bodysize")) {
            let kind = u8::from_str_radix(kind.trim_start_matches("0x"), 16).expect("a type");
            known.insert(chunk_stream.clone(), (kind, size as usize));
        }
        let (kind, size) = known[&chunk_stream];
        told.push((kind, size, number("ets").or(number("timestamp")).expect("a timestamp")));
    }
    told
}

/// A capture of one TCP connection in one direction, IPv4 without a link layer.
fn pcap(bytes: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 101] {
        file.extend(word.to_le_bytes());
    }
    for (at, piece) in bytes.chunks(1400).enumerate() {
        let length = u16::try_from(40 + piece.len()).expect("a short packet");
        for word in [1, u32::try_from(at).expect("few packets"), length.into(), length.into()] {
            file.extend(word.to_le_bytes());
        }
        file.extend([0x45, 0]);
        file.extend(length.to_be_bytes());
        file.extend([0, 0, 0x40, 0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
        file.extend([50_000_u16.to_be_bytes(), 1935_u16.to_be_bytes()].concat());
        file.extend(u32::try_from(1 + at * 1400).expect("a small capture").to_be_bytes());
        file.extend([0, 0, 0, 1, 0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
        file.extend(piece);
    }
    file
}

#[test]
fn rtmp_is_read_as_tshark_reads_it() {
    let folder = TempDir::new().expect("a temporary directory");
    let (mut connections, mut messages) = (0, 0);
    for name in names(&shelf()).into_iter().filter(|name| name.starts_with("rtmp/")) {
        let capture = Capture::load(&shelf(), &name).unwrap_or_else(|error| panic!("{error}"));
        for entries in [&capture.entries, &capture.reference] {
            let mut said: BTreeMap<ConnNo, Vec<u8>> = BTreeMap::new();
            for entry in entries {
                if let Event::Received { conn_no, bytes } = &entry.event {
                    said.entry(*conn_no).or_default().extend_from_slice(bytes);
                }
            }
            for (conn_no, bytes) in said.into_iter().filter(|(_, bytes)| bytes.first() == Some(&3)) {
                let mut reader = ChunkReader::with_handshake().lenient();
                let ours = reader.push(&bytes).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
                let ours: Vec<Told> =
                    ours.iter().map(|said| (said.kind, said.body.len(), said.timestamp)).collect();
                let theirs = dissected(&bytes, &folder);
                let same = theirs.iter().zip(&ours).take_while(|(a, b)| a == b).count();
                // tshark tells a message whose end the capture does not have.
                let whole = same == ours.len() && theirs.len() <= same + 1;
                let parts = (theirs.get(same), ours.get(same));
                assert!(whole, "{name}, {conn_no:?}: message {same} of {}: {parts:?}", theirs.len());
                connections += 1;
                messages += same;
            }
        }
    }
    assert!(connections >= 60 && messages >= 5000, "{connections} connections, {messages} messages");
}
