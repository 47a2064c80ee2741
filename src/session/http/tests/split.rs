//! However a peer's bytes are cut into reads, it hears the same (I31), and no bytes make a session panic.

use super::*;
use crate::media::stream_info::StreamInfo;
use crate::session::ask::{Playing, Refusal};
use crate::status::Query;
use crate::wire::m3u8::HlsFile;
use proptest::prelude::*;
use std::sync::Arc;

/// A server that answers at once, by what it was asked alone.
fn answer(ask: Ask) -> Option<Answer> {
    Some(match ask {
        Ask::Fetch { file: HlsFile::Segment { .. }, .. } => Answer::Fetch(Ok(segment())),
        Ask::Fetch { .. } => Answer::Fetch(Err(Refusal::NotFound)),
        Ask::Play { name, .. } if name.stream == "cam" => {
            Answer::Play(Ok(Playing::Live(Arc::new(StreamInfo::default()))))
        }
        Ask::Play { .. } => Answer::Play(Err(Refusal::Limit(Limit::PlayersPerStream))),
        Ask::Query(Query::Streams(_) | Query::Published(_)) => {
            report(Report::Streams { total: 0, streams: Vec::new() })
        }
        Ask::Query(_) => Answer::Report(None),
        Ask::Kick { .. } => Answer::Kick(true),
        _ => return None,
    })
}

/// Feeds `reads` one by one and gives all that was heard, and whether the session ended.
fn heard<'a>(service: Service, reads: impl Iterator<Item = &'a [u8]>) -> (String, bool) {
    let mut peer = Peer::on(service);
    let (mut heard, mut bye) = (Vec::new(), false);
    for read in reads {
        if peer.end.is_some() || bye {
            break;
        }
        peer.says(read);
        loop {
            let ask = peer.asks();
            bye |= matches!(ask, Some(Ask::Bye(_)));
            match ask.map(answer) {
                Some(Some(answer)) => {
                    peer.answers(answer);
                }
                Some(None) => {}
                None => {
                    heard.extend(peer.hears_bytes());
                    if peer.asks.is_empty() {
                        break;
                    }
                }
            }
        }
    }
    (String::from_utf8_lossy(&heard).into_owned(), bye || peer.end.is_some())
}

fn a_request() -> impl Strategy<Value = Vec<u8>> {
    let line = prop::sample::select(vec![
        "GET / HTTP/1.1\r\n",
        "GET /live.json HTTP/1.1\r\n",
        "HEAD /live/cam.flv HTTP/1.1\r\n",
        "GET /live/other.ts HTTP/1.1\r\n",
        "GET /live/cam.flv HTTP/1.1\r\n",
        "GET /live/cam/seg-1.ts HTTP/1.1\r\n",
        "GET /live/cam/index.m3u8 HTTP/1.1\r\n",
        "OPTIONS * HTTP/1.1\r\n",
        "POST /x HTTP/1.1\r\n",
        "GET /api/v1/streams HTTP/1.1\r\n",
        "DELETE /api/v1/clients/a HTTP/1.1\r\n",
        "GET /x HTTP/1.0\r\n",
        "GET /bad\n",
    ]);
    let lines = prop::sample::subsequence(
        vec![
            "Host: h\r\n",
            "Range: bytes=1-3\r\n",
            "Accept-Encoding: gzip\r\n",
            "Connection: keep-alive\r\n",
            "If-None-Match: \"17-a\"\r\n",
        ],
        1..=5,
    );
    let body = prop::sample::select(vec![
        "\r\n",
        "\r\n",
        "\r\n",
        "Content-Length: 3\r\n\r\nabc",
        "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n2;x\r\nab\r\n0\r\n\r\n",
        "Connection: close\r\n\r\n",
        "\r\n\r\n",
    ]);
    (line, lines, body).prop_map(|(line, lines, body)| [line, &lines.concat(), body].concat().into_bytes())
}

proptest! {
    #[test]
    fn any_split_of_the_input_gives_the_same_output(
        requests in prop::collection::vec(a_request(), 1..5),
        api in any::<bool>(),
        cuts in prop::collection::vec(1usize..40, 1..20),
    ) {
        let service = if api { Service::Api } else { Service::Http };
        let bytes = requests.concat();
        let whole = heard(service, std::iter::once(&bytes[..]));
        let (mut rest, mut reads) = (&bytes[..], Vec::new());
        for cut in cuts.iter().cycle() {
            let (read, after) = rest.split_at((*cut).min(rest.len()));
            reads.push(read);
            rest = after;
            if rest.is_empty() { break; }
        }
        prop_assert_eq!(heard(service, reads.into_iter()), whole);
    }

    #[test]
    fn no_bytes_make_a_session_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        begin in prop::sample::select(vec![
            "",
            "GET /",
            "GET / HTTP/1.1\r\nHost: h\r\n",
            "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
        ]),
    ) {
        heard(Service::Http, [begin.as_bytes(), &bytes[..]].into_iter());
    }
}
