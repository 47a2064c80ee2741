//! What is printed at start: where to publish and where to watch.
//!
//! In: the configuration and the bound addresses. Out: lines with URLs to paste. An address that means every
//! interface is shown as the loopback address.

use crate::config::listeners::Service;
use crate::config::memory::Bytes;
use crate::config::settings::Config;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The lines to print at start. `bound` are the listeners with their real ports; those of the recorder are in
/// `config`.
pub fn banner(config: &Config, bound: &[(Service, SocketAddr)]) -> String {
    let mut lines = Lines::default();
    let hosts = |service: Service| {
        bound.iter().filter(move |(of, _)| *of == service).map(|(_, addr)| pasteable(*addr))
    };
    for host in hosts(Service::Rtmp) {
        lines.add("publish", format!("rtmp://{host}/live/stream"));
    }
    for host in hosts(Service::Rtmp) {
        lines.add("watch", format!("rtmp://{host}/live/stream"));
    }
    for host in hosts(Service::Http) {
        lines.add("watch", format!("http://{host}/live/stream.flv"));
        lines.add("watch", format!("ws://{host}/live/stream.flv"));
        lines.add("watch", format!("http://{host}/live/stream.ts"));
        if config.stream.hls.enabled {
            lines.add("watch", format!("http://{host}/live/stream.m3u8"));
        }
    }
    if config.http.player {
        for host in hosts(Service::Http) {
            lines.add("player", format!("http://{host}/"));
        }
    }
    for host in hosts(Service::Api) {
        lines.add("API", format!("http://{host}/api/v1/"));
    }
    for addr in config.control_addrs() {
        lines.add("recorder", format!("http://{}/api/v1/recorder", pasteable(*addr)));
    }
    lines.add("memory", memory(config));
    lines.text
}

/// A configuration in three lines: listeners, number of rules, memory bound.
pub fn summary(config: &Config) -> String {
    let mut lines = Lines::default();
    for (_, service, addr) in config.listeners() {
        lines.add("listens", format!("{addr} ({})", service.setting()));
    }
    for addr in config.control_addrs() {
        lines.add("listens", format!("{addr} (recorder.listen)"));
    }
    lines.add("rules", format!("{} for some streams", config.streams.len()));
    lines.add("memory", memory(config));
    lines.text
}

/// The most memory that the limits allow, and its parts.
fn memory(config: &Config) -> String {
    let memory = config.memory_max();
    let recorder = match memory.recorder {
        0 => String::new(),
        bytes => format!(", {} for the recorder", Bytes(bytes)),
    };
    let pages = match memory.pages {
        0 => String::new(),
        bytes => format!(", {} for sendfile", Bytes(bytes)),
    };
    format!(
        "at most {} by the limits: {} for {} connections, {} for {} streams{recorder}{pages}",
        Bytes(memory.total()),
        Bytes(memory.connections),
        config.limits.connections,
        Bytes(memory.streams),
        config.limits.streams,
    )
}

/// The address by which a client on this machine reaches it.
fn pasteable(addr: SocketAddr) -> SocketAddr {
    let ip = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, addr.port())
}

/// Lines with a word in front, which is not repeated.
#[derive(Default)]
struct Lines {
    text: String,
    word: &'static str,
}

impl Lines {
    fn add(&mut self, word: &'static str, line: String) {
        let shown = if self.word == word { "" } else { word };
        self.word = word;
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(&format!("{shown:9}{line}"));
    }
}

#[cfg(test)]
mod tests {
    use super::{banner, summary};
    use crate::config::{Config, Service, load};

    #[test]
    fn urls_have_the_ports_that_were_given() {
        let bound = [
            (Service::Rtmp, "0.0.0.0:40001".parse().expect("an address")),
            (Service::Rtmp, "[::]:40002".parse().expect("an address")),
            (Service::Http, "192.0.2.7:40003".parse().expect("an address")),
            (Service::Api, "127.0.0.1:40004".parse().expect("an address")),
        ];
        let text = banner(&Config::default(), &bound);
        let (urls, memory) = text.rsplit_once('\n').expect("several lines");
        let expected = "\
publish  rtmp://127.0.0.1:40001/live/stream
         rtmp://[::1]:40002/live/stream
watch    rtmp://127.0.0.1:40001/live/stream
         rtmp://[::1]:40002/live/stream
         http://192.0.2.7:40003/live/stream.flv
         ws://192.0.2.7:40003/live/stream.flv
         http://192.0.2.7:40003/live/stream.ts
         http://192.0.2.7:40003/live/stream.m3u8
player   http://192.0.2.7:40003/
API      http://127.0.0.1:40004/api/v1/";
        assert_eq!(urls, expected);
        assert!(memory.starts_with("memory   at most "), "{memory}");
    }

    #[test]
    fn a_summary_is_short() {
        let text = r#"(streams: [(pattern: "**")], limits: (connections: 100, streams: 4))"#;
        let expected = "\
listens  0.0.0.0:1935 (rtmp.listen)
         0.0.0.0:8080 (http.listen)
         127.0.0.1:1985 (api.listen)
rules    1 for some streams
memory   at most 5.0 GiB by the limits: 2.0 GiB for 100 connections, 2.8 GiB for 4 streams, 256.0 MiB for \
    sendfile";
        assert_eq!(summary(&load(text, "my.ron", &[]).expect("right")), expected);
    }

    #[test]
    fn the_recorder_is_offered_where_a_token_opens_it() {
        let text = "(recorder: (api_token: \"correct-horse-battery\", directory: \"flights\", listen: 7))";
        let config = load(text, "my.ron", &[]).expect("right");
        assert!(banner(&config, &[]).contains("recorder http://127.0.0.1:7/api/v1/recorder\n"));
        assert!(summary(&config).contains("\n         0.0.0.0:7 (recorder.listen)\n"));
    }

    #[test]
    fn what_is_off_is_not_offered() {
        let text = "(
            api: (listen: []), http: (player: false), stream: (hls: (enabled: false)),
            limits: (connections: 100, streams: 4, sendfile_bytes: 0),
        )";
        let config = load(text, "my.ron", &[]).expect("right");
        let text = banner(&config, &[(Service::Http, "127.0.0.1:80".parse().expect("an address"))]);
        assert_eq!(text.lines().count(), 4);
        assert!(!text.contains("m3u8") && !text.contains("player") && !text.contains("rtmp:"), "{text}");
        let memory = text.lines().last().expect("a line");
        assert!(memory.ends_with(" for 100 connections, 1.9 GiB for 4 streams"), "{memory}");
    }
}
