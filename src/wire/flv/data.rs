//! Script data to frames: metadata, and messages that travel with the stream.
//!
//! Metadata is normalised here, once for all players: `onMetaData` and an associative array, without
//! `@setDataFrame`, without the length of a file, with the server's name. Other messages are relayed
//! unchanged.

use super::error::FlvError;
use crate::media::frame::{Codec, Frame, FrameKind, Track};
use crate::media::timestamp::Timestamp;
use crate::wire::amf0::{self, Value};
use bytes::{Bytes, BytesMut};

/// Name of the metadata message.
pub const METADATA_NAME: &str = "onMetaData";

/// Value of `server` in the metadata.
pub const SERVER_NAME: &str = concat!("Dacapo/", env!("CARGO_PKG_VERSION"));

/// Parses script data, the body of a data message in AMF0. (A data message in AMF3, type 15, is AMF0 too
/// after its first byte: E-RTMP "AMF3-encoded Historical Specification Clarification".) Same contract as
/// [`super::parse`].
///
/// # Errors
///
/// As [`super::parse`].
pub fn parse_data(body: Bytes, dts: Timestamp, frames: &mut Vec<Frame>) -> Result<(), FlvError> {
    // A message begins with its name. Others are ignored: FFmpeg sends bare timecodes of four bytes.
    if !matches!(body.first(), Some(&(STRING | LONG_STRING))) {
        return Ok(());
    }
    let mut body = body;
    let mut name = take_name(&mut body.clone())?;
    if name == "@setDataFrame" {
        take_name(&mut body)?;
        name = take_name(&mut body.clone())?;
    }
    let (kind, payload) = match name.as_str() {
        METADATA_NAME => {
            take_name(&mut body)?;
            let values = amf0::decode_all(&body)?;
            let Some(members) = values.iter().find_map(Value::pairs) else { return Ok(()) };
            (FrameKind::Metadata, metadata(members))
        }
        // These are about a connection, not about the stream: a publisher must not send them to players.
        "" | "onStatus" | "@clearDataFrame" => return Ok(()),
        name if name.starts_with('|') => return Ok(()),
        _ => {
            amf0::decode_all(&body)?;
            (FrameKind::Message, body)
        }
    };
    frames.push(super::codes::frame(Track::DATA, Codec::Amf0, kind, dts, payload));
    Ok(())
}

/// Takes the name; empty if there is none.
fn take_name(body: &mut Bytes) -> Result<String, FlvError> {
    if body.is_empty() {
        return Ok(String::new());
    }
    let mut rest = &body[..];
    let value = amf0::decode(&mut rest)?;
    let len = body.len() - rest.len();
    let _ = body.split_to(len);
    Ok(value.as_str().unwrap_or_default().to_owned())
}

fn metadata(members: &amf0::Pairs) -> Bytes {
    // A live stream has no length; ExoPlayer stops at a `duration`, even at one of 0.
    let kept =
        members.iter().filter(|(name, _)| !matches!(name.as_str(), "duration" | "filesize" | "server"));
    let server = ("server".to_owned(), Value::from(SERVER_NAME));
    let members = kept.cloned().chain([server]).collect();
    let mut payload = BytesMut::new();
    Value::from(METADATA_NAME).encode(&mut payload);
    Value::EcmaArray(members).encode(&mut payload);
    payload.freeze()
}

/// AMF0 markers of text.
const STRING: u8 = 0x02;
const LONG_STRING: u8 = 0x0C;
