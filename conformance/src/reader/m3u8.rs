//! HLS playlists (RFC 8216), read strictly: what the RFC forbids fails the test.

/// A media playlist.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Playlist {
    /// `EXT-X-VERSION`.
    pub version: u32,
    /// `EXT-X-TARGETDURATION`, in seconds.
    pub target_duration: u32,
    /// Number of the first segment.
    pub media_sequence: u64,
    /// `EXT-X-DISCONTINUITY-SEQUENCE`, 0 if absent.
    pub discontinuity_sequence: u64,
    /// `EXT-X-INDEPENDENT-SEGMENTS` is there.
    pub independent: bool,
    /// `EXT-X-ENDLIST` is there.
    pub ended: bool,
    /// In order.
    pub segments: Vec<Segment>,
}

/// An entry of a media playlist.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Segment {
    /// As written.
    pub uri: String,
    /// `EXTINF`, in seconds.
    pub duration: f64,
    /// `EXT-X-DISCONTINUITY` stands before it.
    pub discontinuity: bool,
    /// `EXT-X-PROGRAM-DATE-TIME` before it.
    pub date: Option<String>,
    /// `EXT-X-KEY` in force, its attributes as written.
    pub key: Option<String>,
    /// `URI` of the `EXT-X-MAP` in force.
    pub map: Option<String>,
}

/// An entry of a multivariant playlist: its attributes and its URI.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Variant {
    /// Names and values, quotes removed.
    pub attributes: Vec<(String, String)>,
    /// As written.
    pub uri: String,
}

impl Variant {
    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl Playlist {
    /// Reads a media playlist.
    ///
    /// # Panics
    /// If it breaks RFC 8216.
    #[track_caller]
    pub fn parse(text: &str) -> Self {
        let mut list = Playlist { version: 1, ..Playlist::default() };
        let mut next = Segment::default();
        let mut timed = false;
        let mut targeted = false;
        for line in lines(text) {
            let (tag, value) = line.split_once(':').unwrap_or((line, ""));
            match tag {
                "#EXT-X-VERSION" => list.version = number(value),
                "#EXT-X-TARGETDURATION" => {
                    list.target_duration = number(value);
                    targeted = true;
                }
                "#EXT-X-MEDIA-SEQUENCE" => {
                    assert!(
                        list.segments.is_empty(),
                        "MEDIA-SEQUENCE stands before the first segment (4.3.3.2)"
                    );
                    list.media_sequence = number(value);
                }
                "#EXT-X-DISCONTINUITY-SEQUENCE" => {
                    assert!(
                        list.segments.is_empty() && !next.discontinuity,
                        "DISCONTINUITY-SEQUENCE (4.3.3.3)"
                    );
                    list.discontinuity_sequence = number(value);
                }
                "#EXT-X-INDEPENDENT-SEGMENTS" => list.independent = true,
                "#EXT-X-ENDLIST" => list.ended = true,
                "#EXT-X-DISCONTINUITY" => next.discontinuity = true,
                "#EXT-X-PROGRAM-DATE-TIME" => next.date = Some(value.to_owned()),
                "#EXT-X-KEY" => next.key = Some(value.to_owned()),
                "#EXT-X-MAP" => {
                    next.map = attributes(value).into_iter().find(|(k, _)| k == "URI").map(|(_, v)| v)
                }
                "#EXTINF" => {
                    next.duration = number(value.split(',').next().unwrap_or_default());
                    timed = true;
                }
                _ if line.starts_with("#EXT") => panic!("an unexpected tag in a media playlist: {line}"),
                _ if line.starts_with('#') => {}
                _ => {
                    assert!(timed, "EXTINF stands before each segment (4.3.2.1)");
                    let (key, map) = (next.key.clone(), next.map.clone());
                    next.uri = line.to_owned();
                    list.segments.push(std::mem::take(&mut next));
                    next = Segment { key, map, ..Segment::default() };
                    timed = false;
                }
            }
        }
        assert!(targeted, "TARGETDURATION is required (4.3.3.1)");
        list.check();
        list
    }

    #[track_caller]
    fn check(&self) {
        for segment in &self.segments {
            let rounded = segment.duration.round();
            let most = f64::from(self.target_duration);
            assert!(rounded <= most, "EXTINF {} exceeds TARGETDURATION {most} (4.3.3.1)", segment.duration);
            let fractional = segment.duration.fract() != 0.0;
            assert!(!fractional || self.version >= 3, "a fractional EXTINF needs version 3 (section 7)");
            assert!(segment.map.is_none() || self.version >= 6, "EXT-X-MAP needs version 6 (section 7)");
        }
    }

    /// The number of each segment beside it.
    pub fn numbered(&self) -> impl Iterator<Item = (u64, &Segment)> {
        (self.media_sequence..).zip(&self.segments)
    }
}

/// Reads a multivariant playlist.
///
/// # Panics
/// If it breaks RFC 8216.
#[track_caller]
pub fn variants(text: &str) -> Vec<Variant> {
    let mut found = Vec::new();
    let mut next = None;
    for line in lines(text) {
        if let Some(value) = line.strip_prefix("#EXT-X-STREAM-INF:") {
            next = Some(attributes(value));
        } else if !line.starts_with('#') {
            let attributes = next.take().expect("EXT-X-STREAM-INF stands before each variant (4.3.4.2)");
            found.push(Variant { attributes, uri: line.to_owned() });
        }
    }
    assert!(!found.is_empty(), "a multivariant playlist names variants: {text}");
    found
}

#[track_caller]
fn lines(text: &str) -> impl Iterator<Item = &str> {
    assert!(text.starts_with("#EXTM3U\n") || text.starts_with("#EXTM3U\r\n"), "EXTM3U comes first: {text:?}");
    text.lines().skip(1).map(str::trim_end).filter(|line| !line.is_empty())
}

#[track_caller]
fn number<T: std::str::FromStr>(text: &str) -> T {
    text.trim().parse().unwrap_or_else(|_| panic!("not a number: {text:?}"))
}

/// An attribute list (4.2): commas inside quotes do not part.
pub fn attributes(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once('=') {
        let (value, behind) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_at(after.find(',').unwrap_or(after.len())),
        };
        found.push((name.trim_start_matches(',').trim().to_owned(), value.to_owned()));
        rest = behind.trim_start_matches(',');
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{Playlist, variants};

    #[test]
    fn a_media_playlist_is_read() {
        let text = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:7\n\
                    #EXTINF:2.000,\na.ts\n#EXT-X-DISCONTINUITY\n#EXTINF:1.5,\nb.ts\n";
        let list = Playlist::parse(text);
        let numbered: Vec<_> = list.numbered().map(|(n, s)| (n, s.uri.as_str(), s.discontinuity)).collect();
        assert_eq!(numbered, [(7, "a.ts", false), (8, "b.ts", true)]);
        assert!(!list.ended);
    }

    #[test]
    #[should_panic(expected = "exceeds TARGETDURATION")]
    fn a_segment_that_is_too_long_is_seen() {
        let _ = Playlist::parse("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.6,\na.ts\n");
    }

    #[test]
    fn quotes_hold_commas_together() {
        let text = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000,\
                    CODECS=\"avc1.64000c,mp4a.40.2\",FRAME-RATE=25.000\nx\n";
        let variant = &variants(text)[0];
        assert_eq!(variant.attribute("CODECS"), Some("avc1.64000c,mp4a.40.2"));
        assert_eq!(variant.attribute("FRAME-RATE"), Some("25.000"));
        assert_eq!(variant.uri, "x");
    }
}
