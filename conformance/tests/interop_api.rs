//! The HTTP API as people's scripts read it: SRS's envelope and fields, and numbers that are true.

use conformance::ffmpeg::{Ffmpeg, Packets};
use conformance::health::Film;
use conformance::http::{self, get};
use conformance::media;
use conformance::process::{Running, Tool, secs, until};
use conformance::reader::rtmp::Peer;
use conformance::server::Server;
use serde_json::Value;
use std::io::Read;

/// What curl gets of `path`.
#[track_caller]
fn ask(server: &Server, path: &str) -> Value {
    let url = format!("http://{}{path}", server.api);
    let got = Tool::new("curl").words("--silent --show-error --max-time 10").arg(url).run(secs(15));
    serde_json::from_str(&got.stdout).unwrap_or_else(|e| panic!("{path}: {e}: {}", got.stdout))
}

#[track_caller]
fn assert_keys(value: &Value, keys: &str) {
    let Value::Object(members) = value else { panic!("an object: {value}") };
    for key in keys.split_whitespace() {
        assert!(members.contains_key(key), "{key} is missing: {value}");
    }
}

/// A film that is shown in a loop.
fn publish(server: &Server, name: &str) -> Running {
    let film = media::h264_aac();
    let tool = Ffmpeg::V5.tool().words("-re -stream_loop -1 -i").arg(film).words("-c copy -f flv");
    let running = tool.arg(server.rtmp_url(name)).start();
    server.await_stream(name);
    running
}

#[track_caller]
fn only(list: &Value, wanted: impl Fn(&Value) -> bool) -> &Value {
    let found: Vec<&Value> = list.as_array().expect("a list").iter().filter(|entry| wanted(entry)).collect();
    assert_eq!(found.len(), 1, "exactly one: {list}");
    found[0]
}

#[test]
fn every_answer_comes_in_the_envelope() {
    let server = Server::start();
    let mut services = Vec::new();
    for path in
        ["/api/v1/versions", "/api/v1/summaries", "/api/v1/vhosts/", "/api/v1/streams/", "/api/v1/clients/"]
    {
        let answer = ask(&server, path);
        assert_keys(&answer, "code server service pid");
        assert_eq!(answer["code"], 0, "{path}");
        assert_eq!(answer["pid"], server.pid().to_string(), "{path}");
        assert!(answer["server"].as_str().is_some_and(|id| id.starts_with("vid-")), "{path}: {answer}");
        services.push(answer["service"].clone());
    }
    services.dedup();
    assert_eq!(services.len(), 1, "one run, one service");
    let other = Server::start();
    assert_ne!(services[0], ask(&other, "/api/v1/versions")["service"], "another run, another service");
}

#[test]
fn the_version_is_that_of_the_binary() {
    let server = Server::start();
    let data = &ask(&server, "/api/v1/versions")["data"];
    assert_keys(data, "major minor revision version");
    let version = [&data["major"], &data["minor"], &data["revision"]].map(Value::to_string).join(".");
    assert_eq!(data["version"], version);
    let printed = Tool::new(conformance::server::binary()).arg("--version").run(secs(5)).stdout;
    assert!(printed.contains(&version), "{printed} is not {version}");
}

#[test]
fn summaries_tell_of_process_and_machine() {
    let server = Server::start();
    let _publisher = publish(&server, "film");
    std::thread::sleep(secs(2));
    let data = &ask(&server, "/api/v1/summaries")["data"];
    assert_keys(data, "ok now_ms self system");
    assert_keys(&data["self"], "version pid ppid argv cwd mem_kbyte mem_percent cpu_percent srs_uptime");
    assert_keys(
        &data["system"],
        "cpu_percent mem_ram_kbyte mem_ram_percent mem_swap_kbyte mem_swap_percent cpus cpus_online uptime \
         load_1m load_5m load_15m net_recv_bytes net_send_bytes srs_recv_bytes srs_send_bytes conn_srs",
    );
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_millis();
    let said = data["now_ms"].as_u64().expect("a number");
    assert!(u64::try_from(now).expect("64 bits").abs_diff(said) < 5000, "now is {now}, not {said}");
    assert_eq!(data["self"]["pid"], server.pid());
    let memory = data["self"]["mem_kbyte"].as_u64().expect("a number");
    assert!(memory.abs_diff(server.rss_kib()) < 8192, "resident are {}, not {memory}", server.rss_kib());
    assert!(data["self"]["srs_uptime"].as_u64().is_some_and(|uptime| (1..60).contains(&uptime)), "{data}");
    assert!(data["system"]["srs_recv_bytes"].as_u64().is_some_and(|bytes| bytes > 30_000), "{data}");
    let cpus = std::thread::available_parallelism().expect("processors").get() as u64;
    assert!(data["system"]["cpus"].as_u64().is_some_and(|count| count >= cpus), "{data}");
}

#[test]
fn a_stream_is_described_by_what_its_publisher_sends() {
    let server = Server::start();
    let _publisher = publish(&server, "film");
    let answer = ask(&server, "/api/v1/streams/");
    let stream = only(&answer["streams"], |stream| stream["name"] == "film");
    assert_keys(
        stream,
        "id name vhost app tcUrl url live_ms clients frames audio_frames video_frames send_bytes recv_bytes \
         kbps publish video audio",
    );
    assert_keys(&stream["kbps"], "recv_30s send_30s");
    assert_eq!((&stream["app"], &stream["url"]), (&"live".into(), &"/live/film".into()));
    assert_eq!(stream["tcUrl"], format!("rtmp://{}/live", server.rtmp));
    let video = &stream["video"];
    assert_eq!(
        (&video["codec"], &video["width"], &video["height"]),
        (&"H264".into(), &320.into(), &180.into())
    );
    assert!(video["profile"].as_str().is_some_and(|profile| profile.contains("High")), "{video}");
    assert!(video["level"].is_string(), "{video}");
    let audio = &stream["audio"];
    assert_eq!(
        (&audio["codec"], &audio["sample_rate"], &audio["channel"]),
        (&"AAC".into(), &44100.into(), &2.into())
    );
    let id = stream["id"].as_str().expect("an id");
    assert!(id.starts_with("vid-"), "{id}");
    let alone = ask(&server, &format!("/api/v1/streams/{id}"));
    assert_eq!((&alone["code"], &alone["stream"]["name"]), (&0.into(), &"film".into()));
    let vhosts = ask(&server, "/api/v1/vhosts/");
    let vhost = only(&vhosts["vhosts"], |vhost| vhost["id"] == stream["vhost"]);
    assert_keys(vhost, "id name enabled clients streams send_bytes recv_bytes kbps hls");
    assert_eq!((&vhost["streams"], &vhost["enabled"]), (&1.into(), &true.into()));
}

#[test]
fn frames_are_counted_one_by_one() {
    let server = Server::with(&[("stream.publish.linger_ms", "8000")]);
    let film = media::h264_aac();
    let sent = Packets::of(Ffmpeg::V5, &film, "");
    let mut publisher = Peer::publisher(server.rtmp, "live", "film");
    publisher.send_tags(&media::read(&film).tags);
    let counts = (sent.video.packets.len() as u64, sent.audio.packets.len() as u64);
    let counted = until(secs(10), || {
        let answer = get(server.api, "/api/v1/streams/").json();
        let stream = answer["streams"].as_array()?.first()?.clone();
        let found = (stream["video_frames"].as_u64()?, stream["audio_frames"].as_u64()?);
        (found == counts && stream["frames"] == counts.0 + counts.1).then_some(())
    });
    assert!(counted.is_some(), "{counts:?} were sent: {}", ask(&server, "/api/v1/streams/"));
}

#[test]
fn clients_are_listed_as_what_they_are() {
    let server = Server::start();
    let publisher = publish(&server, "film");
    let _on_rtmp =
        Ffmpeg::V5.tool().arg("-i").arg(server.rtmp_url("film")).words("-c copy -f null -").start();
    let mut on_http = get(server.http, "/live/film.flv");
    on_http.read_exact(&mut [0; 5000]).expect("it plays");
    let listed = until(secs(10), || {
        let answer = get(server.api, "/api/v1/clients/?count=50").json();
        let mut kinds: Vec<String> = answer["clients"]
            .as_array()?
            .iter()
            .map(|client| client["type"].as_str().unwrap_or("").to_owned())
            .collect();
        kinds.sort();
        (kinds == ["flv-play", "fmle-publish", "rtmp-play"]).then_some(answer)
    });
    let listed = listed.unwrap_or_else(|| panic!("three clients: {}", ask(&server, "/api/v1/clients/")));
    for client in listed["clients"].as_array().expect("a list") {
        assert_keys(
            client,
            "id vhost stream ip pageUrl swfUrl tcUrl url name type publish alive send_bytes recv_bytes kbps",
        );
        assert_eq!((&client["ip"], &client["name"]), (&"127.0.0.1".into(), &"film".into()));
        assert_eq!(client["publish"], client["type"] == "fmle-publish");
        assert!(client["alive"].as_f64().is_some_and(|alive| (0.0..60.0).contains(&alive)), "{client}");
    }
    let stream = ask(&server, "/api/v1/streams/")["streams"][0].clone();
    assert_eq!(stream["clients"], 3);
    let publishing = only(&listed["clients"], |client| client["publish"] == true);
    assert_eq!(publishing["stream"], stream["id"]);
    assert_eq!(stream["publish"], serde_json::json!({"active": true, "cid": publishing["id"]}));
    drop((publisher, on_http));
    let gone = until(secs(10), || {
        let answer = get(server.api, "/api/v1/clients/").json();
        (!answer["clients"].as_array()?.iter().any(|client| client["type"] == "flv-play")).then_some(())
    });
    assert!(gone.is_some(), "a closed connection is not listed");
}

#[test]
fn bytes_are_counted_as_they_pass() {
    let server = Server::start();
    let film = Film::short();
    let mut publisher = Peer::publisher(server.rtmp, "live", "film");
    publisher.send_tags(&film.tags[..40]);
    server.await_stream("film");
    let mut watched = get(server.http, "/live/film.flv");
    let mut early = vec![0; 1000];
    watched.read_exact(&mut early).expect("it plays");
    publisher.send_tags(&film.tags[40..]);
    let payload: u64 = film.tags.iter().map(|tag| tag.body.len() as u64).sum();
    let mut taken = 1000;
    watched.into_socket().set_read_timeout(Some(secs(1))).expect("a timeout");
    let counted = until(secs(10), || {
        let answer = get(server.api, "/api/v1/clients/?count=50").json();
        let client = answer["clients"].as_array()?.iter().find(|client| client["publish"] == true)?.clone();
        taken = client["recv_bytes"].as_u64()?;
        (taken > payload && taken < payload + payload / 10 + 8192).then_some(())
    });
    assert!(counted.is_some(), "{payload} bytes of film are in {taken} bytes received");
}

#[test]
fn a_client_can_be_sent_away() {
    let server = Server::start();
    let _publisher = publish(&server, "film");
    let mut player = Peer::player(server.rtmp, "live", "film");
    let _ = player.tag();
    let clients = ask(&server, "/api/v1/clients/");
    let id = only(&clients["clients"], |client| client["publish"] == false)["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let url = format!("http://{}/api/v1/clients/{id}", server.api);
    let curl = |method: &str| {
        let got =
            Tool::new("curl").words("--silent --max-time 10 --request").arg(method).arg(&url).run(secs(15));
        serde_json::from_str::<Value>(&got.stdout).expect("JSON")
    };
    assert_eq!(curl("GET")["client"]["id"], id.as_str());
    assert_eq!(curl("DELETE")["code"], 0);
    while player.receive().is_some() {}
    let gone = until(secs(5), || (curl("GET")["code"] == 2049).then_some(()));
    assert!(gone.is_some(), "{}", curl("GET"));
    assert_eq!(curl("DELETE")["code"], 2049);
    assert_eq!(
        ask(&server, "/api/v1/streams/")["streams"][0]["publish"]["active"],
        true,
        "the stream goes on"
    );
}

#[test]
fn a_publisher_can_be_sent_away() {
    let server = Server::with(&[("stream.publish.linger_ms", "300")]);
    let mut publisher = publish(&server, "film");
    let clients = ask(&server, "/api/v1/clients/");
    let id = only(&clients["clients"], |client| client["publish"] == true)["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    assert_eq!(http::request(server.api, "DELETE", &format!("/api/v1/clients/{id}")).json()["code"], 0);
    assert!(until(secs(10), || publisher.ended()).is_some(), "FFmpeg notices");
    let over = until(secs(5), || {
        let answer = get(server.api, "/api/v1/streams/").json();
        (!answer["streams"].as_array()?.iter().any(|stream| stream["publish"]["active"] == true))
            .then_some(())
    });
    assert!(over.is_some(), "{}", ask(&server, "/api/v1/streams/"));
}

#[test]
fn what_is_not_there_is_said_in_numbers() {
    let server = Server::start();
    for (path, code) in [
        ("/api/v1/streams/vid-0000000", 2048),
        ("/api/v1/clients/nobody", 2049),
        ("/api/v1/vhosts/vid-0000000", 2014),
    ] {
        assert_eq!(ask(&server, path)["code"], code, "{path}");
    }
    assert_eq!(get(server.api, "/api/v1/no-such-thing").status, 404);
    assert_eq!(http::request(server.api, "POST", "/api/v1/streams/").status, 405);
}

#[test]
fn long_lists_come_in_pages() {
    let server = Server::start();
    let film = Film::short();
    let publishers: Vec<Peer> = (0..12)
        .map(|at| {
            let mut publisher = Peer::publisher(server.rtmp, "live", &format!("film-{at:02}"));
            publisher.send_tags(&film.tags[..10]);
            publisher
        })
        .collect();
    server.await_stream("film-09");
    let names = |query: &str| {
        let answer = ask(&server, &format!("/api/v1/streams/{query}"));
        let list = answer["streams"].as_array().expect("a list").clone();
        list.into_iter().map(|stream| stream["name"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
    };
    let all = names("?count=50");
    assert_eq!(all.len(), 12);
    assert_eq!(names("").len(), 10, "ten at a time unless asked otherwise");
    let pages = [names("?start=0&count=5"), names("?start=5&count=5"), names("?start=10&count=5")].concat();
    assert_eq!(pages, all, "pages make up the whole");
    drop(publishers);
}
