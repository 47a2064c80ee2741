//! The command line and its files: mistakes are pointed at, settings are found, URLs can be pasted.

use conformance::process::{Finished, Tool, secs};
use conformance::server::{Server, binary, variable};
use std::path::Path;
use tempfile::TempDir;

fn dacapo(args: &[&str]) -> Finished {
    Tool::new(binary()).args(args).start().finish(secs(10))
}

/// A file with this text.
fn file(folder: &TempDir, text: &str) -> String {
    let file = folder.path().join("wrong.ron");
    std::fs::write(&file, text).expect("a file");
    file.to_string_lossy().into_owned()
}

#[test]
fn a_mistake_in_the_file_is_pointed_at() {
    let folder = TempDir::new().expect("a temporary directory");
    for (text, said) in [
        ("(\n  rtmp: (\n    lisen: [],\n  ),\n)", vec![":3:", "lisen", "listen"]),
        ("(\n  rtmp: (chunk_size: \"big\"),\n)", vec![":2:", "chunk_size"]),
        ("(\n\n  stream: (publish: (second: Maybe)),\n)", vec![":3:", "Maybe", "Refuse"]),
        ("(\n  rtmp: (\n", vec![":2:", "closed"]),
    ] {
        let path = file(&folder, text);
        for args in [["check", path.as_str()], ["-c", path.as_str()]] {
            let ended = dacapo(&args);
            assert_eq!(ended.status.code(), Some(2), "{args:?}: {ended}");
            for word in &said {
                assert!(ended.stderr.contains(word), "{word:?} is said of {text:?}: {}", ended.stderr);
            }
            assert!(ended.stderr.contains("wrong.ron"), "the file is named: {}", ended.stderr);
        }
    }
}

#[test]
fn a_mistake_in_the_environment_is_pointed_at() {
    for (name, value, said) in [
        ("DACAPO_RTMP__LISEN", "127.0.0.1:0", "listen"),
        ("DACAPO_RTMP__LISTEN", "nowhere", "DACAPO_RTMP__LISTEN"),
        ("DACAPO_RTMP__CHUNK_SIZE", "-4", "DACAPO_RTMP__CHUNK_SIZE"),
    ] {
        let ended = Tool::new(binary()).arg("config").env(name, value).start().finish(secs(10));
        assert_eq!(ended.status.code(), Some(2), "{name}: {ended}");
        assert!(
            ended.stderr.to_lowercase().contains(&said.to_lowercase()),
            "{said} is said: {}",
            ended.stderr
        );
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let ended = dacapo(&["-c", "/nowhere/at/all.ron"]);
    assert_eq!(ended.status.code(), Some(2), "{ended}");
    assert!(ended.stderr.contains("/nowhere/at/all.ron"), "{}", ended.stderr);
}

#[test]
fn the_files_that_come_with_it_are_good() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conf");
    for name in ["dacapo.ron", "minimal.ron"] {
        let ended = dacapo(&["check", &top.join(name).to_string_lossy()]);
        assert!(ended.status.success(), "{name}: {ended}");
    }
}

#[test]
fn the_settings_in_force_are_printed_as_a_file_that_can_be_read_again() {
    let printed =
        Tool::new(binary()).arg("config").env(&variable("stream.hls.window"), "9").run(secs(10)).stdout;
    assert!(printed.contains("window: 9"), "{printed}");
    let folder = TempDir::new().expect("a temporary directory");
    let path = file(&folder, &printed);
    assert!(dacapo(&["check", &path]).status.success(), "{printed}");
    let again = Tool::new(binary()).arg("-c").arg(&path).arg("config").run(secs(10)).stdout;
    assert_eq!(again, printed);
}

#[test]
fn the_environment_overrides_the_file() {
    let folder = TempDir::new().expect("a temporary directory");
    let path = file(&folder, "(stream: (hls: (window: 4, keep: 4)))");
    let tool =
        Tool::new(binary()).arg("-c").arg(&path).arg("config").env(&variable("stream.hls.window"), "9");
    let printed = tool.run(secs(10)).stdout;
    assert!(printed.contains("window: 9") && printed.contains("keep: 4"), "{printed}");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let server = Server::start();
    let taken = server.rtmp.to_string();
    let tool = Tool::new(binary()).env("DACAPO_RTMP__LISTEN", &taken);
    let ended =
        tool.env("DACAPO_HTTP__LISTEN", "127.0.0.1:0").env("DACAPO_API__LISTEN", "127.0.0.1:0").start();
    let ended = ended.finish(secs(10));
    assert!(!ended.status.success() && ended.stderr.contains(&taken), "{ended}");
    assert!(!ended.stderr.contains("panicked"), "{ended}");
}

#[test]
fn at_the_start_it_says_where_to_publish_and_to_watch_and_what_it_may_cost() {
    let server = Server::with(&[("log.level", "info")]);
    let log = server.log();
    assert!(log.contains(&format!("rtmp://{}/live/", server.rtmp)), "{log}");
    assert!(log.contains(&format!("http://{}/", server.http)), "{log}");
    assert!(log.to_lowercase().contains("memory"), "{log}");
}

#[test]
fn several_listeners_can_be_given_in_the_environment() {
    let server = Server::with(&[("rtmp.listen", "127.0.0.1:0, 127.0.0.2:0")]);
    assert!(server.log().contains("rtmp://127.0.0.2:"), "{}", server.log());
}

#[test]
fn log_lines_in_json_are_json() {
    let server = Server::with(&[("log.format", "Json"), ("log.level", "debug")]);
    conformance::health::assert_serves(&server);
    let log = server.log();
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect();
    assert!(lines.len() > 5 && lines.iter().any(|line| line.to_string().contains("cid")), "{log}");
}
