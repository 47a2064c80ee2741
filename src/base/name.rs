//! Names of streams: `vhost/app/stream`.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Vhost of streams whose URL names none.
pub const DEFAULT_VHOST: &str = "__defaultVhost__";

/// Longest vhost, app or stream that is accepted, in bytes each.
pub const NAME_BYTES_MAX: usize = 512;

/// Full name of a stream.
///
/// The stream part may be a secret (it is often used as a key), so `Display` shows no more than its first two
/// characters; [`StreamName::path`] gives the whole name, which must never be logged.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename = "$stream_name")]
pub struct StreamName {
    /// Virtual host; `__defaultVhost__` unless the URL names one.
    pub vhost: String,
    /// Application; may contain slashes (`live`, `tv/hd`).
    pub app: String,
    /// Stream, without extension and query.
    pub stream: String,
}

impl StreamName {
    /// A stream on the default vhost.
    pub fn new(app: impl Into<String>, stream: impl Into<String>) -> Self {
        StreamName { vhost: DEFAULT_VHOST.to_owned(), app: app.into(), stream: stream.into() }
    }

    /// `app/stream`, with `vhost/` before it unless that is the default one.
    pub fn path(&self) -> String {
        if self.vhost == DEFAULT_VHOST {
            format!("{}/{}", self.app, self.stream)
        } else {
            format!("{}/{}/{}", self.vhost, self.app, self.stream)
        }
    }

    /// True if each part is present, short enough, and free of control characters and of `.` and `..`
    /// segments.
    pub fn is_sound(&self) -> bool {
        let part = |text: &str| {
            !text.is_empty()
                && text.len() <= NAME_BYTES_MAX
                && !text.chars().any(|c| c.is_control() || c == '\\')
                && text.split('/').all(|step| !step.is_empty() && step != "." && step != "..")
        };
        part(&self.vhost) && part(&self.app) && part(&self.stream) && !self.stream.contains('/')
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self.stream.chars().take(2).collect();
        if self.vhost != DEFAULT_VHOST {
            write!(f, "{}/", self.vhost)?;
        }
        write!(f, "{}/{}…", self.app, shown)
    }
}

impl fmt::Debug for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
