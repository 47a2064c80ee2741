//! Replaces a configuration: it does the same for replaced names, and tells nothing of places on a disk.
//!
//! In: settings, and the names that they may be about. Out: settings in which each of these names has rules
//! of its own, since a pattern for names does not fit their pseudonyms.

use crate::redact::pseudonyms::Pseudonyms;
use crate::redact::{redact_name, text};
use dacapo::base::name::StreamName;
use dacapo::config::{BearerToken, Config, Pattern, Recorder, StreamRule};
use std::collections::BTreeSet;

/// A configuration that does the same for replaced names, and tells nothing of places on a disk.
pub fn redact_config(
    pseudonyms: &mut Pseudonyms,
    mut config: Config,
    names: &BTreeSet<StreamName>,
) -> Config {
    let listens = [
        &mut config.rtmp.listen,
        &mut config.http.listen,
        &mut config.api.listen,
        &mut config.rtc.listen,
        &mut config.recorder.listen,
    ];
    for addr in listens.into_iter().flatten() {
        addr.set_ip(pseudonyms.address(addr.ip()));
    }
    for origin in [&mut config.http.allow_origin, &mut config.api.allow_origin] {
        if origin.as_str() != "*" {
            *origin = text::url(pseudonyms, origin, false);
        }
    }
    config.log.file.clear();
    let directory = |directory: &mut String| {
        if !directory.is_empty() {
            *directory = "directory".to_owned();
        }
    };
    directory(&mut config.stream.hls.directory);
    redact_recorder(pseudonyms, &mut config.recorder, names);
    let rules = std::mem::take(&mut config.streams);
    for mut rule in rules {
        rule.hls.directory.iter_mut().for_each(directory);
        for pattern in redact_patterns(pseudonyms, &[rule.pattern.as_str().to_owned()], names) {
            let pattern = Pattern::new(&pattern).expect("an escaped name is a pattern");
            config.streams.push(StreamRule { pattern, ..rule.clone() });
        }
    }
    config
}

/// Settings of a recorder. No run depends on its token: operators are not among what is recorded.
fn redact_recorder(pseudonyms: &mut Pseudonyms, settings: &mut Recorder, names: &BTreeSet<StreamName>) {
    if !settings.directory.is_empty() {
        settings.directory = "recordings".to_owned();
    }
    let patterns: Vec<String> = settings.streams.iter().map(|pattern| pattern.as_str().to_owned()).collect();
    let patterns = redact_patterns(pseudonyms, &patterns, names);
    settings.streams = patterns.iter().filter_map(|pattern| Pattern::new(pattern).ok()).collect();
    if settings.api_token.is_set() {
        settings.api_token = BearerToken::new(OTHER_TOKEN).expect("it is long enough");
    }
}

/// What stands for the token of a recorder.
const OTHER_TOKEN: &str = "0000000000000000";

/// Patterns that fit the pseudonyms of those names that these fit: each name by itself.
pub fn redact_patterns(
    pseudonyms: &mut Pseudonyms,
    patterns: &[String],
    names: &BTreeSet<StreamName>,
) -> Vec<String> {
    let patterns: Vec<Pattern> = patterns.iter().filter_map(|pattern| Pattern::new(pattern).ok()).collect();
    let fitting = names.iter().filter(|name| patterns.iter().any(|pattern| pattern.fits(name)));
    fitting
        .map(|name| {
            let StreamName { vhost, app, stream } = redact_name(pseudonyms, name);
            escaped(&format!("{vhost}/{app}/{stream}"))
        })
        .collect()
}

/// A pattern that fits this text alone.
fn escaped(text: &str) -> String {
    let one = |c: char| if "*?[]{}".contains(c) { format!("[{c}]") } else { c.to_string() };
    text.chars().map(one).collect()
}
