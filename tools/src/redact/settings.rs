//! Redacts a configuration: it does the same for the pseudonyms of names, and tells nothing of the machine.
//!
//! In: settings, and the names that they may be about. Out: settings in which each of these names has rules
//! of its own, since a pattern for names does not match their pseudonyms. What a setting tells is known by
//! its type.

use crate::redact::pseudonyms::Pseudonyms;
use crate::redact::text;
use dacapo::base::name::StreamName;
use dacapo::base::secret::{LocalPath, PageUrl};
use dacapo::config::patch::Each;
use dacapo::config::{BearerToken, Config, Pattern, StreamRule};
use std::any::Any;
use std::collections::BTreeSet;
use std::net::SocketAddr;

/// A configuration that does the same for the pseudonyms of `names`.
pub fn redact_config(
    pseudonyms: &mut Pseudonyms,
    mut config: Config,
    names: &BTreeSet<StreamName>,
) -> Config {
    config.each(&mut |setting| redact_setting(pseudonyms, names, setting));
    config
}

fn redact_setting(pseudonyms: &mut Pseudonyms, names: &BTreeSet<StreamName>, setting: &mut dyn Any) {
    if let Some(addrs) = setting.downcast_mut::<Vec<SocketAddr>>() {
        for addr in addrs {
            addr.set_ip(pseudonyms.address(addr.ip()));
        }
    } else if let Some(url) = setting.downcast_mut::<PageUrl>() {
        *url = text::page_url(pseudonyms, url).into();
    } else if let Some(path) = setting.downcast_mut::<LocalPath>() {
        *path = text::local_path(pseudonyms, names, path).into();
    } else if let Some(token) = setting.downcast_mut::<BearerToken>() {
        // No run depends on it: what it opens is not recorded.
        if token.is_set() {
            *token = BearerToken::new(OTHER_TOKEN).unwrap_or_default();
        }
    } else if let Some(patterns) = setting.downcast_mut::<Vec<Pattern>>() {
        *patterns = redact_patterns(pseudonyms, patterns, names);
    } else if let Some(rules) = setting.downcast_mut::<Vec<StreamRule>>() {
        for rule in std::mem::take(rules) {
            for pattern in redact_patterns(pseudonyms, std::slice::from_ref(&rule.pattern), names) {
                let mut rule = StreamRule { pattern, ..rule.clone() };
                rule.each(&mut |setting| redact_setting(pseudonyms, names, setting));
                rules.push(rule);
            }
        }
    }
}

/// What stands for a token.
const OTHER_TOKEN: &str = "0000000000000000";

/// Patterns that match the pseudonyms of those names that these match: each name by itself.
pub fn redact_patterns(
    pseudonyms: &mut Pseudonyms,
    patterns: &[Pattern],
    names: &BTreeSet<StreamName>,
) -> Vec<Pattern> {
    let matched = names.iter().filter(|name| patterns.iter().any(|pattern| pattern.fits(name)));
    let one = |name: &StreamName| {
        let StreamName { vhost, app, stream } = text::stream_name(pseudonyms, name);
        Pattern::new(&escaped(&format!("{vhost}/{app}/{stream}"))).ok()
    };
    matched.filter_map(one).collect()
}

/// A pattern that matches this text alone.
fn escaped(text: &str) -> String {
    let one = |c: char| if "*?[]{}\\".contains(c) { format!("[{c}]") } else { c.to_string() };
    text.chars().map(one).collect()
}
