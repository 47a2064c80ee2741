//! Packagers: frames of a stream in, files for fetching out. HLS is the only one so far.

pub mod hls;
