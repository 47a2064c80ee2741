//! The schema of a value: its structs and enums, with the names of their fields and variants.
//!
//! Two builds with the same schema of a state understand the bytes of each other. In: a value. Out: its types
//! by name, each with a fingerprint of its parts. Never: looks at the content of the value.

use serde::ser::{self, Serialize};
use std::collections::BTreeSet;
use std::fmt::{self, Display};

/// Types by name, each with a fingerprint.
pub type Schema = BTreeSet<(String, u32)>;

/// The schema of `value`, as far as it is instantiated: for an enum, the variants that occur.
pub fn schema(value: &impl Serialize) -> Schema {
    let mut reader = Reader::default();
    value.serialize(&mut reader).expect("looking at a value does not fail");
    reader.seen.into_iter().map(|(name, print)| (name.to_owned(), print)).collect()
}

/// A serializer that collects the schema.
#[derive(Default)]
struct Reader {
    seen: BTreeSet<(&'static str, u32)>,
    /// The structs and variants that are being visited, the innermost last.
    open: Vec<(&'static str, u32)>,
}

impl Reader {
    fn begin(&mut self, name: &'static str, variant: &str) {
        self.open.push((name, mix(2_166_136_261, variant)));
    }

    fn field(&mut self, name: &str) {
        if let Some((_, print)) = self.open.last_mut() {
            *print = mix(*print, name);
        }
    }

    fn end(&mut self) {
        self.seen.extend(self.open.pop());
    }
}

/// FNV-1a, with a separator after each word.
fn mix(print: u32, word: &str) -> u32 {
    word.bytes().chain([0xff]).fold(print, |print, byte| (print ^ u32::from(byte)).wrapping_mul(16_777_619))
}

macro_rules! nothing {
    ($($name:ident: $Type:ty),*) => {$(
        fn $name(self, _: $Type) -> Result<(), Never> {
            Ok(())
        }
    )*};
}

impl ser::Serializer for &mut Reader {
    type Ok = ();
    type Error = Never;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    nothing!(
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128,
        serialize_f32: f32, serialize_f64: f64, serialize_char: char, serialize_str: &str,
        serialize_bytes: &[u8], serialize_unit_struct: &'static str
    );

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_none(self) -> Result<(), Never> {
        Ok(())
    }

    fn serialize_unit(self) -> Result<(), Never> {
        Ok(())
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<(), Never> {
        value.serialize(self)
    }

    fn serialize_unit_variant(self, name: &'static str, _: u32, variant: &'static str) -> Result<(), Never> {
        self.begin(name, variant);
        self.end();
        Ok(())
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Never> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Never> {
        self.serialize_unit_variant(name, 0, variant)?;
        value.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Never> {
        self.begin("", "");
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, Never> {
        self.serialize_seq(None)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self, Never> {
        self.serialize_seq(None)
    }

    fn serialize_tuple_struct(self, name: &'static str, _: usize) -> Result<Self, Never> {
        self.begin(name, "");
        Ok(self)
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self, Never> {
        self.begin(name, variant);
        Ok(self)
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Self, Never> {
        self.begin(name, "");
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self, Never> {
        self.begin(name, variant);
        Ok(self)
    }
}

macro_rules! unnamed {
    ($($Part:ident: $name:ident),*) => {$(
        impl ser::$Part for &mut Reader {
            type Ok = ();
            type Error = Never;

            fn $name<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Never> {
                value.serialize(&mut **self)
            }

            fn end(self) -> Result<(), Never> {
                Reader::end(self);
                Ok(())
            }
        }
    )*};
}

unnamed!(
    SerializeSeq: serialize_element,
    SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field,
    SerializeTupleVariant: serialize_field
);

macro_rules! named {
    ($($Part:ident),*) => {$(
        impl ser::$Part for &mut Reader {
            type Ok = ();
            type Error = Never;

            fn serialize_field<T: ?Sized + Serialize>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Never> {
                self.field(name);
                value.serialize(&mut **self)
            }

            fn end(self) -> Result<(), Never> {
                Reader::end(self);
                Ok(())
            }
        }
    )*};
}

named!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for &mut Reader {
    type Ok = ();
    type Error = Never;

    fn serialize_key<T: ?Sized + Serialize>(&mut self, key: &T) -> Result<(), Never> {
        key.serialize(&mut **self)
    }

    fn serialize_value<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Never> {
        value.serialize(&mut **self)
    }

    fn end(self) -> Result<(), Never> {
        Reader::end(self);
        Ok(())
    }
}

/// The error type of the serializer; never used.
#[derive(Debug)]
struct Never;

impl Display for Never {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value could not be looked at")
    }
}

impl std::error::Error for Never {}

impl ser::Error for Never {
    fn custom<T: Display>(_: T) -> Self {
        Never
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_make_the_shape_and_values_do_not() {
        mod before {
            #[derive(serde::Serialize)]
            pub struct Peer {
                pub name: String,
                pub state: Option<State>,
            }
            #[derive(serde::Serialize)]
            pub enum State {
                Open { until: u64 },
                Closed,
            }
        }
        mod after {
            #[derive(serde::Serialize)]
            pub struct Peer {
                pub name: String,
                pub since: u64,
            }
        }
        use before::{Peer, State};
        let peer = |name: &str, state| Peer { name: name.to_owned(), state };
        let open = schema(&vec![peer("a", None), peer("b", Some(State::Open { until: 4 }))]);
        assert_eq!(open, schema(&[peer("c", Some(State::Open { until: 5 })), peer("d", None)]));
        assert!(open.iter().any(|(name, _)| name == "Peer") && open.iter().any(|(name, _)| name == "State"));
        assert_ne!(open, schema(&[peer("b", Some(State::Closed))]));
        let other = schema(&[after::Peer { name: "a".to_owned(), since: 1 }]);
        assert!(!open.is_superset(&other));
    }
}
