//! The table of all settings: meaning and unit, type, default, and range for numbers.
//!
//! Plain data. `conf/dacapo.ron` shows the same table with reasons; a test compares the two. A section `X`
//! comes with an `XPatch` that names some of its settings (see [`crate::config::patch`]).

use crate::base::secret::{LocalPath, PageUrl};
use crate::config::bearer_token::BearerToken;
use crate::config::patch::{settings, single};
use crate::config::rule::{Pattern, StreamRule};
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr};

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

settings! {
    /// The whole configuration.
    Config, ConfigPatch {
        /// RTMP.
        rtmp: Rtmp = Rtmp::default();
        /// Live streams, HLS and pages over HTTP.
        http: Http = Http::default();
        /// The HTTP API.
        api: Api = Api::default();
        /// WebRTC.
        rtc: Rtc = Rtc::default();
        /// Settings of every stream, unless a rule of `streams` changes them.
        stream: StreamSettings = StreamSettings::default();
        /// Rules for some streams, by pattern. A later rule that matches wins, setting by setting.
        streams: Vec<StreamRule> = Vec::new();
        /// Upper bounds of everything that peers can make the server hold.
        limits: Limits = Limits::default();
        /// The flight recorder.
        recorder: Recorder = Recorder::default();
        /// Logging.
        log: Log = Log::default();
        /// Time that a shutdown may take to tell all peers, in milliseconds.
        drain_timeout_ms: u64 = 5_000, in 0..=HOUR_MS;
    }

    /// RTMP.
    Rtmp, RtmpPatch {
        /// Addresses to listen on; none: off. Port 0 takes any free port.
        listen: Vec<SocketAddr> = all_interfaces(1935);
        /// Chunk size towards peers, in payload bytes.
        chunk_size: u32 = 60_000, in 128..=65_536;
        /// Largest chunk size that a peer may set, in bytes.
        chunk_size_in_max: u32 = 16 << 20, in 128..=16 << 20;
        /// Acknowledgement window that peers are asked to keep, in bytes.
        ack_window: u32 = 2_500_000, in 16_384..=1 << 30;
        /// Time for handshake and `connect`, in milliseconds.
        handshake_timeout_ms: u64 = 10_000, in 100..=HOUR_MS;
        /// Time after which a connection that neither publishes nor plays is closed, in milliseconds.
        idle_timeout_ms: u64 = 180_000, in 1_000..=DAY_MS;
    }

    /// Live streams, HLS and pages over HTTP.
    Http, HttpPatch {
        /// Addresses to listen on; none: off. Port 0 takes any free port.
        listen: Vec<SocketAddr> = all_interfaces(8080);
        /// Longest request line and headers together, in bytes.
        head_bytes_max: usize = 16 * KIB, in KIB..=MIB;
        /// Most headers of a request.
        headers_max: usize = 64, in 8..=1_024;
        /// Time for a request head to arrive completely, in milliseconds.
        head_timeout_ms: u64 = 10_000, in 100..=HOUR_MS;
        /// Time that a kept-alive connection may wait for its next request, in milliseconds.
        keep_alive_timeout_ms: u64 = 75_000, in 100..=DAY_MS;
        /// Value of `Access-Control-Allow-Origin`; empty: no CORS headers.
        allow_origin: PageUrl = PageUrl::from("*");
        /// Whether the player page is served at `/`.
        player: bool = true;
    }

    /// The HTTP API.
    Api, ApiPatch {
        /// Addresses to listen on; none: off. Loopback by default, since the API can end connections.
        listen: Vec<SocketAddr> = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 1985))];
        /// Value of `Access-Control-Allow-Origin`; empty: no CORS headers, so that no web page that is open
        /// on this machine can use the API.
        allow_origin: PageUrl = PageUrl::default();
    }

    /// WebRTC.
    Rtc, RtcPatch {
        /// UDP addresses. Reserved: not used yet.
        listen: Vec<SocketAddr> = all_interfaces(8000);
    }

    /// Settings of a stream.
    StreamSettings, StreamSettingsPatch {
        /// Publishing.
        publish: Publish = Publish::default();
        /// Playing.
        play: Play = Play::default();
        /// The ring of frames.
        ring: Ring = Ring::default();
        /// HLS.
        hls: Hls = Hls::default();
    }

    /// Publishing.
    Publish, PublishPatch {
        /// What happens to a second publisher of a name.
        second: Second = Second::Refuse;
        /// Time that players are kept after a publisher's connection dropped, in milliseconds; 0: not at all.
        linger_ms: u64 = 10_000, in 0..=HOUR_MS;
        /// Time that a publisher may take until its first frame, in milliseconds.
        first_frame_timeout_ms: u64 = 20_000, in 100..=DAY_MS;
        /// Time that a publisher may be silent between frames, in milliseconds.
        frame_timeout_ms: u64 = 10_000, in 100..=DAY_MS;
    }

    /// Playing.
    Play, PlayPatch {
        /// Time that a player may wait for a stream that is not published, in milliseconds; 0: not at all.
        wait_ms: u64 = 30_000, in 0..=DAY_MS;
        /// Where a player starts.
        start: Start = Start::NewestKey;
        /// When frames are sent.
        flush: Flush = Flush::Video;
        /// Time after which a player that takes no bytes is closed, in milliseconds.
        send_timeout_ms: u64 = 20_000, in 100..=HOUR_MS;
    }

    /// The ring of frames.
    Ring, RingPatch {
        /// Most frames in it.
        frames_max: usize = 4_096, in 16..=1 << 20;
        /// Most payload bytes in it.
        bytes_max: usize = 32 * MIB, in 64 * KIB..=1 << 30;
        /// Whole GOPs are kept until the rest covers this time, in milliseconds.
        keep_ms: u64 = 4_000, in 0..=HOUR_MS;
    }

    /// HLS.
    Hls, HlsPatch {
        /// Whether the stream is packaged.
        enabled: bool = true;
        /// Layout of segments.
        layout: HlsLayout = HlsLayout::Auto;
        /// Segments end at the first keyframe after this time, in milliseconds.
        segment_ms: u64 = 2_000, in 200..=60_000;
        /// Segments without a keyframe are cut after this time, in milliseconds; bounds TARGETDURATION.
        segment_ms_max: u64 = 10_000, in 1_000..=120_000;
        /// Most bytes of one segment.
        segment_bytes_max: usize = 16 * MIB, in 64 * KIB..=1 << 30;
        /// Segments in the playlist.
        window: usize = 6, in 3..=1_000;
        /// Segments that are kept after they left the playlist.
        keep: usize = 6, in 1..=1_000;
        /// Time that files are served after the stream has ended, in milliseconds.
        dispose_ms: u64 = 120_000, in 0..=DAY_MS;
        /// Directory to write to as well; empty: memory only.
        directory: LocalPath = LocalPath::default();
        /// Whether segments are encrypted (AES-128).
        encrypt: bool = false;
        /// Segments per key.
        segments_per_key: u32 = 5, in 1..=1_000_000;
    }

    /// Upper bounds of everything that peers can make the server hold.
    Limits, LimitsPatch {
        /// Most connections of all kinds.
        connections: usize = 16_384, in 1..=1 << 20;
        /// Most streams.
        streams: usize = 1_024, in 1..=1 << 20;
        /// Most players of one stream.
        players_per_stream: usize = 16_384, in 1..=1 << 20;
        /// Largest frame or RTMP message, in bytes.
        frame_bytes: usize = 8 * MIB, in 64 * KIB..=16 * MIB;
        /// Most bytes that a peer can make the server hold before its `connect` is complete.
        unproven_bytes: usize = 64 * KIB, in 8 * KIB..=MIB;
        /// Most own bytes (not frames) that wait for one RTMP peer.
        outbox_bytes: usize = MIB, in 16 * KIB..=1 << 30;
        /// Most bytes that wait for one HTTP client.
        response_bytes: usize = 20 * MIB, in 64 * KIB..=1 << 30;
        /// Most bytes of frames that left the ring and are kept for players that have a part of them; per
        /// format.
        pinned_bytes: usize = 8 * MIB, in 64 * KIB..=1 << 30, formerly "attic_bytes";
        /// Most bytes of segments that are held once more as pages which the kernel sends without copying
        /// them; 0: none. Read once, at start.
        sendfile_bytes: usize = 128 * MIB, in 0..=1 << 30;
        /// Most writes to the players of one stream in one pass of the server's loop.
        pass_writes: usize = 2_048, in 1..=1_000_000, formerly "turn_writes";
        /// Audio and video tracks of one stream.
        tracks: usize = 8, in 1..=256;
    }

    /// The flight recorder: the server's inputs, in files that can be replayed.
    Recorder, RecorderPatch {
        /// Whether it records from the start of the server.
        enabled: bool = false;
        /// Directory of the recordings, which are secret; empty: nothing can be recorded.
        directory: LocalPath = LocalPath::default();
        /// Patterns of the streams to record; none: everything.
        streams: Vec<Pattern> = Vec::new();
        /// A part ends, and the next begins, after so many bytes.
        part_bytes_max: u64 = 256 * MIB as u64, in 64 * KIB as u64..=1 << 30;
        /// A part ends, and the next begins, after so many milliseconds.
        part_ms_max: u64 = HOUR_MS, in 1_000..=30 * DAY_MS;
        /// Most parts that are kept, of all recordings together; the oldest are deleted.
        parts_max: usize = 24, in 2..=100_000;
        /// Age after which parts are deleted, in milliseconds; 0: no limit.
        age_ms_max: u64 = 7 * DAY_MS, in 0..=3_650 * DAY_MS;
        /// Recorded data are given to the operating system after this time, in milliseconds.
        flush_ms: u64 = 500, in 10..=1_000;
        /// Most bytes that wait for a slow disk; beyond it the recording ends.
        queue_bytes_max: usize = 64 * MIB, in MIB..=1 << 30;
        /// Addresses of the recorder's HTTP interface, if `api_token` is set; none: off. Port 0 takes any
        /// free port.
        listen: Vec<SocketAddr> = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 1987))];
        /// Bearer token of that interface; empty: the interface is closed.
        api_token: BearerToken = BearerToken::default();
    }

    /// Logging.
    Log, LogPatch {
        /// `error`, `warn`, `info`, `debug`, `trace` or `off`; per module too: `info,rtmp=debug`.
        level: String = "info".to_owned();
        /// File to append to; empty: standard error.
        file: LocalPath = LocalPath::default();
        /// Format of lines.
        format: LogFormat = LogFormat::Text;
    }
}

/// What happens to a second publisher of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Second {
    /// It is refused.
    Refuse,
    /// It replaces the first.
    Replace,
}

/// Where a player starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Start {
    /// At the newest keyframe that the ring holds.
    NewestKey,
    /// At the oldest keyframe that the ring holds.
    OldestKey,
    /// At the next keyframe that comes: no burst, lowest delay, slowest start.
    NextKey,
}

/// When frames are sent to players.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Flush {
    /// Every frame at once.
    Frame,
    /// At every video frame; audio waits for it, at most 40 ms.
    Video,
    /// As `Video`; under load less often, by at most [`Flush::AUTO_HOLD_MS_MAX`].
    Auto,
    /// Every so many milliseconds, keyframes at once.
    Ms(u32),
}

impl Flush {
    /// How long `Auto` holds frames back at most, in milliseconds; a player's delay grows by no more,
    /// whatever the load.
    pub const AUTO_HOLD_MS_MAX: u64 = 250;
}

/// Layout of HLS segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HlsLayout {
    /// MPEG-TS where the codecs have a place in it, else fragmented MP4.
    Auto,
    /// MPEG-TS.
    Ts,
    /// Fragmented MP4 (CMAF).
    Fmp4,
}

/// Format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

single!(Second, Start, Flush, HlsLayout, LogFormat, LocalPath, PageUrl);

fn all_interfaces(port: u16) -> Vec<SocketAddr> {
    vec![SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))]
}
