//! Canary: in the responses on one HTTP connection, a playlist that loses its last segments.

/// Playlists of a length that are let through before one is cut.
const LISTS_BEFORE: usize = 2;

/// Segments that a playlist loses: what came since the last time, and more.
const LOST: usize = 2;

/// The answers on a connection.
#[derive(Debug, Default)]
pub(super) struct Answers {
    raw: Vec<u8>,
    /// Bytes of a body that still have to go by as they are.
    body: usize,
    /// True once something has come that is no answer of a known length.
    foreign: bool,
    lists: usize,
}

impl Answers {
    /// What leaves instead of `bytes`; `None`: just those.
    pub(super) fn pass(&mut self, bytes: impl Iterator<Item = u8>, done: &mut bool) -> Option<Vec<u8>> {
        if self.foreign {
            return None;
        }
        self.raw.extend(bytes);
        let mut out = Vec::new();
        while !self.foreign && !self.raw.is_empty() {
            if self.body > 0 {
                let len = self.body.min(self.raw.len());
                self.body -= len;
                out.extend(self.raw.drain(..len));
                continue;
            }
            let end = self.raw.windows(4).position(|window| window == b"\r\n\r\n");
            let Some(end) = end.filter(|_| self.raw.starts_with(b"HTTP/")) else {
                self.foreign = !b"HTTP/".starts_with(&self.raw[..self.raw.len().min(5)]);
                break;
            };
            let head = String::from_utf8_lossy(&self.raw[..end + 4]).into_owned();
            let Some(len) = length(&head) else {
                self.foreign = true;
                break;
            };
            let whole = end + 4 + len;
            if head.to_lowercase().contains("mpegurl") {
                if self.raw.len() < whole {
                    break;
                }
                let text = String::from_utf8_lossy(&self.raw[end + 4..whole]).into_owned();
                self.lists += usize::from(text.matches("#EXTINF").count() > LOST);
                let short = (!*done && self.lists > LISTS_BEFORE).then(|| shortened(&text)).flatten();
                if let Some(short) = short {
                    *done = true;
                    self.raw.drain(..whole);
                    let lengths = [len, short.len()].map(|len| format!("ontent-Length: {len}\r\n"));
                    out.extend(head.replace(&lengths[0], &lengths[1]).bytes());
                    out.extend(short.bytes());
                    continue;
                }
            }
            out.extend(self.raw.drain(..end + 4));
            self.body = len;
        }
        if self.foreign {
            out.append(&mut self.raw);
        }
        Some(out)
    }
}

/// How long the body behind a head is.
fn length(head: &str) -> Option<usize> {
    let head = head.to_lowercase();
    let (_, rest) = head.split_once("content-length:")?;
    rest.split("\r\n").next()?.trim().parse().ok()
}

/// A playlist without its last segments.
fn shortened(text: &str) -> Option<String> {
    let starts: Vec<usize> = text.match_indices("#EXTINF").map(|(at, _)| at).collect();
    let first = starts.len().checked_sub(LOST).filter(|first| *first > 0)?;
    Some(text[..starts[first]].to_owned())
}
