//! Every setting, with its default. Plain data: reading files and the environment is the shell's affair.
//!
//! `conf/dacapo.ron` shows the same settings with unit and reason; a test holds the two equal.

use crate::base::id::ListenerId;
use crate::base::name::StreamName;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// The whole configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// RTMP.
    pub rtmp: Rtmp,
    /// Live streams, HLS and pages over HTTP.
    pub http: Http,
    /// The HTTP API.
    pub api: Api,
    /// WebRTC.
    pub rtc: Rtc,
    /// What holds for every stream unless a rule of `streams` says otherwise.
    pub stream: StreamSettings,
    /// Upper bounds for everything that peers can make the server hold.
    pub limits: Limits,
    /// Logging.
    pub log: Log,
    /// How long a shutdown may take to tell every peer, in milliseconds.
    pub drain_timeout_ms: u64,
}

/// RTMP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rtmp {
    /// Addresses to listen on; none: off. Port 0 takes any free port.
    pub listen: Vec<SocketAddr>,
    /// Payload bytes per chunk towards peers, 128 to 65536.
    pub chunk_size: u32,
    /// Largest chunk size that a peer may set, in bytes.
    pub chunk_size_in_max: u32,
    /// Acknowledgement window that peers are asked to keep, in bytes.
    pub ack_window: u32,
    /// Time for handshake and `connect`, in milliseconds.
    pub handshake_timeout_ms: u64,
    /// How long a connection that neither publishes nor plays may stay, in milliseconds.
    pub idle_timeout_ms: u64,
}

/// Live streams, HLS and pages over HTTP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Addresses to listen on; none: off. Port 0 takes any free port.
    pub listen: Vec<SocketAddr>,
    /// Longest request line and headers together, in bytes.
    pub head_bytes_max: usize,
    /// Most header lines of a request.
    pub headers_max: usize,
    /// Time for a request head to arrive completely, in milliseconds.
    pub head_timeout_ms: u64,
    /// How long a kept-alive connection may wait for its next request, in milliseconds.
    pub keep_alive_timeout_ms: u64,
    /// Value of `Access-Control-Allow-Origin`; empty: no CORS headers.
    pub allow_origin: String,
    /// Whether the player page is served at `/`.
    pub player: bool,
}

/// The HTTP API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Api {
    /// Addresses to listen on; none: off. Loopback by default, since the API can end connections.
    pub listen: Vec<SocketAddr>,
}

/// WebRTC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rtc {
    /// UDP addresses. Reserved: nothing listens there before WebRTC is built.
    pub listen: Vec<SocketAddr>,
}

/// What holds for a stream.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StreamSettings {
    /// Publishing.
    pub publish: Publish,
    /// Playing.
    pub play: Play,
    /// The ring of frames.
    pub ring: Ring,
    /// HLS.
    pub hls: Hls,
}

/// Publishing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Publish {
    /// What happens to a second publisher of a name.
    pub second: Second,
    /// How long players are kept after a publisher's connection dropped, in milliseconds.
    pub linger_ms: u64,
    /// How long a publisher may send nothing before its first frame, in milliseconds.
    pub first_frame_timeout_ms: u64,
    /// How long a publisher may be silent between frames, in milliseconds.
    pub frame_timeout_ms: u64,
}

/// What happens to a second publisher of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Second {
    /// It is refused.
    Refuse,
    /// It replaces the first.
    Replace,
}

/// Playing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Play {
    /// How long a player may wait for a stream that nobody publishes, in milliseconds; 0: not at all.
    pub wait_ms: u64,
    /// Where a player starts.
    pub start: Start,
    /// When frames leave.
    pub flush: Flush,
    /// How long a player that takes no bytes is kept, in milliseconds.
    pub send_timeout_ms: u64,
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

/// When frames leave for the players.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Flush {
    /// Every frame at once.
    Frame,
    /// At every video frame; sound rides along, for at most 40 ms.
    Video,
    /// Every so many milliseconds, keyframes at once.
    Ms(u32),
}

/// The ring of frames.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ring {
    /// Most frames that it holds.
    pub frames_max: usize,
    /// Most payload bytes that it holds.
    pub bytes_max: usize,
    /// Whole GOPs are kept until the rest covers so many milliseconds.
    pub keep_ms: u64,
}

/// HLS.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Hls {
    /// Whether it is made.
    pub enabled: bool,
    /// Layout of segments.
    pub layout: HlsLayout,
    /// Segments end at the first keyframe after so many milliseconds.
    pub segment_ms: u64,
    /// A segment is cut without a keyframe after so many milliseconds; bounds TARGETDURATION.
    pub segment_ms_max: u64,
    /// Most bytes of one segment.
    pub segment_bytes_max: usize,
    /// Segments in the playlist.
    pub window: usize,
    /// Segments that are kept after they left the playlist.
    pub keep: usize,
    /// How long files are served after the stream ended, in milliseconds.
    pub dispose_ms: u64,
    /// Directory to write to as well; empty: memory only.
    pub directory: String,
    /// Whether segments are encrypted (AES-128).
    pub encrypt: bool,
    /// Segments per key.
    pub segments_per_key: u32,
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

/// Upper bounds for everything that peers can make the server hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Most connections of all kinds.
    pub connections: usize,
    /// Most streams.
    pub streams: usize,
    /// Most players of one stream.
    pub players_per_stream: usize,
    /// Largest frame or RTMP message, in bytes.
    pub frame_bytes: usize,
    /// Most bytes that a peer that has not finished `connect` can make the server hold.
    pub unproven_bytes: usize,
    /// Most own bytes (not frames) that wait for one RTMP peer.
    pub outbox_bytes: usize,
    /// Most bytes that wait for one HTTP peer.
    pub response_bytes: usize,
    /// Most bytes of evicted frames that a stream keeps for players in the middle of them.
    pub attic_bytes: usize,
    /// Audio and video tracks of one stream.
    pub tracks: usize,
}

/// Logging.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug` or `trace`; per module too: `info,dacapo::stream=debug`.
    pub level: String,
    /// File to append to; empty: standard error.
    pub file: String,
    /// How lines look.
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// RTMP.
    Rtmp,
    /// Live streams, HLS and pages over HTTP.
    Http,
    /// The HTTP API.
    Api,
}

impl Config {
    /// Every listener in a fixed order: what it speaks and where. A [`ListenerId`] is a place in this list.
    pub fn listeners(&self) -> Vec<(ListenerId, Service, SocketAddr)> {
        let rtmp = self.rtmp.listen.iter().map(|addr| (Service::Rtmp, *addr));
        let http = self.http.listen.iter().map(|addr| (Service::Http, *addr));
        let api = self.api.listen.iter().map(|addr| (Service::Api, *addr));
        let all = rtmp.chain(http).chain(api);
        (0..).map(ListenerId).zip(all).map(|(id, (service, addr))| (id, service, addr)).collect()
    }

    /// The settings of one stream.
    pub fn stream(&self, _name: &StreamName) -> StreamSettings {
        self.stream.clone()
    }
}

fn all_interfaces(port: u16) -> Vec<SocketAddr> {
    vec![SocketAddr::from(([0, 0, 0, 0], port))]
}

impl Default for Config {
    fn default() -> Self {
        Config {
            rtmp: Rtmp::default(),
            http: Http::default(),
            api: Api::default(),
            rtc: Rtc::default(),
            stream: StreamSettings::default(),
            limits: Limits::default(),
            log: Log::default(),
            drain_timeout_ms: 5_000,
        }
    }
}

impl Default for Rtmp {
    fn default() -> Self {
        Rtmp {
            listen: all_interfaces(1935),
            chunk_size: 60_000,
            chunk_size_in_max: 16 << 20,
            ack_window: 2_500_000,
            handshake_timeout_ms: 10_000,
            idle_timeout_ms: 180_000,
        }
    }
}

impl Default for Http {
    fn default() -> Self {
        Http {
            listen: all_interfaces(8080),
            head_bytes_max: 16 << 10,
            headers_max: 64,
            head_timeout_ms: 10_000,
            keep_alive_timeout_ms: 75_000,
            allow_origin: "*".to_owned(),
            player: true,
        }
    }
}

impl Default for Api {
    fn default() -> Self {
        Api { listen: vec![SocketAddr::from(([127, 0, 0, 1], 1985))] }
    }
}

impl Default for Rtc {
    fn default() -> Self {
        Rtc { listen: all_interfaces(8000) }
    }
}

impl Default for Publish {
    fn default() -> Self {
        Publish {
            second: Second::Refuse,
            linger_ms: 10_000,
            first_frame_timeout_ms: 20_000,
            frame_timeout_ms: 10_000,
        }
    }
}

impl Default for Play {
    fn default() -> Self {
        Play { wait_ms: 30_000, start: Start::NewestKey, flush: Flush::Video, send_timeout_ms: 20_000 }
    }
}

impl Default for Ring {
    fn default() -> Self {
        Ring { frames_max: 4096, bytes_max: 32 << 20, keep_ms: 4_000 }
    }
}

impl Default for Hls {
    fn default() -> Self {
        Hls {
            enabled: true,
            layout: HlsLayout::Auto,
            segment_ms: 2_000,
            segment_ms_max: 10_000,
            segment_bytes_max: 32 << 20,
            window: 6,
            keep: 6,
            dispose_ms: 120_000,
            directory: String::new(),
            encrypt: false,
            segments_per_key: 5,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 16_384,
            streams: 1_024,
            players_per_stream: 16_384,
            frame_bytes: 16 << 20,
            unproven_bytes: 64 << 10,
            outbox_bytes: 1 << 20,
            response_bytes: 64 << 20,
            attic_bytes: 16 << 20,
            tracks: 8,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Log { level: "info".to_owned(), file: String::new(), format: LogFormat::Text }
    }
}
