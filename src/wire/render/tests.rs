//! The first frames of a stream in each format, byte by byte.

use super::*;
use crate::media::frame::FrameKind;
use std::sync::Arc;

const CONFIG: &[u8] = b"\x01\x64\x00\x1f";
const PICTURE: &[u8] = b"\x00\x00\x00\x01\x65";

fn frame(track: Track, codec: Codec, kind: FrameKind, ms: i64, payload: &'static [u8]) -> Frame {
    let dts = Timestamp::from_millis(ms);
    Frame { track, codec, kind, sound: 0, dts, cts: 0, payload: Bytes::from_static(payload) }
}

fn metadata() -> Frame {
    frame(Track::DATA, Codec::Amf0, FrameKind::Metadata, 0, b"\x02\x00\x0aonMetaData\x08\0\0\0\0\0\0\x09")
}

fn stream_info(frames: &[Frame]) -> Arc<StreamInfo> {
    frames.iter().fold(Arc::default(), |stream_info: Arc<StreamInfo>, frame| {
        stream_info.with(frame, None).unwrap_or(stream_info)
    })
}

fn stream() -> Arc<StreamInfo> {
    stream_info(&[
        frame(Track::AUDIO, Codec::Aac, FrameKind::Config, 0, b"\x12\x10"),
        frame(Track::VIDEO, Codec::H264, FrameKind::Config, 0, CONFIG),
        metadata(),
    ])
}

fn picture(ms: i64) -> Frame {
    frame(Track::VIDEO, Codec::H264, FrameKind::Key, ms, PICTURE)
}

fn sound(ms: i64) -> Frame {
    frame(Track::AUDIO, Codec::Aac, FrameKind::Key, ms, b"\x21\x00\x49")
}

/// The bytes of the tags in `bytes`: type, timestamp and body of each.
fn tags(mut bytes: &[u8]) -> Vec<(u8, u32, Vec<u8>)> {
    let mut tags = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk() {
        let head = flv::TagHead::parse(head).unwrap();
        let (body, rest) = rest.split_at(head.len);
        let (size, rest) = rest.split_first_chunk().unwrap();
        assert_eq!(u32::from_be_bytes(*size) as usize, flv::TAG_HEAD_BYTES + head.len);
        tags.push((head.tag, head.timestamp_ms, body.to_vec()));
        bytes = rest;
    }
    assert!(bytes.is_empty());
    tags
}

#[test]
fn the_flv_head_tells_the_tracks_that_are_there() {
    let video = frame(Track::VIDEO, Codec::H264, FrameKind::Config, 0, CONFIG);
    let audio = frame(Track::AUDIO, Codec::Aac, FrameKind::Config, 0, b"\x12\x10");
    for (tracks, flags) in [(vec![video.clone()], 1), (vec![audio.clone()], 4), (vec![video, audio], 5)] {
        let head = Renderer::new(Container::Flv.bare()).file_head(&stream_info(&tracks));
        assert_eq!(head, [&b"FLV\x01"[..], &[flags], b"\0\0\0\x09\0\0\0\0"].concat());
        let message =
            Renderer::new(Container::Flv.framed(Framing::WebSocket)).file_head(&stream_info(&tracks));
        assert_eq!(message, [b"\x82\x0d", &head[..]].concat());
    }
    for format in [Format::rtmp(128), Container::Ts.bare(), Container::Aac.bare(), Container::Mp3.bare()] {
        assert_eq!(Renderer::new(format).file_head(&stream()), "");
    }
}

#[test]
fn the_preamble_comes_in_order_and_stamped_with_the_first_frame_but_for_metadata() {
    let preamble = Renderer::new(Container::Flv.bare()).preamble(&stream(), Timestamp(1_234_567));
    assert_eq!(
        tags(&preamble),
        [
            (flv::tag::DATA, 0, metadata().payload.to_vec()),
            (flv::tag::VIDEO, 1234, b"\x17\x00\x00\x00\x00\x01\x64\x00\x1f".to_vec()),
            (flv::tag::AUDIO, 1234, b"\xaf\x00\x12\x10".to_vec()),
        ]
    );
}

#[test]
fn what_else_is_known_about_a_track_follows_its_configuration() {
    let second = Track { kind: TrackKind::Video, id: 1 };
    let stream_info = stream_info(&[
        frame(second, Codec::H265, FrameKind::Config, 0, b"\x02"),
        frame(Track::VIDEO, Codec::H265, FrameKind::VideoInfo, 0, b"\x05"),
        frame(Track::VIDEO, Codec::H265, FrameKind::Config, 0, b"\x01"),
    ]);
    let preamble = Renderer::new(Container::Flv.bare()).preamble(&stream_info, Timestamp(500));
    let bodies: Vec<_> = tags(&preamble).into_iter().map(|(_, _, body)| body).collect();
    assert_eq!(bodies, [&b"\x90hvc1\x01"[..], b"\xd4hvc1\x05", b"\x96\x00hvc1\x01\x02"]);
}

#[test]
fn frames_as_flv_tags() {
    let mut flv = Renderer::new(Container::Flv.bare());
    let picture = flv.frame(&picture(0x0102_0304), &stream());
    let body = b"\x17\x01\x00\x00\x00\x00\x00\x00\x01\x65";
    assert_eq!(tags(&picture), [(flv::tag::VIDEO, 0x0102_0304, body.to_vec())]);
    let message = Renderer::new(Container::Flv.framed(Framing::WebSocket))
        .frame(&super::tests::picture(0x0102_0304), &stream());
    assert_eq!(message[..2], [0x82, 25]);
    assert_eq!(message[2..], picture);
}

#[test]
fn a_large_frame_is_one_websocket_message() {
    let large = Frame { payload: vec![0; 100_000].into(), ..picture(0) };
    let message = Renderer::new(Container::Flv.framed(Framing::WebSocket)).frame(&large, &stream());
    assert_eq!(message[..10], [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0x86, 0xb4]);
    assert_eq!(message.len() - 10, 0x1_86b4);
}

#[test]
fn frames_as_rtmp_chunks() {
    let mut rtmp = Renderer::new(Format::rtmp(8));
    assert_eq!(
        rtmp.frame(&picture(40), &stream()),
        &b"\x06\x00\x00\x28\x00\x00\x0a\x09\x01\x00\x00\x00\x17\x01\x00\x00\x00\x00\x00\x00\xc6\x01\x65"[..]
    );
    assert_eq!(
        rtmp.frame(&sound(40), &stream()),
        &b"\x07\x00\x00\x28\x00\x00\x05\x08\x01\x00\x00\x00\xaf\x01\x21\x00\x49"[..]
    );
    let text = frame(Track::DATA, Codec::Amf0, FrameKind::Message, 40, b"\x02\x00\x01a");
    assert_eq!(
        rtmp.frame(&text, &stream()),
        &b"\x04\x00\x00\x28\x00\x00\x04\x12\x01\x00\x00\x00\x02\x00\x01a"[..]
    );
}

#[test]
fn timestamps_wrap_after_32_bits() {
    let late = picture((1 << 32) + 7);
    let rtmp = Renderer::new(Format::rtmp(128)).frame(&late, &stream());
    assert_eq!(rtmp[..4], *b"\x06\x00\x00\x07");
    assert_eq!(tags(&Renderer::new(Container::Flv.bare()).frame(&late, &stream()))[0].1, 7);
    let extended = Renderer::new(Format::rtmp(9)).frame(&picture(0xffff_ffff), &stream());
    assert_eq!(extended[..4], *b"\x06\xff\xff\xff");
    assert_eq!(extended[12..16], *b"\xff\xff\xff\xff");
    assert_eq!(extended[25..], *b"\xc6\xff\xff\xff\xff\x65");
}

#[test]
fn a_frame_that_exceeds_the_length_field_is_left_out() {
    let huge = |len| Frame { payload: vec![0; len].into(), ..picture(0) };
    for format in [Container::Flv.bare(), Container::Flv.framed(Framing::WebSocket), Format::rtmp(65_536)] {
        let mut renderer = Renderer::new(format);
        assert!(renderer.frame(&huge(flv::BODY_BYTES_MAX - 5), &stream()).len() > flv::BODY_BYTES_MAX);
        assert_eq!(renderer.frame(&huge(flv::BODY_BYTES_MAX - 4), &stream()), "");
    }
}

#[test]
fn aac_gets_its_adts_header_from_the_configuration_in_force() {
    let mut renderer = Renderer::new(Container::Aac.bare());
    // LC, 44.1 kHz, stereo, 10 bytes.
    assert_eq!(renderer.frame(&sound(0), &stream()), &b"\xff\xf1\x50\x80\x01\x5f\xfc\x21\x00\x49"[..]);
    let mono_48k = frame(Track::AUDIO, Codec::Aac, FrameKind::Config, 0, b"\x11\x88");
    let changed = stream().with(&mono_48k, None).unwrap();
    assert_eq!(renderer.frame(&sound(0), &changed), &b"\xff\xf1\x4c\x40\x01\x5f\xfc\x21\x00\x49"[..]);
    for other in [picture(0), metadata(), mono_48k] {
        assert_eq!(renderer.frame(&other, &changed), "");
    }
    // Without a configuration there is nothing to say.
    assert_eq!(Renderer::new(Container::Aac.bare()).frame(&sound(0), &stream_info(&[sound(0)])), "");
}

#[test]
fn mp3_is_shared_as_it_is() {
    let sound = frame(Track::AUDIO, Codec::Mp3, FrameKind::Key, 0, b"\xff\xfb\x90\x00");
    let rendered =
        Renderer::new(Container::Mp3.bare()).frame(&sound, &stream_info(std::slice::from_ref(&sound)));
    assert_eq!(rendered.as_ptr(), sound.payload.as_ptr());
    let second = Frame { track: Track { kind: TrackKind::Audio, id: 1 }, ..sound };
    assert_eq!(Renderer::new(Container::Mp3.bare()).frame(&second, &StreamInfo::default()), "");
}

#[test]
fn a_format_suits_a_stream_whose_default_tracks_it_can_hold() {
    let avc = |track| {
        let sets = b"\x01\x42\xc0\x0c\xff\xe1\x00\x04\x67\x42\xc0\x0c\x01\x00\x02\x68\xce";
        frame(track, Codec::H264, FrameKind::Config, 0, sets)
    };
    let aac = frame(Track::AUDIO, Codec::Aac, FrameKind::Config, 0, b"\x12\x10");
    let sound = |codec| frame(Track::AUDIO, codec, FrameKind::Key, 0, b"\x00");
    let picture = |codec| frame(Track::VIDEO, codec, FrameKind::Key, 0, b"\x00");
    let second = Frame { track: Track { kind: TrackKind::Video, id: 1 }, ..picture(Codec::Av1) };
    for (frames, ts, adts, mp3) in [
        (vec![avc(Track::VIDEO), aac.clone()], true, true, false),
        (vec![avc(Track::VIDEO), sound(Codec::Mp3)], true, false, true),
        (vec![picture(Codec::Av1), aac.clone()], false, true, false),
        (vec![avc(Track::VIDEO), second, aac], true, true, false),
        (vec![picture(Codec::FlvVideo(2))], false, false, false),
        // Without its configuration nothing can be done with it.
        (vec![sound(Codec::Aac)], false, false, false),
        (vec![sound(Codec::Ac3)], true, false, false),
        (vec![metadata()], false, false, false),
    ] {
        let stream_info = stream_info(&frames);
        assert!(
            Container::Flv.bare().suits(&stream_info)
                && Container::Flv.framed(Framing::WebSocket).suits(&stream_info)
        );
        assert!(Format::rtmp(128).suits(&stream_info));
        let suits = [Container::Ts.bare(), Container::Aac.bare(), Container::Mp3.bare()]
            .map(|format| format.suits(&stream_info));
        assert_eq!(suits, [ts, adts, mp3], "{frames:?}");
    }
}

#[test]
fn transport_packets_are_whole_and_begin_with_tables() {
    let stream_info = stream_info(&[frame(Track::AUDIO, Codec::Aac, FrameKind::Config, 0, b"\x12\x10")]);
    let packets = Renderer::new(Container::Ts.bare()).frame(&sound(0), &stream_info);
    assert_eq!(packets.len(), 3 * ts::PACKET_BYTES);
    let pids: Vec<_> = packets.chunks(ts::PACKET_BYTES).map(|packet| &packet[..3]).collect();
    assert_eq!(pids[0], b"\x47\x40\x00");
    assert_eq!(Renderer::new(Container::Ts.bare()).preamble(&stream_info, Timestamp::ZERO), "");
}

#[test]
fn in_http_chunks_everything_is_what_it_is_without_them() {
    let (mut bare, mut chunked) =
        (Renderer::new(Container::Flv.bare()), Renderer::new(Container::Flv.framed(Framing::HttpChunks)));
    let picture = frame(Track::VIDEO, Codec::H264, FrameKind::Key, 40, b"picture");
    let pairs = [
        (bare.file_head(&stream()), chunked.file_head(&stream())),
        (bare.preamble(&stream(), Timestamp::ZERO), chunked.preamble(&stream(), Timestamp::ZERO)),
        (bare.frame(&picture, &stream()), chunked.frame(&picture, &stream())),
    ];
    for (bare, chunked) in pairs {
        let head = format!("{:x}\r\n", bare.len());
        assert_eq!(chunked, [head.as_bytes(), &bare, b"\r\n"].concat());
    }
    // What has no place in a format must not become the empty chunk that ends a body.
    assert_eq!(Renderer::new(Container::Mp3.framed(Framing::HttpChunks)).frame(&picture, &stream()), "");
}

#[test]
fn on_a_web_socket_a_frame_of_another_container_is_a_message() {
    let framed = Renderer::new(Container::Ts.framed(Framing::WebSocket)).frame(&sound(0), &stream());
    let bare = Renderer::new(Container::Ts.bare()).frame(&sound(0), &stream());
    let mut head = BytesMut::new();
    websocket::put_binary_head(&mut head, bare.len());
    assert_eq!(framed, [&head[..], &bare].concat());
    assert_eq!(Renderer::new(Container::Mp3.framed(Framing::WebSocket)).frame(&sound(0), &stream()), "");
}
