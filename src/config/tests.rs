//! What people are told about a configuration that is not right, word for word; what variables mean; and
//! the files in `conf/`.

use crate::base::limit::Limit;
use crate::base::name::StreamName;
use crate::config::load::{known_paths, read};
use crate::config::{
    Config, Flush, HlsLayout, HlsPatch, LogFormat, Pattern, Second, StreamRule, load, print,
};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

fn told(text: &str) -> String {
    load(text, "my.ron", &[]).expect_err("not right").to_string()
}

fn variables(env: &[(&str, &str)]) -> Vec<(String, String)> {
    env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn told_about(name: &str, value: &str) -> String {
    load("()", "my.ron", &variables(&[(name, value)])).expect_err("not right").to_string()
}

fn with(name: &str, value: &str) -> Config {
    load("()", "my.ron", &variables(&[(name, value)])).expect("right")
}

const ALL: &str = include_str!("../../conf/dacapo.ron");
const MINIMAL: &str = include_str!("../../conf/minimal.ron");

#[test]
fn the_file_with_all_settings_has_the_defaults() {
    assert_eq!(load(ALL, "dacapo.ron", &[]), Ok(Config::default()));
}

#[test]
fn the_file_with_all_settings_leaves_none_out() {
    let patch = read(ALL, "dacapo.ron", &[]).expect("right");
    let named = serde_json::to_value(patch).expect("plain data");
    for path in known_paths() {
        let pointer = format!("/{}", path.replace('.', "/"));
        assert!(named.pointer(&pointer).is_some(), "conf/dacapo.ron does not name `{path}`");
    }
}

#[test]
fn every_limit_that_a_connection_can_run_into_is_a_setting() {
    let known = known_paths();
    for limit in Limit::ALL {
        assert!(known.iter().any(|path| path == limit.path()), "there is no setting `{limit}`");
    }
}

#[test]
fn the_minimal_file_means_the_defaults() {
    assert_eq!(load(MINIMAL, "minimal.ron", &[]), Ok(Config::default()));
}

#[test]
fn what_is_printed_is_read_back_to_the_same() {
    let text = r#"(
        rtmp: (listen: ["[::1]:0"]),
        stream: (play: (flush: Ms(40))),
        streams: [(pattern: "live/*", hls: (layout: Fmp4, window: 9), publish: (second: Replace))],
        log: (format: Json),
    )"#;
    let config = load(text, "my.ron", &[]).expect("right");
    assert_eq!(config.stream.play.flush, Flush::Ms(40));
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(load(&print(&config), "printed.ron", &[]), Ok(config));
    assert_eq!(load(&print(&Config::default()), "printed.ron", &[]), Ok(Config::default()));
}

proptest! {
    #[test]
    fn whatever_is_set_is_printed_so_that_it_is_read_back(
        ports in btree_set(2_000..8_000_u16, 1..3),
        flush in prop_oneof![
            Just(Flush::Frame),
            Just(Flush::Video),
            Just(Flush::Auto),
            (1..=1000_u32).prop_map(Flush::Ms),
        ],
        (window, layout) in (3..=1000_usize, prop_oneof![Just(HlsLayout::Ts), Just(HlsLayout::Fmp4)]),
        directory in r#"([a-z\\" ]|\PC)*"#
            .prop_filter("a step upwards is refused", |text| text.split('/').all(|step| step != "..")),
        rules in vec((r"[a-z*?/]{1,20}", any::<Option<bool>>(), proptest::option::of(3..=1000_usize)), 0..4),
    ) {
        let mut config = Config::default();
        config.rtmp.listen = ports.into_iter().map(|port| ([127, 0, 0, 1], port).into()).collect();
        config.stream.play.flush = flush;
        config.stream.hls.window = window;
        config.stream.hls.layout = layout;
        config.stream.hls.directory = format!("x{directory}").into();
        config.streams = rules
            .into_iter()
            .map(|(pattern, enabled, window)| StreamRule {
                pattern: Pattern::new(&pattern).expect("stars and letters are a pattern"),
                publish: Default::default(),
                play: Default::default(),
                ring: Default::default(),
                hls: HlsPatch { enabled, window, ..HlsPatch::default() },
            })
            .collect();
        prop_assert_eq!(load(&print(&config), "printed.ron", &[]), Ok(config));
    }
}

#[test]
fn a_later_rule_that_fits_wins_setting_by_setting() {
    let text = r#"(streams: [
        (pattern: "live/*", hls: (enabled: false, window: 9), publish: (second: Replace)),
        (pattern: "live/vip", hls: (window: 12)),
        (pattern: "show/*", hls: (window: 99)),
    ])"#;
    let config = load(text, "my.ron", &[]).expect("right");
    let settings = config.stream(&StreamName::new("live", "vip"));
    assert!(!settings.hls.enabled, "the first rule's word stands where the second is silent");
    assert_eq!(settings.hls.window, 12, "the second rule comes later");
    assert_eq!(settings.publish.second, Second::Replace);
    assert_eq!(settings.hls.segment_ms, 2_000, "what no rule names stays");
    assert_eq!(config.stream(&StreamName::new("live", "other")).hls.window, 9);
    assert_eq!(config.stream(&StreamName::new("elsewhere", "vip")), config.stream);
}

#[test]
fn rules_that_make_sense_alone_make_sense_together() {
    let text = r#"(streams: [
        (pattern: "live/*", hls: (segment_ms: 9000)),
        (pattern: "live/vip", hls: (segment_ms_max: 5000)),
    ])"#;
    let config = load(text, "my.ron", &[]).expect("right");
    let hls = config.stream(&StreamName::new("live", "vip")).hls;
    assert_eq!((hls.segment_ms, hls.segment_ms_max), (9_000, 9_000));
}

mod told_about_a_file {
    use super::told;

    #[test]
    fn an_unknown_setting() {
        let expected = "\
my.ron:3:9: there is no setting `rtmp.chunksize`
    3 |         chunksize: 4096,
      |         ^
      = did you mean `chunk_size`? Known here: listen, chunk_size, chunk_size_in_max, ack_window, \
handshake_timeout_ms, idle_timeout_ms";
        assert_eq!(told("(\n    rtmp: (\n        chunksize: 4096,\n    ),\n)"), expected);
    }

    #[test]
    fn a_section_that_stands_elsewhere() {
        let expected = "\
my.ron:1:2: there is no setting `hls`
    1 | (hls: (segment_ms: 4000))
      |  ^
      = did you mean `stream.hls`? Known here: rtmp, http, api, rtc, stream, streams, limits, recorder, \
log, drain_timeout_ms";
        assert_eq!(told("(hls: (segment_ms: 4000))"), expected);
    }

    #[test]
    fn a_setting_that_stands_elsewhere() {
        let expected = "\
my.ron:1:11: there is no setting `stream.segment_ms`
    1 | (stream: (segment_ms: 4000))
      |           ^
      = did you mean `stream.hls.segment_ms`? Known here: publish, play, ring, hls";
        assert_eq!(told("(stream: (segment_ms: 4000))"), expected);
    }

    #[test]
    fn an_unknown_setting_of_a_rule() {
        let expected = "\
my.ron:2:24: there is no setting `streams[0].play.strt`
    2 | (pattern: \"**\", play: (strt: NextKey)),
      |                        ^
      = did you mean `start`? Known here: wait_ms, start, flush, send_timeout_ms";
        let text = "(streams: [\n(pattern: \"**\", play: (strt: NextKey)),\n])";
        assert_eq!(told(text), expected);
    }

    #[test]
    fn a_word_that_is_no_choice() {
        let expected = "\
my.ron:1:29: `stream.publish.second` cannot be `replace`
    1 | (stream: (publish: (second: replace)))
      |                             ^
      = did you mean `Replace`? It may be Refuse, Replace";
        assert_eq!(told("(stream: (publish: (second: replace)))"), expected);
    }

    #[test]
    fn a_value_of_the_wrong_type() {
        let expected = "\
my.ron:1:21: `rtmp.chunk_size` should be a whole number
    1 | (rtmp: (chunk_size: \"big\"))
      |                     ^";
        assert_eq!(told("(rtmp: (chunk_size: \"big\"))"), expected);
    }

    #[test]
    fn a_number_with_a_unit() {
        let expected = "\
my.ron:1:30: expected a comma
    1 | (stream: (hls: (segment_ms: 2.5)))
      |                              ^
      = numbers are whole, without a unit: the setting's name tells the unit";
        assert_eq!(told("(stream: (hls: (segment_ms: 2.5)))"), expected);
    }

    #[test]
    fn a_comma_forgotten() {
        let expected = "\
my.ron:2:2: expected a comma
    2 |  http: ())
      |  ^";
        assert_eq!(told("(rtmp: (chunk_size: 4096)\n http: ())"), expected);
    }

    #[test]
    fn no_text_at_all() {
        let expected = "\
my.ron:1:1: the configuration should be in parentheses, `( name: value, … )`
      = `()` alone stands for all defaults";
        assert_eq!(told(""), expected);
    }

    #[test]
    fn the_same_setting_twice() {
        let expected = "\
my.ron:1:24: `chunk_size` is set twice
    1 | (rtmp: (chunk_size: 1, chunk_size: 2))
      |                        ^";
        assert_eq!(told("(rtmp: (chunk_size: 1, chunk_size: 2))"), expected);
    }

    #[test]
    fn an_address_that_is_none() {
        let expected = "\
my.ron:1:19: `rtmp.listen[0]`: `localhost` is a name, and names are not looked up here: write its IP address
    1 | (rtmp: (listen: [\"localhost:1935\"]))
      |                   ^";
        assert_eq!(told("(rtmp: (listen: [\"localhost:1935\"]))"), expected);
    }

    #[test]
    fn a_rule_without_a_pattern() {
        let expected = "\
my.ron:1:29: `streams[0]` lacks `pattern`
    1 | (streams: [(hls: (window: 4))])
      |                             ^";
        assert_eq!(told("(streams: [(hls: (window: 4))])"), expected);
    }

    #[test]
    fn every_number_out_of_range_at_once() {
        let expected = "\
my.ron:1:25: `stream.hls.window` is 2: it must be from 3 to 1000
    1 | (stream: (hls: (window: 2)),
      |                         ^
my.ron:2:43: `streams[0].hls.keep` is 0: it must be from 1 to 1000
    2 | streams: [(pattern: \"live/*\", hls: (keep: 0))])
      |                                           ^";
        let text = "(stream: (hls: (window: 2)),\nstreams: [(pattern: \"live/*\", hls: (keep: 0))])";
        assert_eq!(told(text), expected);
    }

    #[test]
    fn settings_that_contradict_each_other() {
        let expected = "\
my.ron:1:29: `stream.hls.segment_ms` is 12000, more than `hls.segment_ms_max`: 10000
    1 | (stream: (hls: (segment_ms: 12000)))
      |                             ^
      = lower it, or raise `hls.segment_ms_max`";
        assert_eq!(told("(stream: (hls: (segment_ms: 12000)))"), expected);
        let expected = "\
my.ron:1:29: `stream.ring.bytes_max` is 1000000, less than one frame may have: 8388608
    1 | (stream: (ring: (bytes_max: 1000000)))
      |                             ^
      = raise it, or lower `limits.frame_bytes`";
        assert_eq!(told("(stream: (ring: (bytes_max: 1000000)))"), expected);
    }

    #[test]
    fn an_address_twice() {
        let expected = "\
my.ron:1:41: `http.listen` has 127.0.0.1:1935, but `rtmp.listen` has 0.0.0.0:1935
    1 | (rtmp: (listen: [1935]), http: (listen: [\"127.0.0.1:1935\"]))
      |                                         ^
      = give each listener a port of its own";
        let text = "(rtmp: (listen: [1935]), http: (listen: [\"127.0.0.1:1935\"]))";
        assert_eq!(told(text), expected);
    }

    #[test]
    fn too_many_addresses() {
        let ports = (1..=65).map(|port| port.to_string()).collect::<Vec<_>>().join(", ");
        let text = format!("(api: (listen: []), http: (listen: []),\n\n rtmp: (listen: [{ports}]))");
        let expected = "my.ron:3:17: `rtmp.listen` brings the number of addresses to 65\n      \
                        = at most 64 are listened to, of all services together";
        assert_eq!(told(&text), expected);
    }

    #[test]
    fn nothing_to_listen_on() {
        let expected = "\
my.ron:1:17: `rtmp.listen` and all other listeners are off
    1 | (rtmp: (listen: []), http: (listen: []), api: (listen: []))
      |                 ^
      = give `rtmp.listen`, `http.listen` or `api.listen` an address";
        assert_eq!(told("(rtmp: (listen: []), http: (listen: []), api: (listen: []))"), expected);
    }

    #[test]
    fn text_that_must_have_a_form() {
        let expected = "\
my.ron:1:15: `log.level` is \"loud\": `loud` is not a level: write off, error, warn, info, debug or trace
    1 | (log: (level: \"loud\"))
      |               ^
      = for example `info` or `info,rtmp=debug`";
        assert_eq!(told("(log: (level: \"loud\"))"), expected);
        let expected = "\
my.ron:1:28: `stream.hls.directory` is \"../hls\", which is no directory to write to
    1 | (stream: (hls: (directory: \"../hls\")))
      |                            ^
      = write a path without `..`, or nothing to write no files";
        assert_eq!(told("(stream: (hls: (directory: \"../hls\")))"), expected);
        let expected = "\
my.ron:1:23: `http.allow_origin` is \"a\\r\\nb\": it must be one word
    1 | (http: (allow_origin: \"a\\r\\nb\"))
      |                       ^
      = write `*`, one origin such as `https://example.com`, or nothing";
        assert_eq!(told("(http: (allow_origin: \"a\\r\\nb\"))"), expected);
    }
}

mod told_about_a_variable {
    use super::{told, told_about, variables};
    use crate::config::load;

    #[test]
    fn an_unknown_one() {
        assert_eq!(
            told_about("DACAPO_API_LISTEN", "1985"),
            "DACAPO_API_LISTEN: there is no setting `api_listen`\n      = did you mean `DACAPO_API__LISTEN`?"
        );
        assert_eq!(
            told_about("DACAPO_HTTP__LISTN", "1"),
            "DACAPO_HTTP__LISTN: there is no setting `http.listn`\n      \
             = did you mean `DACAPO_HTTP__LISTEN`?"
        );
        assert_eq!(
            told_about("DACAPO_RTMP", "on"),
            "DACAPO_RTMP: there is no setting `rtmp`\n      = did you mean `DACAPO_RTMP__LISTEN`?"
        );
        assert_eq!(told_about("DACAPO_XYZZY", ""), "DACAPO_XYZZY: there is no setting `xyzzy`");
    }

    #[test]
    fn a_wrong_value() {
        assert_eq!(
            told_about("DACAPO_RTMP__CHUNK_SIZE", "big"),
            "DACAPO_RTMP__CHUNK_SIZE: `rtmp.chunk_size` should be a whole number; it is \"big\""
        );
        assert_eq!(
            told_about("DACAPO_HTTP__PLAYER", "maybe"),
            "DACAPO_HTTP__PLAYER: `http.player` should be `true` or `false`; it is \"maybe\""
        );
        assert_eq!(
            told_about("DACAPO_STREAM__PUBLISH__SECOND", "refus"),
            "DACAPO_STREAM__PUBLISH__SECOND: `stream.publish.second` cannot be `refus`; it is \
             \"refus\"\n      = did you mean `Refuse`? It may be Refuse, Replace"
        );
        assert_eq!(
            told_about("DACAPO_STREAM__PLAY__FLUSH", "Ms"),
            "DACAPO_STREAM__PLAY__FLUSH: `stream.play.flush.Ms`: `Ms` needs a value: `Ms(…)`; it is \"Ms\""
        );
        assert_eq!(
            told_about("DACAPO_STREAMS", "[(hls: (enabled: false))]"),
            "DACAPO_STREAMS: `streams[0]` lacks `pattern`; it is \"[(hls: (enabled: false))]\""
        );
    }

    #[test]
    fn a_value_out_of_range() {
        assert_eq!(
            told_about("DACAPO_STREAM__HLS__WINDOW", "1"),
            "DACAPO_STREAM__HLS__WINDOW: `stream.hls.window` is 1: it must be from 3 to 1000"
        );
        assert_eq!(
            told_about("DACAPO_STREAMS", "[(pattern: \"**\", hls: (keep: 0))]"),
            "DACAPO_STREAMS: `streams[0].hls.keep` is 0: it must be from 1 to 1000"
        );
    }

    #[test]
    fn in_one_line_for_the_log() {
        let error = load("(rtmp: (chunksize: 1))", "my.ron", &variables(&[("DACAPO_HTTP__LISTEN", "x")]));
        let expected = "my.ron:1:9: there is no setting `rtmp.chunksize` (did you mean `chunk_size`? Known \
                        here: listen, chunk_size, chunk_size_in_max, ack_window, handshake_timeout_ms, \
                        idle_timeout_ms); DACAPO_HTTP__LISTEN: `http.listen`: `x` is not an address: write \
                        `address:port`, such as `0.0.0.0:1935`, `[::1]:1935`, or a port alone; it is \"x\"";
        assert_eq!(error.expect_err("not right").in_one_line(), expected);
    }

    #[test]
    fn file_and_variables_together() {
        let env = variables(&[("DACAPO_HTTP__LISTEN", "x")]);
        let error = load("(rtmp: 5)", "my.ron", &env).expect_err("not right");
        assert_eq!(error.problems.len(), 2);
        assert!(error.to_string().starts_with(&told("(rtmp: 5)")));
    }
}

mod variables_are_understood {
    use super::{Config, Flush, HlsLayout, Second, load, variables, with};

    fn addrs(config: &Config) -> Vec<String> {
        config.rtmp.listen.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn lists() {
        let both = with("DACAPO_RTMP__LISTEN", "127.0.0.1:1935,[::1]:1935");
        assert_eq!(addrs(&both), ["127.0.0.1:1935", "[::1]:1935"]);
        assert_eq!(addrs(&with("DACAPO_RTMP__LISTEN", ":1936")), ["0.0.0.0:1936"]);
        assert_eq!(addrs(&with("DACAPO_RTMP__LISTEN", "1936")), ["0.0.0.0:1936"]);
        assert_eq!(addrs(&with("DACAPO_RTMP__LISTEN", r#"["127.0.0.1:0"]"#)), ["127.0.0.1:0"]);
        assert_eq!(addrs(&with("DACAPO_RTMP__LISTEN", "")), [""; 0]);
        let rules = with("DACAPO_STREAMS", r#"[(pattern: "live/*", hls: (enabled: false))]"#);
        assert_eq!(rules.streams[0].pattern.as_str(), "live/*");
    }

    #[test]
    fn numbers_switches_choices_and_text() {
        assert_eq!(with("DACAPO_STREAM__HLS__SEGMENT_MS", "4_000").stream.hls.segment_ms, 4_000);
        assert_eq!(with("DACAPO_DRAIN_TIMEOUT_MS", " 0 ").drain_timeout_ms, 0);
        for off in ["false", "OFF", "no", "0"] {
            assert!(!with("DACAPO_HTTP__PLAYER", off).http.player);
        }
        assert!(with("DACAPO_STREAM__HLS__ENCRYPT", "on").stream.hls.encrypt);
        assert_eq!(with("DACAPO_STREAM__PUBLISH__SECOND", "replace").stream.publish.second, Second::Replace);
        assert_eq!(with("DACAPO_STREAM__HLS__LAYOUT", "FMP4").stream.hls.layout, HlsLayout::Fmp4);
        assert_eq!(with("DACAPO_STREAM__PLAY__FLUSH", "ms(40)").stream.play.flush, Flush::Ms(40));
        assert_eq!(with("DACAPO_LOG__LEVEL", "info,rtmp=debug").log.level, "info,rtmp=debug");
        assert_eq!(with("DACAPO_STREAM__HLS__DIRECTORY", "/var/hls").stream.hls.directory, "/var/hls");
    }

    #[test]
    fn they_win_over_the_file() {
        let env = variables(&[("DACAPO_STREAM__HLS__WINDOW", "9")]);
        let config = load("(stream: (hls: (window: 12, keep: 12)))", "my.ron", &env).expect("right");
        assert_eq!((config.stream.hls.window, config.stream.hls.keep), (9, 12));
    }

    #[test]
    fn those_that_are_not_settings_are_passed_over() {
        let env = variables(&[
            ("HOME", "/root"),
            ("DACAPO_CONFIG", "/etc/dacapo.ron"),
            ("DACAPO_SERVICE_HOST", "10.0.0.1"),
            ("DACAPO_SERVICE_PORT_RTMP", "1935"),
            ("DACAPO_PORT", "tcp://10.0.0.1:1935"),
            ("DACAPO_PORT_1935_TCP_ADDR", "10.0.0.1"),
        ]);
        assert_eq!(load("()", "my.ron", &env), Ok(Config::default()));
    }
}

#[test]
fn ports_that_were_given_take_the_place_of_port_0() {
    let text = r#"(rtmp: (listen: ["127.0.0.1:0", "1936"]), http: (listen: []))"#;
    let mut config = load(text, "my.ron", &[]).expect("right");
    let given = |port| std::net::SocketAddr::from(([127, 0, 0, 1], port));
    config.note_bound(&[given(40_001), ([0, 0, 0, 0], 1936).into(), given(1985)]);
    assert_eq!(config.rtmp.listen[0], given(40_001));
    assert_eq!(config.rtmp.listen[1].port(), 1936);
    let before = config.clone();
    config.note_bound(&[given(1)]);
    assert_eq!(config, before, "other listeners than these: nothing is known");
}

#[test]
fn a_word_that_nobody_may_know_is_never_told() {
    let word = "correct-horse-battery";
    let text = format!("(recorder: (api_token: \"{word}\", directory: \"/tmp/flights\"))");
    let config = load(&text, "my.ron", &[]).expect("right");
    assert!(config.recorder.api_token.is(word));
    for told in [print(&config), format!("{config:?}"), crate::config::summary(&config)] {
        assert!(!told.contains(word), "{told}");
    }
    assert_eq!(load(&print(&config), "printed.ron", &[]).expect("right"), config);
    let told = told_about("DACAPO_RECORDER__API_TOKEN", "swordfish");
    assert!(told.contains("it needs at least 16") && !told.contains("swordfish"), "{told}");
}

#[test]
fn a_recorder_without_a_place_is_refused() {
    for text in ["(recorder: (enabled: true))", "(recorder: (api_token: \"correct-horse-battery\"))"] {
        let error = load(text, "my.ron", &[]).expect_err("no directory").to_string();
        assert!(error.contains("recorder.directory") && !error.contains("battery"), "{error}");
    }
}

mod former_names {
    use super::{told, told_about, variables};
    use crate::config::settings::Config;
    use crate::config::{former_names, load, renamed, reread};

    #[test]
    fn a_file_may_use_one_and_the_user_is_told() {
        let text = "(limits: (attic_bytes: 70000, turn_writes: 9))";
        let limits = load(text, "my.ron", &[]).expect("understood").limits;
        assert_eq!((limits.pinned_bytes, limits.pass_writes), (70_000, 9));
        assert_eq!(
            former_names(text, "my.ron", &[]),
            [
                "my.ron:1:24: limits.attic_bytes is now called limits.pinned_bytes",
                "my.ron:1:44: limits.turn_writes is now called limits.pass_writes"
            ]
        );
        assert_eq!(former_names("(limits: (pass_writes: 9))", "my.ron", &[]), [""; 0]);
    }

    #[test]
    fn a_variable_may_use_one_and_the_user_is_told() {
        let env = variables(&[("DACAPO_LIMITS__ATTIC_BYTES", "70000")]);
        assert_eq!(load("()", "my.ron", &env).expect("understood").limits.pinned_bytes, 70_000);
        assert_eq!(
            former_names("()", "my.ron", &env),
            ["DACAPO_LIMITS__ATTIC_BYTES: limits.attic_bytes is now called limits.pinned_bytes"]
        );
    }

    #[test]
    fn a_variable_wins_over_the_file_whichever_name_each_has() {
        for (file, variable) in [("attic", "PINNED"), ("pinned", "ATTIC"), ("attic", "ATTIC")] {
            let text = format!("(limits: ({file}_bytes: 70000))");
            let variable = format!("DACAPO_LIMITS__{variable}_BYTES");
            let env = variables(&[(variable.as_str(), "80000")]);
            assert_eq!(load(&text, "my.ron", &env).expect("understood").limits.pinned_bytes, 80_000);
        }
    }

    #[test]
    fn both_names_in_one_place_are_an_error() {
        let expected = "\
limits.attic_bytes is now called limits.pinned_bytes, and both are given";
        let told = told("(limits: (attic_bytes: 70000, pinned_bytes: 70000))");
        assert!(told.contains(expected) && told.contains("leave out `limits.attic_bytes`"), "{told}");
        let env =
            variables(&[("DACAPO_LIMITS__ATTIC_BYTES", "70000"), ("DACAPO_LIMITS__PINNED_BYTES", "70000")]);
        assert_eq!(
            load("()", "my.ron", &env).expect_err("both").to_string(),
            format!("DACAPO_LIMITS__ATTIC_BYTES: {expected}\n      = leave out `DACAPO_LIMITS__ATTIC_BYTES`")
        );
    }

    #[test]
    fn a_value_out_of_range_is_shown_where_it_stands() {
        let expected = "\
my.ron:1:24: `limits.pinned_bytes` is 1: it must be from 65536 to 1073741824
    1 | (limits: (attic_bytes: 1))
      |                        ^";
        assert_eq!(told("(limits: (attic_bytes: 1))"), expected);
        assert_eq!(
            told_about("DACAPO_LIMITS__ATTIC_BYTES", "1"),
            "DACAPO_LIMITS__ATTIC_BYTES: `limits.pinned_bytes` is 1: it must be from 65536 to 1073741824"
        );
    }

    #[test]
    fn they_are_not_suggested() {
        let told = told("(limits: (atic_bytes: 1))");
        assert!(told.contains("there is no setting `limits.atic_bytes`"), "{told}");
        assert!(told.contains("Known here: connections,") && !told.contains("attic_bytes,"), "{told}");
        assert_eq!(
            told_about("DACAPO_LIMITS__PINED_BYTES", "1"),
            "DACAPO_LIMITS__PINED_BYTES: there is no setting `limits.pined_bytes`\n      \
             = did you mean `DACAPO_LIMITS__PINNED_BYTES`?"
        );
    }

    #[test]
    fn what_an_older_build_wrote_down_is_read() {
        let text = crate::config::print(&Config::default());
        let old = renamed::all().iter().fold(text.clone(), |text, one| {
            let last = |path: &str| path.rsplit('.').next().map(|name| format!(" {name}:")).expect("a name");
            let old = text.replace(&last(&one.path), &last(&one.former));
            assert_ne!(old, text, "{one} is no setting");
            old
        });
        assert_ne!(old, text);
        assert_eq!(reread(&old), Ok(Config::default()));
        assert_eq!(load(&old, "my.ron", &[]), Ok(Config::default()));
    }
}
