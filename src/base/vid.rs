//! Ids of vhosts and streams in the HTTP API.

use crate::base::name::StreamName;
use sha2::{Digest, Sha256};

/// The id of a vhost or stream in the API: always the same for a name, and does not reveal it.
pub fn vid(name: &str) -> String {
    let digest = Sha256::digest(name.as_bytes());
    let hex: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("vid-{}", &hex[..7])
}

/// The id of a stream in the API.
pub fn stream_vid(name: &StreamName) -> String {
    vid(&format!("{}/{}/{}", name.vhost, name.app, name.stream))
}
