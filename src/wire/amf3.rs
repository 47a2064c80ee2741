//! AMF3 values (Action Message Format 3), as they occur inside AMF0 after its `0x11` marker.
//!
//! In: bytes after the marker. Out: one value, and back. Tables of strings, traits and objects live for
//! one value, since the switch to AMF3 is not sticky (E-RTMP v2, "Important AMF3-encoded Historical
//! Specification Clarification"). Strings and traits that are sent by reference are shared; objects
//! that are sent by reference stay [`Value::Reference`], so that a value is always a finite tree.

use super::amf::{AmfError, Reader};
use bytes::{BufMut, BytesMut};
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

/// What objects of a class have in common (3.12).
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

    /// Appends the value to `out`, without the AMF0 marker. Strings and traits are written in full each
    /// time; complex values keep their numbers, so references among them stay true.
    pub fn encode(&self, out: &mut BytesMut) {
        match self {
            Value::Undefined => out.put_u8(marker::UNDEFINED),
            Value::Null => out.put_u8(marker::NULL),
            Value::Boolean(false) => out.put_u8(marker::FALSE),
            Value::Boolean(true) => out.put_u8(marker::TRUE),
            Value::Integer(number) if (INTEGER_MIN..=INTEGER_MAX).contains(number) => {
                out.put_u8(marker::INTEGER);
                put_u29(out, number.cast_unsigned() & U29_MAX);
            }
            Value::Integer(number) => Value::Double(f64::from(*number)).encode(out),
            Value::Double(number) => {
                out.put_u8(marker::DOUBLE);
                out.put_f64(*number);
            }
            Value::String(text) => {
                out.put_u8(marker::STRING);
                put_text(out, text);
            }
            Value::Reference { kind, index } => {
                out.put_u8(*kind as u8);
                put_u29(out, index << 1);
            }
            complex => complex.encode_complex(out),
        }
    }

    fn encode_complex(&self, out: &mut BytesMut) {
        match self {
            Value::XmlDocument(text) => {
                out.put_u8(Complex::XmlDocument as u8);
                put_text(out, text);
            }
            Value::Xml(text) => {
                out.put_u8(Complex::Xml as u8);
                put_text(out, text);
            }
            Value::Date(ms) => {
                put_head(out, Complex::Date, 0);
                out.put_f64(*ms);
            }
            Value::ByteArray(bytes) => {
                put_head(out, Complex::ByteArray, bytes.len());
                out.put_slice(bytes);
            }
            Value::Array { named, dense } => {
                put_head(out, Complex::Array, dense.len());
                put_pairs(out, named);
                dense.iter().for_each(|value| value.encode(out));
            }
            Value::Object(object) => object.encode(out),
            Value::VectorInt(vector) => put_vector(out, Complex::VectorInt, vector, |out, n| out.put_i32(*n)),
            Value::VectorUint(vector) => {
                put_vector(out, Complex::VectorUint, vector, |out, n| out.put_u32(*n))
            }
            Value::VectorDouble(vector) => {
                put_vector(out, Complex::VectorDouble, vector, |out, n| out.put_f64(*n));
            }
            Value::VectorObject { class, items } => {
                put_head(out, Complex::VectorObject, items.items.len());
                out.put_u8(u8::from(items.fixed));
                put_text(out, class);
                items.items.iter().for_each(|value| value.encode(out));
            }
            Value::Dictionary { weak, entries } => {
                put_head(out, Complex::Dictionary, entries.len());
                out.put_u8(u8::from(*weak));
                for (key, value) in entries {
                    key.encode(out);
                    value.encode(out);
                }
            }
            _ => unreachable!("simple values are written by `encode`"),
        }
    }
}

impl Object {
    fn encode(&self, out: &mut BytesMut) {
        out.put_u8(Complex::Object as u8);
        // U29O-traits: in full, not by reference, not externalizable, dynamic or not, number of members.
        let dynamic = u32::from(self.traits.dynamic);
        put_u29(out, (self.traits.members.len() as u32) << 4 | dynamic << 3 | 0b011);
        put_text(out, &self.traits.class);
        self.traits.members.iter().for_each(|name| put_text(out, name));
        self.sealed.iter().for_each(|value| value.encode(out));
        if self.traits.dynamic {
            put_pairs(out, &self.dynamic);
        }
    }
}

/// Reads one value with tables of its own.
pub(super) fn decode_at(reader: &mut Reader<'_>, depth: usize) -> Result<Value, AmfError> {
    Decoder { reader, strings: Vec::new(), traits: Vec::new(), objects: 0 }.value(depth)
}

struct Decoder<'r, 'a> {
    reader: &'r mut Reader<'a>,
    strings: Vec<Arc<str>>,
    traits: Vec<Arc<Traits>>,
    /// How many complex values have begun.
    objects: u32,
}

impl Decoder<'_, '_> {
    fn value(&mut self, depth: usize) -> Result<Value, AmfError> {
        self.reader.enter(depth)?;
        Ok(match self.reader.u8()? {
            marker::UNDEFINED => Value::Undefined,
            marker::NULL => Value::Null,
            marker::FALSE => Value::Boolean(false),
            marker::TRUE => Value::Boolean(true),
            // The sign is bit 28.
            marker::INTEGER => Value::Integer((self.u29()? << 3).cast_signed() >> 3),
            marker::DOUBLE => Value::Double(self.reader.f64()?),
            marker::STRING => Value::String(self.string()?),
            marker => {
                let kind = Complex::from_marker(marker).ok_or(AmfError::Marker(marker))?;
                let head = self.u29()?;
                if head & 1 == 0 {
                    let index = head >> 1;
                    return if index < self.objects {
                        Ok(Value::Reference { kind, index })
                    } else {
                        Err(AmfError::Reference)
                    };
                }
                self.objects += 1;
                self.complex(kind, head >> 1, depth)?
            }
        })
    }

    /// A complex value that is sent in full. `head` is what its U29 says beside that: a length for all
    /// but dates and objects.
    fn complex(&mut self, kind: Complex, head: u32, depth: usize) -> Result<Value, AmfError> {
        let len = head as usize;
        Ok(match kind {
            Complex::XmlDocument => Value::XmlDocument(self.reader.text(len)?.into()),
            Complex::Xml => Value::Xml(self.reader.text(len)?.into()),
            Complex::Date => Value::Date(self.reader.f64()?),
            Complex::Array => Value::Array { named: self.pairs(depth)?, dense: self.values(len, depth)? },
            Complex::Object => Value::Object(Box::new(self.object(head, depth)?)),
            Complex::ByteArray => Value::ByteArray(self.reader.take(len)?.to_vec()),
            Complex::VectorInt => Value::VectorInt(self.vector(len, i32::from_be_bytes)?),
            Complex::VectorUint => Value::VectorUint(self.vector(len, u32::from_be_bytes)?),
            Complex::VectorDouble => Value::VectorDouble(self.vector(len, f64::from_be_bytes)?),
            Complex::VectorObject => {
                let fixed = self.reader.u8()? != 0;
                let class = self.string()?;
                let items = Box::new(Vector { fixed, items: self.values(len, depth)? });
                Value::VectorObject { class, items }
            }
            Complex::Dictionary => {
                let weak = self.reader.u8()? != 0;
                self.reader.check_count(len, 2)?;
                let mut entries = Vec::new();
                for _ in 0..len {
                    entries.push((self.value(depth + 1)?, self.value(depth + 1)?));
                }
                Value::Dictionary { weak, entries }
            }
        })
    }

    fn object(&mut self, head: u32, depth: usize) -> Result<Object, AmfError> {
        let traits = if head & 1 == 0 {
            let known = self.traits.get((head >> 1) as usize);
            Arc::clone(known.ok_or(AmfError::Reference)?)
        } else {
            if head & 2 != 0 {
                return Err(AmfError::Externalizable);
            }
            let class = self.string()?;
            let count = (head >> 3) as usize;
            self.reader.check_count(count, 1)?;
            let mut members = Vec::new();
            for _ in 0..count {
                self.reader.enter(depth)?;
                members.push(self.string()?);
            }
            let traits = Arc::new(Traits { class, dynamic: head & 4 != 0, members });
            self.traits.push(Arc::clone(&traits));
            traits
        };
        let sealed = self.values(traits.members.len(), depth)?;
        let dynamic = if traits.dynamic { self.pairs(depth)? } else { Vec::new() };
        Ok(Object { traits, sealed, dynamic })
    }

    fn values(&mut self, count: usize, depth: usize) -> Result<Vec<Value>, AmfError> {
        self.reader.check_count(count, 1)?;
        let mut values = Vec::new();
        for _ in 0..count {
            values.push(self.value(depth + 1)?);
        }
        Ok(values)
    }

    /// Named values up to an empty name.
    fn pairs(&mut self, depth: usize) -> Result<Pairs, AmfError> {
        let mut pairs = Vec::new();
        loop {
            let name = self.string()?;
            if name.is_empty() {
                return Ok(pairs);
            }
            pairs.push((name, self.value(depth + 1)?));
        }
    }

    fn vector<const N: usize, T>(
        &mut self,
        len: usize,
        item: fn([u8; N]) -> T,
    ) -> Result<Vector<T>, AmfError> {
        let fixed = self.reader.u8()? != 0;
        self.reader.check_count(len, N)?;
        let items = (0..len).map(|_| self.reader.array().map(item)).collect::<Result<_, _>>()?;
        Ok(Vector { fixed, items })
    }

    fn string(&mut self) -> Result<Arc<str>, AmfError> {
        let head = self.u29()?;
        let number = (head >> 1) as usize;
        if head & 1 == 0 {
            return self.strings.get(number).cloned().ok_or(AmfError::Reference);
        }
        let text: Arc<str> = self.reader.text(number)?.into();
        // The empty string is never sent by reference (1.3.2).
        if !text.is_empty() {
            self.strings.push(Arc::clone(&text));
        }
        Ok(text)
    }

    /// An unsigned integer of 29 bits in one to four bytes (1.3.1).
    fn u29(&mut self) -> Result<u32, AmfError> {
        let mut value = 0;
        for _ in 0..3 {
            let byte = self.reader.u8()?;
            value = value << 7 | u32::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Ok(value << 8 | u32::from(self.reader.u8()?))
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

fn put_u29(out: &mut BytesMut, value: u32) {
    let byte = |shift: u32| (value >> shift) as u8 & 0x7f | 0x80;
    match value {
        0..0x80 => out.put_u8(value as u8),
        0x80..0x4000 => out.put_slice(&[byte(7), value as u8 & 0x7f]),
        0x4000..0x20_0000 => out.put_slice(&[byte(14), byte(7), value as u8 & 0x7f]),
        _ => {
            assert!(value <= U29_MAX, "a message is shorter than 256 MiB");
            out.put_slice(&[byte(22), byte(15), byte(8), value as u8]);
        }
    }
}

/// Type and length of a complex value that is sent in full.
fn put_head(out: &mut BytesMut, kind: Complex, len: usize) {
    out.put_u8(kind as u8);
    put_u29(out, (len as u32) << 1 | 1);
}

fn put_text(out: &mut BytesMut, text: &str) {
    put_u29(out, (text.len() as u32) << 1 | 1);
    out.put_slice(text.as_bytes());
}

fn put_pairs(out: &mut BytesMut, pairs: &Pairs) {
    for (name, value) in pairs {
        put_text(out, name);
        value.encode(out);
    }
    put_text(out, "");
}

fn put_vector<T>(out: &mut BytesMut, kind: Complex, vector: &Vector<T>, put: impl Fn(&mut BytesMut, &T)) {
    put_head(out, kind, vector.items.len());
    out.put_u8(u8::from(vector.fixed));
    vector.items.iter().for_each(|item| put(out, item));
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(bytes: &[u8]) -> Result<Value, AmfError> {
        let mut reader = Reader::new(bytes);
        let value = decode_at(&mut reader, 0)?;
        assert!(reader.rest().is_empty(), "bytes are left over");
        Ok(value)
    }

    #[test]
    fn integers_are_29_bits_with_a_sign() {
        for (bytes, number) in [
            (&b"\x04\x00"[..], 0),
            (b"\x04\x7f", 127),
            (b"\x04\x81\x00", 128),
            (b"\x04\xff\x7f", 16_383),
            (b"\x04\x81\x80\x00", 16_384),
            (b"\x04\x80\xc0\x80\x00", 2_097_152),
            (b"\x04\xbf\xff\xff\xff", 268_435_455),
            (b"\x04\xc0\x80\x80\x00", -268_435_456),
            (b"\x04\xff\xff\xff\xff", -1),
        ] {
            assert_eq!(decode(bytes).unwrap(), Value::Integer(number));
            let mut out = BytesMut::new();
            Value::Integer(number).encode(&mut out);
            assert_eq!(out, bytes);
        }
    }

    #[test]
    fn an_integer_beyond_29_bits_is_written_as_a_double() {
        let mut out = BytesMut::new();
        Value::Integer(i32::MAX).encode(&mut out);
        assert_eq!(decode(&out).unwrap(), Value::Double(2_147_483_647.0));
    }

    #[test]
    fn strings_and_traits_by_reference_are_found() {
        // [{ x: "hi", "yo": "hi" }, { x: "x" }] of a dynamic class `P` that names one member.
        let bytes = b"\x09\x05\x01\
            \x0a\x1b\x03P\x03x\x06\x05hi\x05yo\x06\x04\x01\
            \x0a\x01\x06\x02\x01";
        let Value::Array { dense, .. } = decode(bytes).unwrap() else { panic!("an array") };
        let [Value::Object(first), Value::Object(second)] = &dense[..] else { panic!("two objects") };
        assert_eq!(&*first.traits.class, "P");
        assert_eq!(first.sealed, [Value::String("hi".into())]);
        assert_eq!(first.dynamic, [("yo".into(), Value::String("hi".into()))]);
        assert!(Arc::ptr_eq(&first.traits, &second.traits));
        assert_eq!(second.sealed, [Value::String("x".into())]);
    }

    #[test]
    fn a_reference_may_point_to_what_encloses_it_and_is_not_followed() {
        let value = decode(b"\x09\x03\x01\x09\x00").unwrap();
        let inner = Value::Reference { kind: Complex::Array, index: 0 };
        assert_eq!(value, Value::Array { named: Vec::new(), dense: vec![inner] });
    }

    #[test]
    fn references_to_nothing_are_refused() {
        for bytes in [&b"\x06\x00"[..], b"\x09\x00", b"\x0a\x00", b"\x0a\x01", b"\x09\x03\x01\x09\x02"] {
            assert_eq!(decode(bytes), Err(AmfError::Reference), "{bytes:x?}");
        }
    }

    #[test]
    fn lengths_beyond_the_message_are_refused() {
        for kind in [0x06, 0x07, 0x09, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x10, 0x11] {
            let bytes = [&[kind, 0xff, 0xff, 0xff, 0xff][..], &[1; 16]].concat();
            assert_eq!(decode(&bytes), Err(AmfError::Truncated), "type {kind:#x}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_without_using_up_the_stack() {
        assert_eq!(decode(&b"\x09\x03\x01".repeat(200_000)), Err(AmfError::TooDeep));
        assert_eq!(decode(&b"\x0a\x0b\x01\x03a".repeat(200_000)), Err(AmfError::TooDeep));
        assert_eq!(decode(&b"\x11\x03\x00".repeat(200_000)), Err(AmfError::TooDeep));
    }

    #[test]
    fn a_string_sent_by_reference_is_not_copied() {
        let text = "x".repeat(10_000);
        let mut bytes = BytesMut::new();
        put_head(&mut bytes, Complex::Array, 50_001);
        put_text(&mut bytes, "");
        Value::String(text.into()).encode(&mut bytes);
        bytes.extend(b"\x06\x00".repeat(50_000));
        let Value::Array { dense, .. } = decode(&bytes).unwrap() else { panic!("an array") };
        let [Value::String(first), .., Value::String(last)] = &dense[..] else { panic!("strings") };
        assert!(Arc::ptr_eq(first, last));
    }

    #[test]
    fn an_externalizable_object_is_refused() {
        assert_eq!(decode(b"\x0a\x07\x03A"), Err(AmfError::Externalizable));
    }

    fn text() -> impl Strategy<Value = Arc<str>> {
        ".{0,8}".prop_map(Arc::from)
    }

    fn double() -> impl Strategy<Value = f64> {
        any::<f64>().prop_filter("equal to itself", |number| !number.is_nan())
    }

    fn vector<T: std::fmt::Debug>(item: impl Strategy<Value = T>) -> impl Strategy<Value = Vector<T>> {
        (any::<bool>(), prop::collection::vec(item, 0..5)).prop_map(|(fixed, items)| Vector { fixed, items })
    }

    fn object(inner: impl Strategy<Value = Value> + Clone) -> impl Strategy<Value = Value> {
        let sealed = prop::collection::vec((text(), inner.clone()), 0..4);
        let dynamic = prop::option::of(prop::collection::vec((".{1,8}".prop_map(Arc::from), inner), 0..4));
        (text(), sealed, dynamic).prop_map(|(class, sealed, dynamic)| {
            let (members, sealed) = sealed.into_iter().unzip();
            let traits = Arc::new(Traits { class, dynamic: dynamic.is_some(), members });
            Value::Object(Box::new(Object { traits, sealed, dynamic: dynamic.unwrap_or_default() }))
        })
    }

    pub(in crate::wire) fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Undefined),
            Just(Value::Null),
            any::<bool>().prop_map(Value::Boolean),
            (INTEGER_MIN..=INTEGER_MAX).prop_map(Value::Integer),
            double().prop_map(Value::Double),
            text().prop_map(Value::String),
            text().prop_map(Value::XmlDocument),
            text().prop_map(Value::Xml),
            double().prop_map(Value::Date),
            prop::collection::vec(any::<u8>(), 0..8).prop_map(Value::ByteArray),
            vector(any::<i32>()).prop_map(Value::VectorInt),
            vector(any::<u32>()).prop_map(Value::VectorUint),
            vector(double()).prop_map(Value::VectorDouble),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            let pairs = prop::collection::vec((".{1,8}".prop_map(Arc::from), inner.clone()), 0..4);
            let values = prop::collection::vec(inner.clone(), 0..4);
            let entries = prop::collection::vec((inner.clone(), inner.clone()), 0..4);
            prop_oneof![
                (pairs, values).prop_map(|(named, dense)| Value::Array { named, dense }),
                object(inner.clone()),
                (text(), vector(inner))
                    .prop_map(|(class, items)| Value::VectorObject { class, items: Box::new(items) }),
                (any::<bool>(), entries).prop_map(|(weak, entries)| Value::Dictionary { weak, entries }),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value in any_value()) {
            let mut out = BytesMut::new();
            value.encode(&mut out);
            prop_assert_eq!(decode(&out).unwrap(), value);
        }
    }
}
