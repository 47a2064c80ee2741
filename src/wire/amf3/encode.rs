//! Values to bytes. A string is written in full once and by reference after that, as it came; else a small
//! message could grow without bound by being written again. Traits are written in full with each object,
//! which is a little longer and always right.

use super::{Complex, INTEGER_MAX, INTEGER_MIN, Object, Pairs, U29_MAX, Value, Vector, marker};
use bytes::{BufMut, BytesMut};
use std::collections::BTreeMap;

impl Value {
    /// Appends the value to `out`, without the AMF0 marker. Complex values keep their numbers, so that
    /// references stay valid.
    pub fn encode(&self, out: &mut BytesMut) {
        Encoder { out, strings: BTreeMap::new() }.value(self);
    }
}

struct Encoder<'v, 'o> {
    out: &'o mut BytesMut,
    /// Strings that were written, and their numbers.
    strings: BTreeMap<&'v str, u32>,
}

impl<'v> Encoder<'v, '_> {
    fn value(&mut self, value: &'v Value) {
        match value {
            Value::Undefined => self.out.put_u8(marker::UNDEFINED),
            Value::Null => self.out.put_u8(marker::NULL),
            Value::Boolean(false) => self.out.put_u8(marker::FALSE),
            Value::Boolean(true) => self.out.put_u8(marker::TRUE),
            Value::Integer(number) if (INTEGER_MIN..=INTEGER_MAX).contains(number) => {
                self.out.put_u8(marker::INTEGER);
                self.u29(number.cast_unsigned() & U29_MAX);
            }
            Value::Integer(number) => self.double(f64::from(*number)),
            Value::Double(number) => self.double(*number),
            Value::String(text) => {
                self.out.put_u8(marker::STRING);
                self.string(text);
            }
            Value::Reference { kind, index } => {
                self.out.put_u8(*kind as u8);
                self.u29(index << 1);
            }
            Value::XmlDocument(text) => self.bytes(Complex::XmlDocument, text.as_bytes()),
            Value::Xml(text) => self.bytes(Complex::Xml, text.as_bytes()),
            Value::ByteArray(bytes) => self.bytes(Complex::ByteArray, bytes),
            Value::Date(ms) => {
                self.head(Complex::Date, 0);
                self.out.put_f64(*ms);
            }
            Value::Object(object) => self.object(object),
            Value::Array { named, dense } => {
                self.head(Complex::Array, dense.len());
                self.pairs(named);
                dense.iter().for_each(|value| self.value(value));
            }
            Value::VectorInt(vector) => self.vector(Complex::VectorInt, vector, |out, n| out.put_i32(*n)),
            Value::VectorUint(vector) => self.vector(Complex::VectorUint, vector, |out, n| out.put_u32(*n)),
            Value::VectorDouble(vector) => {
                self.vector(Complex::VectorDouble, vector, |out, n| out.put_f64(*n))
            }
            Value::VectorObject { class, items } => {
                self.head(Complex::VectorObject, items.items.len());
                self.out.put_u8(u8::from(items.fixed));
                self.string(class);
                items.items.iter().for_each(|value| self.value(value));
            }
            Value::Dictionary { weak, entries } => {
                self.head(Complex::Dictionary, entries.len());
                self.out.put_u8(u8::from(*weak));
                for (key, value) in entries {
                    self.value(key);
                    self.value(value);
                }
            }
        }
    }

    fn double(&mut self, number: f64) {
        self.out.put_u8(marker::DOUBLE);
        self.out.put_f64(number);
    }

    fn bytes(&mut self, kind: Complex, bytes: &[u8]) {
        self.head(kind, bytes.len());
        self.out.put_slice(bytes);
    }

    fn object(&mut self, object: &'v Object) {
        self.out.put_u8(Complex::Object as u8);
        // U29O-traits: in full, not by reference, not externalizable, dynamic or not, number of members.
        let dynamic = u32::from(object.traits.dynamic);
        self.u29((object.traits.members.len() as u32) << 4 | dynamic << 3 | 0b011);
        self.string(&object.traits.class);
        object.traits.members.iter().for_each(|name| self.string(name));
        object.sealed.iter().for_each(|value| self.value(value));
        if object.traits.dynamic {
            self.pairs(&object.dynamic);
        }
    }

    fn pairs(&mut self, pairs: &'v Pairs) {
        for (name, value) in pairs {
            self.string(name);
            self.value(value);
        }
        self.string("");
    }

    fn vector<T>(&mut self, kind: Complex, vector: &Vector<T>, put: impl Fn(&mut BytesMut, &T)) {
        self.head(kind, vector.items.len());
        self.out.put_u8(u8::from(vector.fixed));
        vector.items.iter().for_each(|item| put(self.out, item));
    }

    /// Text without its type. The empty string has no number (1.3.2).
    fn string(&mut self, text: &'v str) {
        if let Some(number) = self.strings.get(text) {
            return self.u29(number << 1);
        }
        if !text.is_empty() {
            self.strings.insert(text, self.strings.len() as u32);
        }
        self.u29((text.len() as u32) << 1 | 1);
        self.out.put_slice(text.as_bytes());
    }

    /// Type and length of a complex value that is sent in full.
    fn head(&mut self, kind: Complex, len: usize) {
        self.out.put_u8(kind as u8);
        self.u29((len as u32) << 1 | 1);
    }

    fn u29(&mut self, value: u32) {
        let byte = |shift: u32| (value >> shift) as u8 & 0x7f | 0x80;
        match value {
            0..0x80 => self.out.put_u8(value as u8),
            0x80..0x4000 => self.out.put_slice(&[byte(7), value as u8 & 0x7f]),
            0x4000..0x20_0000 => self.out.put_slice(&[byte(14), byte(7), value as u8 & 0x7f]),
            _ => {
                assert!(value <= U29_MAX, "a message is shorter than 256 MiB");
                self.out.put_slice(&[byte(22), byte(15), byte(8), value as u8]);
            }
        }
    }
}
