//! AMF0 values (Adobe AMF0, 2007), as far as RTMP commands use them.

use super::Wrong;

/// How deep values may be nested for a reader; no program needs more than a few.
pub const DEPTH_MAX: usize = 32;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Amf {
    /// A number.
    Number(f64),
    /// A truth value.
    Boolean(bool),
    /// A string, short or long.
    String(String),
    /// An object or an ECMA array.
    Object(Vec<(String, Amf)>),
    /// Null or undefined.
    Null,
    /// A strict array.
    Array(Vec<Amf>),
}

impl Amf {
    /// A string.
    pub fn text(text: &str) -> Self {
        Amf::String(text.to_owned())
    }

    /// The member `name` of an object.
    pub fn member(&self, name: &str) -> Option<&Amf> {
        let Amf::Object(members) = self else { return None };
        members.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The string that it is.
    pub fn as_str(&self) -> Option<&str> {
        if let Amf::String(text) = self { Some(text) } else { None }
    }

    /// Appends its bytes.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        match self {
            Amf::Number(number) => {
                bytes.push(0);
                bytes.extend(number.to_be_bytes());
            }
            Amf::Boolean(truth) => bytes.extend([1, u8::from(*truth)]),
            Amf::String(text) => {
                bytes.push(2);
                key(text, bytes);
            }
            Amf::Object(members) => {
                bytes.push(3);
                for (name, value) in members {
                    key(name, bytes);
                    value.write(bytes);
                }
                bytes.extend([0, 0, 9]);
            }
            Amf::Null => bytes.push(5),
            Amf::Array(values) => {
                bytes.push(10);
                bytes.extend(u32::try_from(values.len()).expect("a short array").to_be_bytes());
                values.iter().for_each(|value| value.write(bytes));
            }
        }
    }

    /// All values in `bytes`.
    ///
    /// # Panics
    /// If they are not well-formed.
    #[track_caller]
    pub fn read_all(bytes: &[u8]) -> Vec<Amf> {
        Amf::try_read_all(bytes).unwrap_or_else(|wrong| panic!("{wrong}"))
    }

    /// All values in `bytes`.
    ///
    /// # Errors
    /// If they are not well-formed, or nested beyond [`DEPTH_MAX`].
    pub fn try_read_all(mut bytes: &[u8]) -> Result<Vec<Amf>, Wrong> {
        let mut values = Vec::new();
        while !bytes.is_empty() {
            let start = bytes;
            let value = read(&mut bytes, DEPTH_MAX);
            let excerpt = || Wrong(format!("not AMF0 from {:02x?} on", &start[..start.len().min(64)]));
            values.push(value.ok_or_else(excerpt)?);
        }
        Ok(values)
    }
}

fn key(text: &str, bytes: &mut Vec<u8>) {
    bytes.extend(u16::try_from(text.len()).expect("a short string").to_be_bytes());
    bytes.extend(text.as_bytes());
}

fn read(bytes: &mut &[u8], depth: usize) -> Option<Amf> {
    let depth = depth.checked_sub(1)?;
    Some(match take(bytes, 1)?[0] {
        0 => Amf::Number(f64::from_be_bytes(take(bytes, 8)?.try_into().ok()?)),
        1 => Amf::Boolean(take(bytes, 1)?[0] != 0),
        2 => Amf::String(short_string(bytes)?),
        3 => Amf::Object(members(bytes, depth)?),
        5 | 6 => Amf::Null,
        8 => {
            take(bytes, 4)?;
            Amf::Object(members(bytes, depth)?)
        }
        10 => {
            let count = u32::from_be_bytes(take(bytes, 4)?.try_into().ok()?);
            Amf::Array((0..count).map(|_| read(bytes, depth)).collect::<Option<_>>()?)
        }
        11 => {
            let date = f64::from_be_bytes(take(bytes, 8)?.try_into().ok()?);
            take(bytes, 2)?;
            Amf::Number(date)
        }
        12 => {
            let length = u32::from_be_bytes(take(bytes, 4)?.try_into().ok()?);
            Amf::String(text(take(bytes, length as usize)?))
        }
        _ => return None,
    })
}

fn members(bytes: &mut &[u8], depth: usize) -> Option<Vec<(String, Amf)>> {
    let mut members = Vec::new();
    loop {
        let name = short_string(bytes)?;
        if name.is_empty() && bytes.first() == Some(&9) {
            take(bytes, 1)?;
            return Some(members);
        }
        members.push((name, read(bytes, depth)?));
    }
}

fn short_string(bytes: &mut &[u8]) -> Option<String> {
    let length = u16::from_be_bytes(take(bytes, 2)?.try_into().ok()?);
    Some(text(take(bytes, usize::from(length))?))
}

/// Text of clients that do not know UTF-8 is text all the same.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::Amf;

    #[test]
    fn what_is_written_is_read_again() {
        let values = [
            Amf::text("connect"),
            Amf::Number(1.0),
            Amf::Object(vec![("app".to_owned(), Amf::text("live")), ("x".to_owned(), Amf::Boolean(true))]),
            Amf::Null,
            Amf::Array(vec![Amf::Number(-0.5)]),
        ];
        let mut bytes = Vec::new();
        values.iter().for_each(|value| value.write(&mut bytes));
        assert_eq!(Amf::read_all(&bytes), values);
        assert_eq!(values[2].member("app").and_then(Amf::as_str), Some("live"));
    }

    #[test]
    fn what_is_cut_or_nested_without_end_is_an_error() {
        Amf::try_read_all(&[2, 0, 9, b'x']).expect_err("a string that is cut");
        Amf::try_read_all(&[10, 0, 0, 0, 1].repeat(100_000)).expect_err("arrays in arrays");
        Amf::try_read_all(&[3, 0, 1, b'a'].repeat(100_000)).expect_err("objects in objects");
    }
}
