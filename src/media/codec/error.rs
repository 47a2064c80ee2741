//! What can be wrong with a codec's configuration.

use crate::media::frame::Codec;
use thiserror::Error;

/// Why a configuration, or the header of a frame where there is none, could not be understood.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CodecError {
    /// It ends before it is complete.
    #[error("{} configuration is truncated", codec.name())]
    Truncated {
        /// Whose.
        codec: Codec,
    },
    /// The codec has none: frames of some tell what is to know.
    #[error("{} has no configuration", codec.name())]
    Absent {
        /// Which.
        codec: Codec,
    },
    /// A value that the specification does not allow, or a size beyond all reason.
    #[error("{} configuration: {what}", codec.name())]
    Invalid {
        /// Whose.
        codec: Codec,
        /// What was wrong.
        what: &'static str,
    },
}
