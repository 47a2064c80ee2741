//! The parts of a value one after the other, with the names of types, variants and fields.
//!
//! In: a value that can be serialised. Out: calls of a [`Visit`], in the order in which the value serialises
//! its parts. Never: knows what a part means.

use serde::ser::{self, Serialize};
use std::fmt::{self, Display};

/// A visitor of the parts of a value.
pub trait Visit {
    /// A part without parts.
    fn leaf(&mut self, leaf: Leaf<'_>);
    /// Parts that belong together follow, until [`Visit::close`].
    fn open(&mut self, head: Head);
    /// The next part of the group is this field.
    fn field(&mut self, name: &'static str);
    /// The group that was opened last is complete.
    fn close(&mut self);
}

/// A part without parts.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "their names say it")]
pub enum Leaf<'a> {
    Bool(bool),
    U8(u8),
    I8(i8),
    /// Any other number without a sign: saved servers write all widths alike.
    Unsigned(u64),
    /// Any other number with a sign.
    Signed(i64),
    Wide(u128),
    F32(f32),
    F64(f64),
    Char(char),
    Text(&'a str),
    Bytes(&'a [u8]),
    None,
    Unit,
}

/// How the parts of a group are held together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are those of serde's data model")]
pub enum Form {
    Some,
    Newtype,
    NewtypeVariant,
    UnitVariant,
    Seq,
    Tuple,
    TupleStruct,
    TupleVariant,
    /// Keys and values take turns.
    Map,
    Struct,
    StructVariant,
}

/// The head of a group of parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// How its parts are held together.
    pub form: Form,
    /// The type; empty for lists and the like.
    pub name: &'static str,
    /// The place of the variant among those of its type, for groups that are one.
    pub index: u32,
    /// The name of the variant, for groups that are one.
    pub variant: &'static str,
}

impl Head {
    fn new(form: Form, name: &'static str) -> Self {
        Head { form, name, index: 0, variant: "" }
    }
}

/// Shows all parts of `value` to `visit`, as `value` serialises itself for binary formats.
pub fn walk(value: &(impl Serialize + ?Sized), visit: &mut impl Visit) {
    value.serialize(&mut Walker(visit)).expect("what is looked at is plain data");
}

struct Walker<'a, V>(&'a mut V);

impl<V: Visit> Walker<'_, V> {
    fn open(&mut self, head: Head) -> Result<&mut Self, Refused> {
        self.0.open(head);
        Ok(self)
    }

    /// A group with one part.
    fn wrap(&mut self, head: Head, value: &(impl Serialize + ?Sized)) -> Result<(), Refused> {
        self.0.open(head);
        value.serialize(&mut *self)?;
        self.0.close();
        Ok(())
    }
}

macro_rules! leaves {
    ($($name:ident: $Type:ty => $leaf:expr),* $(,)?) => {$(
        fn $name(self, value: $Type) -> Result<(), Refused> {
            self.0.leaf($leaf(value));
            Ok(())
        }
    )*};
}

impl<V: Visit> ser::Serializer for &mut Walker<'_, V> {
    type Ok = ();
    type Error = Refused;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    leaves!(
        serialize_bool: bool => Leaf::Bool,
        serialize_u8: u8 => Leaf::U8,
        serialize_i8: i8 => Leaf::I8,
        serialize_u16: u16 => |value| Leaf::Unsigned(u64::from(value)),
        serialize_u32: u32 => |value| Leaf::Unsigned(u64::from(value)),
        serialize_u64: u64 => Leaf::Unsigned,
        serialize_u128: u128 => Leaf::Wide,
        serialize_i16: i16 => |value| Leaf::Signed(i64::from(value)),
        serialize_i32: i32 => |value| Leaf::Signed(i64::from(value)),
        serialize_i64: i64 => Leaf::Signed,
        serialize_f32: f32 => Leaf::F32,
        serialize_f64: f64 => Leaf::F64,
        serialize_char: char => Leaf::Char,
        serialize_str: &str => Leaf::Text,
        serialize_bytes: &[u8] => Leaf::Bytes,
        serialize_unit_struct: &'static str => |_| Leaf::Unit,
    );

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_none(self) -> Result<(), Refused> {
        self.0.leaf(Leaf::None);
        Ok(())
    }

    fn serialize_unit(self) -> Result<(), Refused> {
        self.0.leaf(Leaf::Unit);
        Ok(())
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<(), Refused> {
        self.wrap(Head::new(Form::Some, ""), value)
    }

    fn serialize_unit_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<(), Refused> {
        self.open(Head { index, variant, ..Head::new(Form::UnitVariant, name) })?.0.close();
        Ok(())
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        self.wrap(Head::new(Form::Newtype, name), value)
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        self.wrap(Head { index, variant, ..Head::new(Form::NewtypeVariant, name) }, value)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Refused> {
        self.open(Head::new(Form::Seq, ""))
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, Refused> {
        self.open(Head::new(Form::Tuple, ""))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self, Refused> {
        self.open(Head::new(Form::Map, ""))
    }

    fn serialize_tuple_struct(self, name: &'static str, _: usize) -> Result<Self, Refused> {
        self.open(Head::new(Form::TupleStruct, name))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self, Refused> {
        self.open(Head { index, variant, ..Head::new(Form::TupleVariant, name) })
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Self, Refused> {
        self.open(Head::new(Form::Struct, name))
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self, Refused> {
        self.open(Head { index, variant, ..Head::new(Form::StructVariant, name) })
    }
}

macro_rules! parts {
    ($($Parts:ident: $name:ident $(, $field:ident)?;)*) => {$(
        impl<V: Visit> ser::$Parts for &mut Walker<'_, V> {
            type Ok = ();
            type Error = Refused;

            fn $name<T: ?Sized + Serialize>(
                &mut self,
                $($field: &'static str,)?
                value: &T,
            ) -> Result<(), Refused> {
                $(self.0.field($field);)?
                value.serialize(&mut **self)
            }

            fn end(self) -> Result<(), Refused> {
                self.0.close();
                Ok(())
            }
        }
    )*};
}

parts!(
    SerializeSeq: serialize_element;
    SerializeTuple: serialize_element;
    SerializeTupleStruct: serialize_field;
    SerializeTupleVariant: serialize_field;
    SerializeStruct: serialize_field, name;
    SerializeStructVariant: serialize_field, name;
);

impl<V: Visit> ser::SerializeMap for &mut Walker<'_, V> {
    type Ok = ();
    type Error = Refused;

    fn serialize_key<T: ?Sized + Serialize>(&mut self, key: &T) -> Result<(), Refused> {
        key.serialize(&mut **self)
    }

    fn serialize_value<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Refused> {
        value.serialize(&mut **self)
    }

    fn end(self) -> Result<(), Refused> {
        self.0.close();
        Ok(())
    }
}

/// A value refused to be serialised, which plain data never do.
#[derive(Debug)]
struct Refused(String);

impl Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

impl ser::Error for Refused {
    fn custom<T: Display>(why: T) -> Self {
        Refused(why.to_string())
    }
}
