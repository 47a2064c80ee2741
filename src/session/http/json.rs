//! The API's answers as JSON, field by field as SRS has them.
//!
//! Every answer begins with `code`, `server`, `service` and `pid` (a string). Fields that mean nothing here
//! stand where scripts look for them, with honest zeroes.

use crate::session::http::api::Level;
use crate::status::{ClientStatus, Identity, RecorderStatus, StreamStatus, Summaries, VhostStatus};
use serde::Serialize;

/// The envelope alone.
pub fn nothing(who: &Identity) -> Vec<u8> {
    #[derive(Serialize)]
    struct Nothing {}
    envelope(who, Nothing {})
}

/// What stands below a path.
pub fn urls(who: &Identity, level: Level) -> Vec<u8> {
    match level {
        Level::Root => envelope(who, Urls { urls: Root { api: "the HTTP API" } }),
        Level::Api => envelope(who, Urls { urls: Api { v1: "version 1 of the HTTP API" } }),
        Level::V1 => envelope(
            who,
            Urls {
                urls: V1 {
                    versions: "the version of the server",
                    summaries: "the process and the machine",
                    vhosts: "virtual hosts; GET vhosts/{id} for one",
                    streams: "streams, ?start=0&count=10; GET streams/{id} for one",
                    clients: "clients, ?start=0&count=10; GET clients/{id} for one, DELETE ends it",
                    recorder: "the flight recorder; POST ?action=start or ?action=stop; needs a token",
                },
            },
        ),
    }
}

/// The version of the server.
pub fn versions(who: &Identity) -> Vec<u8> {
    let number = |text: &str| text.parse().unwrap_or(0);
    let data = Versions {
        major: number(env!("CARGO_PKG_VERSION_MAJOR")),
        minor: number(env!("CARGO_PKG_VERSION_MINOR")),
        revision: number(env!("CARGO_PKG_VERSION_PATCH")),
        version: VERSION,
    };
    envelope(who, Data { data })
}

/// The process and the machine.
pub fn summaries(who: &Identity, summaries: &Summaries) -> Vec<u8> {
    let data = Overview {
        ok: true,
        now_ms: summaries.now_ms,
        process: Process::of(summaries),
        system: System::of(summaries),
    };
    envelope(who, Data { data })
}

/// All vhosts.
pub fn vhosts(who: &Identity, vhosts: &[VhostStatus]) -> Vec<u8> {
    #[derive(Serialize)]
    struct Vhosts<'a> {
        vhosts: &'a [VhostStatus],
    }
    envelope(who, Vhosts { vhosts })
}

/// One vhost.
pub fn vhost(who: &Identity, vhost: &VhostStatus) -> Vec<u8> {
    #[derive(Serialize)]
    struct Vhost<'a> {
        vhost: &'a VhostStatus,
    }
    envelope(who, Vhost { vhost })
}

/// A page of the streams, and how many there are.
pub fn streams(who: &Identity, streams: &[StreamStatus], total: usize) -> Vec<u8> {
    #[derive(Serialize)]
    struct Streams<'a> {
        total: usize,
        streams: &'a [StreamStatus],
    }
    envelope(who, Streams { total, streams })
}

/// One stream.
pub fn stream(who: &Identity, stream: &StreamStatus) -> Vec<u8> {
    #[derive(Serialize)]
    struct Stream<'a> {
        stream: &'a StreamStatus,
    }
    envelope(who, Stream { stream })
}

/// A page of the clients, and how many there are.
pub fn clients(who: &Identity, clients: &[ClientStatus], total: usize) -> Vec<u8> {
    #[derive(Serialize)]
    struct Clients<'a> {
        total: usize,
        clients: &'a [ClientStatus],
    }
    envelope(who, Clients { total, clients })
}

/// One client.
pub fn client(who: &Identity, client: &ClientStatus) -> Vec<u8> {
    #[derive(Serialize)]
    struct Client<'a> {
        client: &'a ClientStatus,
    }
    envelope(who, Client { client })
}

/// How the flight recorder stands.
pub fn recorder(who: &Identity, recorder: &RecorderStatus) -> Vec<u8> {
    #[derive(Serialize)]
    struct Recorder<'a> {
        recorder: &'a RecorderStatus,
    }
    envelope(who, Recorder { recorder })
}

/// What a script can act on, and words for people.
pub fn refusal(who: &Identity, code: u32, message: &str) -> Vec<u8> {
    #[derive(Serialize)]
    struct Refusal<'a> {
        message: &'a str,
    }
    coded(who, code, Refusal { message })
}

fn envelope<T: Serialize>(who: &Identity, body: T) -> Vec<u8> {
    coded(who, 0, body)
}

fn coded<T: Serialize>(who: &Identity, code: u32, body: T) -> Vec<u8> {
    #[derive(Serialize)]
    struct Envelope<'a, T> {
        code: u32,
        server: &'a str,
        service: &'a str,
        pid: String,
        #[serde(flatten)]
        body: T,
    }
    let envelope =
        Envelope { code, server: &who.server, service: &who.service, pid: who.pid.to_string(), body };
    serde_json::to_vec(&envelope).expect("keys are strings and writing to a vector cannot fail")
}

/// Part of the whole, as a ratio; 0 if the whole is not known.
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

#[derive(Serialize)]
struct Data<T> {
    data: T,
}

#[derive(Serialize)]
struct Urls<T> {
    urls: T,
}

#[derive(Serialize)]
struct Root {
    api: &'static str,
}

#[derive(Serialize)]
struct Api {
    v1: &'static str,
}

#[derive(Serialize)]
struct V1 {
    versions: &'static str,
    summaries: &'static str,
    vhosts: &'static str,
    streams: &'static str,
    clients: &'static str,
    recorder: &'static str,
}

#[derive(Serialize)]
struct Versions {
    major: u32,
    minor: u32,
    revision: u32,
    version: &'static str,
}

#[derive(Serialize)]
struct Overview<'a> {
    ok: bool,
    now_ms: u64,
    #[serde(rename = "self")]
    process: Process<'a>,
    system: System,
}

/// `self`: the process. Ratios count one core and all of the memory as 1.
#[derive(Serialize)]
struct Process<'a> {
    version: &'static str,
    pid: u32,
    ppid: u32,
    argv: &'a str,
    cwd: &'a str,
    mem_kbyte: u64,
    mem_percent: f64,
    cpu_percent: f64,
    srs_uptime: u64,
}

impl Process<'_> {
    fn of(summaries: &Summaries) -> Process<'_> {
        let vitals = &summaries.vitals;
        Process {
            version: VERSION,
            pid: vitals.pid,
            ppid: vitals.ppid,
            argv: &vitals.argv,
            cwd: &vitals.cwd,
            mem_kbyte: vitals.mem_kbyte,
            mem_percent: share(vitals.mem_kbyte, vitals.mem_ram_kbyte),
            cpu_percent: vitals.cpu_percent,
            srs_uptime: summaries.uptime_secs,
        }
    }
}

/// `system`: the machine. Disks and the kernel's own table of connections are not looked at.
#[derive(Serialize)]
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
    /// Idle time, in the spelling that scripts know.
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

impl System {
    fn of(summaries: &Summaries) -> System {
        let vitals = &summaries.vitals;
        System {
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
            net_sample_time: summaries.now_ms,
            net_recv_bytes: vitals.net_recv_bytes,
            net_send_bytes: vitals.net_send_bytes,
            net_recvi_bytes: 0,
            net_sendi_bytes: 0,
            srs_sample_time: summaries.now_ms,
            srs_recv_bytes: summaries.recv_bytes,
            srs_send_bytes: summaries.send_bytes,
            conn_sys: 0,
            conn_sys_et: 0,
            conn_sys_tw: 0,
            conn_sys_udp: 0,
            conn_srs: summaries.conns,
        }
    }
}
