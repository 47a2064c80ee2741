//! The player page, and the list of live streams that it shows.
//!
//! Both are public, unlike the API: `/live.json` tells names, codecs, picture sizes and numbers of viewers,
//! and nothing about the viewers. `http.player` turns both off.

use crate::base::fetched::Fetched;
use crate::base::name::DEFAULT_VHOST;
use crate::config::Config;
use crate::status::{AudioStatus, Page, Query, StreamStatus, VideoStatus};
use bytes::Bytes;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// The page, with its style and script inside; it loads nothing from elsewhere.
pub fn page() -> Fetched {
    embedded("text/html; charset=utf-8", PAGE)
}

/// The icon of the page.
pub fn icon() -> Fetched {
    embedded("image/svg+xml", ICON)
}

/// What the page may do in a browser: run its inline script, fetch from this server, play what it fetched.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; \
     style-src 'unsafe-inline'; connect-src 'self'; media-src 'self' blob:; img-src 'self' data:; \
     base-uri 'none'; form-action 'none'";

/// How long caches may keep [`live_list`], in seconds: with many viewers, a cache answers most of them.
pub const LIVE_LIST_MAX_AGE_SECS: u32 = 1;

/// The query that [`live_list`] shows the answer to.
pub fn query() -> Query {
    Query::Published(Page { start: 0, count: STREAMS_MAX })
}

/// The list as JSON: `{"rtmp_port":1935,"total":1,"streams":[{"app":"live","name":"cam","players":2,
/// "video":{"codec":"H264","profile":"High","level":"3.1","width":1280,"height":720},
/// "audio":{"codec":"AAC","sample_rate":48000,"channel":2,"profile":"LC"}}]}`. Lists the streams that are
/// being published now, at most 200 of the `total`; `vhost` stands there if it is not the default one.
/// `rtmp_port` is null where RTMP is off.
pub fn live_list(config: &Config, streams: &[StreamStatus], total: usize) -> Vec<u8> {
    let list = LiveList {
        rtmp_port: config.rtmp.listen.first().map(|addr| addr.port()).filter(|port| *port != 0),
        total,
        streams: streams.iter().map(LiveStream::of).collect(),
    };
    serde_json::to_vec(&list).expect("keys are strings and writing to a vector cannot fail")
}

/// Most streams that the page lists.
const STREAMS_MAX: usize = 200;

#[derive(Serialize)]
struct LiveList<'a> {
    rtmp_port: Option<u16>,
    total: usize,
    streams: Vec<LiveStream<'a>>,
}

#[derive(Serialize)]
struct LiveStream<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    vhost: Option<&'a str>,
    app: &'a str,
    name: &'a str,
    players: u64,
    video: Option<&'a VideoStatus>,
    audio: Option<&'a AudioStatus>,
}

impl LiveStream<'_> {
    fn of(stream: &StreamStatus) -> LiveStream<'_> {
        LiveStream {
            vhost: (stream.vhost_name != DEFAULT_VHOST).then_some(&stream.vhost_name),
            app: &stream.app,
            name: &stream.name,
            // The clients of a stream are its publisher and its players.
            players: stream.clients.saturating_sub(1),
            video: stream.video.as_ref(),
            audio: stream.audio.as_ref(),
        }
    }
}

/// A file that is compiled into the program. It changes with the program under the same name, so it is always
/// revalidated.
fn embedded(content_type: &'static str, text: &'static str) -> Fetched {
    let digest = Sha256::digest(text);
    let tag: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    Fetched {
        content_type,
        max_age_secs: Some(0),
        etag: format!("\"{tag}\""),
        text: true,
        body: vec![Bytes::from_static(text.as_bytes())],
    }
}

/// Assembled at compile time: the browser gets one file.
const PAGE: &str = concat!(
    "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
    "<meta name=\"color-scheme\" content=\"light dark\">\n<title>Dacapo</title>\n",
    "<link rel=\"icon\" href=\"/favicon.ico\" type=\"image/svg+xml\">\n<style>\n",
    include_str!("player/style.css"),
    "</style>\n</head>\n<body>\n",
    include_str!("player/frame.html"),
    "<script>\n'use strict';\n",
    include_str!("player/flv.js"),
    include_str!("player/mp4.js"),
    include_str!("player/play.js"),
    include_str!("player/page.js"),
    "</script>\n</body>\n</html>\n",
);

const ICON: &str = concat!(
    r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" "##,
    r##"fill="#d6336c"/><path d="M8 8h2v16H8zM12 8h4v16h-4z" fill="#fff"/><circle cx="21" cy="12.5" r="2" "##,
    r##"fill="#fff"/><circle cx="21" cy="19.5" r="2" fill="#fff"/></svg>"##
);
