//! What FFmpeg publishes, FFmpeg plays: every coded packet from the first keyframe on, byte for byte, with
//! its distances in time, over every way out of the server.
//!
//! The player is there before the publisher, so nothing may lack. In MPEG-TS, H.264 and HEVC change their
//! framing (start codes for lengths) and parameter sets travel in the stream; FFmpeg's filters bring what was
//! sent and what was received to the same form before they are compared.

use conformance::ffmpeg::{Exactness, Ffmpeg, Packets, assert_carried, ffprobe};
use conformance::media;
use conformance::process::{Running, secs, until};
use conformance::reader::m3u8;
use conformance::server::Server;
use conformance::{http, process::Finished};
use std::path::{Path, PathBuf};

/// A way out of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Rtmp,
    Flv,
    Ts,
    HlsTs,
    HlsFmp4,
}

impl Way {
    fn settings(self) -> Vec<(&'static str, &'static str)> {
        // The film is shown twice as fast as it would play; a window that holds all of it loses no segment.
        let hls = [("stream.hls.segment_ms", "1000"), ("stream.hls.window", "60")];
        let layout = if self == Way::HlsTs { "Ts" } else { "Fmp4" };
        let layout = [("stream.hls.layout", layout), ("stream.publish.linger_ms", "500")];
        hls.into_iter().chain(layout).collect()
    }

    fn is_hls(self) -> bool {
        [Way::HlsTs, Way::HlsFmp4].contains(&self)
    }

    fn is_ts(self) -> bool {
        [Way::Ts, Way::HlsTs].contains(&self)
    }

    fn url(self, server: &Server) -> String {
        match self {
            Way::Rtmp => server.rtmp_url("film"),
            Way::Flv => server.http_url("film.flv"),
            Way::Ts => server.http_url("film.ts"),
            Way::HlsTs | Way::HlsFmp4 => server.http_url("film.m3u8"),
        }
    }

    /// What FFmpeg's reader needs to begin at the beginning, and to give up when nothing comes any more: a
    /// live playlist has no end, since its publisher may come back.
    fn input(self) -> &'static str {
        if self.is_hls() { "-live_start_index 0 -m3u8_hold_counters 4" } else { "" }
    }

    /// Filters for what was sent and for what was received that undo the container.
    fn filters(self, film: &Packets) -> (String, String) {
        // ISO media files leave out temporal delimiters (AV1-ISOBMFF 2.4), which FFmpeg's FLV has.
        if self == Way::HlsFmp4 && film.video.codec == "av1" {
            let without = "-bsf:v av1_metadata=td=remove".to_owned();
            return (without.clone(), without);
        }
        if !self.is_ts() {
            return (String::new(), String::new());
        }
        let (annexb, parameters) = match film.video.codec.as_str() {
            "h264" => ("h264_mp4toannexb,", "-bsf:v FILTERfilter_units=remove_types=7-9"),
            // x265 describes itself in the decoder configuration (SEI, type 39); FFmpeg's filter repeats that
            // at each keyframe, the server does not.
            "hevc" => ("hevc_mp4toannexb,", "-bsf:v FILTERfilter_units=remove_types=32-35|39"),
            _ => ("", ""),
        };
        let adts = if film.audio.codec == "aac" { " -bsf:a aac_adtstoasc" } else { "" };
        (parameters.replace("FILTER", annexb), parameters.replace("FILTER", "") + adts)
    }

    fn exactness(self) -> Exactness {
        if self.is_ts() { Exactness::TS } else { Exactness::FULL }
    }
}

/// Publishes `film` and asserts that a player on `way` gets all of it.
#[track_caller]
fn carried(film: PathBuf, ffmpeg: Ffmpeg, way: Way) {
    let server = Server::with(&way.settings());
    let sent = Packets::of(ffmpeg, &film, "");
    let (sent_filter, received_filter) = way.filters(&sent);
    let sent = Packets::of(ffmpeg, &film, &sent_filter);
    let play = || ffmpeg.packets(way.input(), &way.url(&server), &received_filter).start();
    let received = shown(&server, &film, ffmpeg, way, play);
    assert_carried(&sent, &Packets::of_finished(&received), way.exactness());
}

/// Publishes `film` to a player that is there before it (for HLS: before its second segment), and returns
/// what the player wrote when the stream had ended.
#[track_caller]
fn shown(server: &Server, film: &Path, ffmpeg: Ffmpeg, way: Way, play: impl Fn() -> Running) -> Finished {
    let publish = || ffmpeg.publish_at(2.0, film, &server.rtmp_url("film")).start();
    let (publisher, player) = if way.is_hls() {
        let publisher = publish();
        await_segment(server);
        (publisher, play())
    } else {
        let player = play();
        await_player(server);
        (publish(), player)
    };
    let published = publisher.finish(secs(30));
    assert!(published.status.success(), "{published}");
    let received = player.finish(secs(30));
    assert!(received.status.success(), "{received}");
    received
}

#[track_caller]
fn await_player(server: &Server) {
    let came = until(secs(10), || {
        let clients = http::get(server.api, "/api/v1/clients/").json();
        clients["clients"].as_array()?.first().map(|_| ())
    });
    assert!(came.is_some(), "the player does not come:\n{}", server.log());
}

#[track_caller]
fn await_segment(server: &Server) {
    let listed = until(secs(15), || {
        let answer = http::get(server.http, "/live/film/index.m3u8");
        (answer.status == 200)
            .then(|| m3u8::Playlist::parse(&answer.text()))
            .filter(|list| !list.segments.is_empty())
    });
    assert!(listed.is_some(), "no segment is listed:\n{}", server.log());
}

/// One test for each way: what `film` sends by `ffmpeg` is carried whole.
macro_rules! every_way {
    ($($name:ident: $film:ident by $ffmpeg:ident over $($way:ident)*;)*) => {
        $(mod $name {
            use super::*;
            $(#[test]
            #[allow(non_snake_case, reason = "named as the way is")]
            fn $way() {
                carried(media::$film(), Ffmpeg::$ffmpeg, Way::$way);
            })*
        })*
    };
}

every_way! {
    h264_with_b_frames_and_aac_come_whole: h264_aac by V5 over Rtmp Flv Ts HlsTs HlsFmp4;
    h264_without_b_frames_and_aac_come_whole: h264_aac_plain by V5 over Rtmp Flv Ts HlsTs HlsFmp4;
    h264_alone_comes_whole: h264_only by V5 over Rtmp Flv Ts HlsTs HlsFmp4;
    h264_and_mp3_come_whole: h264_mp3 by V5 over Rtmp Flv Ts HlsTs;
    aac_alone_comes_whole: aac_only by V5 over Rtmp Flv Ts HlsTs HlsFmp4;
    mp3_alone_comes_whole: mp3_only by V5 over Rtmp Flv Ts HlsTs;
    he_aac_comes_whole: he_aac by V5 over Rtmp Flv Ts HlsTs HlsFmp4;
    a_change_of_resolution_comes_whole: resolution_change by V5 over Rtmp Flv Ts HlsTs HlsFmp4;
    hevc_and_aac_come_whole: hevc_aac by V9 over Rtmp Flv Ts HlsTs HlsFmp4;
    hevc_and_opus_come_whole: hevc_opus by V9 over Rtmp Flv HlsFmp4;
    av1_and_opus_come_whole: av1_opus by V9 over Rtmp Flv HlsFmp4;
    vp9_and_opus_come_whole: vp9_opus by V9 over Rtmp Flv HlsFmp4;
    ffmpeg_9_publishes_and_plays_what_5_does: h264_aac by V9 over Rtmp Flv Ts HlsTs HlsFmp4;
}

/// Publishes `film` and asserts that ffprobe decodes `count` pictures without a complaint.
#[track_caller]
fn decodes(film: PathBuf, way: Way, widths: &[(&str, usize)]) {
    let server = Server::with(&way.settings());
    let play = || {
        let show = "-select_streams v:0 -show_entries frame=width -of csv=p=0";
        ffprobe().words(way.input()).words(show).arg(way.url(&server)).start()
    };
    let seen = shown(&server, &film, Ffmpeg::V9, way, play);
    assert_eq!(seen.stderr, "", "ffprobe has nothing to say against it");
    for (width, count) in widths {
        let found = seen.stdout.lines().filter(|line| line.trim_end_matches(',') == *width).count();
        assert_eq!(found, *count, "pictures that are {width} wide: {seen}");
    }
}

#[test]
fn every_picture_decodes_over_rtmp() {
    decodes(media::h264_aac(), Way::Rtmp, &[("320", 200)]);
}

#[test]
fn every_picture_decodes_over_http_flv() {
    decodes(media::h264_aac(), Way::Flv, &[("320", 200)]);
}

#[test]
fn every_picture_decodes_over_http_ts() {
    decodes(media::h264_aac(), Way::Ts, &[("320", 200)]);
}

#[test]
fn every_picture_decodes_over_hls_in_ts() {
    decodes(media::h264_aac(), Way::HlsTs, &[("320", 200)]);
}

#[test]
fn every_picture_decodes_over_hls_in_fmp4() {
    decodes(media::h264_aac(), Way::HlsFmp4, &[("320", 200)]);
}

#[test]
fn pictures_of_both_sizes_decode_over_rtmp() {
    decodes(media::resolution_change(), Way::Rtmp, &[("320", 100), ("640", 100)]);
}

#[test]
fn pictures_of_both_sizes_decode_over_http_flv() {
    decodes(media::resolution_change(), Way::Flv, &[("320", 100), ("640", 100)]);
}

#[test]
fn pictures_of_both_sizes_decode_over_http_ts() {
    decodes(media::resolution_change(), Way::Ts, &[("320", 100), ("640", 100)]);
}

#[test]
fn pictures_of_both_sizes_decode_over_hls_in_ts() {
    decodes(media::resolution_change(), Way::HlsTs, &[("320", 100), ("640", 100)]);
}

#[test]
fn hevc_decodes_over_rtmp() {
    decodes(media::hevc_aac(), Way::Rtmp, &[("320", 150)]);
}

#[test]
fn hevc_decodes_over_hls_in_ts() {
    decodes(media::hevc_aac(), Way::HlsTs, &[("320", 150)]);
}

/// A player that comes three seconds late begins at a keyframe and then misses nothing.
#[track_caller]
fn joined_late(way: Way) {
    let server = Server::with(&way.settings());
    let film = media::h264_aac();
    let publisher = Ffmpeg::V5.publish(&film, &server.rtmp_url("film")).start();
    std::thread::sleep(secs(3));
    let player = Ffmpeg::V5.packets("", &way.url(&server), "").start();
    assert!(publisher.finish(secs(20)).status.success());
    let received = Packets::of_finished(&player.finish(secs(20)));
    let sent = Packets::of(Ffmpeg::V5, &film, "");
    let late = Exactness { missing_first: usize::MAX, ..Exactness::FULL };
    assert_carried(&sent, &received, late);
    let keys = (0..sent.video.packets.len()).step_by(50);
    let first = &received.video.packets[0].hash;
    assert!(keys.into_iter().any(|at| sent.video.packets[at].hash == *first), "it begins at a keyframe");
}

#[test]
fn a_late_player_begins_at_a_keyframe_over_rtmp() {
    joined_late(Way::Rtmp);
}

#[test]
fn a_late_player_begins_at_a_keyframe_over_http_flv() {
    joined_late(Way::Flv);
}

/// Sound alone, without any container.
#[track_caller]
fn bare_sound(film: PathBuf, ending: &str, filter: &str) {
    let server = Server::with(&Way::Flv.settings());
    let url = server.http_url(&format!("film.{ending}"));
    let play = || Ffmpeg::V5.packets("", &url, filter).start();
    let received = Packets::of_finished(&shown(&server, &film, Ffmpeg::V5, Way::Flv, play));
    let hashes = |packets: &Packets| -> Vec<String> {
        packets.audio.packets.iter().map(|packet| packet.hash.clone()).collect()
    };
    assert_eq!(hashes(&received), hashes(&Packets::of(Ffmpeg::V5, &film, "-map 0:a")));
}

#[test]
fn aac_comes_whole_without_a_container() {
    bare_sound(media::aac_only(), "aac", "-bsf:a aac_adtstoasc");
}

#[test]
fn mp3_comes_whole_without_a_container() {
    bare_sound(media::mp3_only(), "mp3", "");
}

#[test]
fn a_codec_that_has_no_place_in_mpeg_ts_is_refused_there_and_plays_elsewhere() {
    let server = Server::with(&Way::Flv.settings());
    let film = media::av1_opus();
    let publisher = Ffmpeg::V9.publish(&film, &server.rtmp_url("film")).start();
    server.await_stream("film");
    let refused = http::get(server.http, "/live/film.ts");
    assert!((400..500).contains(&refused.status), "HTTP-TS of AV1: {}", refused.status);
    let played = http::get(server.http, "/live/film.flv");
    assert_eq!((played.status, played.header("content-type")), (200, Some("video/x-flv")));
    drop(publisher);
}
