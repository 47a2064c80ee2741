//! Files made of streams (HLS), and everything else that has a length and an `ETag`.
//!
//! In: a file and the conditional headers of a request. Out: the file whole, one byte range of it, compressed
//! (text, where it pays), or 304. Segments never change under their names, so caches may keep them for ever;
//! playlists are fresh for as long as the packager says.

use crate::base::fetched::Fetched;
use crate::session::http::response::Reply;
use crate::wire::http1::{ByteRange, Headers, Status, accepts_gzip, byte_range, matches_etag};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::io::Write;
use std::ops::Range;

/// The headers of a request that decide how a file is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wants {
    if_none_match: Vec<String>,
    range: Option<String>,
    if_range: Option<String>,
    gzip: bool,
}

impl Wants {
    /// Reads them from a request.
    pub fn of(headers: &Headers) -> Wants {
        Wants {
            if_none_match: headers.list("if-none-match").map(str::to_owned).collect(),
            range: headers.get("range").map(str::to_owned),
            if_range: headers.get("if-range").map(str::to_owned),
            gzip: accepts_gzip(headers),
        }
    }
}

/// The response that carries `file`.
pub fn reply(file: Fetched, wants: &Wants) -> Reply {
    // Video does not compress, and small texts fit into one packet.
    let compressible = file.text && file.len() > GZIP_BYTES_MIN;
    if matches_etag(wants.if_none_match.iter().map(String::as_str), &file.etag) {
        return validators(Reply::empty(Status::NOT_MODIFIED), &file, compressible);
    }
    let reply = validators(Reply::empty(Status::OK), &file, compressible)
        .header("Content-Type", file.content_type)
        .header("Accept-Ranges", "bytes");
    // A part of an older version must not be glued to a part of this one (RFC 9110, 13.1.5).
    let range =
        wants.range.as_deref().filter(|_| wants.if_range.as_ref().is_none_or(|tag| *tag == file.etag));
    match byte_range(range, file.len()) {
        ByteRange::Part(range) => Reply {
            status: Status::PARTIAL_CONTENT,
            body: slice(&file.body, range.clone()),
            ..reply.header("Content-Range", format!("bytes {}-{}/{}", range.start, range.end - 1, file.len()))
        },
        ByteRange::Unsatisfiable => {
            Reply::sentence(Status::RANGE_NOT_SATISFIABLE, "the file ends before this range")
                .header("Content-Range", format!("bytes */{}", file.len()))
        }
        ByteRange::Whole if compressible && wants.gzip => {
            reply.header("Content-Encoding", "gzip").content(gzip(&file.body))
        }
        ByteRange::Whole => Reply { body: file.body, ..reply },
    }
}

/// The headers that a 200 and a 304 share (RFC 9110, 15.4.5).
fn validators(reply: Reply, file: &Fetched, compressible: bool) -> Reply {
    let cached = match file.max_age_secs {
        None => Cow::from("public, max-age=31536000, immutable"),
        Some(0) => "no-cache".into(),
        Some(secs) => format!("public, max-age={secs}").into(),
    };
    let reply = reply.header("Cache-Control", cached);
    if compressible {
        // The same tag stands for both codings, hence weak: equal in meaning, not in bytes.
        reply.header("ETag", format!("W/{}", file.etag)).header("Vary", "Accept-Encoding")
    } else {
        reply.header("ETag", file.etag.clone())
    }
}

/// The bytes `range` of a body in pieces, without a copy.
fn slice(pieces: &[Bytes], range: Range<usize>) -> Vec<Bytes> {
    let mut start = 0;
    let mut part = Vec::new();
    for piece in pieces {
        let (from, to) = (range.start.max(start), range.end.min(start + piece.len()));
        if from < to {
            part.push(piece.slice(from - start..to - start));
        }
        start += piece.len();
    }
    part
}

/// Compresses. The same text gives the same bytes: the gzip header holds no time and no system.
fn gzip(pieces: &[Bytes]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    for piece in pieces {
        encoder.write_all(piece).expect("a vector takes every byte");
    }
    encoder.finish().expect("a vector takes every byte")
}

/// Shorter texts are not compressed: they fit into one packet.
const GZIP_BYTES_MIN: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use proptest::prelude::*;
    use std::io::Read;

    fn file(text: bool, pieces: &[&'static [u8]]) -> Fetched {
        Fetched {
            content_type: "video/mp2t",
            max_age_secs: (!text).then_some(2),
            etag: "\"e1\"".to_owned(),
            text,
            body: pieces.iter().map(|piece| Bytes::from_static(piece)).collect(),
        }
    }

    fn wants(lines: &[(&str, &str)]) -> Wants {
        let mut headers = Headers::default();
        for (name, value) in lines {
            headers.push(name, value.as_bytes());
        }
        Wants::of(&headers)
    }

    fn header<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
        reply.headers.iter().find(|(key, _)| *key == name).map(|(_, value)| &**value)
    }

    #[test]
    fn a_range_may_span_pieces() {
        let reply = reply(file(false, &[b"abc", b"", b"def", b"ghi"]), &wants(&[("range", "bytes=2-6")]));
        assert_eq!(reply.status, Status::PARTIAL_CONTENT);
        assert_eq!(reply.body, [&b"c"[..], b"def", b"g"]);
        assert_eq!(header(&reply, "Content-Range"), Some("bytes 2-6/9"));
        assert_eq!(header(&reply, "Cache-Control"), Some("public, max-age=2"));
    }

    #[test]
    fn a_range_of_another_version_gives_the_whole() {
        let whole = reply(file(false, &[b"abc"]), &wants(&[("range", "bytes=0-1"), ("if-range", "\"e0\"")]));
        assert_eq!(whole.status, Status::OK);
        let part = reply(file(false, &[b"abc"]), &wants(&[("range", "bytes=0-1"), ("if-range", "\"e1\"")]));
        assert_eq!(part.status, Status::PARTIAL_CONTENT);
    }

    #[test]
    fn text_is_compressed_where_it_pays_and_is_the_same_text() {
        let text: &'static [u8] = "#EXTINF:2.000,\n".repeat(100).leak().as_bytes();
        let reply_to = |lines: &[(&str, &str)]| reply(file(true, &[text, b"end"]), &wants(lines));
        let small = reply_to(&[("accept-encoding", "gzip, br")]);
        assert_eq!(header(&small, "Content-Encoding"), Some("gzip"));
        assert_eq!(header(&small, "Vary"), Some("Accept-Encoding"));
        assert_eq!(header(&small, "ETag"), Some("W/\"e1\""));
        assert!(small.body[0].len() < 200);
        let mut unpacked = Vec::new();
        GzDecoder::new(&small.body[0][..]).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, [text, b"end"].concat());
        let plain = reply_to(&[]);
        assert_eq!(header(&plain, "Content-Encoding"), None);
        assert_eq!(header(&plain, "Vary"), Some("Accept-Encoding"));
        let part = reply_to(&[("accept-encoding", "gzip"), ("range", "bytes=0-1")]);
        assert_eq!((part.status, header(&part, "Content-Encoding")), (Status::PARTIAL_CONTENT, None));
        let short = reply(file(true, &[b"#EXTM3U"]), &wants(&[("accept-encoding", "gzip")]));
        assert_eq!((header(&short, "Content-Encoding"), header(&short, "Vary")), (None, None));
    }

    #[test]
    fn who_has_it_already_gets_nothing() {
        let reply = reply(file(true, &[b"abc"]), &wants(&[("if-none-match", "\"x\", W/\"e1\"")]));
        assert_eq!(reply.status, Status::NOT_MODIFIED);
        assert_eq!(header(&reply, "ETag"), Some("\"e1\""));
        assert_eq!(header(&reply, "Cache-Control"), Some("public, max-age=31536000, immutable"));
        assert!(reply.body.is_empty());
    }

    proptest! {
        #[test]
        fn a_slice_is_that_part_of_the_whole(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 0..9),
            a in 0usize..60,
            b in 0usize..60,
        ) {
            let pieces: Vec<Bytes> = pieces.into_iter().map(Bytes::from).collect();
            let whole = pieces.concat();
            let (a, b) = (a.min(whole.len()), b.min(whole.len()));
            let range = a.min(b)..a.max(b);
            prop_assert_eq!(slice(&pieces, range.clone()).concat(), whole[range].to_vec());
        }
    }
}
