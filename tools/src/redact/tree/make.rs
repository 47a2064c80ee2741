//! Makes a tree of a value: the other end of what serializes one.

use super::{Form, Group, Node};
use bytes::Bytes;
use postcard::Error;
use serde::ser::{self, Serialize};

/// Takes a value in.
pub struct Maker;

/// Takes the parts of a group in.
pub struct Open {
    group: Group,
    /// The parts of a list or an array, as long as they are bytes.
    octets: Vec<u8>,
}

impl Open {
    fn new(form: Form, name: &'static str, index: u32, variant: &'static str) -> Self {
        let group = Group { form, name, index, variant, keys: Vec::new(), parts: Vec::new() };
        Open { group, octets: Vec::new() }
    }

    fn add(&mut self, value: &(impl ?Sized + Serialize)) -> Result<(), Error> {
        match value.serialize(Maker)? {
            Node::U8(byte)
                if self.group.parts.is_empty() && matches!(self.group.form, Form::Seq | Form::Tuple) =>
            {
                self.octets.push(byte);
            }
            node => {
                self.group.parts.extend(self.octets.drain(..).map(Node::U8));
                self.group.parts.push(node);
            }
        }
        Ok(())
    }

    fn close(self) -> Node {
        match self.octets.is_empty() {
            true => Node::Group(Box::new(self.group)),
            false => Node::Octets(self.group.form, self.octets),
        }
    }
}

macro_rules! leaves {
    ($($name:ident: $Type:ty => $leaf:expr),* $(,)?) => {$(
        fn $name(self, value: $Type) -> Result<Node, Error> {
            Ok($leaf(value))
        }
    )*};
}

impl ser::Serializer for Maker {
    type Ok = Node;
    type Error = Error;
    type SerializeSeq = Open;
    type SerializeTuple = Open;
    type SerializeTupleStruct = Open;
    type SerializeTupleVariant = Open;
    type SerializeMap = Open;
    type SerializeStruct = Open;
    type SerializeStructVariant = Open;

    leaves!(
        serialize_bool: bool => Node::Bool,
        serialize_u8: u8 => Node::U8,
        serialize_i8: i8 => Node::I8,
        serialize_u16: u16 => |value| Node::Unsigned(u64::from(value)),
        serialize_u32: u32 => |value| Node::Unsigned(u64::from(value)),
        serialize_u64: u64 => Node::Unsigned,
        serialize_u128: u128 => Node::Wide,
        serialize_i16: i16 => |value| Node::Signed(i64::from(value)),
        serialize_i32: i32 => |value| Node::Signed(i64::from(value)),
        serialize_i64: i64 => Node::Signed,
        serialize_f32: f32 => Node::F32,
        serialize_f64: f64 => Node::F64,
        serialize_char: char => Node::Char,
        serialize_str: &str => |text: &str| Node::Text(text.to_owned()),
        serialize_bytes: &[u8] => |bytes| Node::Bytes(Bytes::copy_from_slice(bytes)),
        serialize_unit_struct: &'static str => |_| Node::Unit,
    );

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_none(self) -> Result<Node, Error> {
        Ok(Node::None)
    }

    fn serialize_unit(self) -> Result<Node, Error> {
        Ok(Node::Unit)
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<Node, Error> {
        Ok(Node::Some(Box::new(value.serialize(Maker)?)))
    }

    fn serialize_unit_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<Node, Error> {
        Ok(Open::new(Form::UnitVariant, name, index, variant).close())
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<Node, Error> {
        let mut open = Open::new(Form::Newtype, name, 0, "");
        open.add(value)?;
        Ok(open.close())
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Node, Error> {
        let mut open = Open::new(Form::NewtypeVariant, name, index, variant);
        open.add(value)?;
        Ok(open.close())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Open, Error> {
        Ok(Open::new(Form::Seq, "", 0, ""))
    }

    fn serialize_tuple(self, _: usize) -> Result<Open, Error> {
        Ok(Open::new(Form::Tuple, "", 0, ""))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Open, Error> {
        Ok(Open::new(Form::Map, "", 0, ""))
    }

    fn serialize_tuple_struct(self, name: &'static str, _: usize) -> Result<Open, Error> {
        Ok(Open::new(Form::TupleStruct, name, 0, ""))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Open, Error> {
        Ok(Open::new(Form::TupleVariant, name, index, variant))
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Open, Error> {
        Ok(Open::new(Form::Struct, name, 0, ""))
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Open, Error> {
        Ok(Open::new(Form::StructVariant, name, index, variant))
    }
}

macro_rules! unnamed {
    ($($Part:ident: $name:ident),*) => {$(
        impl ser::$Part for Open {
            type Ok = Node;
            type Error = Error;

            fn $name<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Error> {
                self.add(value)
            }

            fn end(self) -> Result<Node, Error> {
                Ok(self.close())
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
        impl ser::$Part for Open {
            type Ok = Node;
            type Error = Error;

            fn serialize_field<T: ?Sized + Serialize>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), Error> {
                self.group.keys.push(key);
                self.add(value)
            }

            fn end(self) -> Result<Node, Error> {
                Ok(self.close())
            }
        }
    )*};
}

named!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Open {
    type Ok = Node;
    type Error = Error;

    fn serialize_key<T: ?Sized + Serialize>(&mut self, key: &T) -> Result<(), Error> {
        self.add(key)
    }

    fn serialize_value<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Error> {
        self.add(value)
    }

    fn end(self) -> Result<Node, Error> {
        Ok(self.close())
    }
}
