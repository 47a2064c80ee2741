//! The HTTP API, against literal JSON.

use super::*;
use crate::session::ask::Ask;
use crate::status::*;

/// JSON that stands here on several lines, on one.
fn line(json: &str) -> String {
    json.lines().map(str::trim).collect()
}

fn get(target: &str, answer: Answer) -> Heard {
    let mut peer = Peer::on(Service::Api);
    peer.requests("GET", target, &[]).answers(answer);
    Heard::parse(&peer.hears_bytes())
}

fn body(target: &str, answer: Report) -> String {
    json_of(&get(target, report(answer)))
}

/// What is answered without asking the server.
fn known(target: &str) -> String {
    let mut peer = Peer::on(Service::Api);
    peer.requests("GET", target, &[]);
    assert!(peer.asks().is_none(), "{target}");
    json_of(&Heard::parse(&peer.hears_bytes()))
}

fn json_of(heard: &Heard) -> String {
    assert_eq!(heard.status, 200);
    assert_eq!(heard.header("Content-Type"), Some("application/json"));
    assert_eq!(heard.header("Cache-Control"), Some("no-store"));
    heard.text().to_owned()
}

fn asked(method: &str, target: &str) -> String {
    let mut peer = Peer::on(Service::Api);
    peer.requests(method, target, &[]);
    peer.asks_text()
}

fn stream() -> StreamStatus {
    StreamStatus {
        id: "vid-1a2b3c4".into(),
        name: "cam".into(),
        vhost: "vid-0000001".into(),
        vhost_name: "__defaultVhost__".into(),
        app: "live".into(),
        tc_url: "rtmp://media.example/live".into(),
        url: "/live/cam".into(),
        live_ms: 1_700_000_000_000,
        clients: 3,
        frames: 150,
        audio_frames: 90,
        video_frames: 60,
        send_bytes: 2_000,
        recv_bytes: 1_000,
        kbps: Kbps { recv_30s: 100, send_30s: 200 },
        hold_ms: 40,
        publish: PublishStatus { active: true, cid: Some("p1".into()) },
        video: Some(VideoStatus {
            codec: "H264".into(),
            profile: "High".into(),
            level: "3.1".into(),
            width: 1280,
            height: 720,
        }),
        audio: Some(AudioStatus {
            codec: "AAC".into(),
            sample_rate: 48_000,
            channel: 2,
            profile: "LC".into(),
        }),
    }
}

const STREAM: &str = r#"{"id":"vid-1a2b3c4","name":"cam","vhost":"vid-0000001","app":"live",
    "tcUrl":"rtmp://media.example/live","url":"/live/cam","live_ms":1700000000000,"clients":3,
    "frames":150,"audio_frames":90,"video_frames":60,"send_bytes":2000,"recv_bytes":1000,
    "kbps":{"recv_30s":100,"send_30s":200},"hold_ms":40,"publish":{"active":true,"cid":"p1"},
    "video":{"codec":"H264","profile":"High","level":"3.1","width":1280,"height":720},
    "audio":{"codec":"AAC","sample_rate":48000,"channel":2,"profile":"LC"}}"#;

fn client() -> ClientStatus {
    ClientStatus {
        id: "abcdefgh".into(),
        vhost: "vid-0000001".into(),
        stream: "vid-1a2b3c4".into(),
        ip: "192.0.2.1".into(),
        page_url: "https://a.example/watch".into(),
        swf_url: String::new(),
        tc_url: "http://media.example/live/cam.flv".into(),
        url: "/live/cam".into(),
        name: "cam".into(),
        kind: ClientKind::FlvPlay.name(),
        publish: false,
        alive: 1.5,
        send_bytes: 2_000,
        recv_bytes: 100,
        dropped_frames: 0,
        kbps: Kbps { recv_30s: 0, send_30s: 200 },
    }
}

const CLIENT: &str = r#"{"id":"abcdefgh","vhost":"vid-0000001","stream":"vid-1a2b3c4","ip":"192.0.2.1",
    "pageUrl":"https://a.example/watch","swfUrl":"","tcUrl":"http://media.example/live/cam.flv",
    "url":"/live/cam","name":"cam","type":"flv-play","publish":false,"alive":1.5,
    "send_bytes":2000,"recv_bytes":100,"dropped_frames":0,"kbps":{"recv_30s":0,"send_30s":200}}"#;

fn vhost() -> VhostStatus {
    VhostStatus {
        id: "vid-0000001".into(),
        name: "__defaultVhost__".into(),
        enabled: true,
        clients: 3,
        streams: 1,
        send_bytes: 2_000,
        recv_bytes: 1_000,
        kbps: Kbps { recv_30s: 100, send_30s: 200 },
        hls: HlsStatus { enabled: true, fragment: 2.0 },
    }
}

const VHOST: &str = r#"{"id":"vid-0000001","name":"__defaultVhost__","enabled":true,"clients":3,"streams":1,
    "send_bytes":2000,"recv_bytes":1000,"kbps":{"recv_30s":100,"send_30s":200},
    "hls":{"enabled":true,"fragment":2.0}}"#;

const ENVELOPE: &str = r#""code":0,"server":"vid-0a1b2c3","service":"s5v7x9z1","pid":"4242""#;

#[test]
fn the_roots_tell_what_stands_below_them() {
    let root = format!(r#"{{{ENVELOPE},"urls":{{"api":"the HTTP API"}}}}"#);
    assert_eq!(known("/"), root);
    let api = format!(r#"{{{ENVELOPE},"urls":{{"v1":"version 1 of the HTTP API"}}}}"#);
    assert_eq!(known("/api/"), api);
    let v1 = known("/api/v1/");
    assert!(v1.starts_with(&format!(r#"{{{ENVELOPE},"urls":{{"versions":""#)));
    for endpoint in ["versions", "summaries", "vhosts", "streams", "clients"] {
        assert!(v1.contains(&format!("\"{endpoint}\":")), "{endpoint}");
    }
}

#[test]
fn the_version_is_that_of_the_program() {
    let version = env!("CARGO_PKG_VERSION");
    let [major, minor, revision] = version.split('.').collect::<Vec<_>>()[..] else { panic!("{version}") };
    assert_eq!(
        known("/api/v1/versions"),
        line(&format!(
            r#"{{{ENVELOPE},"data":{{
                "major":{major},"minor":{minor},"revision":{revision},"version":"{version}"}}}}"#
        ))
    );
}

#[test]
fn summaries_have_every_field_that_scripts_look_for() {
    let vitals = Vitals {
        pid: 4242,
        ppid: 1,
        argv: "dacapo".into(),
        cwd: "/".into(),
        mem_kbyte: 250,
        cpu_percent: 0.25,
        system_cpu_percent: 0.5,
        mem_ram_kbyte: 1000,
        mem_ram_percent: 0.75,
        mem_swap_kbyte: 10,
        mem_swap_percent: 0.0,
        cpus: 2,
        uptime: 100.5,
        idle_time: 150.0,
        load_1m: 0.1,
        load_5m: 0.2,
        load_15m: 0.3,
        net_recv_bytes: 11,
        net_send_bytes: 22,
    };
    let totals =
        Totals { now_ms: 1_700_000_000_000, uptime_secs: 60, recv_bytes: 33, send_bytes: 44, conns: 5 };
    let version = env!("CARGO_PKG_VERSION");
    let process = format!(
        r#"{{"version":"{version}","pid":4242,"ppid":1,"argv":"dacapo","cwd":"/","mem_kbyte":250,
            "mem_percent":0.25,"cpu_percent":0.25,"srs_uptime":60}}"#
    );
    let system = r#"{"cpu_percent":0.5,"disk_read_KBps":0,"disk_write_KBps":0,"disk_busy_percent":0.0,
        "mem_ram_kbyte":1000,"mem_ram_percent":0.75,"mem_swap_kbyte":10,"mem_swap_percent":0.0,
        "cpus":2,"cpus_online":2,"uptime":100.5,"ilde_time":150.0,
        "load_1m":0.1,"load_5m":0.2,"load_15m":0.3,
        "net_sample_time":1700000000000,"net_recv_bytes":11,"net_send_bytes":22,
        "net_recvi_bytes":0,"net_sendi_bytes":0,
        "srs_sample_time":1700000000000,"srs_recv_bytes":33,"srs_send_bytes":44,
        "conn_sys":0,"conn_sys_et":0,"conn_sys_tw":0,"conn_sys_udp":0,"conn_srs":5}"#;
    assert_eq!(
        body("/api/v1/summaries", Report::Summaries { data: Box::new(Summaries::new(totals, vitals)) }),
        line(&format!(
            r#"{{{ENVELOPE},"data":{{"ok":true,"now_ms":1700000000000,
                "self":{process},"system":{system}}}}}"#
        ))
    );
}

#[test]
fn vhosts_streams_and_clients_are_listed() {
    assert_eq!(
        body("/api/v1/vhosts/", Report::Vhosts { vhosts: vec![vhost()] }),
        line(&format!(r#"{{{ENVELOPE},"vhosts":[{VHOST}]}}"#))
    );
    assert_eq!(
        body("/api/v1/streams/", Report::Streams { total: 12, streams: vec![stream(), stream()] }),
        line(&format!(r#"{{{ENVELOPE},"total":12,"streams":[{STREAM},{STREAM}]}}"#))
    );
    assert_eq!(
        body("/api/v1/clients/", Report::Clients { total: 1, clients: vec![client()] }),
        line(&format!(r#"{{{ENVELOPE},"total":1,"clients":[{CLIENT}]}}"#))
    );
}

#[test]
fn one_of_them_is_found_by_its_id() {
    assert_eq!(
        body("/api/v1/vhosts/vid-0000001", Report::Vhost { vhost: Box::new(vhost()) }),
        line(&format!(r#"{{{ENVELOPE},"vhost":{VHOST}}}"#))
    );
    assert_eq!(
        body("/api/v1/streams/vid-1a2b3c4", Report::Stream { stream: Box::new(stream()) }),
        line(&format!(r#"{{{ENVELOPE},"stream":{STREAM}}}"#))
    );
    assert_eq!(
        body("/api/v1/clients/abcdefgh", Report::Client { client: Box::new(client()) }),
        line(&format!(r#"{{{ENVELOPE},"client":{CLIENT}}}"#))
    );
}

#[test]
fn a_stream_without_tracks_and_publisher_says_so() {
    let publish = PublishStatus { active: false, cid: None };
    let silent = StreamStatus { publish, video: None, audio: None, ..stream() };
    let json = body("/api/v1/streams/x", Report::Stream { stream: Box::new(silent) });
    assert!(json.ends_with(r#""publish":{"active":false},"video":null,"audio":null}}"#));
}

#[test]
fn an_unknown_id_has_its_code() {
    for (target, json) in [
        ("/api/v1/vhosts/x", r#"{"code":2014}"#),
        ("/api/v1/streams/x", r#"{"code":2048}"#),
        ("/api/v1/clients/x", r#"{"code":2049}"#),
    ] {
        let heard = get(target, Answer::Report(None));
        assert_eq!((heard.status, heard.text()), (200, json));
    }
}

#[test]
fn what_cannot_be_measured_now_is_asked_for_again_later() {
    let heard = get("/api/v1/summaries", Answer::Report(None));
    assert_eq!((heard.status, heard.header("Retry-After")), (503, Some("5")));
}

#[test]
fn questions_reach_the_server_with_and_without_the_last_slash() {
    for slash in ["", "/"] {
        assert_eq!(known(&format!("/api{slash}")), known("/api"));
        assert_eq!(asked("GET", &format!("/api/v1/summaries{slash}")), "Query(Summaries)");
        assert_eq!(asked("GET", &format!("/api/v1/vhosts{slash}")), "Query(Vhosts)");
        assert_eq!(asked("GET", &format!("/api/v1/vhosts/v1{slash}")), "Query(Vhost(\"v1\"))");
        let streams = "Query(Streams(Page { start: 20, count: 5 }))";
        assert_eq!(asked("GET", &format!("/api/v1/streams{slash}?start=20&count=5&callback=f")), streams);
        assert_eq!(
            asked("GET", &format!("/api/v1/clients{slash}")),
            "Query(Clients(Page { start: 0, count: 10 }))"
        );
        assert_eq!(asked("HEAD", &format!("/api/v1/clients/c{slash}")), "Query(Client(\"c\"))");
        assert_eq!(asked("DELETE", &format!("/api/v1/clients/c{slash}")), "Kick { id: \"c\" }");
    }
}

#[test]
fn a_kick_answers_with_the_envelope_alone() {
    let mut peer = Peer::on(Service::Api);
    peer.requests("DELETE", "/api/v1/clients/abcdefgh", &[]);
    assert!(matches!(peer.asks(), Some(Ask::Kick { id }) if id == "abcdefgh"));
    peer.answers(Answer::Kick(true));
    assert!(peer.asks().is_none());
    assert_eq!(Heard::parse(&peer.hears_bytes()).text(), format!("{{{ENVELOPE}}}"));
    peer.requests("DELETE", "/api/v1/clients/nobody", &[]).answers(Answer::Kick(false));
    assert_eq!(Heard::parse(&peer.hears_bytes()).text(), r#"{"code":2049}"#);
}

#[test]
fn other_paths_and_methods_are_refused_in_words() {
    for (method, target, status, allow) in [
        ("POST", "/api/v1/streams/", 405, Some("GET, HEAD, OPTIONS")),
        ("DELETE", "/api/v1/streams/x", 405, Some("GET, HEAD, OPTIONS")),
        ("PUT", "/api/v1/clients/x", 405, Some("GET, HEAD, DELETE, OPTIONS")),
        ("GET", "/api/v1/raw", 404, None),
        ("GET", "/live/cam.flv", 404, None),
    ] {
        let mut peer = Peer::on(Service::Api);
        let heard = Heard::parse(&peer.requests(method, target, &[]).hears_bytes());
        assert_eq!((heard.status, heard.header("Allow")), (status, allow), "{method} {target}");
        assert_eq!(heard.header("Content-Type"), Some("text/plain; charset=utf-8"));
    }
    let mut peer = Peer::on(Service::Api);
    let heard = Heard::parse(&peer.requests("OPTIONS", "/api/v1/clients/x", &[]).hears_bytes());
    assert_eq!(heard.header("Access-Control-Allow-Methods"), Some("GET, HEAD, DELETE, OPTIONS"));
}

#[test]
fn no_page_may_use_the_api_unless_it_is_allowed_to() {
    let request = "DELETE /api/v1/clients/x HTTP/1.1\r\nHost: h\r\nOrigin: https://other.example\r\n\r\n";
    for (allowed, expected) in [("", None), ("https://console.example", Some("https://console.example"))] {
        let mut config = Config::default();
        config.api.allow_origin = allowed.into();
        let mut peer = Peer::with(Service::Api, config);
        peer.says(request).answers(Answer::Kick(false));
        let heard = Heard::parse(&peer.hears_bytes());
        assert_eq!(heard.header("Access-Control-Allow-Origin"), expected);
    }
}

#[test]
fn the_public_list_tells_no_more_than_the_page_shows() {
    let mut peer = Peer::on(Service::Http);
    peer.requests("GET", "/live.json", &[]);
    assert_eq!(peer.asks_text(), "Query(Published(Page { start: 0, count: 200 }))");
    let named = StreamStatus { vhost_name: "a.tv".into(), clients: 1, audio: None, ..stream() };
    peer.answers(report(Report::Streams { total: 3, streams: vec![stream(), named] }));
    let heard = Heard::parse(&peer.hears_bytes());
    assert_eq!(heard.header("Cache-Control"), Some("max-age=1"));
    let expected = r#"{"rtmp_port":1935,"total":3,"streams":[
        {"app":"live","name":"cam","players":2,
         "video":{"codec":"H264","profile":"High","level":"3.1","width":1280,"height":720},
         "audio":{"codec":"AAC","sample_rate":48000,"channel":2,"profile":"LC"}},
        {"vhost":"a.tv","app":"live","name":"cam","players":0,
         "video":{"codec":"H264","profile":"High","level":"3.1","width":1280,"height":720},
         "audio":null}]}"#;
    assert_eq!(heard.text(), line(expected));
}
