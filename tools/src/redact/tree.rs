//! A value as a tree of its parts, with the names of types and fields: so that words can be replaced wherever
//! they stand, and a field that is added to a type is replaced without anybody's doing.
//!
//! In: a value that can be serialized. Out: a tree that is serialized to the same bytes, and has the same
//! [schema](mod@dacapo::base::schema). Never: knows what a part means.

mod make;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::ser::{
    Serialize, SerializeMap, SerializeStruct, SerializeStructVariant, SerializeTuple, SerializeTupleStruct,
    SerializeTupleVariant, Serializer,
};

/// The value that this is the tree of.
pub fn read<T: DeserializeOwned>(tree: &impl Serialize) -> T {
    let bytes = postcard::to_allocvec(tree).expect("what is saved is plain data");
    postcard::from_bytes(&bytes).expect("a tree is what was made a tree of")
}

/// A part of a value.
#[derive(Clone, Debug)]
pub enum Node {
    Bool(bool),
    /// A byte that stands among other things.
    U8(u8),
    I8(i8),
    /// Any other number without a sign: the format writes all widths alike.
    Unsigned(u64),
    Signed(i64),
    Wide(u128),
    F32(f32),
    F64(f64),
    Char(char),
    Text(String),
    Bytes(Bytes),
    /// A list or an array of bytes.
    Octets(Form, Vec<u8>),
    None,
    Some(Box<Node>),
    Unit,
    Group(Box<Group>),
}

/// How parts are held together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
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

/// Parts that belong together.
#[derive(Clone, Debug)]
pub struct Group {
    pub form: Form,
    /// The type; empty for lists and the like.
    pub name: &'static str,
    /// Place and name of the variant, for those that are one.
    pub index: u32,
    pub variant: &'static str,
    /// Names of fields, for those that have some.
    pub keys: Vec<&'static str>,
    pub parts: Vec<Node>,
}

impl Node {
    /// The tree of a value.
    pub fn of(value: &impl Serialize) -> Node {
        value.serialize(make::Maker).expect("what is saved is plain data")
    }

    /// The first group of this type in or below it.
    pub fn find(&self, name: &str) -> Option<&Group> {
        match self {
            Node::Group(group) if group.name == name => Some(group),
            Node::Group(group) => group.parts.iter().find_map(|part| part.find(name)),
            Node::Some(part) => part.find(name),
            _ => None,
        }
    }

    /// The same, to be changed.
    pub fn find_mut(&mut self, name: &str) -> Option<&mut Group> {
        match self {
            Node::Group(group) => match group.name == name {
                true => Some(group),
                false => group.parts.iter_mut().find_map(|part| part.find_mut(name)),
            },
            Node::Some(part) => part.find_mut(name),
            _ => None,
        }
    }

    /// Shows every group of this type, but not those within one.
    pub fn each(&mut self, name: &str, edit: &mut impl FnMut(&mut Node)) {
        match self {
            Node::Group(group) if group.name == name => edit(self),
            Node::Group(group) => group.parts.iter_mut().for_each(|part| part.each(name, edit)),
            Node::Some(part) => part.each(name, edit),
            _ => {}
        }
    }

    /// All groups of this type, but not those within one.
    pub fn gather<'a>(&'a self, name: &str, found: &mut Vec<&'a Group>) {
        match self {
            Node::Group(group) if group.name == name => found.push(group),
            Node::Group(group) => group.parts.iter().for_each(|part| part.gather(name, found)),
            Node::Some(part) => part.gather(name, found),
            _ => {}
        }
    }

    /// The bytes of a list, an array or a buffer; none of anything else.
    pub fn octets(&self) -> &[u8] {
        match self {
            Node::Octets(_, bytes) => bytes,
            Node::Bytes(bytes) => bytes,
            _ => &[],
        }
    }

    /// Puts as many other bytes into their place.
    pub fn set_octets(&mut self, new: &[u8]) {
        match self {
            Node::Octets(_, bytes) => bytes.copy_from_slice(new),
            Node::Bytes(bytes) => *bytes = Bytes::copy_from_slice(new),
            _ => assert!(new.is_empty(), "what holds no bytes is given none"),
        }
    }
}

impl Group {
    /// The field of this name.
    pub fn field(&self, key: &str) -> Option<&Node> {
        self.keys.iter().position(|other| *other == key).map(|at| &self.parts[at])
    }

    /// The same, to be changed.
    pub fn field_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.keys.iter().position(|other| *other == key).map(|at| &mut self.parts[at])
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Node::Bool(value) => to.serialize_bool(*value),
            Node::U8(value) => to.serialize_u8(*value),
            Node::I8(value) => to.serialize_i8(*value),
            Node::Unsigned(value) => to.serialize_u64(*value),
            Node::Signed(value) => to.serialize_i64(*value),
            Node::Wide(value) => to.serialize_u128(*value),
            Node::F32(value) => to.serialize_f32(*value),
            Node::F64(value) => to.serialize_f64(*value),
            Node::Char(value) => to.serialize_char(*value),
            Node::Text(text) => to.serialize_str(text),
            Node::Bytes(bytes) => to.serialize_bytes(bytes),
            Node::Octets(Form::Tuple, bytes) => {
                let mut tuple = to.serialize_tuple(bytes.len())?;
                bytes.iter().try_for_each(|byte| tuple.serialize_element(byte))?;
                tuple.end()
            }
            Node::Octets(_, bytes) => to.collect_seq(bytes),
            Node::None => to.serialize_none(),
            Node::Some(value) => to.serialize_some(value),
            Node::Unit => to.serialize_unit(),
            Node::Group(group) => group.serialize(to),
        }
    }
}

impl Serialize for Group {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let &Group { form, name, index, variant, .. } = self;
        let (parts, len) = (&self.parts, self.parts.len());
        let mut fields = self.keys.iter().zip(parts);
        match form {
            Form::Newtype => to.serialize_newtype_struct(name, &parts[0]),
            Form::NewtypeVariant => to.serialize_newtype_variant(name, index, variant, &parts[0]),
            Form::UnitVariant => to.serialize_unit_variant(name, index, variant),
            Form::Seq => to.collect_seq(parts),
            Form::Tuple => {
                let mut out = to.serialize_tuple(len)?;
                parts.iter().try_for_each(|part| out.serialize_element(part))?;
                out.end()
            }
            Form::TupleStruct => {
                let mut out = to.serialize_tuple_struct(name, len)?;
                parts.iter().try_for_each(|part| out.serialize_field(part))?;
                out.end()
            }
            Form::TupleVariant => {
                let mut out = to.serialize_tuple_variant(name, index, variant, len)?;
                parts.iter().try_for_each(|part| out.serialize_field(part))?;
                out.end()
            }
            Form::Map => {
                let mut out = to.serialize_map(Some(len / 2))?;
                parts.chunks_exact(2).try_for_each(|pair| out.serialize_entry(&pair[0], &pair[1]))?;
                out.end()
            }
            Form::Struct => {
                let mut out = to.serialize_struct(name, len)?;
                fields.try_for_each(|(key, part)| out.serialize_field(key, part))?;
                out.end()
            }
            Form::StructVariant => {
                let mut out = to.serialize_struct_variant(name, index, variant, len)?;
                fields.try_for_each(|(key, part)| out.serialize_field(key, part))?;
                out.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Node;
    use dacapo::base::schema::schema;
    use serde::{Deserialize, Serialize};
    use std::collections::BTreeMap;
    use std::net::SocketAddr;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Id([u8; 3]);

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Kind {
        None,
        One(Id),
        Two(u8, String),
        Three { wide: u128, less: i32, text: Option<char> },
    }

    #[test]
    fn a_tree_has_the_bytes_and_the_shape_of_its_value() {
        let kinds = vec![
            Kind::None,
            Kind::One(Id([1, 2, 3])),
            Kind::Two(9, "a".to_owned()),
            Kind::Three { wide: 1 << 99, less: -5, text: Some('ü') },
        ];
        let peers: Vec<SocketAddr> =
            vec![([192, 0, 2, 7], 9).into(), "[::1]:80".parse().expect("an address")];
        let map: BTreeMap<u16, Vec<u8>> = [(300, vec![1, 2]), (301, vec![])].into();
        let value = (kinds, (7u8, -7i8, 1.5f64, ()), peers, map, bytes::Bytes::from_static(b"abc"));
        let tree = Node::of(&value);
        let bytes = |result: Result<Vec<u8>, _>| result.expect("plain data");
        assert_eq!(bytes(postcard::to_allocvec(&tree)), bytes(postcard::to_allocvec(&value)));
        assert_eq!(schema(&tree), schema(&value));
        assert_eq!(tree.find("Id").map(|id| id.parts[0].octets()), Some(&[1, 2, 3][..]));
    }
}
