//! Peers that play.

use super::*;
use crate::base::limit::Limit;

/// What a player hears before its frames.
const START: [&str; 4] = [
    "Event(StreamBegin(1))",
    "onStatus@1 0 status NetStream.Play.Reset",
    "onStatus@1 0 status NetStream.Play.Start",
    "data@1 b\"\\x02\\0\\x11|RtmpSampleAccess\\x01\\x01\\x01\\x01\"",
];

/// A peer that plays, and has been told so.
fn player(live: bool, args: &[Value]) -> Peer {
    let mut peer = Peer::connected();
    peer.play = Ok(live);
    let args = [&["cam".into()], args].concat();
    peer.call("play", 0, Value::Null, &args);
    assert_eq!(peer.said(), START);
    peer.asked();
    peer
}

#[test]
fn ffmpeg_rtmpdump_and_gstreamer_play() {
    for name in ["ffmpeg play", "rtmpdump play", "rtmpdump play digest", "gstreamer play"] {
        let mut peer = Peer::new();
        peer.send(&capture(name)[..3073]);
        assert_eq!(peer.raw().len(), 3073);
        peer.send(&capture(name)[3073..]);
        let said = peer.said();
        let start = said.iter().position(|line| line == START[0]).expect("the stream begins");
        assert_eq!(said[start..start + 4], START, "{name}");
        assert!(said.contains(&"_result@0 1 status NetConnection.Connect.Success".to_owned()), "{name}");
        let asked = peer.asked();
        let play =
            "play live/cam1 ? as Format { container: Flv, framing: Rtmp { chunk_size: 60000 } }".to_owned();
        assert!(asked.contains(&play), "{name}: {asked:?}");
        assert_eq!(peer.ended, None, "{name}");
    }
}

#[test]
fn the_stream_is_laid_out_for_the_chunk_size_that_was_announced() {
    let mut config = Config::default();
    config.rtmp.chunk_size = 4096;
    let mut peer = Peer::connected_with(config);
    // A reload changes what later peers hear, not what this one has heard.
    peer.config.rtmp.chunk_size = 60_000;
    peer.say("play", 0, &["cam"]);
    assert_eq!(
        peer.asked()[1],
        "play live/cam ? as Format { container: Flv, framing: Rtmp { chunk_size: 4096 } }"
    );
}

#[test]
fn who_waits_hears_the_same_and_then_that_it_began() {
    let mut peer = player(false, &[]);
    peer.answer(Answer::Began(Arc::default()));
    assert_eq!(peer.said(), ["onStatus@1 0 status NetStream.Play.PublishNotify"]);
    peer.answer(Answer::Began(Arc::default()));
    assert_eq!(peer.said(), [""; 0]);
}

#[test]
fn who_waits_for_too_long_hears_that_there_is_no_such_stream() {
    let mut peer = player(false, &[]);
    peer.answer(Answer::Ended(Refusal::NotFound));
    assert_eq!(peer.said(), ["onStatus@1 0 error NetStream.Play.StreamNotFound"]);
    assert_eq!(peer.ended, None);
    peer.say("play", 0, &["cam"]);
    assert_eq!(peer.said(), START);
}

#[test]
fn a_stream_ends_with_its_publisher() {
    let mut peer = player(true, &[]);
    assert_eq!(peer.session.deadline(), None);
    peer.wait(10_000_000);
    peer.answer(Answer::Ended(Refusal::Ended));
    assert_eq!(
        peer.said(),
        [
            "Event(StreamEof(1))",
            "onStatus@1 0 status NetStream.Play.UnpublishNotify",
            "onStatus@1 0 status NetStream.Play.Stop",
        ]
    );
    // The connection stays, but not for ever.
    peer.wait(179_999);
    assert_eq!(peer.ended, None);
    peer.wait(1);
    assert_eq!(peer.ended, Some(Reason::Timeout(Limit::IdleTimeout)));
}

#[test]
fn refusals_say_why_and_end_the_connection() {
    let refused = |refusal, name: &str, code: &str| {
        let mut peer = Peer::connected();
        peer.play = Err(refusal);
        peer.say("play", 0, &[name]);
        assert_eq!(peer.said(), [format!("onStatus@1 0 error {code}")]);
        assert!(matches!(peer.ended, Some(Reason::Refused(_))));
    };
    refused(Refusal::NotFound, "cam", "NetStream.Play.StreamNotFound");
    refused(Refusal::Busy, "..", "NetStream.Play.StreamNotFound");
    refused(Refusal::Limit(Limit::PlayersPerStream), "cam", "NetStream.Play.Failed");
    refused(Refusal::Disabled("play"), "cam", "NetStream.Play.Failed");
}

#[test]
fn a_player_may_pause_and_go_on() {
    let mut peer = player(true, &[]);
    peer.call("pause", 0, Value::Null, &[true.into(), 4000.into()]);
    assert_eq!(peer.said(), ["onStatus@1 0 status NetStream.Pause.Notify", "Event(StreamEof(1))"]);
    peer.call("receiveAudio", 0, Value::Null, &[false.into()]);
    peer.call("pause", 0, Value::Null, &[false.into(), 4000.into()]);
    assert_eq!(peer.said(), ["Event(StreamBegin(1))", "onStatus@1 0 status NetStream.Unpause.Notify"]);
    peer.call("receiveVideo", 0, Value::Null, &[false.into()]);
    assert_eq!(
        peer.asked(),
        [
            "SelectTracks { audio: false, video: false }",
            "SelectTracks { audio: false, video: false }",
            "SelectTracks { audio: false, video: true }",
            "SelectTracks { audio: false, video: false }",
        ]
    );
}

#[test]
fn seeking_is_refused_politely() {
    let mut peer = player(true, &[]);
    peer.call("seek", 0, Value::Null, &[4000.into()]);
    assert_eq!(peer.said(), ["onStatus@1 0 error NetStream.Seek.Failed"]);
    assert_eq!(peer.ended, None);
}

#[test]
fn a_player_that_closes_its_stream_may_play_another() {
    let mut peer = player(true, &[]);
    peer.say("closeStream", 0, &[]);
    assert_eq!(peer.asked()[0], "Stop");
    assert_eq!(peer.said(), [""; 0]);
    peer.say("play", 0, &["other?token=x"]);
    assert_eq!(peer.said(), START);
    assert_eq!(
        peer.asked()[1],
        "play live/other ?token=x as Format { container: Flv, framing: Rtmp { chunk_size: 60000 } }"
    );
    peer.say("play", 0, &["third"]);
    assert_eq!(peer.asked()[0], "Stop");
}

#[test]
fn a_player_may_say_for_how_long_it_wants_to_play() {
    let mut peer = player(false, &[(-2000.0).into(), 3000.into()]);
    assert_eq!(peer.session.deadline(), None);
    peer.answer(Answer::Began(Arc::default()));
    peer.said();
    peer.wait(2_999);
    assert_eq!(peer.asked(), [""; 0]);
    peer.wait(1);
    assert_eq!(peer.asked()[0], "Stop");
    let said = peer.said();
    assert_eq!(said[0], "Event(StreamEof(1))");
    assert!(said[1].contains("NetStream.Play.Complete"));
    assert_eq!(said[2], "onStatus@1 0 status NetStream.Play.Stop");
}

#[test]
fn a_duration_that_is_none_means_for_ever() {
    for duration in [-1.0, 0.0, f64::NAN, f64::NEG_INFINITY] {
        assert_eq!(player(true, &[0.into(), duration.into()]).session.deadline(), None);
    }
    // For longer than the server will live, too.
    assert!(player(true, &[0.into(), f64::INFINITY.into()]).session.deadline().is_some());
}

#[test]
fn pings_are_answered() {
    let mut peer = player(true, &[]);
    peer.message(0, type_id::USER_CONTROL, &[0, 6, 1, 2, 3, 4]);
    peer.message(0, type_id::USER_CONTROL, &[0, 3, 0, 0, 0, 1, 0, 0, 0x0b, 0xb8]);
    assert_eq!(peer.said(), ["Event(PingResponse(16909060))"]);
}

#[test]
fn what_was_read_is_acknowledged_at_half_the_window_of_the_peer() {
    let mut peer = Peer::connected();
    peer.message(0, type_id::WINDOW_ACK_SIZE, &20_000u32.to_be_bytes());
    peer.message(0, type_id::AUDIO, &[0; 25_000]);
    assert_eq!(peer.said(), ["Acknowledgement(10000)", "Acknowledgement(20000)"]);
}

#[test]
fn last_words_depend_on_who_hears_them() {
    let mut peer = player(true, &[]);
    peer.answer(Answer::Farewell(Reason::Drained));
    assert_eq!(
        peer.said(),
        [
            "Event(StreamEof(1))",
            "onStatus@1 0 status NetStream.Play.UnpublishNotify",
            "onStatus@1 0 status NetStream.Play.Stop",
            "onStatus@0 0 error NetConnection.Connect.AppShutdown",
        ]
    );
    let mut enhanced = Peer::shaken(Config::default());
    let object = Value::object([("tcUrl", "rtmp://h/live".into()), ("capsEx", 3.into())]);
    enhanced.call("connect", 1, object, &[]);
    enhanced.said();
    enhanced.answer(Answer::Farewell(Reason::Drained));
    assert_eq!(enhanced.said(), ["onStatus@0 0 status NetConnection.Connect.ReconnectRequest"]);
}
