//! FLV: what RTMP messages and the tags of an FLV file have in common, with the enhanced-RTMP extensions.
//!
//! ```text
//! FLV file   head, then tags:  type size timestamp  ┌──────┐  size of this tag
//! RTMP       message header    type size timestamp  │ body │
//!                                                   └──────┘
//! parse   body ──▶ frames: their payloads are slices of the body, nothing is copied
//! emit    frame ──▶ a few bytes of head (`Head`); head and payload together are the body
//! ```
//!
//! Sources: Adobe Flash Video File Format 10.1, annex E; Veovera Enhanced RTMP v1 and v2 ("E-RTMP").
//! No state: every body can be parsed alone.

mod announced;
mod audio;
mod codes;
mod data;
mod emit;
mod enhanced;
mod error;
mod file;
#[cfg(test)]
mod tests;
mod video;

pub use announced::{Announced, announced};
pub use audio::parse_audio;
pub use codes::{fourcc, tag, tag_type};
pub use data::{METADATA_NAME, SERVER_NAME, parse_data};
pub use emit::{HEAD_BYTES_MAX, Head, body_head, emit};
pub use error::FlvError;
pub use file::{BODY_BYTES_MAX, FILE_HEAD_BYTES, FileHead, TAG_HEAD_BYTES, TagHead, put_tag, tag_bytes};
pub use video::parse_video;

use crate::media::frame::Frame;
use crate::media::timestamp::Timestamp;
use bytes::Bytes;

/// Parses a body of the given tag (or RTMP message) type. Appends its frames to `frames`: none (empty bodies,
/// commands to old players), one, or several (multitrack). A type that holds no media is ignored.
///
/// # Errors
///
/// If the body is malformed or its codec unknown. Nothing is appended then.
pub fn parse(tag: u8, body: Bytes, dts: Timestamp, frames: &mut Vec<Frame>) -> Result<(), FlvError> {
    match tag {
        tag::AUDIO => parse_audio(body, dts, frames),
        tag::VIDEO => parse_video(body, dts, frames),
        tag::DATA => parse_data(body, dts, frames),
        _ => Ok(()),
    }
}
