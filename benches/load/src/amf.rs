//! As much AMF0 as an RTMP client needs to ask and to understand yes or no.

/// Writes a string.
pub fn string(out: &mut Vec<u8>, text: &str) {
    out.push(2);
    bare_string(out, text);
}

/// Writes a number.
pub fn number(out: &mut Vec<u8>, value: f64) {
    out.push(0);
    out.extend_from_slice(&value.to_be_bytes());
}

/// Writes null.
pub fn null(out: &mut Vec<u8>) {
    out.push(5);
}

/// A property of an object.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// A string.
    Text(&'a str),
    /// A number.
    Number(f64),
}

/// Writes an object.
pub fn object(out: &mut Vec<u8>, properties: &[(&str, Value<'_>)]) {
    out.push(3);
    for (name, value) in properties {
        bare_string(out, name);
        match value {
            Value::Text(text) => string(out, text),
            Value::Number(value) => number(out, *value),
        }
    }
    out.extend_from_slice(&[0, 0, 9]);
}

fn bare_string(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&u16::try_from(text.len()).expect("short texts only").to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// The name of a command and its transaction id.
pub fn command(payload: &[u8]) -> Option<(&str, f64)> {
    let (name, rest) = read_bare_string(payload.strip_prefix(&[2])?)?;
    let id = rest.strip_prefix(&[0])?.first_chunk::<8>()?;
    Some((name, f64::from_be_bytes(*id)))
}

/// The number that ends a command, as in the answer to `createStream`.
pub fn last_number(payload: &[u8]) -> Option<f64> {
    let (marker, number) = payload.last_chunk::<9>()?.split_first_chunk::<1>()?;
    (*marker == [0]).then(|| number.first_chunk::<8>().map(|bytes| f64::from_be_bytes(*bytes)))?
}

/// The property `code` of the information object of an `onStatus` or `_error`, found by its name and type.
pub fn status_code(payload: &[u8]) -> Option<&str> {
    const PROPERTY: &[u8] = b"\0\x04code\x02";
    let at = payload.windows(PROPERTY.len()).position(|bytes| bytes == PROPERTY)?;
    read_bare_string(&payload[at + PROPERTY.len()..]).map(|(code, _)| code)
}

fn read_bare_string(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<2>()?;
    let (text, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
    Some((std::str::from_utf8(text).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_understood() {
        let mut payload = Vec::new();
        string(&mut payload, "onStatus");
        number(&mut payload, 0.0);
        null(&mut payload);
        let words = [("level", Value::Text("status")), ("code", Value::Text("NetStream.Play.Start"))];
        object(&mut payload, &words);
        assert_eq!(command(&payload), Some(("onStatus", 0.0)));
        assert_eq!(status_code(&payload), Some("NetStream.Play.Start"));
    }

    #[test]
    fn the_number_of_a_created_stream_is_found() {
        let mut payload = Vec::new();
        string(&mut payload, "_result");
        number(&mut payload, 4.0);
        null(&mut payload);
        number(&mut payload, 1.0);
        assert_eq!(command(&payload), Some(("_result", 4.0)));
        assert_eq!(last_number(&payload), Some(1.0));
        assert_eq!(last_number(&payload[..4]), None);
    }
}
