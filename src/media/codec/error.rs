//! Errors of configurations and frame headers.

use crate::media::frame::Codec;
use thiserror::Error;

/// Why a configuration, or the header of a frame where there is none, cannot be parsed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CodecError {
    /// It is truncated.
    #[error("{} configuration is truncated", codec.name())]
    Truncated {
        /// Codec of the track.
        codec: Codec,
    },
    /// The codec has no configuration.
    #[error("{} has no configuration", codec.name())]
    Absent {
        /// Codec of the track.
        codec: Codec,
    },
    /// A value that the specification does not allow, or that is implausible.
    #[error("{} configuration: {what}", codec.name())]
    Invalid {
        /// Codec of the track.
        codec: Codec,
        /// What is wrong.
        what: &'static str,
    },
}
