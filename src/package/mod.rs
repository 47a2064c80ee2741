//! HLS and what else is made of a stream for fetching: consumers of frames, producers of files.

pub mod hls;
