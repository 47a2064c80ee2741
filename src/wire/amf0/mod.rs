//! AMF0 values (Action Message Format 0), the format of RTMP commands and FLV script data.
//!
//! In: bytes of a message. Out: values, in order; and back. The whole specification is supported, values in
//! AMF3 included. Hostile bytes are refused within the limits of [`super::amf_reader`]. References are kept
//! as numbers and never followed, so that a value is always a finite tree.

#[cfg(test)]
mod tests;

use super::amf_reader::Reader;
pub use super::amf_reader::{AmfError, DEPTH_MAX, VALUES_MAX};
use super::amf3;
use bytes::{BufMut, BytesMut};

/// Named values in the order in which they were sent.
pub type Pairs = Vec<(String, Value)>;

/// One value (AMF0 specification, section 2).
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A double (2.2).
    Number(f64),
    /// True or false (2.3).
    Boolean(bool),
    /// Text; written as a long string if it exceeds 65535 bytes (2.4).
    String(String),
    /// An anonymous object (2.5).
    Object(Pairs),
    /// Null (2.7).
    Null,
    /// Undefined (2.8).
    Undefined,
    /// The number of a complex value that was sent before in the same message (2.9).
    Reference(u16),
    /// An associative array (2.10).
    EcmaArray(Pairs),
    /// An array by ordinal (2.12).
    StrictArray(Vec<Value>),
    /// Milliseconds since 1970 (UTC) and a time zone in minutes, reserved and 0 (2.13).
    Date {
        /// Milliseconds since 1970-01-01T00:00Z.
        ms: f64,
        /// Minutes; should be 0.
        tz: i16,
    },
    /// Text with a 32-bit length (2.14).
    LongString(String),
    /// A value that has no other type (2.15).
    Unsupported,
    /// An XML document (2.17).
    XmlDocument(String),
    /// An object of a named class (2.18).
    TypedObject(Box<TypedObject>),
    /// A value in AMF3 (3.1).
    AvmPlus(Box<amf3::Value>),
}

/// An object of a named class.
#[derive(Clone, Debug, PartialEq)]
pub struct TypedObject {
    /// The registered alias of its class.
    pub class: String,
    /// Its members.
    pub members: Pairs,
}

impl Value {
    /// An object of these members, in this order.
    pub fn object<K: Into<String>>(members: impl IntoIterator<Item = (K, Value)>) -> Value {
        Value::Object(members.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }

    /// An associative array of these members, in this order.
    pub fn ecma_array<K: Into<String>>(members: impl IntoIterator<Item = (K, Value)>) -> Value {
        Value::EcmaArray(members.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }

    /// The text of a string of any length.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) | Value::LongString(text) => Some(text),
            Value::AvmPlus(value) => value.as_str(),
            _ => None,
        }
    }

    /// The number.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Value::Number(number) => Some(*number),
            Value::AvmPlus(value) => value.as_number(),
            _ => None,
        }
    }

    /// The truth value.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Boolean(truth) => Some(*truth),
            Value::AvmPlus(value) => value.as_bool(),
            _ => None,
        }
    }

    /// The members of an object or an associative array.
    pub fn pairs(&self) -> Option<&Pairs> {
        match self {
            Value::Object(pairs) | Value::EcmaArray(pairs) => Some(pairs),
            Value::TypedObject(object) => Some(&object.members),
            _ => None,
        }
    }

    /// The member named `key`, the last one if there are several. AMF3 objects have none here.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.pairs()?.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// Appends the value to `out`.
    pub fn encode(&self, out: &mut BytesMut) {
        match self {
            Value::Number(number) => {
                out.put_u8(marker::NUMBER);
                out.put_f64(*number);
            }
            Value::Boolean(truth) => out.put_slice(&[marker::BOOLEAN, u8::from(*truth)]),
            Value::String(text) if text.len() <= KEY_BYTES_MAX => {
                out.put_u8(marker::STRING);
                put_key(out, text);
            }
            Value::String(text) | Value::LongString(text) => put_text(out, marker::LONG_STRING, text),
            Value::XmlDocument(text) => put_text(out, marker::XML_DOCUMENT, text),
            Value::Object(members) => {
                out.put_u8(marker::OBJECT);
                put_members(out, members);
            }
            Value::EcmaArray(members) => {
                out.put_u8(marker::ECMA_ARRAY);
                put_count(out, members.len());
                put_members(out, members);
            }
            Value::TypedObject(object) => {
                out.put_u8(marker::TYPED_OBJECT);
                put_key(out, &object.class);
                put_members(out, &object.members);
            }
            Value::StrictArray(values) => {
                out.put_u8(marker::STRICT_ARRAY);
                put_count(out, values.len());
                values.iter().for_each(|value| value.encode(out));
            }
            Value::Date { ms, tz } => {
                out.put_u8(marker::DATE);
                out.put_f64(*ms);
                out.put_i16(*tz);
            }
            Value::Reference(index) => {
                out.put_u8(marker::REFERENCE);
                out.put_u16(*index);
            }
            Value::Null => out.put_u8(marker::NULL),
            Value::Undefined => out.put_u8(marker::UNDEFINED),
            Value::Unsupported => out.put_u8(marker::UNSUPPORTED),
            Value::AvmPlus(value) => {
                out.put_u8(marker::AVM_PLUS);
                value.encode(out);
            }
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::String(text)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Value {
        Value::Number(number)
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Value {
        Value::Number(f64::from(number))
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Value {
        Value::Number(f64::from(number))
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Value {
        Value::Boolean(truth)
    }
}

/// Appends all `values` to `out`: the body of a command or data message.
pub fn encode_all<'a>(values: impl IntoIterator<Item = &'a Value>, out: &mut BytesMut) {
    values.into_iter().for_each(|value| value.encode(out));
}

/// Parses one value and advances `bytes` past it.
///
/// # Errors
///
/// If the value is malformed or beyond the limits; `bytes` is not advanced then.
pub fn decode(bytes: &mut &[u8]) -> Result<Value, AmfError> {
    let mut reader = Reader::new(bytes);
    let value = decode_at(&mut reader, 0)?;
    *bytes = reader.rest();
    Ok(value)
}

/// Parses the values of a whole message. Some clients leave out the end marker of the last object; the end of
/// the message ends it then.
///
/// # Errors
///
/// If a value is malformed or beyond the limits.
pub fn decode_all(bytes: &[u8]) -> Result<Vec<Value>, AmfError> {
    let mut reader = Reader::new(bytes);
    reader.lenient = true;
    let mut values = Vec::new();
    while !reader.rest().is_empty() {
        values.push(decode_at(&mut reader, 0)?);
    }
    Ok(values)
}

fn decode_at(reader: &mut Reader<'_>, depth: usize) -> Result<Value, AmfError> {
    reader.enter(depth)?;
    Ok(match reader.u8()? {
        marker::NUMBER => Value::Number(reader.f64()?),
        marker::BOOLEAN => Value::Boolean(reader.u8()? != 0),
        marker::STRING => Value::String(key(reader)?),
        marker::OBJECT => Value::Object(members(reader, depth)?),
        marker::NULL => Value::Null,
        marker::UNDEFINED => Value::Undefined,
        marker::REFERENCE => Value::Reference(reader.u16()?),
        marker::ECMA_ARRAY => {
            // The count is a hint, which many encoders get wrong; the end marker decides.
            reader.u32()?;
            Value::EcmaArray(members(reader, depth)?)
        }
        marker::STRICT_ARRAY => {
            let count = reader.u32()? as usize;
            reader.check_count(count, 1)?;
            // Grows as values are read: the count alone allocates nothing.
            let mut values = Vec::new();
            for _ in 0..count {
                values.push(decode_at(reader, depth + 1)?);
            }
            Value::StrictArray(values)
        }
        marker::DATE => Value::Date { ms: reader.f64()?, tz: reader.u16()?.cast_signed() },
        marker::LONG_STRING => Value::LongString(long_text(reader)?),
        marker::UNSUPPORTED => Value::Unsupported,
        marker::XML_DOCUMENT => Value::XmlDocument(long_text(reader)?),
        marker::TYPED_OBJECT => {
            let class = key(reader)?;
            Value::TypedObject(Box::new(TypedObject { class, members: members(reader, depth)? }))
        }
        marker::AVM_PLUS => Value::AvmPlus(Box::new(amf3::decode_at(reader, depth + 1)?)),
        unknown => return Err(AmfError::Marker(unknown)),
    })
}

fn key(reader: &mut Reader<'_>) -> Result<String, AmfError> {
    let len = reader.u16()?;
    reader.text(len.into())
}

fn long_text(reader: &mut Reader<'_>) -> Result<String, AmfError> {
    let len = reader.u32()?;
    reader.text(len as usize)
}

fn members(reader: &mut Reader<'_>, depth: usize) -> Result<Pairs, AmfError> {
    let mut members = Vec::new();
    loop {
        if reader.lenient && matches!(reader.rest(), [] | [0] | [0, 0]) {
            let len = reader.rest().len();
            reader.take(len)?;
            return Ok(members);
        }
        let name = key(reader)?;
        if name.is_empty() && reader.rest().first() == Some(&marker::OBJECT_END) {
            reader.u8()?;
            return Ok(members);
        }
        members.push((name, decode_at(reader, depth + 1)?));
    }
}

fn put_members(out: &mut BytesMut, members: &Pairs) {
    for (name, value) in members {
        put_key(out, name);
        value.encode(out);
    }
    out.put_slice(&[0, 0, marker::OBJECT_END]);
}

/// Writes a name with a 16-bit length, cut at the last whole character that fits.
fn put_key(out: &mut BytesMut, name: &str) {
    let name = &name[..name.floor_char_boundary(KEY_BYTES_MAX)];
    out.put_u16(name.len() as u16);
    out.put_slice(name.as_bytes());
}

fn put_text(out: &mut BytesMut, marker: u8, text: &str) {
    out.put_u8(marker);
    put_count(out, text.len());
    out.put_slice(text.as_bytes());
}

fn put_count(out: &mut BytesMut, count: usize) {
    out.put_u32(u32::try_from(count).expect("a message is shorter than 4 GiB"));
}

/// Longest name, and longest text that is not a long string, in bytes.
const KEY_BYTES_MAX: usize = u16::MAX as usize;

/// Type markers (section 2.1). Movie clip (4) and record set (14) are reserved and never used.
mod marker {
    pub const NUMBER: u8 = 0x00;
    pub const BOOLEAN: u8 = 0x01;
    pub const STRING: u8 = 0x02;
    pub const OBJECT: u8 = 0x03;
    pub const NULL: u8 = 0x05;
    pub const UNDEFINED: u8 = 0x06;
    pub const REFERENCE: u8 = 0x07;
    pub const ECMA_ARRAY: u8 = 0x08;
    pub const OBJECT_END: u8 = 0x09;
    pub const STRICT_ARRAY: u8 = 0x0A;
    pub const DATE: u8 = 0x0B;
    pub const LONG_STRING: u8 = 0x0C;
    pub const UNSUPPORTED: u8 = 0x0D;
    pub const XML_DOCUMENT: u8 = 0x0F;
    pub const TYPED_OBJECT: u8 = 0x10;
    pub const AVM_PLUS: u8 = 0x11;
}
