//! Formats log lines.
//!
//! In: a record and the time. Out: one line of text, or one JSON object, without the newline. Text from peers
//! cannot break a line or control a terminal: control characters are escaped, and long text is cut.

use crate::base::calendar::Rfc3339;
use crate::config::{LogFormat, short_module};
use log::Record;
use log::kv::{Error, Key, Value, VisitSource};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use std::fmt::{self, Write};

/// Most bytes of a message or value; the rest is cut.
pub const TEXT_BYTES_MAX: usize = 4 << 10;

/// Most values beside the message; the others are left out.
const PAIRS_MAX: usize = 32;

/// The parts of one record.
struct Line<'a> {
    unix_ms: u64,
    level: &'static str,
    module: &'a str,
    cid: Option<String>,
    message: String,
    pairs: Vec<(String, Value<'a>)>,
}

/// Formats `record`.
pub fn render(format: LogFormat, unix_ms: u64, record: &Record<'_>) -> String {
    let mut collected = Pairs { cid: None, pairs: Vec::new() };
    // The visitor returns no errors.
    let _: Result<(), Error> = record.key_values().visit(&mut collected);
    let line = Line {
        unix_ms,
        level: record.level().as_str(),
        module: short_module(record.target()),
        cid: collected.cid,
        message: cut(record.args().to_string()),
        pairs: collected.pairs,
    };
    match format {
        LogFormat::Text => line.text(),
        LogFormat::Json => line.json(),
    }
}

impl Line<'_> {
    /// `2026-11-22T18:40:01.123Z INFO  rtmp       k3f9a2b1  message key=value`
    fn text(&self) -> String {
        let cid = self.cid.as_deref().unwrap_or("");
        let (date, level, module) = (Rfc3339(self.unix_ms), self.level, self.module);
        let mut text = format!("{date} {level:5} {module:10} {cid:8}  {}", Plain(&self.message));
        for (key, value) in &self.pairs {
            let value = cut(value.to_string());
            write!(text, " {}={}", Plain(key), Plain(&value)).expect("a string takes everything");
        }
        text
    }

    fn json(&self) -> String {
        serde_json::to_string(self).expect("text and numbers have a place in JSON")
    }
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("ts", &Rfc3339(self.unix_ms).to_string())?;
        map.serialize_entry("level", self.level)?;
        map.serialize_entry("module", self.module)?;
        if let Some(cid) = &self.cid {
            map.serialize_entry("cid", cid)?;
        }
        map.serialize_entry("msg", &self.message)?;
        for (key, value) in &self.pairs {
            match (value.to_u64(), value.to_i64(), value.to_f64(), value.to_bool()) {
                (Some(number), ..) => map.serialize_entry(key, &number)?,
                (_, Some(number), ..) => map.serialize_entry(key, &number)?,
                (_, _, Some(number), _) => map.serialize_entry(key, &number)?,
                (.., Some(truth)) => map.serialize_entry(key, &truth)?,
                _ => map.serialize_entry(key, &cut(value.to_string()))?,
            }
        }
        map.end()
    }
}

/// Collects the values of a record; the connection's id is kept apart.
struct Pairs<'a> {
    cid: Option<String>,
    pairs: Vec<(String, Value<'a>)>,
}

impl<'a> VisitSource<'a> for Pairs<'a> {
    fn visit_pair(&mut self, key: Key<'a>, value: Value<'a>) -> Result<(), Error> {
        if key.as_str() == "cid" {
            self.cid = Some(cut(value.to_string()));
        } else if self.pairs.len() < PAIRS_MAX {
            self.pairs.push((key.as_str().to_owned(), value));
        }
        Ok(())
    }
}

/// Displays text with control characters escaped.
struct Plain<'a>(&'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.0.split(char::is_control).enumerate() {
            if index > 0 {
                let place = part.as_ptr() as usize - self.0.as_ptr() as usize;
                let control = self.0[..place].chars().next_back().expect("a part but the first follows one");
                write!(f, "{}", control.escape_default())?;
            }
            f.write_str(part)?;
        }
        Ok(())
    }
}

fn cut(mut text: String) -> String {
    if text.len() > TEXT_BYTES_MAX {
        text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{TEXT_BYTES_MAX, render};
    use crate::config::LogFormat::{self, Json, Text};
    use log::kv::Source;
    use log::{Level, Record};

    const NOW_MS: u64 = 1_795_372_801_123;

    fn line(format: LogFormat, pairs: &dyn Source, message: &str) -> String {
        let args = format_args!("{message}");
        let mut record = Record::builder();
        record.level(Level::Info).target("dacapo::session::rtmp::publish").key_values(&pairs);
        render(format, NOW_MS, &record.args(args).build())
    }

    #[test]
    fn a_line_of_text_has_its_columns() {
        assert_eq!(
            line(Text, &("cid", "k3f9a2b1"), "live/ca… is published"),
            "2026-11-22T18:40:01.123Z INFO  rtmp       k3f9a2b1  live/ca… is published"
        );
        let none: [(&str, &str); 0] = [];
        assert_eq!(line(Text, &none, "hello"), "2026-11-22T18:40:01.123Z INFO  rtmp                 hello");
        assert_eq!(
            line(Text, &[("cid", "k3f9a2b1"), ("codec", "H264")], "configured"),
            "2026-11-22T18:40:01.123Z INFO  rtmp       k3f9a2b1  configured codec=H264"
        );
    }

    #[test]
    fn a_line_of_json_has_its_keys() {
        let head = r#"{"ts":"2026-11-22T18:40:01.123Z","level":"INFO","module":"rtmp""#;
        assert_eq!(
            line(Json, &("cid", "k3f9a2b1"), "said \"no\""),
            format!(r#"{head},"cid":"k3f9a2b1","msg":"said \"no\""}}"#)
        );
        assert_eq!(
            line(Json, &[("frames", 12), ("offset", -5)], "ended"),
            format!(r#"{head},"msg":"ended","frames":12,"offset":-5}}"#)
        );
    }

    #[test]
    fn a_peer_cannot_break_a_line() {
        let evil = "a\nb\x1b[31m\r\u{7f}c";
        assert!(line(Text, &("k", "x\ny"), evil).ends_with(r"  a\nb\u{1b}[31m\r\u{7f}c k=x\ny"));
        assert_eq!(line(Json, &("k", "x\ny"), evil).lines().count(), 1);
    }

    #[test]
    fn what_is_too_long_is_cut() {
        let long = "ä".repeat(TEXT_BYTES_MAX);
        let text = line(Text, &("k", long.as_str()), &long);
        assert!(text.len() < 2 * TEXT_BYTES_MAX + 100);
        assert!(text.ends_with("ä…"));
    }
}
