//! A whole server as bytes, and back.

/// The configuration as text.
pub(super) mod config {
    use crate::config::{self, Config};
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::sync::Arc;

    pub fn serialize<S: Serializer>(config: &Arc<Config>, to: S) -> Result<S::Ok, S::Error> {
        config::print(config).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<Config>, D::Error> {
        let text = String::deserialize(from)?;
        config::reread(&text).map(Arc::new).map_err(D::Error::custom)
    }
}
