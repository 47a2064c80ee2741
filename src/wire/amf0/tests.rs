//! Commands as clients send them, hostile values, and everything there and back.

use super::*;
use proptest::prelude::*;

fn encoded(value: &Value) -> Vec<u8> {
    let mut out = BytesMut::new();
    value.encode(&mut out);
    out.to_vec()
}

#[test]
fn a_connect_command_reads_as_the_wire_has_it() {
    let bytes = [
        &b"\x02\x00\x07connect"[..],
        b"\x00\x3f\xf0\0\0\0\0\0\0",
        b"\x03\x00\x03app\x02\x00\x04live\x00\x04fpad\x01\x00\x00\x00\x09",
    ]
    .concat();
    let values = decode_all(&bytes).unwrap();
    let command = Value::object([("app", "live".into()), ("fpad", false.into())]);
    assert_eq!(values, ["connect".into(), 1.0.into(), command]);
    assert_eq!(values[2].get("app").and_then(Value::as_str), Some("live"));
    let mut out = BytesMut::new();
    encode_all(&values, &mut out);
    assert_eq!(out, bytes);
}

#[test]
fn the_end_of_the_message_ends_an_open_object() {
    for tail in [&b""[..], b"\0", b"\0\0", b"\0\0\x09"] {
        let bytes = [&b"\x03\x00\x01a\x05"[..], tail].concat();
        assert_eq!(decode_all(&bytes).unwrap(), [Value::object([("a", Value::Null)])]);
    }
    assert_eq!(decode(&mut &b"\x03\x00\x01a\x05"[..]), Err(AmfError::Truncated));
    assert_eq!(decode_all(b"\x03\x00\x05a"), Err(AmfError::Truncated));
}

#[test]
fn the_count_of_an_ecma_array_is_only_a_hint() {
    let bytes = b"\x08\xff\xff\xff\xff\x00\x01a\x05\x00\x00\x09";
    assert_eq!(decode(&mut &bytes[..]).unwrap(), Value::ecma_array([("a", Value::Null)]));
}

#[test]
fn an_array_that_claims_four_billion_values_is_refused_at_once() {
    assert_eq!(decode(&mut &b"\x0a\xff\xff\xff\xff\x05\x05"[..]), Err(AmfError::Truncated));
    assert_eq!(decode(&mut &b"\x0c\xff\xff\xff\xffabc"[..]), Err(AmfError::Truncated));
}

#[test]
fn deep_nesting_is_refused_without_using_up_the_stack() {
    let objects = b"\x03\x00\x01a".repeat(200_000);
    let arrays = b"\x0a\x00\x00\x00\x01".repeat(200_000);
    let ecma = b"\x08\x00\x00\x00\x01\x00\x01a".repeat(200_000);
    for bytes in [objects, arrays, ecma] {
        assert_eq!(decode_all(&bytes), Err(AmfError::TooDeep));
    }
}

#[test]
fn the_number_of_values_is_limited() {
    let nulls = vec![0x05; VALUES_MAX + 1];
    assert_eq!(decode_all(&nulls[1..]).unwrap().len(), VALUES_MAX);
    assert_eq!(decode_all(&nulls), Err(AmfError::TooMany));
}

#[test]
fn reserved_markers_are_refused() {
    for reserved in [0x04, 0x09, 0x0e, 0x12, 0xff] {
        assert_eq!(decode(&mut &[reserved][..]), Err(AmfError::Marker(reserved)));
    }
}

#[test]
fn an_empty_name_is_a_name_unless_the_end_marker_follows() {
    let value = Value::object([("", 1.0.into()), ("b", Value::Null)]);
    assert_eq!(decode(&mut &encoded(&value)[..]).unwrap(), value);
}

#[test]
fn the_last_of_equal_names_counts() {
    let value = Value::object([("a", 1.into()), ("a", 2.into())]);
    assert_eq!(value.get("a").and_then(Value::as_number), Some(2.0));
}

#[test]
fn text_in_another_charset_is_replaced() {
    assert_eq!(decode(&mut &b"\x02\x00\x02\xff\xfe"[..]).unwrap(), "\u{fffd}\u{fffd}".into());
}

#[test]
fn long_text_is_written_as_a_long_string() {
    let text = "x".repeat(65_536);
    let bytes = encoded(&Value::String(text.clone()));
    assert_eq!(bytes[..5], [0x0c, 0, 1, 0, 0]);
    assert_eq!(decode(&mut &bytes[..]).unwrap(), Value::LongString(text));
}

#[test]
fn a_name_that_is_too_long_is_cut_at_a_character() {
    let name = format!("{}é", "x".repeat(65_534));
    let bytes = encoded(&Value::object([(name, Value::Null)]));
    let pairs = decode(&mut &bytes[..]).unwrap();
    assert_eq!(pairs.pairs().unwrap()[0].0.len(), 65_534);
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<f64>().prop_filter("equal to itself", |number| !number.is_nan()).prop_map(Value::Number),
        any::<bool>().prop_map(Value::Boolean),
        ".{0,12}".prop_map(Value::String),
        Just(Value::Null),
        Just(Value::Undefined),
        Just(Value::Unsupported),
        any::<u16>().prop_map(Value::Reference),
        (-1e15..1e15, any::<i16>()).prop_map(|(ms, tz)| Value::Date { ms, tz }),
        ".{0,12}".prop_map(Value::LongString),
        ".{0,12}".prop_map(Value::XmlDocument),
        amf3::tests::any_value().prop_map(|value| Value::AvmPlus(Box::new(value))),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        let pairs = prop::collection::vec((".{0,6}", inner.clone()), 0..6);
        prop_oneof![
            pairs.clone().prop_map(Value::Object),
            pairs.clone().prop_map(Value::EcmaArray),
            (".{0,6}", pairs)
                .prop_map(|(class, members)| Value::TypedObject(Box::new(TypedObject { class, members }))),
            prop::collection::vec(inner, 0..6).prop_map(Value::StrictArray),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(values in prop::collection::vec(any_value(), 0..4)) {
        let mut out = BytesMut::new();
        encode_all(&values, &mut out);
        prop_assert_eq!(decode_all(&out).unwrap(), values.clone());
        let mut rest = &out[..];
        for value in values {
            prop_assert_eq!(decode(&mut rest).unwrap(), value);
        }
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(
        bytes in prop::collection::vec(prop_oneof![0u8..0x14, any::<u8>()], 0..256),
    ) {
        let _ = decode_all(&bytes);
        let mut rest = &bytes[..];
        let before = rest.len();
        if decode(&mut rest).is_err() {
            prop_assert_eq!(rest.len(), before);
        }
    }
}
