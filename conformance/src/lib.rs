//! Judges the server by programs that are not ours: FFmpeg, GStreamer, OBS, VLC, Chromium, tshark.
//!
//! `tests/` holds the judgements; this library holds what they share: a server on free ports, tools with
//! time limits, media made by FFmpeg, comparisons packet by packet, and readers of the wire that are
//! independent of the server's own.

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
