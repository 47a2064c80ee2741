//! Whole streams, taken apart again by a demuxer that shares nothing with the muxer.

use super::*;
use crate::media::codec::{AudioParams, Params};
use crate::media::frame::{Codec, FrameKind};
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One set of each kind, four bytes of length before each NAL unit.
const AVCC: &[u8] = b"\x01\x64\x00\x1f\xff\xe1\x00\x04\x67\x64\x00\x1f\x01\x00\x02\x68\xee";
const SETS: &[u8] = b"\0\0\0\x01\x67\x64\x00\x1f\0\0\0\x01\x68\xee";
const DELIMITER: &[u8] = b"\0\0\0\x01\x09\xf0";

fn frame(track: Track, codec: Codec, kind: FrameKind, ms: i64, payload: impl Into<Bytes>) -> Frame {
    Frame { track, codec, kind, sound: 0, dts: Timestamp::from_millis(ms), cts: 0, payload: payload.into() }
}

fn picture(kind: FrameKind, ms: i64, payload: impl Into<Bytes>) -> Frame {
    frame(Track::VIDEO, Codec::H264, kind, ms, payload)
}

/// A keyframe with one slice.
fn key(ms: i64) -> Frame {
    picture(FrameKind::Key, ms, &b"\0\0\0\x03\x65\x01\x02"[..])
}

fn inter(ms: i64) -> Frame {
    picture(FrameKind::Inter, ms, &b"\0\0\0\x02\x41\x09"[..])
}

fn sound(ms: i64) -> Frame {
    frame(Track::AUDIO, Codec::Aac, FrameKind::Key, ms, &b"\x21\x00\x49"[..])
}

fn with(stream_info: Arc<StreamInfo>, frame: Frame) -> Arc<StreamInfo> {
    stream_info.with(&frame, None).expect("a change")
}

fn video_headers() -> Arc<StreamInfo> {
    with(Arc::default(), picture(FrameKind::Config, 0, AVCC))
}

/// AAC LC, 44.1 kHz, stereo.
fn audio_headers() -> Arc<StreamInfo> {
    with(Arc::default(), frame(Track::AUDIO, Codec::Aac, FrameKind::Config, 0, &b"\x12\x10"[..]))
}

fn both_headers() -> Arc<StreamInfo> {
    with(video_headers(), frame(Track::AUDIO, Codec::Aac, FrameKind::Config, 0, &b"\x12\x10"[..]))
}

fn mux(frames: &[Frame], stream_info: &StreamInfo) -> Demuxed {
    let (mut muxer, mut out) = (Muxer::new(), BytesMut::new());
    for frame in frames {
        assert!(muxer.frame(frame, stream_info, &mut out));
    }
    demux(&out)
}

#[test]
fn a_keyframe_comes_behind_tables_with_clock_and_parameter_sets() {
    let mut out = BytesMut::new();
    assert!(Muxer::new().frame(&key(0), &video_headers(), &mut out));
    assert_eq!(out.len(), 3 * 188);
    assert_eq!(out[..4], [0x47, 0x40, 0x00, 0x10]);
    assert_eq!(out[188..192], [0x47, 0x50, 0x00, 0x10]);
    // Random access and clock: 1.4 s less 0.3 s are 99 000 ticks.
    assert_eq!(out[376..380], [0x47, 0x41, 0x00, 0x30]);
    assert_eq!(out[381..388], [0x50, 0x00, 0x00, 0xc1, 0x5c, 0x7e, 0x00]);
    let Demuxed { streams, units, clocks, .. } = demux(&out);
    assert_eq!(streams, BTreeMap::from([(0x100, (0x1b, Vec::new()))]));
    assert_eq!(clocks, [99_000]);
    assert_eq!(
        units,
        [Unit {
            pid: 0x100,
            stream_id: 0xe0,
            pts: 126_000,
            dts: 126_000,
            random_access: true,
            bytes: [DELIMITER, SETS, b"\0\0\x01\x65\x01\x02"].concat(),
        }]
    );
}

#[test]
fn other_pictures_come_with_a_delimiter_only() {
    let units = mux(&[key(0), inter(40)], &video_headers()).units;
    assert_eq!(units[1].bytes, [DELIMITER, b"\0\0\x01\x41\x09"].concat());
    assert!(!units[1].random_access);
}

#[test]
fn reordered_pictures_keep_the_distance_of_their_times() {
    let reordered = Frame { cts: 66_667, ..key(1000) };
    let units = mux(&[reordered], &video_headers()).units;
    assert_eq!((units[0].dts, units[0].pts), (126_000 + 90_000, 126_000 + 90_000 + 6_000));
}

#[test]
fn what_the_publisher_sends_in_band_is_not_doubled() {
    let own = b"\0\0\0\x02\x09\x10\0\0\0\x02\x67\x42\0\0\0\x02\x68\xce\0\0\0\x02\x65\x01";
    let units = mux(&[picture(FrameKind::Key, 0, &own[..])], &video_headers()).units;
    assert_eq!(units[0].bytes, b"\0\0\0\x01\x09\x10\0\0\0\x01\x67\x42\0\0\0\x01\x68\xce\0\0\x01\x65\x01");
    let delimiter_only = b"\0\0\0\x02\x09\x10\0\0\0\x02\x65\x01";
    let units = mux(&[picture(FrameKind::Key, 0, &delimiter_only[..])], &video_headers()).units;
    assert_eq!(units[0].bytes, [b"\0\0\0\x01\x09\x10", SETS, b"\0\0\x01\x65\x01"].concat());
}

#[test]
fn a_torn_sample_loses_its_torn_unit_only() {
    let torn = b"\0\0\0\x02\x65\x01\0\0\0\x09\x65";
    let units = mux(&[picture(FrameKind::Key, 0, &torn[..])], &video_headers()).units;
    assert_eq!(units[0].bytes, [DELIMITER, SETS, b"\0\0\x01\x65\x01"].concat());
    let mut out = BytesMut::new();
    let nothing = picture(FrameKind::Key, 0, &b"\0\0\0\x09\x65"[..]);
    assert!(!Muxer::new().frame(&nothing, &video_headers(), &mut out));
    assert!(out.is_empty());
}

#[test]
fn h265_has_parameter_sets_of_three_kinds() {
    let set = |kind: u8| [&[kind, 0, 1, 0, 3][..], &[(kind & 0x3f) << 1, 1, kind]].concat();
    let hvcc = [&[1][..], &[0; 20], &[3, 3], &set(0xa0), &set(0xa1), &set(0xa2)].concat();
    let stream_info = with(Arc::default(), frame(Track::VIDEO, Codec::H265, FrameKind::Config, 0, hvcc));
    let idr = frame(Track::VIDEO, Codec::H265, FrameKind::Key, 0, &b"\0\0\0\x03\x26\x01\xaf"[..]);
    let Demuxed { streams, units, .. } = mux(&[idr], &stream_info);
    assert_eq!(streams[&0x100], (0x24, b"\x05\x04HEVC".to_vec()));
    assert_eq!(
        units[0].bytes,
        [
            &b"\0\0\0\x01\x46\x01\x50"[..],
            b"\0\0\0\x01\x40\x01\xa0\0\0\0\x01\x42\x01\xa1\0\0\0\x01\x44\x01\xa2",
            b"\0\0\x01\x26\x01\xaf",
        ]
        .concat()
    );
}

#[test]
fn aac_has_an_adts_header_and_the_length_is_told() {
    let mut out = BytesMut::new();
    Muxer::new().frame(&sound(0), &audio_headers(), &mut out);
    let Demuxed { streams, units, clocks, .. } = demux(&out);
    assert_eq!(streams, BTreeMap::from([(0x200, (0x0f, Vec::new()))]));
    assert_eq!(units[0].bytes, b"\xff\xf1\x50\x80\x01\x5f\xfc\x21\x00\x49");
    assert_eq!((units[0].stream_id, units[0].random_access), (0xc0, true));
    assert_eq!(clocks, [99_000]);
}

#[test]
fn every_other_codec_is_named_and_framed_as_its_specification_says() {
    let params = |sample_rate| Some(Params::Audio(AudioParams { sample_rate, ..AudioParams::default() }));
    let head = |family| {
        let mapping = [family, 1, 1, 0, 1];
        let config = [&b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0"[..], &mapping].concat();
        Some(frame(Track::AUDIO, Codec::Opus, FrameKind::Config, 0, config))
    };
    let payload: Bytes = vec![7; 300].into();
    let opus = [b"\x7f\xe0\xff\x2d", &payload[..]].concat();
    for (codec, rate, config, stream_type, descriptors, stream_id, unit) in [
        (Codec::Mp3, 44_100, None, 0x03, &b""[..], 0xc0, &payload[..]),
        (Codec::Mp3, 22_050, None, 0x04, b"", 0xc0, &payload),
        (Codec::Ac3, 48_000, None, 0x81, b"\x05\x04AC-3", 0xbd, &payload),
        (Codec::Eac3, 48_000, None, 0x87, b"\x05\x04EAC3", 0xbd, &payload),
        (Codec::Opus, 48_000, head(0), 0x06, b"\x05\x04Opus\x7f\x02\x80\x02", 0xbd, &opus),
    ] {
        let info = TrackInfo { codec, config, params: params(rate) };
        let stream_info =
            StreamInfo { tracks: BTreeMap::from([(Track::AUDIO, info)]), ..StreamInfo::default() };
        let Demuxed { streams, units, .. } =
            mux(&[frame(Track::AUDIO, codec, FrameKind::Key, 0, payload.clone())], &stream_info);
        assert_eq!(streams[&0x200], (stream_type, descriptors.to_vec()), "{codec:?} at {rate}");
        assert_eq!((units[0].stream_id, &units[0].bytes[..]), (stream_id, unit), "{codec:?}");
    }
    let unknown_mapping = TrackInfo { codec: Codec::Opus, config: head(2), params: None };
    assert!(!has_place(&unknown_mapping));
    assert!(!has_place(&TrackInfo { codec: Codec::Av1, config: None, params: None }));
}

#[test]
fn frames_without_a_place_leave_no_trace() {
    let (mut muxer, mut out) = (Muxer::new(), BytesMut::new());
    let too_long_for_adts = frame(Track::AUDIO, Codec::Aac, FrameKind::Key, 0, vec![0; 8185]);
    for frame in [picture(FrameKind::Config, 0, AVCC), key(0), too_long_for_adts] {
        assert!(!muxer.frame(&frame, &audio_headers(), &mut out));
    }
    assert!(out.is_empty());
}

#[test]
fn a_large_picture_does_not_tell_its_length() {
    let large = [&70_000u32.to_be_bytes()[..], &[0x65; 70_000]].concat();
    let units = mux(&[picture(FrameKind::Key, 0, large), inter(40)], &video_headers()).units;
    assert_eq!(units[0].bytes.len(), DELIMITER.len() + SETS.len() + 3 + 70_000);
}

#[test]
fn tables_stand_before_each_keyframe_and_twice_a_second() {
    let frames: Vec<Frame> = (0..50).map(|n| if n % 30 == 0 { key(n * 40) } else { inter(n * 40) }).collect();
    // Frames 0, 13 (520 ms), 26, 30 (a keyframe) and 43.
    assert_eq!(mux(&frames, &video_headers()).tables_before, [0, 13, 26, 30, 43]);
    let frames: Vec<Frame> = (0..50).map(|n| sound(n * 23)).collect();
    assert_eq!(mux(&frames, &audio_headers()).tables_before, [0, 22, 44]);
}

#[test]
fn tables_written_by_hand_are_not_written_twice() {
    let (mut muxer, mut out) = (Muxer::new(), BytesMut::new());
    muxer.tables(&video_headers(), &mut out);
    assert_eq!(out.len(), 376);
    muxer.frame(&key(0), &video_headers(), &mut out);
    assert_eq!(out.len(), 376 + 188);
}

#[test]
fn another_configuration_reaches_the_next_keyframe() {
    let (mut muxer, mut out) = (Muxer::new(), BytesMut::new());
    muxer.frame(&key(0), &video_headers(), &mut out);
    let other = [&AVCC[..16], b"\xef"].concat();
    let stream_info = with(video_headers(), picture(FrameKind::Config, 40, other));
    muxer.frame(&key(40), &stream_info, &mut out);
    let units = demux(&out).units;
    assert!(units[1].bytes.ends_with(b"\0\0\0\x01\x68\xef\0\0\x01\x65\x01\x02"));
}

#[test]
fn another_track_makes_another_version_of_the_table_at_once() {
    let (mut muxer, mut out) = (Muxer::new(), BytesMut::new());
    muxer.frame(&key(0), &video_headers(), &mut out);
    muxer.frame(&inter(40), &both_headers(), &mut out);
    muxer.frame(&sound(40), &both_headers(), &mut out);
    let demuxed = demux(&out);
    assert_eq!(demuxed.versions, [0, 1]);
    assert_eq!(demuxed.streams.keys().copied().collect::<Vec<u16>>(), [0x100, 0x200]);
    assert_eq!(demuxed.units[2].pid, 0x200);
}

#[test]
fn a_track_that_comes_back_goes_on_counting() {
    let config = |payload: &'static [u8]| frame(Track::AUDIO, Codec::Aac, FrameKind::Config, 0, payload);
    let both = both_headers();
    // Channels as a program config element tells: ADTS has no place for that, and the track is left out.
    let without = with(both.clone(), config(b"\x12\x00"));
    let back = with(without.clone(), config(b"\x12\x10"));
    let (mut muxer, mut out) = (Muxer::new(), BytesMut::new());
    assert!(muxer.frame(&key(0), &both, &mut out) && muxer.frame(&sound(20), &both, &mut out));
    assert!(!muxer.frame(&sound(30), &without, &mut out));
    assert!(muxer.frame(&key(40), &without, &mut out));
    assert!(muxer.frame(&sound(60), &back, &mut out) && muxer.frame(&key(80), &back, &mut out));
    let counters: Vec<u8> = out
        .chunks(188)
        .filter(|packet| packet[1] & 0x1f == 2 && packet[2] == 0)
        .map(|packet| packet[3] & 0x0f)
        .collect();
    assert_eq!(counters, [0, 1], "2.4.3.3: the counter goes on");
}

#[test]
fn the_clock_goes_on_while_the_pictures_pause() {
    for sound_ms in [11, 21, 23, 46] {
        let mut frames = vec![key(0)];
        frames.extend((1..100).map(|n| sound(n * sound_ms)));
        frames.push(key(100 * sound_ms));
        let clocks = mux(&frames, &both_headers()).clocks;
        let steps: Vec<i64> = clocks.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(steps.iter().all(|step| (1..=9_000).contains(step)), "{steps:?}");
    }
}

#[test]
fn times_wrap_after_33_bits() {
    let wrap_ms = WRAP / 90;
    let units = mux(&[key(wrap_ms - 2_000), inter(wrap_ms - 1_000)], &video_headers()).units;
    let expected = |ms: i64| (START_TICKS + ms * 90).rem_euclid(WRAP);
    assert_eq!(units[0].dts, expected(wrap_ms - 2_000));
    assert_eq!(units[1].dts, expected(wrap_ms - 1_000));
    assert!(units[1].dts < units[0].dts);
}

const WRAP: i64 = 1 << 33;

proptest! {
    #[test]
    fn every_frame_comes_out_whole_in_time_and_in_order(
        kinds in proptest::collection::vec(
            (any::<bool>(), 0u8..6, 1usize..1500, 1i64..60_000, 0i32..100_000),
            1..60,
        ),
    ) {
        let stream_info = both_headers();
        let (mut dts, mut frames) = (0, Vec::new());
        for (number, (video, kind, len, step, cts)) in kinds.into_iter().enumerate() {
            dts += step;
            let mut frame = if video || number == 0 {
                let slice = vec![0x41; len];
                let sample = [&(len as u32).to_be_bytes()[..], &slice].concat();
                picture(if kind == 0 || number == 0 { FrameKind::Key } else { FrameKind::Inter }, 0, sample)
            } else {
                frame(Track::AUDIO, Codec::Aac, FrameKind::Key, 0, vec![number as u8; len])
            };
            frame.dts = Timestamp(dts);
            frame.cts = if video { cts } else { 0 };
            frames.push(frame);
        }
        let demuxed = mux(&frames, &stream_info);
        prop_assert_eq!(demuxed.units.len(), frames.len());
        // Units come out where they end: compare each track by itself.
        for pid in [0x100, 0x200] {
            let units = demuxed.units.iter().filter(|unit| unit.pid == pid);
            let sent = frames.iter().filter(|frame| pid_of(frame.track) == pid);
            for (unit, frame) in units.zip(sent) {
                let ticks = |us: i64| START_TICKS + (us * 9 + 50) / 100;
                let content = if pid == 0x100 { &frame.payload[4..] } else { &frame.payload[..] };
                prop_assert!(unit.bytes.ends_with(content));
                prop_assert_eq!(unit.dts, ticks(frame.dts.0));
                prop_assert_eq!(unit.pts, ticks(frame.dts.0 + i64::from(frame.cts)));
                prop_assert_eq!(unit.random_access, frame.is_video_key());
            }
        }
        prop_assert!(demuxed.clocks.is_sorted());
        prop_assert!(demuxed.clock_before.iter().zip(&demuxed.units).all(|(clock, unit)| *clock < unit.dts));
    }
}

/// What a receiver sees.
#[derive(Debug, Default)]
struct Demuxed {
    /// Stream type and descriptors by PID, as the last table has them.
    streams: BTreeMap<u16, (u8, Vec<u8>)>,
    /// Versions of the map in the order in which they came, equal ones once.
    versions: Vec<u8>,
    /// How many units had begun when each pair of tables came.
    tables_before: Vec<usize>,
    clocks: Vec<i64>,
    units: Vec<Unit>,
    /// The clock where each unit began.
    clock_before: Vec<i64>,
}

#[derive(Debug, PartialEq, Eq)]
struct Unit {
    pid: u16,
    stream_id: u8,
    pts: i64,
    dts: i64,
    random_access: bool,
    bytes: Vec<u8>,
}

fn demux(bytes: &[u8]) -> Demuxed {
    let mut demuxed = Demuxed::default();
    let mut counters: BTreeMap<u16, u8> = BTreeMap::new();
    // Packetised bytes by unit, with their PID and whether decoding may begin there.
    let mut raw: Vec<(u16, bool, Vec<u8>)> = Vec::new();
    for packet in bytes.chunks(188) {
        assert_eq!((packet.len(), packet[0]), (188, 0x47));
        let pid = u16::from_be_bytes([packet[1] & 0x1f, packet[2]]);
        let (start, field, body) = (packet[1] & 0x40 != 0, packet[3] & 0x20 != 0, packet[3] & 0x10 != 0);
        let counter = packet[3] & 15;
        let expected = match counters.get(&pid) {
            Some(last) if body => (last + 1) % 16,
            Some(last) => *last,
            None => 0,
        };
        assert_eq!(counter, expected, "continuity of PID {pid:#x}");
        counters.insert(pid, counter);
        let (flags, skip) = if field { (packet[5], usize::from(packet[4]) + 1) } else { (0, 0) };
        let flags = if skip > 1 { flags } else { 0 };
        if flags & 0x10 != 0 {
            let base = u32::from_be_bytes([packet[6], packet[7], packet[8], packet[9]]);
            demuxed.clocks.push((i64::from(base) << 1) | i64::from(packet[10] >> 7));
        }
        let payload = &packet[4 + skip..];
        match pid {
            0 => assert_eq!(section(payload)[8..], [0, 1, 0xf0, 0x00]),
            0x1000 => {
                demuxed.tables_before.push(raw.len());
                read_map(section(payload), &mut demuxed);
            }
            _ if !body => assert_eq!(skip, 184),
            _ if start => {
                demuxed.clock_before.push(*demuxed.clocks.last().expect("a clock comes first"));
                raw.push((pid, flags & 0x40 != 0, payload.to_vec()));
            }
            _ => {
                let unit = raw.iter_mut().rev().find(|unit| unit.0 == pid).expect("a unit begins first");
                unit.2.extend_from_slice(payload);
            }
        }
    }
    demuxed.units =
        raw.into_iter().map(|(pid, random_access, bytes)| read_pes(pid, random_access, &bytes)).collect();
    demuxed
}

/// A section without its CRC, which is right.
fn section(payload: &[u8]) -> &[u8] {
    assert_eq!(payload[0], 0, "pointer field");
    let len = usize::from(u16::from_be_bytes([payload[2] & 0x0f, payload[3]]));
    let section = &payload[1..4 + len];
    let (body, crc) = section.split_at(section.len() - 4);
    let mut register = u32::MAX;
    for bit in body.iter().flat_map(|byte| (0..8).rev().map(move |bit| u32::from(byte >> bit & 1))) {
        let feedback = (register >> 31) ^ bit;
        register = (register << 1) ^ (feedback * 0x04c1_1db7);
    }
    assert_eq!(crc, register.to_be_bytes());
    body
}

fn read_map(section: &[u8], demuxed: &mut Demuxed) {
    let version = section[5] >> 1 & 0x1f;
    if demuxed.versions.last() != Some(&version) {
        demuxed.versions.push(version);
    }
    demuxed.streams.clear();
    let mut rest = &section[12..];
    while let [stream_type, pid_high, pid_low, _, len, tail @ ..] = rest {
        let (descriptors, tail) = tail.split_at(usize::from(*len));
        let pid = u16::from_be_bytes([pid_high & 0x1f, *pid_low]);
        demuxed.streams.insert(pid, (*stream_type, descriptors.to_vec()));
        rest = tail;
    }
    let clock_pid = u16::from_be_bytes([section[8] & 0x1f, section[9]]);
    assert!(demuxed.streams.contains_key(&clock_pid));
}

fn read_pes(pid: u16, random_access: bool, bytes: &[u8]) -> Unit {
    assert_eq!(bytes[..3], [0, 0, 1]);
    let len = usize::from(u16::from_be_bytes([bytes[4], bytes[5]]));
    assert!(len == 0 && bytes.len() > 65_535 || len == bytes.len() - 6, "{len} of {}", bytes.len());
    let time = |at: usize| {
        let field = &bytes[at..at + 5];
        assert!(field[0] & 1 == 1 && field[2] & 1 == 1 && field[4] & 1 == 1, "marker bits");
        field.iter().zip([(1, 0x07), (0, 0xff), (1, 0x7f), (0, 0xff), (1, 0x7f)]).fold(
            0,
            |time, (byte, (shift, mask))| {
                let bits = if shift == 1 { 7 - u32::from(mask == 0x07) * 4 } else { 8 };
                (time << bits) | i64::from(byte >> shift & mask)
            },
        )
    };
    let pts = time(9);
    let dts = if bytes[7] & 0x40 != 0 { time(14) } else { pts };
    let content = &bytes[9 + usize::from(bytes[8])..];
    Unit { pid, stream_id: bytes[3], pts, dts, random_access, bytes: content.to_vec() }
}
