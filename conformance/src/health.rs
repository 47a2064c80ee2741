//! Checks that a server still works after hostile input.

use crate::http;
use crate::media;
use crate::reader::flv::{Flv, Reader, Tag};
use crate::reader::rtmp::Peer;
use crate::server::Server;
use std::sync::atomic::{AtomicU32, Ordering};

/// A film as tags, and where to find its parts.
pub struct Film {
    /// All tags.
    pub tags: Vec<Tag>,
}

impl Film {
    /// H.264 and AAC, eight seconds.
    pub fn short() -> Self {
        Film::of(media::read(&media::h264_aac_plain()))
    }

    fn of(flv: Flv) -> Self {
        Film { tags: flv.tags }
    }

    /// Coded pictures and sound.
    pub fn media(&self) -> Vec<Tag> {
        self.tags.iter().filter(|tag| tag.is_media()).cloned().collect()
    }

    /// The tags that a publisher sends before the first picture or sound.
    pub fn head(&self) -> Vec<Tag> {
        self.tags.iter().take_while(|tag| !tag.is_media()).cloned().collect()
    }

    /// How long it lasts, in milliseconds, so that it can be shown again behind itself.
    pub fn length_ms(&self) -> u32 {
        self.tags.iter().map(|tag| tag.timestamp).max().unwrap_or_default() + 40
    }

    /// The same `by` milliseconds later.
    #[must_use]
    pub fn later(&self, by: u32) -> Self {
        let later = |tag: &Tag| Tag { timestamp: tag.timestamp + by, ..tag.clone() };
        Film { tags: self.tags.iter().map(later).collect() }
    }
}

/// Asserts that a fresh publisher is heard and that a player on RTMP and one on HTTP-FLV get every picture
/// and sound that it sends.
///
/// # Panics
/// If they do not.
#[track_caller]
pub fn assert_serves(server: &Server) {
    static NAMES: AtomicU32 = AtomicU32::new(0);
    let name = format!("health-{}", NAMES.fetch_add(1, Ordering::Relaxed));
    let film = Film::short();
    let mut player = Peer::player(server.rtmp, "live", &name);
    assert_eq!(player.status(), "NetStream.Play.Reset", "a player is welcome");
    let mut publisher = Peer::publisher(server.rtmp, "live", &name);
    // A second of film, then the rest when the player over HTTP has come.
    let (first, rest) = film.tags.split_at(60);
    publisher.send_tags(first);
    server.await_stream(&name);
    let mut watched = Reader::new(http::get(server.http, &format!("/live/{name}.flv")));
    let _ = watched.head();
    publisher.send_tags(rest);
    let sent = film.media();
    let from_key = sent.iter().position(Tag::is_key).expect("a film has a keyframe");
    let next = std::iter::from_fn(|| player.tag()).filter(Tag::is_media);
    let received: Vec<Tag> = next.take(sent.len() - from_key).collect();
    let bodies = |tags: &[Tag]| tags.iter().map(|tag| tag.body.clone()).collect::<Vec<_>>();
    assert!(bodies(&received) == bodies(&sent[from_key..]), "a player on RTMP gets what was sent");
    let last = sent.last().expect("a film has an end");
    let ends = std::iter::from_fn(|| watched.tag()).any(|tag| tag.body == last.body);
    assert!(ends, "a player on HTTP-FLV gets it to the end");
}
