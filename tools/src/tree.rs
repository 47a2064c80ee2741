//! A value as a tree of its parts, with the names of types and fields: so that a part can be replaced
//! wherever it stands.
//!
//! In: a value that can be serialised. Out: a tree that serialises to the same bytes. Never: knows what a
//! part means.

use bytes::Bytes;
use dacapo::base::walk::{Form, Head, Leaf, Visit, walk};
use serde::de::DeserializeOwned;
use serde::ser::{
    Serialize, SerializeMap, SerializeStruct, SerializeStructVariant, SerializeTuple, SerializeTupleStruct,
    SerializeTupleVariant, Serializer,
};

/// A part of a value.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "they are those of `Leaf`")]
pub enum Node {
    Bool(bool),
    U8(u8),
    I8(i8),
    Unsigned(u64),
    Signed(i64),
    Wide(u128),
    F32(f32),
    F64(f64),
    Char(char),
    Text(String),
    Bytes(Bytes),
    None,
    Unit,
    /// A list or an array of bytes.
    Octets(Form, Vec<u8>),
    Group(Box<Group>),
}

/// Parts that belong together.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// How they are held together, and the name of the type: the mark, if it has one.
    pub head: Head,
    /// Names of fields, for those that have some.
    pub keys: Vec<&'static str>,
    /// The parts. Of a map, keys and values take turns.
    pub parts: Vec<Node>,
}

impl Node {
    /// The tree of a value.
    pub fn of(value: &(impl Serialize + ?Sized)) -> Node {
        let mut builder = Builder { open: Vec::new(), root: Node::Unit };
        walk(value, &mut builder);
        builder.root
    }

    /// The value that this is the tree of; `None` if it is the tree of another type.
    pub fn read<T: DeserializeOwned>(&self) -> Option<T> {
        postcard::from_bytes(&postcard::to_allocvec(self).ok()?).ok()
    }

    /// Shows every group of this type, from the first to the last, but not those within one.
    pub fn each<'a>(&'a self, name: &str, show: &mut impl FnMut(&'a Group)) {
        if let Node::Group(group) = self {
            match group.head.name == name {
                true => show(group),
                false => group.parts.iter().for_each(|part| part.each(name, show)),
            }
        }
    }

    /// The same, to be changed.
    pub fn each_mut<'a>(&'a mut self, name: &str, show: &mut impl FnMut(&'a mut Group)) {
        if let Node::Group(group) = self {
            match group.head.name == name {
                true => show(group),
                false => group.parts.iter_mut().for_each(|part| part.each_mut(name, show)),
            }
        }
    }

    /// The bytes of a text, a list, an array or a buffer; none of anything else.
    pub fn octets(&self) -> &[u8] {
        match self {
            Node::Octets(_, bytes) => bytes,
            Node::Bytes(bytes) => bytes,
            Node::Text(text) => text.as_bytes(),
            _ => &[],
        }
    }

    /// Puts other bytes into their place.
    pub fn set_octets(&mut self, new: Vec<u8>) {
        match self {
            Node::Octets(_, bytes) => *bytes = new,
            Node::Bytes(bytes) => *bytes = new.into(),
            Node::Text(text) => *text = String::from_utf8_lossy(&new).into_owned(),
            _ => {}
        }
    }
}

/// Builds a tree.
struct Builder {
    /// The groups that are not complete, the innermost last.
    open: Vec<Open>,
    root: Node,
}

struct Open {
    group: Group,
    /// The parts of a list or an array, as long as they are bytes.
    octets: Vec<u8>,
}

impl Builder {
    fn add(&mut self, node: Node) {
        let Some(Open { group, octets }) = self.open.last_mut() else {
            self.root = node;
            return;
        };
        match node {
            Node::U8(byte)
                if group.parts.is_empty() && matches!(group.head.form, Form::Seq | Form::Tuple) =>
            {
                octets.push(byte);
            }
            node => {
                group.parts.extend(octets.drain(..).map(Node::U8));
                group.parts.push(node);
            }
        }
    }
}

impl Visit for Builder {
    fn leaf(&mut self, leaf: Leaf<'_>) {
        self.add(match leaf {
            Leaf::Bool(value) => Node::Bool(value),
            Leaf::U8(value) => Node::U8(value),
            Leaf::I8(value) => Node::I8(value),
            Leaf::Unsigned(value) => Node::Unsigned(value),
            Leaf::Signed(value) => Node::Signed(value),
            Leaf::Wide(value) => Node::Wide(value),
            Leaf::F32(value) => Node::F32(value),
            Leaf::F64(value) => Node::F64(value),
            Leaf::Char(value) => Node::Char(value),
            Leaf::Text(text) => Node::Text(text.to_owned()),
            Leaf::Bytes(bytes) => Node::Bytes(Bytes::copy_from_slice(bytes)),
            Leaf::None => Node::None,
            Leaf::Unit => Node::Unit,
        });
    }

    fn open(&mut self, head: Head) {
        let group = Group { head, keys: Vec::new(), parts: Vec::new() };
        self.open.push(Open { group, octets: Vec::new() });
    }

    fn field(&mut self, name: &'static str) {
        if let Some(open) = self.open.last_mut() {
            open.group.keys.push(name);
        }
    }

    fn close(&mut self) {
        let Some(Open { group, octets }) = self.open.pop() else { return };
        self.add(match octets.is_empty() {
            true => Node::Group(Box::new(group)),
            false => Node::Octets(group.head.form, octets),
        });
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
            Node::None => to.serialize_none(),
            Node::Unit => to.serialize_unit(),
            Node::Octets(Form::Tuple, bytes) => {
                let mut tuple = to.serialize_tuple(bytes.len())?;
                bytes.iter().try_for_each(|byte| tuple.serialize_element(byte))?;
                tuple.end()
            }
            Node::Octets(_, bytes) => to.collect_seq(bytes),
            Node::Group(group) => group.serialize(to),
        }
    }
}

impl Serialize for Group {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Head { form, name, index, variant } = self.head;
        let (parts, len) = (&self.parts, self.parts.len());
        let mut fields = self.keys.iter().zip(parts);
        match form {
            Form::Some => to.serialize_some(&parts[0]),
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

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Id([u8; 3]);

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    enum Kind {
        None,
        One(Id),
        Two(u8, String),
        Three { wide: u128, less: i32, text: Option<char> },
    }

    #[test]
    fn a_tree_has_the_bytes_and_the_schema_of_its_value() {
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
        assert_eq!(tree.read().as_ref(), Some(&value));
        let mut ids = Vec::new();
        tree.each("Id", &mut |id| ids.push(id.parts[0].octets()));
        assert_eq!(ids, [&[1, 2, 3][..]]);
    }
}
