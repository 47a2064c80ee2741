//! Messages as lines of text: RTMP messages, HTTP heads.
//!
//! Version and time are left out, so that a line changes only when the message changes.

use super::hash::hash;
use crate::reader::amf::Amf;
use crate::reader::http::Headers;
use crate::reader::rtmp::{Message, kind};

/// Longest text of a value that is shown whole.
const TEXT_MAX: usize = 80;

/// An RTMP message that is neither picture nor sound.
pub fn message(message: &Message) -> String {
    let number = |at: usize| {
        let bytes = message.body.get(at..at + 4).and_then(<[u8]>::first_chunk);
        bytes.map_or("?".to_owned(), |bytes| u32::from_be_bytes(*bytes).to_string())
    };
    let body = &message.body;
    match message.kind {
        kind::SET_CHUNK_SIZE => format!("Set Chunk Size {}", number(0)),
        2 => format!("Abort {}", number(0)),
        kind::ACKNOWLEDGEMENT => format!("Acknowledgement {}", number(0)),
        kind::USER_CONTROL => user_control(body),
        kind::WINDOW_SIZE => format!("Window Acknowledgement Size {}", number(0)),
        6 => {
            let limit =
                body.get(4).map_or("?", |kind| ["hard", "soft", "dynamic"][usize::from(*kind).min(2)]);
            format!("Set Peer Bandwidth {} {limit}", number(0))
        }
        17 | kind::COMMAND => {
            // The first byte of an AMF3 command says that AMF0 follows.
            let body = if message.kind == 17 { body.get(1..).unwrap_or_default() } else { body };
            values(body)
        }
        15 | 18 => data(body),
        other => format!("message of type {other}, {} bytes {:08x}", body.len(), hash(body)),
    }
}

fn user_control(body: &[u8]) -> String {
    let Some(event) = body.first_chunk().map(|bytes| u16::from_be_bytes(*bytes)) else {
        return "User Control ?".to_owned();
    };
    let names =
        ["StreamBegin", "StreamEOF", "StreamDry", "SetBufferLength", "StreamIsRecorded", "5", "PingRequest"];
    let name =
        names.get(usize::from(event)).copied().unwrap_or(if event == 7 { "PingResponse" } else { "?" });
    let numbers: Vec<String> = body[2..]
        .chunks_exact(4)
        .filter_map(|bytes| bytes.first_chunk().map(|bytes| u32::from_be_bytes(*bytes).to_string()))
        .collect();
    format!("User Control {name} {}", numbers.join(" "))
}

/// The body of a data message or tag.
pub fn data(body: &[u8]) -> String {
    format!("data {}", values(body))
}

/// AMF0 values, or what is known of what is none.
pub fn values(body: &[u8]) -> String {
    match Amf::try_read_all(body) {
        Ok(values) => match values.split_first() {
            Some((Amf::String(name), rest)) => {
                let rest: Vec<String> = rest.iter().map(value).collect();
                format!("{name} {}", rest.join(" ")).trim_end().to_owned()
            }
            _ => values.iter().map(value).collect::<Vec<_>>().join(" "),
        },
        Err(wrong) => format!("no AMF0: {wrong}, {} bytes {:08x}", body.len(), hash(body)),
    }
}

fn value(value: &Amf) -> String {
    match value {
        Amf::Number(number) => number.to_string(),
        Amf::Boolean(truth) => truth.to_string(),
        Amf::String(text) if text.len() > TEXT_MAX => {
            format!("text of {} bytes {:08x}", text.len(), hash(text.as_bytes()))
        }
        // The build's own number.
        Amf::String(text) if text.starts_with("Dacapo/") => "\"Dacapo\"".to_owned(),
        Amf::String(text) => format!("\"{text}\""),
        Amf::Null => "null".to_owned(),
        Amf::Array(values) => format!("[{}]", values.iter().map(self::value).collect::<Vec<_>>().join(", ")),
        Amf::Object(members) => {
            let members: Vec<String> =
                members.iter().map(|(name, member)| format!("{name}: {}", self::value(member))).collect();
            format!("{{{}}}", members.join(", "))
        }
    }
}

/// Headers in one line; the build's own number is left out.
pub fn headers(headers: &Headers) -> String {
    let shown = headers.iter().map(|(name, value)| match name.as_str() {
        "server" => format!("server: {}", value.split('/').next().unwrap_or_default()),
        _ => format!("{name}: {value}"),
    });
    shown.collect::<Vec<_>>().join("; ")
}
