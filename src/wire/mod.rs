//! Byte formats: parse and emit. No state across calls but what the format itself needs.
//!
//! A parser either returns a value that is valid in itself, or an error.

pub mod amf0;
pub mod amf3;
pub mod amf_reader;
pub mod flv;
pub mod fmp4;
pub mod format;
pub mod http1;
pub mod m3u8;
pub mod render;
pub mod rtmp;
pub mod ts;
pub mod websocket;
