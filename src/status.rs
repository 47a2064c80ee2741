//! State of the server, as plain data for the HTTP API. Field names and meanings follow SRS's API, so that
//! existing scripts work; each type serialises to the JSON that the API answers with.

use crate::base::secret::LocalPath;
use serde::{Deserialize, Serialize};

/// A request for a report on the state of the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Query {
    /// The process and the machine.
    Summaries,
    /// All vhosts.
    Vhosts,
    /// One vhost by id.
    Vhost(String),
    /// A page of streams.
    Streams(Page),
    /// A page of the streams that are published now. Answered like [`Query::Streams`].
    Published(Page),
    /// One stream by id.
    Stream(String),
    /// A page of clients.
    Clients(Page),
    /// One client by id.
    Client(String),
}

/// A page of a long list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Number of entries to skip.
    pub start: usize,
    /// Most entries on the page.
    pub count: usize,
}

/// Identity of the server; stands in every answer of the API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// `vid-…`: the same after a restart.
    pub server: String,
    /// Id of this run: another one after a restart.
    pub service: String,
    /// Process id.
    pub pid: u32,
}

/// An answer of the API: its code and [`Identity`], then the fields of `body`.
#[derive(Debug, Serialize)]
pub struct Envelope<'a, T> {
    code: u32,
    server: &'a str,
    service: &'a str,
    pid: String,
    #[serde(flatten)]
    body: T,
}

impl<'a, T: Serialize> Envelope<'a, T> {
    /// The answer of this server; `code` 0 means success.
    pub fn new(identity: &'a Identity, code: u32, body: T) -> Self {
        let Identity { server, service, pid } = identity;
        Envelope { code, server, service, pid: pid.to_string(), body }
    }
}

/// The answer to a [`Query`]. It serialises to the JSON fields that stand beside those of [`Identity`].
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Report {
    /// Answers [`Query::Summaries`].
    Summaries {
        /// The process and the machine.
        data: Box<Summaries>,
    },
    /// Answers [`Query::Vhosts`].
    Vhosts {
        /// All vhosts.
        vhosts: Vec<VhostStatus>,
    },
    /// Answers [`Query::Vhost`].
    Vhost {
        /// The vhost with the id.
        vhost: Box<VhostStatus>,
    },
    /// Answers [`Query::Streams`] and [`Query::Published`].
    Streams {
        /// Number of streams on all pages.
        total: usize,
        /// The page.
        streams: Vec<StreamStatus>,
    },
    /// Answers [`Query::Stream`].
    Stream {
        /// The stream with the id.
        stream: Box<StreamStatus>,
    },
    /// Answers [`Query::Clients`].
    Clients {
        /// Number of clients on all pages.
        total: usize,
        /// The page.
        clients: Vec<ClientStatus>,
    },
    /// Answers [`Query::Client`].
    Client {
        /// The client with the id.
        client: Box<ClientStatus>,
    },
}

/// Rates over the last 30 seconds, in kbit/s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Kbps {
    /// Received from peers.
    pub recv_30s: u64,
    /// Sent to peers.
    pub send_30s: u64,
}

/// A vhost.
#[derive(Clone, Debug, Serialize)]
pub struct VhostStatus {
    /// `vid-…`, stable for a name.
    pub id: String,
    /// Name as in the URL.
    pub name: String,
    /// Always true: a vhost that is not enabled is not listed.
    pub enabled: bool,
    /// Number of connections that publish, play or fetch on it.
    pub clients: u64,
    /// Number of published streams.
    pub streams: u64,
    /// Bytes sent to its peers so far.
    pub send_bytes: u64,
    /// Bytes received from its peers so far.
    pub recv_bytes: u64,
    /// Bit rates.
    pub kbps: Kbps,
    /// HLS settings.
    pub hls: HlsStatus,
}

/// HLS on a vhost.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct HlsStatus {
    /// Whether HLS is enabled.
    pub enabled: bool,
    /// Target length of a segment, in seconds.
    pub fragment: f64,
}

/// A stream.
#[derive(Clone, Debug, Serialize)]
pub struct StreamStatus {
    /// `vid-…`, stable for a name.
    pub id: String,
    /// The stream part of its name.
    pub name: String,
    /// Id of its vhost.
    pub vhost: String,
    /// Name of its vhost; not in the API, which has the id.
    #[serde(skip)]
    pub vhost_name: String,
    /// The app part of its name.
    pub app: String,
    /// `tcUrl` of the publisher.
    #[serde(rename = "tcUrl")]
    pub tc_url: String,
    /// `/app/stream`.
    pub url: String,
    /// When it was published last: milliseconds since 1970.
    pub live_ms: u64,
    /// Number of its clients: publisher, players and those that fetch.
    pub clients: u64,
    /// Audio and video frames so far.
    pub frames: u64,
    /// Audio frames so far.
    pub audio_frames: u64,
    /// Video frames so far.
    pub video_frames: u64,
    /// Bytes sent to its players so far.
    pub send_bytes: u64,
    /// Bytes received from its publisher and, a few, from its players so far.
    pub recv_bytes: u64,
    /// Bit rates.
    pub kbps: Kbps,
    /// How long frames are held back at the moment because of the load, in milliseconds (`stream.play.flush:
    /// Auto`).
    pub hold_ms: u64,
    /// Its publisher.
    pub publish: PublishStatus,
    /// The default video track; null until its configuration is known.
    pub video: Option<VideoStatus>,
    /// The default audio track; null until its configuration is known.
    pub audio: Option<AudioStatus>,
}

/// The publisher of a stream.
#[derive(Clone, Debug, Serialize)]
pub struct PublishStatus {
    /// Whether the stream is being published.
    pub active: bool,
    /// Client id of the publisher.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cid: Option<String>,
}

/// The video track of a stream.
#[derive(Clone, Debug, Serialize)]
pub struct VideoStatus {
    /// `H264`, `H265`, `AV1`, …
    pub codec: String,
    /// Profile name.
    pub profile: String,
    /// Level.
    pub level: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// The audio track of a stream.
#[derive(Clone, Debug, Serialize)]
pub struct AudioStatus {
    /// `AAC`, `MP3`, `Opus`, …
    pub codec: String,
    /// Samples per second.
    pub sample_rate: u32,
    /// Number of channels.
    pub channel: u8,
    /// Profile name.
    pub profile: String,
}

/// A connection that publishes, plays or fetches.
#[derive(Clone, Debug, Serialize)]
pub struct ClientStatus {
    /// Connection id.
    pub id: String,
    /// Id of the vhost.
    pub vhost: String,
    /// Id of the stream.
    pub stream: String,
    /// IP address of the peer.
    pub ip: String,
    /// Page that embeds the player.
    #[serde(rename = "pageUrl")]
    pub page_url: String,
    /// RTMP's swfUrl.
    #[serde(rename = "swfUrl")]
    pub swf_url: String,
    /// RTMP's tcUrl.
    #[serde(rename = "tcUrl")]
    pub tc_url: String,
    /// `/app/stream`.
    pub url: String,
    /// The stream part of the name.
    pub name: String,
    /// [`ClientKind::name`]; empty before the client has begun.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Whether it publishes.
    pub publish: bool,
    /// Time since it connected, in seconds.
    pub alive: f64,
    /// Bytes sent to it.
    pub send_bytes: u64,
    /// Bytes received from it.
    pub recv_bytes: u64,
    /// Frames that were skipped because the client was too slow.
    pub dropped_frames: u64,
    /// Bit rates.
    pub kbps: Kbps,
}

/// What a client does, and by which protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientKind {
    /// Publishes over RTMP with the commands of Flash Media Live Encoder, as FFmpeg and OBS do.
    FmlePublish,
    /// Publishes over RTMP without them.
    FlashPublish,
    /// Plays over RTMP.
    RtmpPlay,
    /// Plays HTTP-FLV.
    FlvPlay,
    /// Plays FLV over a WebSocket.
    WsFlvPlay,
    /// Plays HTTP-TS.
    TsPlay,
    /// Plays AAC over HTTP.
    AacPlay,
    /// Plays MP3 over HTTP.
    Mp3Play,
    /// Fetches the files of an HLS stream.
    HlsPlay,
}

impl ClientKind {
    /// Name in the API and in the log; SRS's where SRS has one.
    pub fn name(self) -> &'static str {
        match self {
            ClientKind::FmlePublish => "fmle-publish",
            ClientKind::FlashPublish => "flash-publish",
            ClientKind::RtmpPlay => "rtmp-play",
            ClientKind::FlvPlay => "flv-play",
            ClientKind::WsFlvPlay => "ws-flv-play",
            ClientKind::TsPlay => "ts-play",
            ClientKind::AacPlay => "aac-play",
            ClientKind::Mp3Play => "mp3-play",
            ClientKind::HlsPlay => "hls-play",
        }
    }
}

/// Totals of the server, for [`Summaries`].
#[derive(Clone, Copy, Debug)]
pub struct Totals {
    /// Wall time, milliseconds since 1970.
    pub now_ms: u64,
    /// Seconds since the server started.
    pub uptime_secs: u64,
    /// Bytes received from all peers so far.
    pub recv_bytes: u64,
    /// Bytes sent to all peers so far.
    pub send_bytes: u64,
    /// Number of connections.
    pub conns: u64,
}

/// The process and the machine. Fields that mean nothing here are zero: scripts expect them.
#[derive(Clone, Debug, Serialize)]
pub struct Summaries {
    ok: bool,
    now_ms: u64,
    #[serde(rename = "self")]
    process: Process,
    system: System,
}

/// The process. Ratios: 1 is one core, or all of the memory.
#[derive(Clone, Debug, Serialize)]
struct Process {
    version: &'static str,
    pid: u32,
    ppid: u32,
    argv: String,
    cwd: String,
    mem_kbyte: u64,
    mem_percent: f64,
    cpu_percent: f64,
    srs_uptime: u64,
}

/// The machine. Disks and the kernel's own table of connections are not measured.
#[derive(Clone, Debug, Serialize)]
#[allow(non_snake_case, reason = "the names are SRS's")]
struct System {
    cpu_percent: f64,
    disk_read_KBps: u64,
    disk_write_KBps: u64,
    disk_busy_percent: f64,
    mem_ram_kbyte: u64,
    mem_ram_percent: f64,
    mem_swap_kbyte: u64,
    mem_swap_percent: f64,
    cpus: u32,
    cpus_online: u32,
    uptime: f64,
    /// Idle time, in the spelling that scripts expect.
    ilde_time: f64,
    load_1m: f64,
    load_5m: f64,
    load_15m: f64,
    net_sample_time: u64,
    net_recv_bytes: u64,
    net_send_bytes: u64,
    net_recvi_bytes: u64,
    net_sendi_bytes: u64,
    srs_sample_time: u64,
    srs_recv_bytes: u64,
    srs_send_bytes: u64,
    conn_sys: u64,
    conn_sys_et: u64,
    conn_sys_tw: u64,
    conn_sys_udp: u64,
    conn_srs: u64,
}

impl Summaries {
    /// SRS's summaries from the totals of the server and the measurements of the shell.
    pub fn new(totals: Totals, vitals: Vitals) -> Summaries {
        let ratio = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        Summaries {
            ok: true,
            now_ms: totals.now_ms,
            system: System {
                cpu_percent: vitals.system_cpu_percent,
                disk_read_KBps: 0,
                disk_write_KBps: 0,
                disk_busy_percent: 0.0,
                mem_ram_kbyte: vitals.mem_ram_kbyte,
                mem_ram_percent: vitals.mem_ram_percent,
                mem_swap_kbyte: vitals.mem_swap_kbyte,
                mem_swap_percent: vitals.mem_swap_percent,
                cpus: vitals.cpus,
                cpus_online: vitals.cpus,
                uptime: vitals.uptime,
                ilde_time: vitals.idle_time,
                load_1m: vitals.load_1m,
                load_5m: vitals.load_5m,
                load_15m: vitals.load_15m,
                net_sample_time: totals.now_ms,
                net_recv_bytes: vitals.net_recv_bytes,
                net_send_bytes: vitals.net_send_bytes,
                net_recvi_bytes: 0,
                net_sendi_bytes: 0,
                srs_sample_time: totals.now_ms,
                srs_recv_bytes: totals.recv_bytes,
                srs_send_bytes: totals.send_bytes,
                conn_sys: 0,
                conn_sys_et: 0,
                conn_sys_tw: 0,
                conn_sys_udp: 0,
                conn_srs: totals.conns,
            },
            process: Process {
                version: env!("CARGO_PKG_VERSION"),
                pid: vitals.pid,
                ppid: vitals.ppid,
                argv: vitals.argv.to_string(),
                cwd: vitals.cwd.to_string(),
                mem_kbyte: vitals.mem_kbyte,
                mem_percent: ratio(vitals.mem_kbyte, vitals.mem_ram_kbyte),
                cpu_percent: vitals.cpu_percent,
                srs_uptime: totals.uptime_secs,
            },
        }
    }
}

/// Measurements of the shell: process and machine. An input like any other.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Vitals {
    /// Process id.
    pub pid: u32,
    /// Process id of the parent.
    pub ppid: u32,
    /// Command line. Secrets cannot be given there.
    pub argv: LocalPath,
    /// Working directory.
    pub cwd: LocalPath,
    /// Resident memory of the process, KiB.
    pub mem_kbyte: u64,
    /// CPU time of the process since the last measurement; 1 is one core.
    pub cpu_percent: f64,
    /// CPU time of the machine since the last measurement; 1 is all cores.
    pub system_cpu_percent: f64,
    /// Memory of the machine, KiB.
    pub mem_ram_kbyte: u64,
    /// Used share of it, 0 to 1.
    pub mem_ram_percent: f64,
    /// Swap of the machine, KiB.
    pub mem_swap_kbyte: u64,
    /// Used share of it, 0 to 1.
    pub mem_swap_percent: f64,
    /// Number of processors.
    pub cpus: u32,
    /// Seconds since the machine started.
    pub uptime: f64,
    /// Idle time of all processors since then, in seconds.
    pub idle_time: f64,
    /// Load average over 1 minute.
    pub load_1m: f64,
    /// Load average over 5 minutes.
    pub load_5m: f64,
    /// Load average over 15 minutes.
    pub load_15m: f64,
    /// Bytes received by the machine's network devices.
    pub net_recv_bytes: u64,
    /// Bytes sent by them.
    pub net_send_bytes: u64,
}
