//! Bodies as encoders send them, and everything that can be said in FLV there and back.

use super::codes::{SOUND_DEFAULT, frame};
use super::*;
use crate::media::frame::{Codec, FrameKind, Track, TrackKind};
use crate::wire::amf0::{self, Value};
use bytes::BytesMut;
use proptest::prelude::*;

const DTS: Timestamp = Timestamp::from_millis(40);

fn parsed(tag: u8, body: &[u8]) -> Result<Vec<Frame>, FlvError> {
    let mut frames = Vec::new();
    parse(tag, Bytes::copy_from_slice(body), DTS, &mut frames).map(|()| frames)
}

fn video(body: &[u8]) -> Frame {
    let mut frames = parsed(tag::VIDEO, body).unwrap();
    assert_eq!(frames.len(), 1);
    frames.remove(0)
}

fn audio(body: &[u8]) -> Frame {
    let mut frames = parsed(tag::AUDIO, body).unwrap();
    assert_eq!(frames.len(), 1);
    frames.remove(0)
}

fn emitted(frame: &Frame) -> Vec<u8> {
    let mut out = BytesMut::new();
    emit(frame, &mut out);
    out.to_vec()
}

fn of(track: Track, codec: Codec, kind: FrameKind, cts: i32, payload: &'static [u8]) -> Frame {
    Frame { cts, ..frame(track, codec, kind, DTS, Bytes::from_static(payload)) }
}

#[test]
fn h264_as_flash_had_it() {
    for (body, kind, cts, payload) in [
        (&b"\x17\x00\x00\x00\x00\x01\x64\x00\x1f"[..], FrameKind::Config, 0, &b"\x01\x64\x00\x1f"[..]),
        (b"\x17\x01\x00\x00\x50\x00\x00\x00\x01\x65", FrameKind::Key, 80_000, b"\x00\x00\x00\x01\x65"),
        (b"\x27\x01\x00\x00\x00\x00\x00\x00\x01\x41", FrameKind::Inter, 0, b"\x00\x00\x00\x01\x41"),
        (b"\x27\x01\xff\xff\xd8\x00\x00\x00\x01\x41", FrameKind::Inter, -40_000, b"\x00\x00\x00\x01\x41"),
        (b"\x17\x02\x00\x00\x00", FrameKind::End, 0, b""),
    ] {
        let frame = video(body);
        assert_eq!(frame, of(Track::VIDEO, Codec::H264, kind, cts, payload));
        assert_eq!(emitted(&frame), body);
    }
}

#[test]
fn the_payload_is_a_slice_of_the_body() {
    let body = Bytes::from_static(b"\x17\x01\x00\x00\x00\x00\x00\x00\x01\x65");
    let mut frames = Vec::new();
    parse_video(body.clone(), DTS, &mut frames).unwrap();
    assert_eq!(frames[0].payload.as_ptr(), body[5..].as_ptr());
}

#[test]
fn hevc_by_its_old_number_comes_out_by_fourcc() {
    let config = video(b"\x1c\x00\x00\x00\x00\x01\x01");
    assert_eq!(config, of(Track::VIDEO, Codec::H265, FrameKind::Config, 0, b"\x01\x01"));
    assert_eq!(emitted(&config), b"\x90hvc1\x01\x01");
    let picture = video(b"\x2c\x01\x00\x00\x28\xaa");
    assert_eq!(picture, of(Track::VIDEO, Codec::H265, FrameKind::Inter, 40_000, b"\xaa"));
    assert_eq!(emitted(&picture), b"\xa1hvc1\x00\x00\x28\xaa");
}

#[test]
fn enhanced_video_as_ffmpeg_and_obs_send_it() {
    let track = Track::VIDEO;
    for (body, codec, kind, cts, payload) in [
        (&b"\x90hvc1\x01\x01\x60"[..], Codec::H265, FrameKind::Config, 0, &b"\x01\x01\x60"[..]),
        (b"\x91hvc1\x00\x00\x50\xaa", Codec::H265, FrameKind::Key, 80_000, b"\xaa"),
        (b"\xa3hvc1\xaa", Codec::H265, FrameKind::Inter, 0, b"\xaa"),
        (b"\x92hvc1", Codec::H265, FrameKind::End, 0, b""),
        (b"\x90av01\x81\x00\x0c\x00", Codec::Av1, FrameKind::Config, 0, b"\x81\x00\x0c\x00"),
        (b"\x91av01\x32\xaa", Codec::Av1, FrameKind::Key, 0, b"\x32\xaa"),
        (b"\xa1vp09\xaa", Codec::Vp9, FrameKind::Inter, 0, b"\xaa"),
        (b"\x91vp08\xaa", Codec::Vp8, FrameKind::Key, 0, b"\xaa"),
        (b"\xd4hvc1\x02\x00\x09colorInfo", Codec::H265, FrameKind::VideoInfo, 0, b"\x02\x00\x09colorInfo"),
    ] {
        let frame = video(body);
        assert_eq!(frame, of(track, codec, kind, cts, payload));
        assert_eq!(emitted(&frame), body);
    }
    // OBS sends its colour information with frame type 0.
    assert_eq!(video(b"\x84av01\x05").kind, FrameKind::VideoInfo);
    // A multitrack body must not look like a command.
    let second = video(b"\x96\x04av01\x01\x05");
    assert_eq!(
        second,
        of(Track { kind: TrackKind::Video, id: 1 }, Codec::Av1, FrameKind::VideoInfo, 0, b"\x05")
    );
    assert_eq!(emitted(&second), b"\x96\x04av01\x01\x05");
}

#[test]
fn h264_by_fourcc_comes_out_as_flash_had_it() {
    let frame = video(b"\x91avc1\x00\x00\x50\xaa");
    assert_eq!(frame, of(Track::VIDEO, Codec::H264, FrameKind::Key, 80_000, b"\xaa"));
    assert_eq!(emitted(&frame), b"\x17\x01\x00\x00\x50\xaa");
    assert_eq!(emitted(&video(b"\x90avc1\x01")), b"\x17\x00\x00\x00\x00\x01");
    assert_eq!(emitted(&video(b"\xa3avc1\xaa")), b"\x27\x01\x00\x00\x00\xaa");
    assert_eq!(emitted(&video(b"\x92avc1")), b"\x17\x02\x00\x00\x00");
}

#[test]
fn an_av1_descriptor_becomes_a_configuration_record() {
    let frame = video(b"\x95av01\x80\x04\x81\x08\x0c\xd4");
    assert_eq!(frame, of(Track::VIDEO, Codec::Av1, FrameKind::Config, 0, b"\x81\x08\x0c\x14"));
    assert_eq!(
        parsed(tag::VIDEO, b"\x95av01\x80\x04\x81\x08"),
        Err(FlvError::Config("AV1 video descriptor"))
    );
    assert_eq!(parsed(tag::VIDEO, b"\x95hvc1\x80\x04\x81\x08\x0c\xd4"), Err(FlvError::PacketType(5)));
}

#[test]
fn av1_keeps_its_temporal_delimiter() {
    // FFmpeg sends one, OBS does not; both are relayed to the letter.
    let body = b"\x91av01\x12\x00\x32\xaa";
    assert_eq!(emitted(&video(body)), body);
}

#[test]
fn a_vp9_record_is_bare_inside_and_has_version_and_flags_outside() {
    let record = b"\x00\x0b\x82\x02\x02\x02\x00\x00";
    let by_ffmpeg = b"\x90vp09\x01\x00\x00\x00\x00\x0b\x82\x02\x02\x02\x00\x00";
    let frame = video(by_ffmpeg);
    assert_eq!(frame, of(Track::VIDEO, Codec::Vp9, FrameKind::Config, 0, record));
    assert_eq!(video(&[b"\x90vp09", &record[..]].concat()), frame);
    assert_eq!(emitted(&frame), by_ffmpeg);
}

#[test]
fn a_nanosecond_offset_moves_the_frame() {
    // ModEx, three bytes, 500 000 ns, type 0, then CodedFramesX.
    let body = b"\x97\x02\x07\xa1\x20\x03hvc1\xaa";
    let frame = video(body);
    assert_eq!(frame.dts, Timestamp(40_500));
    assert_eq!(frame.payload, &b"\xaa"[..]);
    assert_eq!(emitted(&frame), body);
}

#[test]
fn modifiers_chain_and_unknown_ones_are_skipped() {
    let mut body = b"\x97\x00\xee\x17".to_vec();
    // 256 bytes need the long form of the size.
    body.extend([0xff, 0x00, 0xff]);
    body.extend([0xee; 256]);
    body.extend(b"\x27\x03\x00\x03\xe8\xff\x03hvc1\xaa");
    let frame = video(&body);
    assert_eq!((frame.dts, frame.kind), (Timestamp(40_001), FrameKind::Key));
    assert_eq!(frame.payload, &b"\xaa"[..]);
}

#[test]
fn a_modifier_may_have_65536_bytes() {
    let mut body = b"\x97\xff\xff\xff".to_vec();
    body.extend([0; 65_535]);
    assert_eq!(parsed(tag::VIDEO, &body), Err(FlvError::Truncated));
    body.extend(b"\x00\x13hvc1\xaa");
    assert_eq!(video(&body).payload, &b"\xaa"[..]);
}

#[test]
fn one_track_other_than_the_default() {
    let track = Track { kind: TrackKind::Video, id: 2 };
    for (body, kind, cts) in [
        (&b"\x96\x00avc1\x02\xaa"[..], FrameKind::Config, 0),
        (b"\x96\x01avc1\x02\x00\x00\x28\xaa", FrameKind::Key, 40_000),
        (b"\xa6\x03avc1\x02\xaa", FrameKind::Inter, 0),
    ] {
        let frame = video(body);
        assert_eq!(frame, of(track, Codec::H264, kind, cts, b"\xaa"));
        assert_eq!(emitted(&frame), body);
    }
}

#[test]
fn many_tracks_in_one_body() {
    let body = b"\x96\x11hvc1\x00\x00\x00\x04\x00\x00\x28\xaa\x01\x00\x00\x05\x00\x00\x00\xbb\xbb";
    let frames = parsed(tag::VIDEO, body).unwrap();
    assert_eq!(
        frames,
        [
            of(Track::VIDEO, Codec::H265, FrameKind::Key, 40_000, b"\xaa"),
            of(Track { kind: TrackKind::Video, id: 1 }, Codec::H265, FrameKind::Key, 0, b"\xbb\xbb"),
        ]
    );
}

#[test]
fn many_tracks_of_many_codecs_of_which_one_is_unknown() {
    let body = b"\x95\x21Opus\x00\x00\x00\x01\xaavorb\x01\x00\x00\x03\xee\xee\xeeac-3\x02\x00\x00\x01\xbb";
    let frames = parsed(tag::AUDIO, body).unwrap();
    assert_eq!(
        frames,
        [
            of(Track::AUDIO, Codec::Opus, FrameKind::Key, 0, b"\xaa"),
            of(Track { kind: TrackKind::Audio, id: 2 }, Codec::Ac3, FrameKind::Key, 0, b"\xbb"),
        ]
    );
}

#[test]
fn unsound_multitrack_bodies_leave_nothing_behind() {
    for (body, error) in [
        (&b"\x96\x16avc1\x00"[..], FlvError::PacketType(6)),
        (b"\x96\x17avc1\x00", FlvError::PacketType(7)),
        (b"\x96\x31avc1\x00", FlvError::Multitrack(3)),
        (b"\x96\x01vvc1\x00\xaa", FlvError::FourCc(*b"vvc1")),
        (b"\x96\x11hvc1\x00\x00\x00\x04\x00\x00\x28\xaa\x01\x00\x00\x05\x00", FlvError::Truncated),
        (b"\x96\x11hvc1\x00\x00\x00\x04\x00\x00\x28\xaa\x01\x00", FlvError::Truncated),
    ] {
        assert_eq!(parsed(tag::VIDEO, body), Err(error), "{body:x?}");
    }
    let mut frames = vec![video(b"\xa3hvc1\xaa")];
    let body = Bytes::from_static(b"\x96\x11hvc1\x00\x00\x00\x04\x00\x00\x28\xaa\x01");
    assert!(parse_video(body, DTS, &mut frames).is_err());
    assert_eq!(frames.len(), 1);
}

#[test]
fn the_number_of_tracks_in_a_body_is_limited() {
    let ends = [&b"\x96\x12hvc1"[..], &b"\x00\x00\x00\x00".repeat(257)].concat();
    assert_eq!(parsed(tag::VIDEO, &ends[..ends.len() - 4]).unwrap().len(), 256);
    assert_eq!(parsed(tag::VIDEO, &ends), Err(FlvError::TooManyTracks));
}

#[test]
fn legacy_audio() {
    for (body, codec, kind, sound, payload) in [
        (&b"\xaf\x00\x12\x10"[..], Codec::Aac, FrameKind::Config, 0, &b"\x12\x10"[..]),
        (b"\xaf\x01\x21\x00", Codec::Aac, FrameKind::Key, 0, b"\x21\x00"),
        (b"\x2e\xff\xfb\x90\x00", Codec::Mp3, FrameKind::Key, 0x0e, b"\xff\xfb\x90\x00"),
        (b"\xe6\xff\xe3\x18\x00", Codec::Mp3, FrameKind::Key, 0x06, b"\xff\xe3\x18\x00"),
        (b"\x72\xd5", Codec::FlvAudio(7), FrameKind::Key, 0x02, b"\xd5"),
        (b"\xb6\x1e", Codec::FlvAudio(11), FrameKind::Key, 0x06, b"\x1e"),
    ] {
        let frame = audio(body);
        assert_eq!(frame, Frame { sound, ..of(Track::AUDIO, codec, kind, 0, payload) });
        assert_eq!(emitted(&frame), body);
    }
    // The bits for rate, size and channels mean nothing for AAC, and encoders get them wrong.
    assert_eq!(emitted(&audio(b"\xa2\x01\x21")), b"\xaf\x01\x21");
}

#[test]
fn enhanced_audio() {
    for (body, codec, kind, payload) in [
        (&b"\x90OpusOpusHead"[..], Codec::Opus, FrameKind::Config, &b"OpusHead"[..]),
        (b"\x91Opus\xfc\xff", Codec::Opus, FrameKind::Key, b"\xfc\xff"),
        (b"\x90fLaCfLaC\x80", Codec::Flac, FrameKind::Config, b"fLaC\x80"),
        (b"\x91ac-3\x0b\x77", Codec::Ac3, FrameKind::Key, b"\x0b\x77"),
        (b"\x91ec-3\x0b\x77", Codec::Eac3, FrameKind::Key, b"\x0b\x77"),
        (b"\x92Opus", Codec::Opus, FrameKind::End, b""),
        (b"\x94Opus\x01\x06\x00\x00\x00\x3f", Codec::Opus, FrameKind::VideoInfo, b"\x01\x06\x00\x00\x00\x3f"),
        (b"\x94Opus\x02\x02\x00\x01", Codec::Opus, FrameKind::VideoInfo, b"\x02\x02\x00\x01"),
    ] {
        let frame = audio(body);
        assert_eq!(frame, of(Track::AUDIO, codec, kind, 0, payload));
        assert_eq!(emitted(&frame), body);
    }
    assert_eq!(parsed(tag::AUDIO, b"\x94Opus\x01\x06\x00"), Err(FlvError::Truncated));
    assert_eq!(parsed(tag::AUDIO, b"\x94Opus\x02\x03\x00\x01"), Err(FlvError::Truncated));
}

#[test]
fn aac_and_mp3_by_fourcc_come_out_as_flash_had_them() {
    assert_eq!(emitted(&audio(b"\x90mp4a\x12\x10")), b"\xaf\x00\x12\x10");
    assert_eq!(emitted(&audio(b"\x91mp4a\x21")), b"\xaf\x01\x21");
    assert_eq!(emitted(&audio(b"\x91.mp3\xff\xfb\x90\x00")), b"\x2f\xff\xfb\x90\x00");
    let second = audio(b"\x95\x01mp4a\x01\x21");
    assert_eq!(second, of(Track { kind: TrackKind::Audio, id: 1 }, Codec::Aac, FrameKind::Key, 0, b"\x21"));
    assert_eq!(emitted(&second), b"\x95\x01mp4a\x01\x21");
}

#[test]
fn an_empty_opus_configuration_means_stereo() {
    assert_eq!(audio(b"\x90Opus").payload, &b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0"[..]);
}

#[test]
fn a_bare_flac_block_gets_its_marker() {
    let info = [7; 34];
    let wanted = [b"fLaC\x80\0\0\x22", &info[..]].concat();
    assert_eq!(audio(&[b"\x90fLaC", &info[..]].concat()).payload, wanted);
    assert_eq!(audio(&[b"\x90fLaC", &wanted[..]].concat()).payload, wanted);
}

#[test]
fn what_says_nothing_yields_nothing() {
    for body in [
        &b""[..],
        b"\x57\x00",                       // a seek command
        b"\x5c",                           // a command of any codec
        b"\xd1hvc1\x00",                   // an enhanced command
        b"\x17\x00\x00\x00\x00",           // an empty configuration, as FFmpeg sends it before it has one
        b"\x27\x01\x00\x00\x00",           // an empty picture
        b"\x91av01",                       // an empty picture
        b"\x22",                           // an empty picture of an old codec
        b"\x96\x11hvc1\x00\0\0\x03\0\0\0", // an empty picture of a track
    ] {
        assert_eq!(parsed(tag::VIDEO, body), Ok(vec![]), "{body:x?}");
    }
    for body in [&b""[..], b"\xaf\x00", b"\xaf\x01", b"\x2f", b"\x91Opus", b"\x90ac-3\x00", b"\x90.mp3"] {
        assert_eq!(parsed(tag::AUDIO, body), Ok(vec![]), "{body:x?}");
    }
}

#[test]
fn unsound_bodies_are_refused() {
    for (tag, body, error) in [
        (tag::VIDEO, &b"\x17"[..], FlvError::Truncated),
        (tag::VIDEO, b"\x17\x01\x00\x00", FlvError::Truncated),
        (tag::VIDEO, b"\x17\x03\x00\x00\x00\xaa", FlvError::PacketType(3)),
        (tag::VIDEO, b"\x91hvc", FlvError::Truncated),
        (tag::VIDEO, b"\x91hvc1\x00\x00", FlvError::Truncated),
        (tag::VIDEO, b"\x98hvc1\x00", FlvError::PacketType(8)),
        (tag::VIDEO, b"\x91vvc1\x00", FlvError::FourCc(*b"vvc1")),
        (tag::VIDEO, b"\x91Opus\x00", FlvError::FourCc(*b"Opus")),
        (tag::VIDEO, b"\x97\x01\x00\x00\x03hvc1\xaa", FlvError::Truncated),
        (tag::AUDIO, b"\xaf", FlvError::Truncated),
        (tag::AUDIO, b"\xaf\x02\x00", FlvError::PacketType(2)),
        (tag::AUDIO, b"\x91Opu", FlvError::Truncated),
        (tag::AUDIO, b"\x91hvc1\x00", FlvError::FourCc(*b"hvc1")),
        (tag::AUDIO, b"\x93Opus\x00", FlvError::PacketType(3)),
    ] {
        assert_eq!(parsed(tag, body), Err(error), "{body:x?}");
    }
}

fn script(values: &[Value]) -> Vec<u8> {
    let mut out = BytesMut::new();
    amf0::encode_all(values, &mut out);
    out.to_vec()
}

#[test]
fn metadata_is_put_into_the_form_for_players() {
    let members =
        [("duration", 0.into()), ("width", 1280.into()), ("filesize", 0.into()), ("server", 1.into())];
    let described = Value::ecma_array([("width", 1280.into()), ("server", SERVER_NAME.into())]);
    let wanted = script(&["onMetaData".into(), described]);
    for body in [
        script(&["@setDataFrame".into(), "onMetaData".into(), Value::object(members.clone())]),
        script(&["onMetaData".into(), Value::ecma_array(members)]),
        wanted.clone(),
    ] {
        let frames = parsed(tag::DATA, &body).unwrap();
        let wanted = Bytes::from(wanted.clone());
        assert_eq!(frames, [frame(Track::DATA, Codec::Amf0, FrameKind::Metadata, DTS, wanted.clone())]);
        assert_eq!(emitted(&frames[0]), wanted);
    }
}

#[test]
fn other_messages_are_relayed_byte_for_byte() {
    let message = script(&["onTextData".into(), Value::object([("text", "hi".into())])]);
    let wrapped = [script(&["@setDataFrame".into()]), message.clone()].concat();
    for body in [message.clone(), wrapped] {
        let frames = parsed(tag::DATA, &body).unwrap();
        let wanted = Bytes::from(message.clone());
        assert_eq!(frames, [frame(Track::DATA, Codec::Amf0, FrameKind::Message, DTS, wanted)]);
    }
}

#[test]
fn data_that_is_not_for_players_is_ignored() {
    for body in [
        vec![],
        b"\x00\x00\x00\x2a".to_vec(),
        script(&["onMetaData".into()]),
        script(&["@setDataFrame".into()]),
        script(&["@clearDataFrame".into(), "onMetaData".into()]),
        script(&["|RtmpSampleAccess".into(), true.into(), true.into()]),
        script(&["onStatus".into(), Value::object([("code", "NetStream.Data.Start".into())])]),
    ] {
        assert_eq!(parsed(tag::DATA, &body), Ok(vec![]), "{body:x?}");
    }
}

#[test]
fn data_that_is_not_amf0_is_refused() {
    for body in [&b"\x02\x00\x05a"[..], b"\x02\x00\x01a\xff", b"\x02\x00\x0aonMetaData\x03\x00\x01a\x04"] {
        assert!(matches!(parsed(tag::DATA, body), Err(FlvError::Amf(_))), "{body:x?}");
    }
}

#[test]
fn the_file_head_tells_what_is_in_it() {
    let head = FileHead { audio: true, video: true };
    assert_eq!(head.emit(), *b"FLV\x01\x05\0\0\0\x09\0\0\0\0");
    assert_eq!(FileHead { audio: false, ..head }.emit()[4], 1);
    assert_eq!(FileHead { video: false, ..head }.emit()[4], 4);
    assert_eq!(FileHead::parse(&head.emit()), Ok(head));
    assert!(FileHead::parse(b"FLV\x02\x05\0\0\0\x09\0\0\0\0").is_err());
}

#[test]
fn a_tag_has_an_extended_timestamp_and_its_own_size_behind_it() {
    let mut out = BytesMut::new();
    put_tag(&mut out, tag::AUDIO, 0x0102_0304, &[b"\xaf\x01", b"\x21"]);
    assert_eq!(out, &b"\x08\x00\x00\x03\x02\x03\x04\x01\x00\x00\x00\xaf\x01\x21\x00\x00\x00\x0e"[..]);
    let head = TagHead { tag: 8, len: 3, timestamp_ms: 0x0102_0304 };
    assert_eq!(TagHead::parse(out.first_chunk().unwrap()), Ok(head));
    assert_eq!(TagHead::parse(&[0x28, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), Err(FlvError::Encrypted));
}

fn payload() -> impl Strategy<Value = Bytes> {
    // 34 bytes would be a bare FLAC block, which a frame does not hold.
    prop::collection::vec(any::<u8>(), 1..34).prop_map(Bytes::from)
}

fn any_video() -> impl Strategy<Value = Frame> {
    let codec = prop_oneof![
        prop::sample::select(vec![Codec::H264, Codec::H265, Codec::Av1, Codec::Vp8, Codec::Vp9]),
        prop::sample::select(vec![2, 3, 4, 5, 6, 8, 9, 13, 15]).prop_map(Codec::FlvVideo),
    ];
    let kind = prop::sample::select(vec![
        FrameKind::Config,
        FrameKind::Key,
        FrameKind::Inter,
        FrameKind::End,
        FrameKind::VideoInfo,
    ]);
    (codec, kind, any::<u8>(), any_dts(), -500..5000i32, payload()).prop_map(
        |(codec, kind, id, dts, cts_ms, payload)| {
            let old = matches!(codec, Codec::FlvVideo(_));
            let kind = if old && kind != FrameKind::Inter { FrameKind::Key } else { kind };
            let id = if old { 0 } else { id };
            let plain = old || codec == Codec::H264 && id == 0 && kind != FrameKind::VideoInfo;
            let timed = matches!(codec, Codec::H264 | Codec::H265)
                && matches!(kind, FrameKind::Key | FrameKind::Inter);
            Frame {
                track: Track { kind: TrackKind::Video, id },
                codec,
                kind,
                sound: 0,
                dts: if plain { Timestamp::from_millis(dts.as_millis()) } else { dts },
                cts: if timed { cts_ms * 1000 } else { 0 },
                payload: if kind == FrameKind::End { Bytes::new() } else { payload },
            }
        },
    )
}

fn any_audio() -> impl Strategy<Value = Frame> {
    let codec = prop_oneof![
        prop::sample::select(vec![Codec::Aac, Codec::Mp3, Codec::Opus, Codec::Flac, Codec::Ac3, Codec::Eac3]),
        prop::sample::select(vec![0, 1, 3, 4, 5, 6, 7, 8, 11, 12, 13, 15]).prop_map(Codec::FlvAudio),
    ];
    let kind = prop::sample::select(vec![FrameKind::Config, FrameKind::Key, FrameKind::End]);
    (codec, kind, any::<u8>(), any_dts(), 0..16u8, payload()).prop_map(
        |(codec, kind, id, dts, sound, payload)| {
            let old = matches!(codec, Codec::FlvAudio(_));
            let configured = matches!(codec, Codec::Aac | Codec::Opus | Codec::Flac);
            let kind = if old || kind == FrameKind::Config && !configured { FrameKind::Key } else { kind };
            let id = if old { 0 } else { id };
            let by_number =
                old || matches!(codec, Codec::Aac | Codec::Mp3) && id == 0 && kind != FrameKind::End;
            let sound = match codec {
                Codec::Mp3 if !by_number => SOUND_DEFAULT,
                Codec::Mp3 | Codec::FlvAudio(_) => sound,
                _ => 0,
            };
            Frame {
                track: Track { kind: TrackKind::Audio, id },
                codec,
                kind,
                sound,
                dts: if by_number { Timestamp::from_millis(dts.as_millis()) } else { dts },
                cts: 0,
                payload: if kind == FrameKind::End { Bytes::new() } else { payload },
            }
        },
    )
}

fn any_dts() -> impl Strategy<Value = Timestamp> {
    let ms = 0..0x1_0000_0000i64;
    prop_oneof![
        ms.clone().prop_map(Timestamp::from_millis),
        (ms, 0..1000i64).prop_map(|(ms, us)| Timestamp(ms * 1000 + us))
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(frame in prop_oneof![any_video(), any_audio()]) {
        let body = Bytes::from(emitted(&frame));
        let mut frames = Vec::new();
        let whole_ms = Timestamp::from_millis(frame.dts.as_millis());
        parse(tag_type(frame.track.kind), body, whole_ms, &mut frames).unwrap();
        prop_assert_eq!(frames, vec![frame]);
    }

    #[test]
    fn any_bytes_are_parsed_or_refused_and_never_read_beyond(
        tag in prop::sample::select(vec![tag::AUDIO, tag::VIDEO, tag::DATA]),
        head in prop::sample::select(vec![
            &b""[..], b"\x97\x02\0\0\0", b"\x96\x11hvc1", b"\x95\x21", b"\x02\0\x0aonMetaData",
        ]),
        tail in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let body = [head, &tail].concat();
        if let Ok(frames) = parsed(tag, &body) {
            let media = frames.iter().filter(|frame| frame.track.kind != TrackKind::Data);
            let bytes: usize = media.map(|frame| frame.payload.len()).sum();
            prop_assert!(bytes <= body.len() + 19);
        }
    }

    #[test]
    fn tag_heads_are_read_back(tag in 0..32u8, len in 0..=BODY_BYTES_MAX, timestamp_ms: u32) {
        let head = TagHead { tag, len, timestamp_ms };
        prop_assert_eq!(TagHead::parse(&head.emit()), Ok(head));
    }
}
