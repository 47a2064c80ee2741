//! Stream rules: a pattern, and settings for the streams that it matches.
//!
//! A pattern is a glob. It is matched against `app/stream` and against `vhost/app/stream`, and matches if
//! either does; so one without a vhost matches on every vhost. `*` and `?` do not match a `/`, `**` does;
//! `[ab]` is one of these characters, `{a,b}` one of these words. Patterns are compiled when they are read.

use crate::base::name::StreamName;
use crate::config::patch::{Each, Setting, is_empty, single};
use crate::config::settings::{HlsPatch, PlayPatch, PublishPatch, RingPatch, StreamSettings};
use globset::{GlobBuilder, GlobMatcher};
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::{Serialize, Serializer};
use std::any::Any;

/// Settings for the streams that a pattern matches. Settings that a rule does not name stay as they are.
#[derive(Clone, Debug, PartialEq, Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamRule {
    /// Pattern of the streams.
    pub pattern: Pattern,
    /// Publishing.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub publish: PublishPatch,
    /// Playing.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub play: PlayPatch,
    /// The ring of frames.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub ring: RingPatch,
    /// HLS.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub hls: HlsPatch,
}

single!(Vec<StreamRule>, Vec<Pattern>);

impl StreamRule {
    /// Replaces in `settings` what this rule names.
    pub fn apply(&self, settings: &mut StreamSettings) {
        let StreamRule { pattern: _, publish, play, ring, hls } = self;
        settings.publish.apply(publish);
        settings.play.apply(play);
        settings.ring.apply(ring);
        settings.hls.apply(hls);
    }
}

impl Each for StreamRule {
    fn each(&mut self, visit: &mut dyn FnMut(&mut dyn Any)) {
        let StreamRule { pattern, publish, play, ring, hls } = self;
        visit(pattern);
        publish.each(visit);
        play.each(visit);
        ring.each(visit);
        hls.each(visit);
    }
}

/// A glob over names of streams.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    matcher: GlobMatcher,
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    ///
    /// If it is empty or no glob; tells what is wrong.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("a pattern may not be empty: `**` matches every stream".to_owned());
        }
        let glob = GlobBuilder::new(text).literal_separator(true).build();
        let matcher = glob.map_err(|error| format!("`{text}` is not a pattern: {}", error.kind()))?;
        Ok(Pattern { text: text.to_owned(), matcher: matcher.compile_matcher() })
    }

    /// True if it matches `app/stream` or `vhost/app/stream`.
    pub fn fits(&self, name: &StreamName) -> bool {
        let StreamName { vhost, app, stream } = name;
        self.matcher.is_match(format!("{app}/{stream}"))
            || self.matcher.is_match(format!("{vhost}/{app}/{stream}"))
    }

    /// The text of the pattern.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Pattern::new(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::{Pattern, StreamRule};
    use crate::base::name::StreamName;
    use crate::config::settings::StreamSettings;
    use serde_json::Value;

    fn fits(pattern: &str, vhost: &str, app: &str, stream: &str) -> bool {
        let name = StreamName { vhost: vhost.to_owned(), app: app.to_owned(), stream: stream.to_owned() };
        Pattern::new(pattern).expect("valid").fits(&name)
    }

    #[test]
    fn a_pattern_without_a_vhost_fits_on_every_vhost() {
        assert!(fits("live/*", "__defaultVhost__", "live", "cam1"));
        assert!(fits("live/*", "vip.example.com", "live", "cam1"));
        assert!(!fits("live/*", "__defaultVhost__", "show", "cam1"));
    }

    #[test]
    fn a_pattern_with_a_vhost_fits_there_alone() {
        assert!(fits("vip.example.com/live/cam?", "vip.example.com", "live", "cam1"));
        assert!(!fits("vip.example.com/live/cam?", "vip.example.com", "live", "cam12"));
        assert!(!fits("vip.example.com/live/cam?", "__defaultVhost__", "live", "cam1"));
        assert!(fits("*.example.com/**", "vip.example.com", "tv/hd", "one"));
    }

    #[test]
    fn one_star_stays_between_slashes_and_two_cross_them() {
        assert!(!fits("tv/*", "__defaultVhost__", "tv/hd", "one"));
        assert!(fits("tv/**", "__defaultVhost__", "tv/hd", "one"));
        assert!(fits("**/one", "__defaultVhost__", "tv/hd", "one"));
        assert!(fits("**", "__defaultVhost__", "tv/hd", "one"));
    }

    #[test]
    fn sets_of_characters_and_words_work_and_letters_keep_their_case() {
        assert!(fits("live/{front,back}-[0-9]", "v", "live", "back-7"));
        assert!(!fits("live/{front,back}-[0-9]", "v", "live", "side-7"));
        assert!(!fits("Live/*", "v", "live", "x"));
    }

    #[test]
    fn what_is_wrong_with_a_pattern_is_said() {
        let error = |text: &str| Pattern::new(text).expect_err("not a pattern");
        assert_eq!(error("live/["), "`live/[` is not a pattern: unclosed character class; missing ']'");
        assert_eq!(error(""), "a pattern may not be empty: `**` matches every stream");
    }

    #[test]
    fn a_rule_can_name_every_section_of_a_stream() {
        let keys = |value: Value| match value {
            Value::Object(map) => map.keys().cloned().collect::<Vec<_>>(),
            other => panic!("not a struct: {other}"),
        };
        for section in keys(serde_json::to_value(StreamSettings::default()).expect("plain data")) {
            let rule = format!(r#"(pattern: "**", {section}: ())"#);
            assert!(ron::from_str::<StreamRule>(&rule).is_ok(), "a rule does not know `{section}`");
        }
    }
}
