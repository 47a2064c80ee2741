//! Media as every protocol sees it: frames on tracks, their codecs and timestamps.

pub mod clock;
pub mod codec;
pub mod frame;
pub mod headers;
pub mod timestamp;
pub mod unwrap;
