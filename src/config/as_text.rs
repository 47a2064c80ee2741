//! A configuration as text inside of serialised state: rules of streams do not serialise what they leave out.
//!
//! For `#[serde(with = "config::as_text")]`.

use crate::base::secret::{mark, marked};
use crate::config::load::{print, reread};
use crate::config::settings::Config;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};
use std::sync::Arc;

/// Writes it.
///
/// # Errors
/// Those of `to`.
pub fn serialize<S: Serializer>(config: &Arc<Config>, to: S) -> Result<S::Ok, S::Error> {
    marked(mark::CONFIG, &print(config), to)
}

/// Reads it.
///
/// # Errors
/// Those of `from`, and text that is no configuration.
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<Config>, D::Error> {
    let text = String::deserialize(from)?;
    reread(&text).map(Arc::new).map_err(D::Error::custom)
}
