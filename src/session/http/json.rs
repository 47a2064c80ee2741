//! The answers of the API as JSON, with SRS's field names.
//!
//! Every answer begins with `code`, `server`, `service` and `pid` (a string). The rest is the serialised form
//! of a [`crate::status`] type.

use crate::status::{Envelope, Identity};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

/// The answer to a call that succeeded: the envelope and the fields of `body`.
pub fn answer(identity: &Identity, body: impl Serialize) -> Vec<u8> {
    let envelope = Envelope::new(identity, 0, body);
    serde_json::to_vec(&envelope).expect("keys are strings and writing to a vector cannot fail")
}

/// An empty body: the call succeeded, and there is no more to say.
#[derive(Serialize)]
pub struct Nothing {}

/// The names below a path, each with its description.
#[derive(Serialize)]
pub struct Urls<'a> {
    urls: InOrder<'a>,
}

/// A JSON object with these keys and values, in this order.
struct InOrder<'a>(&'a [(&'a str, &'a str)]);

impl<'a> Urls<'a> {
    /// These names, in this order.
    pub fn of(urls: &'a [(&'a str, &'a str)]) -> Urls<'a> {
        Urls { urls: InOrder(urls) }
    }
}

impl Serialize for InOrder<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, text) in self.0 {
            map.serialize_entry(name, text)?;
        }
        map.end()
    }
}

/// The version of the server.
#[derive(Serialize)]
pub struct Versions {
    data: Version,
}

#[derive(Serialize)]
struct Version {
    major: u32,
    minor: u32,
    revision: u32,
    version: &'static str,
}

impl Versions {
    /// The version of this build.
    pub fn of_build() -> Versions {
        let number = |text: &str| text.parse().unwrap_or(0);
        Versions {
            data: Version {
                major: number(env!("CARGO_PKG_VERSION_MAJOR")),
                minor: number(env!("CARGO_PKG_VERSION_MINOR")),
                revision: number(env!("CARGO_PKG_VERSION_PATCH")),
                version: env!("CARGO_PKG_VERSION"),
            },
        }
    }
}
