//! AMF3 values (Action Message Format 3), as they occur inside AMF0 after its `0x11` marker.
//!
//! In: bytes after the marker. Out: one value, and back. Tables of strings, traits and objects live for one
//! value, since the switch to AMF3 is not sticky (E-RTMP v2, "Important AMF3-encoded Historical Specification
//! Clarification"). Strings and traits that are sent by reference are shared; objects that are sent by
//! reference stay [`Value::Reference`], so that a value is always a finite tree.

mod decode;
mod encode;
#[cfg(test)]
pub(super) mod tests;

pub(super) use decode::decode_at;

use std::sync::Arc;

/// Named values in the order in which they were sent.
pub type Pairs = Vec<(Arc<str>, Value)>;

/// One value (AMF3 specification, section 3).
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Undefined (3.2).
    Undefined,
    /// Null (3.3).
    Null,
    /// True or false (3.4, 3.5).
    Boolean(bool),
    /// A signed integer of 29 bits; one that does not fit is written as a double (3.6).
    Integer(i32),
    /// A double (3.7).
    Double(f64),
    /// Text (3.8).
    String(Arc<str>),
    /// A legacy XML document (3.9).
    XmlDocument(Arc<str>),
    /// Milliseconds since 1970-01-01T00:00Z (3.10).
    Date(f64),
    /// An array with named and ordinal elements (3.11).
    Array {
        /// Elements with names; a name is never empty.
        named: Pairs,
        /// Elements by ordinal.
        dense: Vec<Value>,
    },
    /// An object, anonymous or of a class (3.12).
    Object(Box<Object>),
    /// XML (E4X) (3.13).
    Xml(Arc<str>),
    /// Bytes (3.14).
    ByteArray(Vec<u8>),
    /// Signed integers (3.15).
    VectorInt(Vector<i32>),
    /// Unsigned integers (3.15).
    VectorUint(Vector<u32>),
    /// Doubles (3.15).
    VectorDouble(Vector<f64>),
    /// Values of a class, or of any if that is `*` or empty (3.15).
    VectorObject {
        /// The class of the items.
        class: Arc<str>,
        /// The items.
        items: Box<Vector<Value>>,
    },
    /// A map from values to values (3.16).
    Dictionary {
        /// True if its keys do not keep objects alive.
        weak: bool,
        /// Keys and values.
        entries: Vec<(Value, Value)>,
    },
    /// A complex value that was sent before.
    Reference {
        /// Its type.
        kind: Complex,
        /// How many complex values had begun before it.
        index: u32,
    },
}

/// A vector (3.15).
#[derive(Clone, Debug, PartialEq)]
pub struct Vector<T> {
    /// True if its length cannot change.
    pub fixed: bool,
    /// What it holds.
    pub items: Vec<T>,
}

/// An object (3.12).
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Its class.
    pub traits: Arc<Traits>,
    /// Values of the members that the class names, in that order.
    pub sealed: Vec<Value>,
    /// Members that the class does not name; none unless [`Traits::dynamic`]. A name is never empty.
    pub dynamic: Pairs,
}

/// The common properties of the objects of a class (3.12).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traits {
    /// The registered alias; empty for anonymous objects.
    pub class: Arc<str>,
    /// True if an object may have members that the class does not name.
    pub dynamic: bool,
    /// Names of the members that every object has.
    pub members: Vec<Arc<str>>,
}

/// The types that can be sent by reference, by their markers (3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Complex {
    /// A legacy XML document.
    XmlDocument = 0x07,
    /// A date.
    Date = 0x08,
    /// An array.
    Array = 0x09,
    /// An object.
    Object = 0x0A,
    /// XML.
    Xml = 0x0B,
    /// Bytes.
    ByteArray = 0x0C,
    /// Signed integers.
    VectorInt = 0x0D,
    /// Unsigned integers.
    VectorUint = 0x0E,
    /// Doubles.
    VectorDouble = 0x0F,
    /// Values of a class.
    VectorObject = 0x10,
    /// A map.
    Dictionary = 0x11,
}

impl Value {
    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        if let Value::String(text) = self { Some(text) } else { None }
    }

    /// The number, integer or double.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Value::Integer(number) => Some(f64::from(*number)),
            Value::Double(number) => Some(*number),
            _ => None,
        }
    }

    /// The truth value.
    pub fn as_bool(&self) -> Option<bool> {
        if let Value::Boolean(truth) = self { Some(*truth) } else { None }
    }
}

impl Complex {
    fn from_marker(marker: u8) -> Option<Complex> {
        use Complex::*;
        [
            XmlDocument,
            Date,
            Array,
            Object,
            Xml,
            ByteArray,
            VectorInt,
            VectorUint,
            VectorDouble,
            VectorObject,
            Dictionary,
        ]
        .into_iter()
        .find(|kind| *kind as u8 == marker)
    }
}

const U29_MAX: u32 = (1 << 29) - 1;
const INTEGER_MIN: i32 = -(1 << 28);
const INTEGER_MAX: i32 = (1 << 28) - 1;

/// Markers of the simple types (3.1); those of the others are [`Complex`].
mod marker {
    pub const UNDEFINED: u8 = 0x00;
    pub const NULL: u8 = 0x01;
    pub const FALSE: u8 = 0x02;
    pub const TRUE: u8 = 0x03;
    pub const INTEGER: u8 = 0x04;
    pub const DOUBLE: u8 = 0x05;
    pub const STRING: u8 = 0x06;
}
