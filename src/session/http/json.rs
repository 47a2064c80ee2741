//! The API's answers as JSON, field by field as SRS has them.
//!
//! Every answer begins with `code`, `server`, `service` and `pid` (a string). What follows is what
//! [`crate::status`] serialises to.

use crate::status::{Envelope, Identity};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

/// What a call that succeeded brings: `body`'s fields.
pub fn answer(identity: &Identity, body: impl Serialize) -> Vec<u8> {
    let envelope = Envelope::new(identity, 0, body);
    serde_json::to_vec(&envelope).expect("keys are strings and writing to a vector cannot fail")
}

/// The body of an answer that says nothing but that the call succeeded.
#[derive(Serialize)]
pub struct Nothing {}

/// The names that stand below a path, and what each is.
#[derive(Serialize)]
pub struct Urls<'a> {
    urls: InOrder<'a>,
}

/// Names and texts as a JSON object, in this order.
struct InOrder<'a>(&'a [(&'a str, &'a str)]);

impl<'a> Urls<'a> {
    /// These, in this order.
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
    /// That of this build.
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
