//! Canary: an answer of the HTTP API in which a number is wrong by one.

/// The number that is changed: the first of its kind that is not zero.
const KEY: &[u8] = b"\"recv_bytes\":";

/// What leaves instead of `bytes`; `None`: just those. Answers that do not leave whole are let through.
pub(super) fn changed(mut bytes: Vec<u8>, done: &mut bool) -> Option<Vec<u8>> {
    if *done || !bytes.starts_with(b"HTTP/1.1 200 ") {
        return None;
    }
    let keys = bytes.windows(KEY.len()).enumerate().filter(|(_, window)| *window == KEY);
    let mut ends = keys.filter_map(|(at, _)| {
        let digits = &bytes[at + KEY.len()..];
        let len = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
        (len > 1).then_some(at + KEY.len() + len - 1)
    });
    let last = ends.next()?;
    *done = true;
    bytes[last] = if bytes[last] == b'9' { b'8' } else { bytes[last] + 1 };
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::changed;

    #[test]
    fn one_digit_is_another_once() {
        let answer = |body: &str| format!("HTTP/1.1 200 OK\r\n\r\n{body}").into_bytes();
        let mut done = false;
        assert_eq!(changed(answer("{\"recv_bytes\":0}"), &mut done), None);
        let told = changed(answer("{\"recv_bytes\":0,\"recv_bytes\":129}"), &mut done);
        assert_eq!(told, Some(answer("{\"recv_bytes\":0,\"recv_bytes\":128}")));
        assert_eq!(changed(answer("{\"recv_bytes\":129}"), &mut done), None);
    }
}
