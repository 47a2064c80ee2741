//! Files taken apart again by a reader that shares nothing with the writer.

use super::*;
use crate::media::codec::{AudioParams, VideoParams};
use crate::media::frame::{FrameKind, TrackKind};
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn frame(track: Track, codec: Codec, kind: FrameKind, us: i64, payload: impl Into<Bytes>) -> Frame {
    Frame { track, codec, kind, sound: 0, dts: Timestamp(us), cts: 0, payload: payload.into() }
}

fn video(codec: Codec, config: &'static [u8]) -> (Track, TrackInfo) {
    let config = Some(frame(Track::VIDEO, codec, FrameKind::Config, 0, config));
    let params = VideoParams { width: 640, height: 360, fps_milli: Some(25_000), ..VideoParams::default() };
    (Track::VIDEO, TrackInfo { codec, config, params: Some(Params::Video(params)) })
}

fn audio(codec: Codec, sample_rate: u32, config: Option<&'static [u8]>) -> (Track, TrackInfo) {
    let config = config.map(|config| frame(Track::AUDIO, codec, FrameKind::Config, 0, config));
    let frame_samples = (codec == Codec::Aac).then_some(1024);
    let params = AudioParams { sample_rate, channels: 2, frame_samples, ..AudioParams::default() };
    (Track::AUDIO, TrackInfo { codec, config, params: Some(Params::Audio(params)) })
}

fn stream_info(tracks: &[(Track, TrackInfo)]) -> StreamInfo {
    StreamInfo { tracks: tracks.iter().cloned().collect(), ..StreamInfo::default() }
}

fn both() -> StreamInfo {
    stream_info(&[video(Codec::H264, b"avcC of the publisher"), audio(Codec::Aac, 48_000, Some(b"\x11\x90"))])
}

fn picture(kind: FrameKind, us: i64, payload: impl Into<Bytes>) -> Frame {
    frame(Track::VIDEO, Codec::H264, kind, us, payload)
}

fn sound(us: i64, payload: impl Into<Bytes>) -> Frame {
    frame(Track::AUDIO, Codec::Aac, FrameKind::Key, us, payload)
}

/// The sample entry of a movie's only track: its name, and what follows its head of `skip` bytes.
fn entry(track: (Track, TrackInfo), frames: &[Frame]) -> Option<([u8; 4], Vec<u8>)> {
    let skip = if track.0.kind == TrackKind::Video { 78 } else { 28 };
    let init = Movie::new(&stream_info(&[track]), frames).init();
    let moov = find(&init, b"moov")?;
    let stsd =
        [b"trak", b"mdia", b"minf", b"stbl", b"stsd"].iter().try_fold(moov, |at, kind| find(at, kind))?;
    let (kind, content) = boxes(&stsd[8..]).next()?;
    Some((kind, content[skip..].to_vec()))
}

#[test]
fn every_codec_has_the_sample_entry_of_its_specification() {
    let record = b"a record";
    for (codec, kind, config_kind) in
        [(Codec::H264, b"avc1", b"avcC"), (Codec::H265, b"hvc1", b"hvcC"), (Codec::Av1, b"av01", b"av1C")]
    {
        let expected = [&b"\0\0\0\x10"[..], config_kind, record].concat();
        assert_eq!(entry(video(codec, record), &[]), Some((*kind, expected)));
    }
    for (codec, kind) in [(Codec::Vp8, b"vp08"), (Codec::Vp9, b"vp09")] {
        let expected = [&b"\0\0\0\x14vpcC\x01\0\0\0"[..], record].concat();
        assert_eq!(entry(video(codec, record), &[]), Some((*kind, expected)));
    }
    // ES descriptor of 25 bytes; in it the decoder's of 17 bytes, with its own configuration of two.
    let aac = [
        &b"\0\0\0\x27esds\0\0\0\0\x03\x19\0\0\0\x04\x11\x40\x15"[..],
        b"\0\0\0\0\0\0\0\0\0\0\0\x05\x02\x11\x90\x06\x01\x02",
    ]
    .concat();
    assert_eq!(entry(audio(Codec::Aac, 48_000, Some(b"\x11\x90")), &[]), Some((*b"mp4a", aac)));
    for (sample_rate, object_type) in [(44_100, 0x6b), (22_050, 0x69)] {
        let (kind, content) = entry(audio(Codec::Mp3, sample_rate, None), &[]).unwrap();
        assert_eq!((kind, content[19]), (*b"mp4a", object_type));
    }
    let opus = b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0";
    let expected = b"\0\0\0\x13dOps\0\x02\x01\x38\0\0\xbb\x80\0\0\0";
    assert_eq!(entry(audio(Codec::Opus, 48_000, Some(opus)), &[]), Some((*b"Opus", expected.to_vec())));
    let flac = b"fLaC\0\0\0\x22abcdefghijklmnopqrstuvwxyz01234567";
    let expected = [&b"\0\0\0\x32dfLa\0\0\0\0\x80\0\0\x22"[..], &flac[8..]].concat();
    assert_eq!(entry(audio(Codec::Flac, 96_000, Some(flac)), &[]), Some((*b"fLaC", expected)));
}

#[test]
fn ac3_is_described_by_its_frames() {
    let describe = |codec, bytes: &'static [u8]| {
        entry(audio(codec, 48_000, None), &[frame(Track::AUDIO, codec, FrameKind::Key, 0, bytes)])
    };
    // 48 kHz, frame size code 30 (448 kbit/s), version 8, main service, 3/2 with mix levels, low frequencies.
    let surround = describe(Codec::Ac3, b"\x0b\x77\0\0\x1e\x40\xeb\0").unwrap();
    assert_eq!(surround, (*b"ac-3", b"\0\0\0\x0bdac3\x10\x3d\xe0".to_vec()));
    // Independent substream, 384 words, 48 kHz, six blocks, 2/0, version 16: 192 kbit/s.
    let stereo = describe(Codec::Eac3, b"\x0b\x77\x01\x7f\x34\x80\0\0").unwrap();
    assert_eq!(stereo, (*b"ec-3", b"\0\0\0\x0ddec3\x06\x00\x20\x04\x00".to_vec()));
    assert_eq!(describe(Codec::Ac3, b"no sync frame"), None);
    assert_eq!(entry(audio(Codec::Ac3, 48_000, None), &[]), None);
}

#[test]
fn tracks_without_a_place_are_left_out() {
    let opaque = audio(Codec::FlvAudio(11), 16_000, None);
    let unknown = (Track::VIDEO, TrackInfo { codec: Codec::H264, config: None, params: None });
    assert!(Movie::new(&stream_info(&[opaque, unknown]), &[]).is_empty());
}

#[test]
fn the_initialisation_section_tells_sizes_and_clocks() {
    let init = Movie::new(&both(), &[]).init();
    let top: Vec<[u8; 4]> = boxes(&init).map(|(kind, _)| kind).collect();
    assert_eq!(top, [*b"ftyp", *b"moov"]);
    let moov = find(&init, b"moov").unwrap();
    let kinds: Vec<[u8; 4]> = boxes(moov).map(|(kind, _)| kind).collect();
    assert_eq!(kinds, [*b"mvhd", *b"trak", *b"trak", *b"mvex"]);
    let traks: Vec<&[u8]> =
        boxes(moov).filter(|(kind, _)| kind == b"trak").map(|(_, content)| content).collect();
    let timescale = |trak| u32_at(find(find(trak, b"mdia").unwrap(), b"mdhd").unwrap(), 12);
    let size = |trak| [76, 80].map(|at| u32_at(find(trak, b"tkhd").unwrap(), at) >> 16);
    assert_eq!((timescale(traks[0]), size(traks[0])), (90_000, [640, 360]));
    assert_eq!((timescale(traks[1]), size(traks[1])), (48_000, [0, 0]));
    let ids: Vec<u32> = boxes(find(moov, b"mvex").unwrap()).map(|(_, trex)| u32_at(trex, 4)).collect();
    assert_eq!(ids, [1, 2]);
}

#[test]
fn the_initialisation_section_has_every_box_that_the_specification_demands() {
    let init = Movie::new(&both(), &[]).init();
    assert_eq!(&init[..28], b"\0\0\0\x1cftypiso6\0\0\0\x01iso6mp41av01");
    let table = "stsd stts stsc stsz stco";
    let expected = ["vmhd", "smhd"]
        .map(|head| format!("trak( tkhd mdia( mdhd hdlr minf( {head} dinf( dref ) stbl( {table} ) ) ) )"));
    let expected = format!("ftyp moov( mvhd {} mvex( trex trex ) )", expected.join(" "));
    assert_eq!(tree(&init), expected);
    let moov = find(&init, b"moov").unwrap();
    let mvhd = find(moov, b"mvhd").unwrap();
    assert_eq!((mvhd.len(), u32_at(mvhd, 96)), (100, 3), "the next track's number");
    let defaults: Vec<&[u8]> = boxes(find(moov, b"mvex").unwrap()).map(|(_, trex)| trex).collect();
    // Version and flags, track, sample entry 1; duration, size and flags are told by each fragment.
    let default = |id| [&[0, 0, 0, 0, 0, 0, 0, id, 0, 0, 0, 1][..], &[0; 12]].concat();
    assert_eq!(defaults, [default(1), default(2)]);
    for (number, (_, trak)) in (1..).zip(boxes(moov).filter(|(kind, _)| kind == b"trak")) {
        let tkhd = find(trak, b"tkhd").unwrap();
        assert_eq!((tkhd.len(), u32_at(tkhd, 0), u32_at(tkhd, 12)), (84, 7, number));
        let hdlr = find(find(trak, b"mdia").unwrap(), b"hdlr").unwrap();
        assert_eq!(&hdlr[8..12], if number == 1 { b"vide" } else { b"soun" });
    }
}

/// The names of all boxes, those that stand in others in brackets.
fn tree(bytes: &[u8]) -> String {
    const HOLD_BOXES: [&[u8; 4]; 7] = [b"moov", b"trak", b"mdia", b"minf", b"dinf", b"stbl", b"mvex"];
    let name = |(kind, content): ([u8; 4], &[u8])| {
        let name = std::str::from_utf8(&kind).expect("names are ASCII").to_owned();
        if HOLD_BOXES.contains(&&kind) { format!("{name}( {} )", tree(content)) } else { name }
    };
    boxes(bytes).map(name).collect::<Vec<_>>().join(" ")
}

#[test]
fn sample_entries_tell_size_channels_and_rate() {
    let head = |track: (Track, TrackInfo)| {
        let init = Movie::new(&stream_info(&[track]), &[]).init();
        let path = [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"];
        let stsd = path.iter().try_fold(&init[..], |at, kind| find(at, kind)).expect("a sample entry");
        assert_eq!(stsd[..8], [0, 0, 0, 0, 0, 0, 0, 1]);
        let (_, content) = boxes(&stsd[8..]).next().expect("a sample entry");
        // Six reserved bytes, then the number of the data reference.
        assert_eq!(content[..8], [0, 0, 0, 0, 0, 0, 0, 1]);
        content.to_vec()
    };
    let picture = head(video(Codec::H264, b"avcC"));
    assert_eq!(u32_at(&picture, 24), 640 << 16 | 360);
    assert_eq!(picture[74..78], [0, 0x18, 0xff, 0xff], "24 bits, no colour table");
    for (rate, told) in [(44_100, 44_100), (48_000, 48_000), (96_000, 48_000)] {
        let sound = head(audio(Codec::Aac, rate, Some(b"\x12\x10")));
        assert_eq!((u32_at(&sound, 16), u32_at(&sound, 24)), (2 << 16 | 16, told << 16));
    }
}

#[test]
fn sound_runs_by_its_sampling_rate_where_that_tells_milliseconds() {
    for (codec, rate, expected) in [
        (Codec::Aac, 48_000, 48_000),
        (Codec::Aac, 44_100, 90_000),
        (Codec::Mp3, 22_050, 90_000),
        (Codec::Opus, 48_000, 48_000),
        (Codec::Aac, 0, 90_000),
    ] {
        assert_eq!(timescale(&audio(codec, rate, None).1), expected, "{codec:?} at {rate}");
    }
}

#[test]
fn a_segment_tells_when_each_sample_comes_and_where_it_is() {
    let frames = [
        picture(FrameKind::Key, 0, &b"IDR"[..]),
        sound(10_000, &b"s0"[..]),
        Frame { cts: 80_000, ..picture(FrameKind::Inter, 40_000, &b"P"[..]) },
        sound(31_000, &b"s1"[..]),
    ];
    let next = picture(FrameKind::Key, 90_000, &b""[..]);
    let pieces = Movie::new(&both(), &[]).fragment(7, &frames, Some(&next)).unwrap();
    let bytes = pieces.concat();
    assert_eq!(&bytes[..24], b"\0\0\0\x18stypmsdh\0\0\0\0msdhiso6");
    let Fragment { sequence, runs } = read(&bytes);
    assert_eq!(sequence, 7);
    // 1.4 s later on both clocks; the last picture lasts to the next, the last sound as long as the first.
    let sample = |ticks, duration, flags, cts, bytes: &[u8]| {
        let (dts, pts) = (ticks, ticks + cts);
        Sample { dts, pts, duration, flags, bytes: bytes.to_vec() }
    };
    assert_eq!(
        runs[&1],
        [sample(126_000, 3_600, FLAGS_KEY, 0, b"IDR"), sample(129_600, 4_500, FLAGS_INTER, 7_200, b"P")]
    );
    assert_eq!(
        runs[&2],
        [sample(67_680, 1_008, FLAGS_KEY, 0, b"s0"), sample(68_688, 1_008, FLAGS_KEY, 0, b"s1")]
    );
}

#[test]
fn a_lonely_sample_lasts_as_long_as_its_configuration_says() {
    let frames = [picture(FrameKind::Key, 0, &b"IDR"[..]), sound(0, &b"s"[..])];
    let runs = read(&Movie::new(&both(), &[]).fragment(1, &frames, None).unwrap().concat()).runs;
    assert_eq!((runs[&1][0].duration, runs[&2][0].duration), (3_600, 1_024));
}

#[test]
fn another_timeline_moves_both_tracks_alike() {
    let frames = [picture(FrameKind::Key, 0, &b"IDR"[..]), sound(0, &b"s"[..])];
    let runs = read(&Movie::new(&both(), &[]).ahead(100).fragment(1, &frames, None).unwrap().concat()).runs;
    assert_eq!((runs[&1][0].dts, runs[&2][0].dts), (126_000 + 9_000_000, 67_200 + 4_800_000));
}

#[test]
fn large_payloads_are_shared_and_small_ones_gathered() {
    let large: Bytes = vec![7; 5_000].into();
    let frames = [
        picture(FrameKind::Key, 0, large.clone()),
        picture(FrameKind::Inter, 40_000, &b"small"[..]),
        picture(FrameKind::Inter, 80_000, &b"smaller"[..]),
    ];
    let pieces = Movie::new(&both(), &[]).fragment(1, &frames, None).unwrap();
    assert_eq!(pieces.len(), 3);
    assert_eq!(pieces[1].as_ptr(), large.as_ptr());
    assert_eq!(pieces[2], &b"smallsmaller"[..]);
}

#[test]
fn nothing_to_store_is_no_segment() {
    let opaque = frame(Track::DATA, Codec::Amf0, FrameKind::Message, 0, &b"x"[..]);
    assert_eq!(Movie::new(&both(), &[]).fragment(1, &[opaque], None), None);
}

#[test]
fn the_temporal_delimiter_of_av1_stays_outside() {
    let movie = Movie::new(&stream_info(&[video(Codec::Av1, b"av1C")]), &[]);
    let frames = [frame(Track::VIDEO, Codec::Av1, FrameKind::Key, 0, &b"\x12\x00\x0a\x01\x00"[..])];
    let runs = read(&movie.fragment(1, &frames, None).unwrap().concat()).runs;
    assert_eq!(runs[&1][0].bytes, b"\x0a\x01\x00");
}

proptest! {
    #[test]
    fn every_frame_comes_out_whole_and_in_time(
        steps in proptest::collection::vec(
            (any::<bool>(), any::<bool>(), 1i64..90_000, 0i32..200_000, 0usize..6_000),
            1..60,
        ),
    ) {
        let (mut us, mut frames) = (0, Vec::new());
        for (number, (is_video, key, step, cts, len)) in steps.into_iter().enumerate() {
            us += step;
            let kind = if key { FrameKind::Key } else { FrameKind::Inter };
            let payload = vec![number as u8; len];
            frames.push(match is_video {
                true => Frame { cts, ..picture(kind, us, payload) },
                false => sound(us, payload),
            });
        }
        let movie = Movie::new(&both(), &[]);
        let runs = read(&movie.fragment(1, &frames, None).unwrap().concat()).runs;
        for (id, track, timescale) in [(1, Track::VIDEO, 90_000), (2, Track::AUDIO, 48_000)] {
            let sent: Vec<&Frame> = frames.iter().filter(|frame| frame.track == track).collect();
            let samples = runs.get(&id).map_or(&[][..], |run| run);
            prop_assert_eq!(samples.len(), sent.len());
            for (sample, frame) in samples.iter().zip(sent) {
                let ticks = |us: i64| ((us + START_US) * timescale + 500_000) / 1_000_000;
                prop_assert_eq!(sample.dts, ticks(frame.dts.0));
                prop_assert_eq!(sample.pts, ticks(frame.pts().0));
                prop_assert_eq!(&sample.bytes, &frame.payload);
                prop_assert_eq!(sample.flags == FLAGS_KEY, frame.kind == FrameKind::Key);
            }
        }
    }
}

const FLAGS_KEY: u32 = 0x0200_0000;
const FLAGS_INTER: u32 = 0x0101_0000;

#[derive(Debug)]
struct Fragment {
    sequence: u32,
    runs: BTreeMap<u32, Vec<Sample>>,
}

#[derive(Debug, PartialEq, Eq)]
struct Sample {
    dts: i64,
    pts: i64,
    duration: u32,
    flags: u32,
    bytes: Vec<u8>,
}

fn read(bytes: &[u8]) -> Fragment {
    let kinds: Vec<[u8; 4]> = boxes(bytes).map(|(kind, _)| kind).collect();
    assert_eq!(kinds, [*b"styp", *b"moof", *b"mdat"]);
    let moof = find(bytes, b"moof").unwrap();
    // Offsets count from the first byte of `moof`, whose name stands four bytes behind it.
    let base = moof.as_ptr() as usize - 8 - bytes.as_ptr() as usize;
    let trafs =
        boxes(moof).filter(|(kind, _)| kind == b"traf").map(|(_, traf)| read_run(traf, &bytes[base..]));
    Fragment { sequence: u32_at(find(moof, b"mfhd").unwrap(), 4), runs: trafs.collect() }
}

fn read_run(traf: &[u8], file: &[u8]) -> (u32, Vec<Sample>) {
    let (tfhd, tfdt, trun) =
        (find(traf, b"tfhd").unwrap(), find(traf, b"tfdt").unwrap(), find(traf, b"trun").unwrap());
    assert_eq!(tfhd[..4], [0, 0x02, 0, 0x20], "default-base-is-moof, default flags");
    let (id, default_flags) = (u32_at(tfhd, 4), u32_at(tfhd, 8));
    assert_eq!(tfdt[..4], [1, 0, 0, 0]);
    let mut dts = i64::from(u32_at(tfdt, 4)) << 32 | i64::from(u32_at(tfdt, 8));
    let fields = u32_at(trun, 0);
    assert_eq!(fields & 0xff, 0x01, "data offset, no first-sample flags");
    let (count, mut at) = (u32_at(trun, 4), u32_at(trun, 8) as usize);
    let mut numbers = trun[12..].chunks(4).map(|number| u32_at(number, 0));
    let mut field = |flag: u32| (fields & flag != 0).then(|| numbers.next().expect("a number"));
    let mut samples = Vec::new();
    for _ in 0..count {
        let duration = field(0x100).expect("durations are told");
        let size = field(0x200).expect("sizes are told") as usize;
        let flags = field(0x400).unwrap_or(default_flags);
        let pts = dts + i64::from(field(0x800).unwrap_or(0));
        samples.push(Sample { dts, pts, duration, flags, bytes: file[at..at + size].to_vec() });
        dts += i64::from(duration);
        at += size;
    }
    (id, samples)
}

/// The boxes in some bytes: name and content.
fn boxes(mut bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let (found, rest) = bytes.split_at(u32_at(bytes, 0) as usize);
        bytes = rest;
        Some((found[4..8].try_into().expect("four bytes"), &found[8..]))
    })
}

fn find<'a>(bytes: &'a [u8], wanted: &[u8; 4]) -> Option<&'a [u8]> {
    boxes(bytes).find(|(kind, _)| kind == wanted).map(|(_, content)| content)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}
