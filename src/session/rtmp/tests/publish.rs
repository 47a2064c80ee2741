//! Peers that publish.

use super::*;
use crate::base::limit::Limit;
use crate::wire::flv::put_tag;

/// An AAC configuration and a frame of sound, as FLV bodies.
const AAC_CONFIG: &[u8] = &[0xaf, 0x00, 0x12, 0x10];
const AAC_FRAME: &[u8] = &[0xaf, 0x01, 0x21, 0x10, 0x04];

#[test]
fn the_answer_to_connect_begins_with_windows_and_chunk_size() {
    let mut peer = Peer::shaken(Config::default());
    peer.call("connect", 1, Value::object([("tcUrl", "rtmp://h/live".into())]), &[]);
    let raw = peer.raw();
    #[rustfmt::skip]
    assert_eq!(raw[..16 + 17 + 16 + 4], [
        0x02, 0, 0, 0, 0, 0, 4, 5, 0, 0, 0, 0, 0x00, 0x26, 0x25, 0xa0,    // window 2 500 000
        0x02, 0, 0, 0, 0, 0, 5, 6, 0, 0, 0, 0, 0x00, 0x26, 0x25, 0xa0, 2, // bandwidth, dynamic
        0x02, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0x00, 0x00, 0xea, 0x60,    // chunks of 60 000
        0x03, 0, 0, 0,                                                    // the result in one chunk
    ]);
    assert_eq!(raw[61..80], *b"\x02\x00\x07_result\x00\x3f\xf0\0\0\0\0\0\0");
}

#[test]
fn the_result_of_connect_says_what_clients_look_for() {
    let info = |asked: Value| {
        let mut peer = Peer::shaken(Config::default());
        peer.call("connect", 1, asked, &[]);
        peer.commands().remove(0)
    };
    let url = ("tcUrl", Value::from("rtmp://h/live"));
    let result = info(Value::object([url.clone(), ("objectEncoding", 3.into())]));
    assert_eq!(result.name, "_result");
    assert_eq!(result.object.get("fmsVer"), Some(&"FMS/3,5,3,888".into()));
    assert_eq!(result.object.get("capabilities"), Some(&127.into()));
    assert_eq!(result.object.get("mode"), Some(&1.into()));
    assert_eq!(result.args[0].get("objectEncoding"), Some(&3.into()));
    assert_eq!(result.args[0].get("data").and_then(|data| data.get("id")), Some(&"testpeer".into()));
    assert_eq!(result.args[0].get("capsEx"), None);

    let enhanced = info(Value::object([url, ("fourCcList", Value::StrictArray(vec!["hvc1".into()]))]));
    assert_eq!(enhanced.args[0].get("capsEx"), Some(&14.into()));
    let any = Value::object([("*", 4.into())]);
    assert_eq!(enhanced.args[0].get("videoFourCcInfoMap"), Some(&any));
    assert_eq!(enhanced.args[0].get("audioFourCcInfoMap"), Some(&any));
}

#[test]
fn ffmpeg_publishes_as_fmle_does() {
    let mut peer = Peer::new();
    peer.send(&capture("ffmpeg publish")[..3073]);
    assert_eq!(peer.raw().len(), 3073);
    peer.send(&capture("ffmpeg publish")[3073..]);
    assert_eq!(
        peer.said(),
        [
            "SetPeerBandwidth { size: 2500000, limit: 2 }",
            "_result@0 1 status NetConnection.Connect.Success",
            "onBWDone@0 0 []",
            "_result@0 2 [Null]",
            "_result@0 3 [Null]",
            "_result@0 4 [Number(1.0)]",
            "onFCPublish@1 0 status NetStream.Publish.Start",
            "onStatus@1 0 status NetStream.Publish.Start",
            "onFCUnpublish@1 0 status NetStream.Unpublish.Success",
            "onStatus@1 0 status NetStream.Unpublish.Success",
            "_result@0 6 [Null]",
        ]
    );
    let asked = peer.asked();
    assert_eq!(
        asked[..3],
        [
            "introduce None \"rtmp://127.0.0.1:21951/live\"",
            "introduce Some(FmlePublish) \"rtmp://127.0.0.1:21951/live\"",
            "publish live/cam1 ?",
        ]
    );
    assert!(asked[3].starts_with("frame Data0 Amf0 Metadata dts=0.000ms"), "{}", asked[3]);
    assert_eq!(
        asked[4..6],
        [
            "frame Video0 H264 Config dts=0.000ms cts=0us 44 bytes",
            "frame Audio0 Aac Config dts=0.000ms cts=0us 5 bytes",
        ]
    );
    assert_eq!(asked[asked.len() - 2..], ["Unpublish", "introduce None \"rtmp://127.0.0.1:21951/live\""]);
    assert_eq!(asked.iter().filter(|line| line.contains("Key") && line.contains("Video")).count(), 1);
    assert_eq!(asked.iter().filter(|line| line.contains("Inter") && line.contains("Video")).count(), 9);
}

#[test]
fn gstreamer_and_librtmp_publish_too() {
    for name in ["gstreamer publish", "librtmp publish"] {
        let mut peer = Peer::new();
        peer.send(capture(name));
        let asked = peer.asked();
        let frames =
            |what: &str| asked.iter().filter(|line| line.starts_with("frame") && line.contains(what)).count();
        assert_eq!((frames("H264 Key"), frames("H264 Inter")), (1, 9), "{name}");
        assert_eq!((frames("H264 Config"), frames("Aac Config")), (1, 1), "{name}");
        assert!(frames("Aac Key") > 15, "{name}");
        assert_eq!(peer.ended, None, "{name}");
    }
}

#[test]
fn obs_publishes_with_a_query() {
    let mut peer = Peer::new();
    peer.send(capture("obs publish"));
    let asked = peer.asked();
    assert_eq!(asked[2], "publish live/obs1 ?token=secret");
    assert!(asked[3].starts_with("frame Data0 Amf0 Metadata"), "{}", asked[3]);
    let first = asked.iter().position(|line| line.contains("H264 Key")).expect("a keyframe");
    assert!(asked[..first].iter().any(|line| line.contains("H264 Config")));
    assert_eq!(peer.ended, None);
}

#[test]
fn haivision_creates_the_stream_first() {
    let mut peer = Peer::connected();
    peer.say("createStream", 2, &[]);
    peer.say("FCPublish", 3, &["cam"]);
    peer.say("_checkbw", 4, &[]);
    peer.say("publish", 5, &["cam", "live"]);
    assert_eq!(
        peer.said(),
        [
            "_result@0 2 [Number(1.0)]",
            "_result@0 3 [Null]",
            "_result@0 4 [Null]",
            "onFCPublish@1 0 status NetStream.Publish.Start",
            "onStatus@1 0 status NetStream.Publish.Start",
        ]
    );
}

#[test]
fn flash_does_without_fcpublish() {
    let mut peer = Peer::connected();
    peer.say("createStream", 2, &[]);
    peer.say("publish", 0, &["cam", "live"]);
    assert_eq!(peer.said(), ["_result@0 2 [Number(1.0)]", "onStatus@1 0 status NetStream.Publish.Start"]);
    assert_eq!(peer.asked(), ["introduce Some(FlashPublish) \"rtmp://h/live\"", "publish live/cam ?"]);
}

#[test]
fn a_name_may_bring_a_query_and_a_vhost() {
    let mut peer = Peer::connected();
    peer.say("publish", 0, &["cam?token=x&vhost=example.com", "live"]);
    assert_eq!(peer.asked()[1], "publish example.com/live/cam ?token=x&vhost=example.com");
}

#[test]
fn create_stream_may_be_repeated() {
    let mut peer = Peer::connected();
    for transaction in 2..5 {
        peer.say("createStream", transaction, &[]);
        assert_eq!(peer.said(), [format!("_result@0 {transaction} [Number(1.0)]")]);
    }
}

#[test]
fn calls_that_nobody_knows_are_answered_if_an_answer_is_wanted() {
    let mut peer = Peer::connected();
    peer.say("sing", 7, &["aloud"]);
    peer.say("sing", 0, &["aloud"]);
    peer.say("getStreamLength", 8, &["cam"]);
    assert_eq!(peer.said(), ["_result@0 7 [Null]", "_result@0 8 [Number(0.0)]"]);
}

#[test]
fn a_command_may_come_in_amf3() {
    let mut peer = Peer::connected();
    peer.message(0, 17, b"\x00\x02\x00\x07publish\x00\0\0\0\0\0\0\0\0\x05\x11\x06\x07cam\x02\x00\x04live");
    assert_eq!(peer.asked()[1], "publish live/cam ?");
}

#[test]
fn media_behind_publish_waits_for_the_answer() {
    let mut bytes = Vec::new();
    let mut payload = BytesMut::new();
    let publish = Command {
        name: "publish".into(),
        transaction: 5.0,
        object: Value::Null,
        args: vec!["cam".into(), "live".into()],
    };
    publish.encode(&mut payload);
    write_message(&mut bytes, 128, 3, 0, type_id::COMMAND, 1, &payload);
    write_message(&mut bytes, 128, 4, 0, type_id::AUDIO, 1, AAC_CONFIG);
    write_message(&mut bytes, 128, 4, 23, type_id::AUDIO, 1, AAC_FRAME);

    let mut peer = Peer::connected();
    assert!(peer.inbox.receive(&bytes));
    assert_eq!(peer.cx(|session, cx, inbox| session.receive(cx, inbox)), Ok(Progress::Idle));
    assert_eq!(peer.asks.len(), 2);
    assert_eq!(peer.inbox.len(), bytes.len() - 12 - payload.len());
    peer.perform();
    peer.settle();
    assert_eq!(
        peer.asked()[1..],
        [
            "publish live/cam ?",
            "frame Audio0 Aac Config dts=0.000ms cts=0us 2 bytes",
            "frame Audio0 Aac Key dts=23.000ms cts=0us 3 bytes",
        ]
    );
}

#[test]
fn a_stream_that_is_busy_is_refused_and_so_is_a_bad_name() {
    let refused = |answer, name: &str, code: &str| {
        let mut peer = Peer::connected();
        peer.publish = Err(answer);
        peer.say("publish", 5, &[name, "live"]);
        assert_eq!(peer.said(), [format!("onStatus@1 0 error {code}")]);
        peer.ended.expect("a refused publisher is ended")
    };
    let busy = refused(Refusal::Busy, "cam", "NetStream.Publish.BadName");
    assert_eq!(busy, Reason::Refused("the stream is already being published".into()));
    let bad = refused(Refusal::Busy, "../cam", "NetStream.Publish.BadName");
    assert_eq!(bad, Reason::Refused("not a valid stream name".into()));
    refused(Refusal::Busy, "", "NetStream.Publish.BadName");
    refused(Refusal::Limit(Limit::Streams), "cam", "NetStream.Publish.BadName");
    refused(Refusal::Disabled("publish"), "cam", "NetStream.Publish.Denied");
}

#[test]
fn a_connection_may_publish_again() {
    let mut peer = Peer::connected();
    peer.say("FCPublish", 2, &["cam"]);
    peer.say("publish", 0, &["cam", "live"]);
    peer.message(0, type_id::AUDIO, AAC_CONFIG);
    peer.say("FCUnpublish", 6, &["cam"]);
    peer.message(23, type_id::AUDIO, AAC_FRAME);
    peer.call("deleteStream", 7, Value::Null, &[1.into()]);
    peer.said();
    peer.say("publish", 0, &["cam", "live"]);
    peer.message(5, type_id::AUDIO, AAC_CONFIG);
    peer.say("closeStream", 0, &[]);
    assert_eq!(
        peer.said(),
        [
            "onFCPublish@1 0 status NetStream.Publish.Start",
            "onStatus@1 0 status NetStream.Publish.Start",
            "onStatus@1 0 status NetStream.Unpublish.Success",
        ]
    );
    let asked = peer.asked().into_iter().filter(|line| !line.starts_with("introduce"));
    assert_eq!(
        asked.collect::<Vec<_>>(),
        [
            "publish live/cam ?",
            "frame Audio0 Aac Config dts=0.000ms cts=0us 2 bytes",
            "Unpublish",
            "publish live/cam ?",
            "frame Audio0 Aac Config dts=5.000ms cts=0us 2 bytes",
            "Unpublish",
        ]
    );
}

#[test]
fn publishing_something_else_ends_what_was_published() {
    let mut peer = Peer::connected();
    peer.say("publish", 0, &["cam", "live"]);
    peer.say("publish", 0, &["other", "live"]);
    let asked = peer.asked().into_iter().filter(|line| !line.starts_with("introduce"));
    assert_eq!(asked.collect::<Vec<_>>(), ["publish live/cam ?", "Unpublish", "publish live/other ?"]);
}

#[test]
fn timestamps_go_on_where_32_bits_end() {
    let mut peer = Peer::connected();
    peer.say("publish", 0, &["cam", "live"]);
    peer.asked();
    for timestamp in [0xffff_ffe0, 0xffff_fff7, 0x0e] {
        peer.message(timestamp, type_id::AUDIO, AAC_FRAME);
    }
    assert_eq!(
        peer.asked(),
        [
            "frame Audio0 Aac Key dts=4294967264.000ms cts=0us 3 bytes",
            "frame Audio0 Aac Key dts=4294967287.000ms cts=0us 3 bytes",
            "frame Audio0 Aac Key dts=4294967310.000ms cts=0us 3 bytes",
        ]
    );
}

#[test]
fn aggregates_are_taken_apart() {
    let mut peer = Peer::connected();
    peer.say("publish", 0, &["cam", "live"]);
    peer.asked();
    let mut tags = BytesMut::new();
    put_tag(&mut tags, 8, 1000, &[AAC_CONFIG]);
    put_tag(&mut tags, 8, 1023, &[AAC_FRAME]);
    peer.message(40, type_id::AGGREGATE, &tags);
    assert_eq!(
        peer.asked(),
        [
            "frame Audio0 Aac Config dts=40.000ms cts=0us 2 bytes",
            "frame Audio0 Aac Key dts=63.000ms cts=0us 3 bytes",
        ]
    );
}

#[test]
fn metadata_and_messages_become_frames() {
    let mut peer = Peer::connected();
    peer.say("publish", 0, &["cam", "live"]);
    peer.asked();
    peer.message(0, type_id::DATA, b"\x02\x00\x0d@setDataFrame\x02\x00\x0aonMetaData\x08\0\0\0\0\0\0\x09");
    peer.message(7, type_id::DATA_AMF3, b"\x00\x02\x00\x0aonCuePoint\x05");
    let asked = peer.asked();
    assert!(asked[0].starts_with("frame Data0 Amf0 Metadata dts=0.000ms"), "{}", asked[0]);
    assert_eq!(asked[1], "frame Data0 Amf0 Message dts=7.000ms cts=0us 14 bytes");
}

#[test]
fn a_body_that_makes_no_sense_is_left_out() {
    let mut peer = Peer::connected();
    peer.say("publish", 0, &["cam", "live"]);
    peer.asked();
    peer.message(0, type_id::VIDEO, &[0x17]);
    peer.message(0, type_id::VIDEO, &[]);
    peer.message(0, type_id::AUDIO, AAC_CONFIG);
    assert_eq!(peer.asked(), ["frame Audio0 Aac Config dts=0.000ms cts=0us 2 bytes"]);
    assert_eq!(peer.ended, None);
}

#[test]
fn a_replaced_publisher_hears_why() {
    let mut peer = Peer::connected();
    peer.say("publish", 0, &["cam", "live"]);
    peer.said();
    peer.answer(Answer::Farewell(Reason::Replaced));
    assert_eq!(
        peer.said(),
        ["onStatus@1 0 error NetStream.Publish.BadName", "onStatus@0 0 status NetConnection.Connect.Closed"]
    );
    peer.message(0, type_id::AUDIO, AAC_CONFIG);
    assert!(peer.inbox.is_empty() && !peer.asked().iter().any(|line| line.starts_with("frame")));
    assert_eq!(peer.session.deadline(), None);
}

#[test]
fn a_publisher_that_sends_nothing_is_ended() {
    let mut peer = Peer::connected();
    peer.say("publish", 0, &["cam", "live"]);
    assert_eq!(peer.session.deadline().map(|(_, why)| why), Some("stream.publish.first_frame_timeout_ms"));
    peer.wait(19_999);
    assert_eq!(peer.ended, None);
    peer.wait(1);
    assert_eq!(peer.ended, Some(Reason::Timeout(Limit::FirstFrameTimeout)));
    assert_eq!(peer.said().last().unwrap(), "onStatus@0 0 status NetConnection.Connect.IdleTimeOut");
}

#[test]
fn a_publisher_that_falls_silent_is_ended_and_no_frame_moves_its_deadline() {
    let mut peer = Peer::connected();
    peer.say("publish", 0, &["cam", "live"]);
    peer.message(0, type_id::AUDIO, AAC_CONFIG);
    let deadline = peer.session.deadline();
    assert_eq!(deadline, Some((peer.now + Duration::from_millis(10_000), "stream.publish.frame_timeout_ms")));
    for timestamp in 1..10 {
        peer.wait(1000);
        peer.message(timestamp * 1000, type_id::AUDIO, AAC_FRAME);
        assert_eq!(peer.session.deadline(), deadline);
    }
    // Answers to pings, and the like, are not what a stream is made of.
    peer.wait(9_999);
    peer.say("_checkbw", 3, &[]);
    assert_eq!(peer.ended, None);
    peer.wait(1);
    assert_eq!(peer.ended, Some(Reason::Timeout(Limit::FrameTimeout)));
}
