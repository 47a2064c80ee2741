//! Bytes to values, with tables that grow while a value is read.

use super::{Complex, Object, Pairs, Traits, Value, Vector, marker};
use crate::wire::amf_reader::{AmfError, Reader};
use std::sync::Arc;

/// Parses one value with tables of its own.
///
/// # Errors
///
/// If the value is malformed or beyond the limits.
pub fn decode_at(reader: &mut Reader<'_>, depth: usize) -> Result<Value, AmfError> {
    Decoder { reader, strings: Vec::new(), traits: Vec::new(), objects: 0 }.value(depth)
}

struct Decoder<'r, 'a> {
    reader: &'r mut Reader<'a>,
    strings: Vec<Arc<str>>,
    traits: Vec<Arc<Traits>>,
    /// Number of complex values that have begun.
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

    /// A complex value that is sent in full. `head` is the rest of its U29: a length for all types but dates
    /// and objects.
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
