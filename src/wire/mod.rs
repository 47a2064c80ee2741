//! Byte formats: parse and emit. No state across calls but what the format itself needs.
//!
//! What comes out of a parser cannot be wrong; what is wrong never comes out of a parser.

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
