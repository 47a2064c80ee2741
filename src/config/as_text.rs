//! A configuration as text inside of serialised state: rules of streams do not serialise what they leave out.
//!
//! For `#[serde(with = "config::as_text")]`.

use crate::config::load::{print, reread};
use crate::config::settings::Config;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::sync::Arc;

/// Writes it.
///
/// # Errors
/// Those of `to`.
pub fn serialize<S: Serializer>(config: &Arc<Config>, to: S) -> Result<S::Ok, S::Error> {
    print(config).serialize(to)
}

/// Reads it.
///
/// # Errors
/// Those of `from`, and text that is no configuration.
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<Config>, D::Error> {
    let text = String::deserialize(from)?;
    reread(&text).map(Arc::new).map_err(D::Error::custom)
}
