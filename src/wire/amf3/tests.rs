//! The specification's examples, hostile values, and everything there and back.

use super::*;
use crate::wire::amf_reader::{AmfError, Reader};
use bytes::BytesMut;
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
fn a_string_sent_by_reference_is_neither_copied_nor_written_out() {
    // A string of 10 000 bytes and 50 000 references to it: an array of 50 001, named elements none.
    let text = "x".repeat(10_000);
    let mut bytes = b"\x09\x86\x8d\x23\x01\x06\x81\x9c\x21".to_vec();
    bytes.extend(text.as_bytes());
    bytes.extend(b"\x06\x00".repeat(50_000));
    let value = decode(&bytes).unwrap();
    let Value::Array { dense, .. } = &value else { panic!("an array") };
    let [Value::String(first), .., Value::String(last)] = &dense[..] else { panic!("strings") };
    assert_eq!(**first, text);
    assert!(Arc::ptr_eq(first, last));
    let mut out = BytesMut::new();
    value.encode(&mut out);
    assert_eq!(out, bytes);
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
