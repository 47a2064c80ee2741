//! Errors of bodies.

use crate::wire::amf_reader::AmfError;
use thiserror::Error;

/// Why a body cannot be parsed. It concerns that body only: the next one may be valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FlvError {
    /// It ends before it is complete.
    #[error("FLV body is truncated")]
    Truncated,
    /// A packet type that the specification does not have, or not for this codec.
    #[error("unknown packet type {0}")]
    PacketType(u8),
    /// An unknown codec.
    #[error("unknown codec {:?}", String::from_utf8_lossy(.0))]
    FourCc([u8; 4]),
    /// A kind of multitrack body that the specification does not have.
    #[error("unknown multitrack type {0}")]
    Multitrack(u8),
    /// More tracks in a body than there are track ids.
    #[error("too many tracks in a body")]
    TooManyTracks,
    /// A configuration that does not fit its packet type.
    #[error("not a valid {0}")]
    Config(&'static str),
    /// Script data that is not AMF0.
    #[error(transparent)]
    Amf(#[from] AmfError),
    /// An encrypted tag.
    #[error("the tag is encrypted")]
    Encrypted,
}
