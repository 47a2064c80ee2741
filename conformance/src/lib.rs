//! Conformance tests: the server beside independent programs (FFmpeg, GStreamer, OBS, VLC, Chromium, tshark).
//!
//! `tests/` holds the tests; this library holds what they share: a server on free ports, tools with time
//! limits, media made by FFmpeg, comparisons packet by packet, and parsers that are independent of the
//! server's own.

pub mod capture;
pub mod ffmpeg;
pub mod health;
pub mod http;
pub mod import;
pub mod judge;
pub mod media;
pub mod process;
pub mod reader;
pub mod replaying;
pub mod rng;
pub mod server;
pub mod shrink;
pub mod source;
pub mod text;
