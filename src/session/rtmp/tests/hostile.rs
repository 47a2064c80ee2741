//! Peers that break the protocol, or mean no good.

use super::*;
use crate::base::limit::Limit;
use proptest::prelude::*;

fn url() -> Value {
    Value::object([("tcUrl", "rtmp://h/live".into())])
}

fn protocol_error(peer: &Peer) -> &str {
    match &peer.ended {
        Some(Reason::Protocol(what)) => what,
        other => panic!("ended with {other:?}"),
    }
}

#[test]
fn who_does_not_speak_rtmp_is_ended_at_its_first_byte() {
    let mut peer = Peer::new();
    peer.send(b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(protocol_error(&peer), "RTMP version 71 is not supported");
    assert!(peer.raw().is_empty());
    assert_eq!(peer.session.deadline(), None);
    let mut peer = Peer::new();
    peer.send(&[6; 1537]);
    assert_eq!(protocol_error(&peer), "RTMPE (version 6) is not supported");
}

#[test]
fn who_does_not_get_as_far_as_connect_is_ended_in_time() {
    for peer in [&mut Peer::new(), &mut Peer::shaken(Config::default())] {
        assert_eq!(peer.session.deadline().map(|(_, why)| why), Some("rtmp.handshake_timeout_ms"));
        peer.wait(9_999);
        assert_eq!(peer.ended, None);
        peer.wait(1);
        assert_eq!(peer.ended, Some(Reason::Timeout(Limit::HandshakeTimeout)));
        assert_eq!(peer.session.deadline(), None);
    }
}

#[test]
fn connect_comes_first_and_once() {
    let mut peer = Peer::shaken(Config::default());
    peer.say("createStream", 2, &[]);
    assert_eq!(protocol_error(&peer), "a command before connect");
    let mut peer = Peer::connected();
    peer.call("connect", 1, url(), &[]);
    assert_eq!(protocol_error(&peer), "connect twice");
}

#[test]
fn connect_without_an_app_is_rejected() {
    for object in [Value::Null, Value::object([("tcUrl", " ".into())])] {
        let mut peer = Peer::shaken(Config::default());
        peer.call("connect", 1, object, &[]);
        assert_eq!(peer.said().last().unwrap(), "_error@0 1 error NetConnection.Connect.Rejected");
        assert_eq!(peer.ended, Some(Reason::Refused("connect without tcUrl".into())));
    }
    let mut peer = Peer::shaken(Config::default());
    peer.call("connect", 1, Value::object([("app", "live".into())]), &[]);
    assert_eq!(peer.ended, None);
}

/// The header of a message of so many bytes, and its first byte.
fn begin(peer: &mut Peer, len: u32) {
    let [_, a, b, c] = len.to_be_bytes();
    peer.send(&[0x06, 0, 0, 0, a, b, c, 9, 1, 0, 0, 0, 0x17]);
}

#[test]
fn messages_may_be_as_long_as_their_sender_is_trusted() {
    let mut unproven = Peer::shaken(Config::default());
    begin(&mut unproven, 32_769);
    assert_eq!(protocol_error(&unproven), "message of 32769 bytes is too long");

    let mut connected = Peer::connected();
    begin(&mut connected, 65_537);
    assert_eq!(protocol_error(&connected), "message of 65537 bytes is too long");

    let publisher = |len| {
        let mut config = Config::default();
        config.limits.frame_bytes = 100_000;
        let mut publisher = Peer::connected_with(config);
        publisher.say("publish", 0, &["cam", "live"]);
        begin(&mut publisher, len);
        publisher
    };
    assert_eq!(publisher(100_000).ended, None);
    assert_eq!(protocol_error(&publisher(100_001)), "message of 100001 bytes is too long");
}

#[test]
fn who_stops_publishing_may_not_keep_half_a_frame_here() {
    let mut peer = Peer::connected();
    peer.say("publish", 0, &["cam", "live"]);
    peer.send(&[&[0x06, 0, 0, 0, 0x0f, 0x42, 0x40, 9, 1, 0, 0, 0][..], &[0x17; 128]].concat());
    for _ in 0..600 {
        peer.send(&[&[0xc6][..], &[0x17; 128]].concat());
    }
    assert_eq!(peer.ended, None);
    peer.say("FCUnpublish", 2, &["cam"]);
    assert_eq!(protocol_error(&peer), "unfinished messages hold too many bytes");
}

#[test]
fn before_connect_only_so_much_may_be_said() {
    let mut peer = Peer::shaken(Config::default());
    for _ in 0..10_000 {
        peer.message(0, type_id::USER_CONTROL, &[0, 6, 1, 2, 3, 4]);
    }
    assert_eq!(peer.ended, Some(Reason::Limit(Limit::UnprovenBytes)));
    // Nor does it hear much.
    assert!(peer.out.len() < 1000);
}

#[test]
fn unfinished_messages_before_connect_hold_little() {
    let mut peer = Peer::shaken(Config::default());
    for cid in 3..60 {
        peer.send(&[&[cid, 0, 0, 0, 0, 0x20, 0, 9, 1, 0, 0, 0][..], &[0; 128]].concat());
    }
    assert_eq!(protocol_error(&peer), "unfinished messages hold too many bytes");
}

#[test]
fn chunk_sizes_must_make_sense() {
    let set = |size: u32| {
        let mut peer = Peer::shaken(Config::default());
        peer.message(0, type_id::SET_CHUNK_SIZE, &size.to_be_bytes());
        peer
    };
    assert_eq!(protocol_error(&set(0)), "chunk size 0 is out of range");
    assert_eq!(protocol_error(&set(0x8000_0000)), "chunk size 2147483648 is out of range");
    // As good as the length of the longest message.
    assert_eq!(set(0x7fff_ffff).ended, None);
}

#[test]
fn deep_nesting_costs_the_connection_and_no_stack() {
    let mut payload = b"\x02\x00\x07connect\x00\x3f\xf0\0\0\0\0\0\0".to_vec();
    payload.extend(b"\x03\x00\x01a".repeat(6_000));
    let mut peer = Peer::shaken(Config::default());
    peer.message(0, type_id::COMMAND, &payload);
    assert_eq!(protocol_error(&peer), "command: AMF values are nested too deep");
}

#[test]
fn an_aggregate_of_a_million_nothings_is_refused() {
    let mut peer = Peer::connected();
    peer.say("publish", 0, &["cam", "live"]);
    let tag = [8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11];
    peer.message(0, type_id::AGGREGATE, &tag.repeat(4096));
    assert_eq!(peer.ended, None);
    peer.message(0, type_id::AGGREGATE, &tag.repeat(4097));
    assert_eq!(protocol_error(&peer), "an aggregate of too many messages");
}

#[test]
fn an_abort_in_the_middle_of_a_message_is_obeyed() {
    let mut peer = Peer::connected();
    peer.say("publish", 0, &["cam", "live"]);
    peer.asked();
    peer.send(&[&[0x04, 0, 0, 0, 0, 0, 200, 8, 1, 0, 0, 0][..], &[0xaf; 128]].concat());
    let mut abort = Vec::new();
    write_message(&mut abort, 128, 2, 0, type_id::ABORT, 0, &[0, 0, 0, 4]);
    peer.send(&abort);
    peer.send(&[0x04, 0, 0, 5, 0, 0, 4, 8, 1, 0, 0, 0, 0xaf, 0x00, 0x12, 0x10]);
    assert_eq!(peer.asked(), ["frame Audio0 Aac Config dts=5.000ms cts=0us 2 bytes"]);
}

#[test]
fn long_talk_lets_others_have_their_turn() {
    let mut peer = Peer::connected();
    let mut bytes = Vec::new();
    for _ in 0..200 {
        write_message(&mut bytes, 128, 4, 0, type_id::AUDIO, 1, &[0xaf]);
    }
    assert!(peer.inbox.receive(&bytes));
    assert_eq!(peer.cx(|session, cx, inbox| session.receive(cx, inbox)), Ok(Progress::More));
    assert_eq!(peer.inbox.len(), 136 * 13);
}

#[test]
fn every_prefix_of_a_good_session_can_be_the_last() {
    for (name, bytes) in CAPTURES {
        for end in (0..bytes.len()).step_by(13) {
            let mut peer = Peer::new();
            peer.send(&bytes[..end]);
            assert_eq!(peer.ended, None, "{name} up to {end}");
        }
    }
}

proptest! {
    #[test]
    fn nothing_makes_us_panic(
        which in 0..CAPTURES.len(),
        damage in proptest::collection::vec((0usize..9000, any::<u8>()), 1..20),
        step in 1usize..5000,
    ) {
        let mut bytes = CAPTURES[which].1.to_vec();
        for (at, byte) in damage {
            // The handshake is random bytes anyhow.
            let at = 3073 + at % (bytes.len() - 3073);
            bytes[at] = byte;
        }
        let mut whole = Peer::new();
        whole.send(&bytes);
        let mut split = Peer::new();
        bytes.chunks(step).for_each(|piece| split.send(piece));
        prop_assert_eq!(split.raw(), whole.raw());
        prop_assert_eq!(split.asked(), whole.asked());
        prop_assert_eq!(split.ended, whole.ended);
    }
}
