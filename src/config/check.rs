//! Checks of a configuration beyond its form.
//!
//! In: a configuration. Out: all findings, with the setting's path, what is wrong and what to do. Rules of
//! streams are checked in the same way, each applied to the settings of `stream`.

use crate::config::levels::Levels;
use crate::config::listeners::LISTENERS_MAX;
use crate::config::patch::Setting;
use crate::config::settings::{Config, Flush, Limits, StreamSettings};
use std::net::SocketAddr;

/// A finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// The setting: `streams[1].hls.window`.
    pub path: String,
    /// What is wrong with it.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Finding {
    fn new(path: &str, wrong: impl AsRef<str>, help: &str) -> Self {
        let message = format!("`{path}` {}", wrong.as_ref());
        Finding { path: path.to_owned(), message, help: (!help.is_empty()).then(|| help.to_owned()) }
    }
}

/// Most bytes of a response beside its body.
const HEAD_BYTES: usize = 64 << 10;

/// All findings in `config`.
pub(super) fn check(config: &Config) -> Vec<Finding> {
    let mut findings = ranges(config, "");
    findings.extend(stream(&config.stream, "stream", &config.limits));
    findings.extend(rules(config));
    findings.extend(listeners(config));
    findings.extend(texts(config));
    findings.extend(recorder(config));
    findings
}

fn ranges(section: &impl Setting, path: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    section.check_ranges(path, &mut |out| {
        findings.push(Finding { message: out.to_string(), path: out.path, help: None });
    });
    findings
}

/// Relations between the settings of a stream.
fn stream(settings: &StreamSettings, path: &str, limits: &Limits) -> Vec<Finding> {
    let StreamSettings { play, ring, hls, .. } = settings;
    let mut findings = Vec::new();
    let mut find = |name: &str, wrong: String, help: &str| {
        findings.push(Finding::new(&format!("{path}.{name}"), wrong, help));
    };
    if let Flush::Ms(ms @ (0 | 1_001..)) = play.flush {
        find("play.flush", format!("is Ms({ms}): it must be from Ms(1) to Ms(1000)"), "");
    }
    if ring.bytes_max < limits.frame_bytes {
        find(
            "ring.bytes_max",
            format!("is {}, less than one frame may have: {}", ring.bytes_max, limits.frame_bytes),
            "raise it, or lower `limits.frame_bytes`",
        );
    }
    if hls.segment_ms > hls.segment_ms_max {
        find(
            "hls.segment_ms",
            format!("is {}, more than `hls.segment_ms_max`: {}", hls.segment_ms, hls.segment_ms_max),
            "lower it, or raise `hls.segment_ms_max`",
        );
    }
    let carried = limits.response_bytes.saturating_sub(HEAD_BYTES);
    if hls.enabled && hls.segment_bytes_max > carried {
        find(
            "hls.segment_bytes_max",
            format!("is {}, more than one response can carry: {carried}", hls.segment_bytes_max),
            "lower it, or raise `limits.response_bytes`",
        );
    }
    if !is_directory(&hls.directory) {
        let wrong = format!("is {:?}, which is no directory to write to", hls.directory);
        find("hls.directory", wrong, "write a path without `..`, or nothing to write no files");
    }
    findings
}

/// Checks each rule, applied to the settings of `stream`. Findings that `stream` has itself are not repeated.
fn rules(config: &Config) -> Vec<Finding> {
    let all = |settings: &StreamSettings, path: &str| {
        let mut findings = ranges(settings, path);
        findings.extend(stream(settings, path, &config.limits));
        findings
    };
    let mut findings = Vec::new();
    for (index, rule) in config.streams.iter().enumerate() {
        let path = format!("streams[{index}]");
        let base = all(&config.stream, &path);
        let mut settings = config.stream.clone();
        rule.apply(&mut settings);
        findings.extend(all(&settings, &path).into_iter().filter(|finding| !base.contains(finding)));
    }
    findings
}

/// At least one address, not too many, and none twice.
fn listeners(config: &Config) -> Vec<Finding> {
    let own = config.listeners().into_iter().map(|(_, service, addr)| (service.setting(), addr));
    let listeners: Vec<_> = own.collect();
    if listeners.is_empty() {
        let help = "give `rtmp.listen`, `http.listen` or `api.listen` an address";
        return vec![Finding::new("rtmp.listen", "and all other listeners are off", help)];
    }
    let control = config.control_addrs().iter().map(|addr| ("recorder.listen", *addr));
    let listeners: Vec<_> = listeners.into_iter().chain(control).collect();
    if let Some((setting, _)) = listeners.get(LISTENERS_MAX) {
        let wrong = format!("brings the number of addresses to {}", listeners.len());
        let help = format!("at most {LISTENERS_MAX} are listened to, of all services together");
        return vec![Finding::new(setting, wrong, &help)];
    }
    let mut findings = Vec::new();
    for (index, (setting, addr)) in listeners.iter().enumerate() {
        let earlier = listeners[..index].iter().find(|(_, other)| collide(*addr, *other));
        if let Some((other, taken)) = earlier {
            let wrong = format!("has {addr}, but `{other}` has {taken}");
            findings.push(Finding::new(setting, wrong, "give each listener a port of its own"));
        }
    }
    findings
}

/// True if the kernel would not allow both to be bound.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let same_ip = one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0 && one.port() == other.port() && one.is_ipv4() == other.is_ipv4() && same_ip
}

/// Settings whose text must have a form.
fn texts(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Err(error) = config.log.level.parse::<Levels>() {
        let help = "for example `info` or `info,rtmp=debug`";
        findings.push(Finding::new("log.level", format!("is {:?}: {error}", config.log.level), help));
    }
    if !is_path(&config.log.file) {
        findings.push(Finding::new("log.file", format!("is {:?}, which is no file", config.log.file), ""));
    }
    let origins =
        [("http.allow_origin", &config.http.allow_origin), ("api.allow_origin", &config.api.allow_origin)];
    for (path, origin) in origins {
        if !origin.bytes().all(|byte| byte.is_ascii_graphic()) {
            let help = "write `*`, one origin such as `https://example.com`, or nothing";
            findings.push(Finding::new(path, format!("is {origin:?}: it must be one word"), help));
        }
    }
    findings
}

/// The recorder needs a directory.
fn recorder(config: &Config) -> Vec<Finding> {
    let recorder = &config.recorder;
    let path = "recorder.directory";
    if !is_directory(&recorder.directory) {
        let wrong = format!("is {:?}, which is no directory to write to", recorder.directory);
        return vec![Finding::new(path, wrong, "write a path without `..`")];
    }
    let wanted = if recorder.enabled { "recorder.enabled" } else { "recorder.api_token" };
    if recorder.directory.is_empty() && (recorder.enabled || recorder.api_token.is_set()) {
        let wrong = format!("is empty, but `{wanted}` asks for recordings");
        return vec![Finding::new(path, wrong, "name a directory that only the server's user may read")];
    }
    Vec::new()
}

/// True for no text, and for a directory that may be written below.
fn is_directory(text: &str) -> bool {
    is_path(text) && text.split('/').all(|step| step != "..")
}

/// True for no text, and for a path.
fn is_path(text: &str) -> bool {
    text.is_empty() || (!text.trim().is_empty() && !text.chars().any(char::is_control))
}

impl StreamSettings {
    /// Makes settings fit that come from several rules, each of which was checked alone.
    pub(super) fn reconcile(&mut self) {
        self.hls.segment_ms_max = self.hls.segment_ms_max.max(self.hls.segment_ms);
    }
}
