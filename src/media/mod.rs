//! Media independent of protocols: frames on tracks, their codecs and timestamps.

pub mod codec;
pub mod frame;
pub mod stream_info;
pub mod timeline;
pub mod timestamp;
pub mod unwrap;
