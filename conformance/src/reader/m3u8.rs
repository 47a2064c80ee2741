//! HLS playlists (RFC 8216), read strictly: what the RFC forbids is wrong.
//!
//! In: the text of a playlist. Out: what it says. [`Playlist::parse`] and [`variants`] are for tests, which
//! end over what is not well-formed; [`Playlist::read`] and [`read_variants`] say what is [`Wrong`].

use super::Wrong;

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
    /// `EXT-X-KEY` in force, its attributes as written; `None` where it says that there is no key.
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
        Playlist::read(text).unwrap_or_else(|wrong| panic!("{wrong}"))
    }

    /// Reads a media playlist.
    ///
    /// # Errors
    /// If it breaks RFC 8216.
    pub fn read(text: &str) -> Result<Self, Wrong> {
        let mut reading =
            Reading { list: Playlist { version: 1, ..Playlist::default() }, ..Reading::default() };
        for line in lines(text)? {
            if line.starts_with("#EXT") {
                reading.tag(line)?;
            } else if !line.starts_with('#') {
                reading.uri(line)?;
            }
        }
        reading.finish()
    }

    /// The number of each segment beside it.
    pub fn numbered(&self) -> impl Iterator<Item = (u64, &Segment)> {
        (self.media_sequence..).zip(&self.segments)
    }

    fn check(&self) -> Result<(), Wrong> {
        for segment in &self.segments {
            let most = f64::from(self.target_duration);
            if segment.duration.round() > most {
                let words = format!("EXTINF {} exceeds TARGETDURATION {most} (4.3.3.1)", segment.duration);
                return Err(Wrong(words));
            }
            let fractional = segment.duration.fract() != 0.0;
            ensure(!fractional || self.version >= 3, "a fractional EXTINF needs version 3 (section 7)")?;
            ensure(segment.map.is_none() || self.version >= 6, "EXT-X-MAP needs version 6 (section 7)")?;
            let vector = segment.key.as_deref().is_some_and(|key| key.contains("IV="));
            ensure(!vector || self.version >= 2, "an IV needs version 2 (section 7)")?;
        }
        let last = self.media_sequence.checked_add(self.segments.len() as u64);
        ensure(last.is_some(), "the numbers of segments are less than 2^64 (4.2)")
    }
}

/// A media playlist of which some lines have been read.
#[derive(Default)]
struct Reading {
    list: Playlist,
    /// What the tags before the next URI say.
    next: Segment,
    timed: bool,
    /// Tags that stand once, and did.
    once: Vec<String>,
}

impl Reading {
    fn tag(&mut self, line: &str) -> Result<(), Wrong> {
        let (tag, value) = line.split_once(':').unwrap_or((line, ""));
        self.once(tag)?;
        match tag {
            "#EXT-X-VERSION" => self.list.version = number(value)?,
            "#EXT-X-TARGETDURATION" => self.list.target_duration = number(value)?,
            "#EXT-X-MEDIA-SEQUENCE" => {
                let first = self.list.segments.is_empty();
                ensure(first, "MEDIA-SEQUENCE stands before the first segment (4.3.3.2)")?;
                self.list.media_sequence = number(value)?;
            }
            "#EXT-X-DISCONTINUITY-SEQUENCE" => {
                let first = self.list.segments.is_empty() && !self.next.discontinuity;
                ensure(first, "DISCONTINUITY-SEQUENCE stands before the first discontinuity (4.3.3.3)")?;
                self.list.discontinuity_sequence = number(value)?;
            }
            "#EXT-X-INDEPENDENT-SEGMENTS" => self.list.independent = true,
            "#EXT-X-ENDLIST" => self.list.ended = true,
            "#EXT-X-DISCONTINUITY" => self.next.discontinuity = true,
            "#EXT-X-PROGRAM-DATE-TIME" => {
                ensure(is_date(value), "PROGRAM-DATE-TIME is a date and a time of day (4.3.2.6)")?;
                self.next.date = Some(value.to_owned());
            }
            "#EXT-X-KEY" => self.next.key = key(value)?,
            "#EXT-X-MAP" => {
                let uri = attribute_list(value)?.into_iter().find(|(name, _)| name == "URI");
                self.next.map = Some(uri.ok_or_else(|| Wrong::new("EXT-X-MAP has a URI (4.3.2.5)"))?.1);
            }
            "#EXTINF" => {
                let (duration, _title) =
                    value.split_once(',').ok_or_else(|| Wrong::new("a comma follows EXTINF's duration"))?;
                let digits = duration.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
                ensure(digits && !self.timed, "EXTINF has one decimal number (4.3.2.1)")?;
                self.next.duration = number(duration)?;
                self.timed = true;
            }
            _ => return Err(Wrong(format!("an unexpected tag in a media playlist: {line}"))),
        }
        Ok(())
    }

    /// Tags of the playlist "MUST NOT" appear twice (4.3.1, 4.3.3).
    fn once(&mut self, tag: &str) -> Result<(), Wrong> {
        let every =
            ["#EXTINF", "#EXT-X-DISCONTINUITY", "#EXT-X-PROGRAM-DATE-TIME", "#EXT-X-KEY", "#EXT-X-MAP"];
        if every.contains(&tag) {
            return Ok(());
        }
        if self.once.iter().any(|said| said == tag) {
            return Err(Wrong(format!("{tag} stands twice (4.3.3)")));
        }
        self.once.push(tag.to_owned());
        Ok(())
    }

    fn uri(&mut self, line: &str) -> Result<(), Wrong> {
        ensure(self.timed, "EXTINF stands before each segment (4.3.2.1)")?;
        ensure(!self.list.ended, "no segment stands behind ENDLIST (4.3.3.4)")?;
        ensure(self.list.segments.len() < SEGMENTS_MAX, "a playlist of too many segments")?;
        let (key, map) = (self.next.key.clone(), self.next.map.clone());
        self.next.uri = line.to_owned();
        self.list
            .segments
            .push(std::mem::replace(&mut self.next, Segment { key, map, ..Segment::default() }));
        self.timed = false;
        Ok(())
    }

    fn finish(self) -> Result<Playlist, Wrong> {
        let targeted = self.once.iter().any(|tag| tag == "#EXT-X-TARGETDURATION");
        ensure(targeted, "TARGETDURATION is required (4.3.3.1)")?;
        ensure(!self.timed, "a URI follows each EXTINF (4.3.2.1)")?;
        self.list.check()?;
        Ok(self.list)
    }
}

/// The attributes of a key as written; `None` if it says that there is none.
fn key(value: &str) -> Result<Option<String>, Wrong> {
    let attributes = attribute_list(value)?;
    let find = |name: &str| attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    match find("METHOD") {
        Some("NONE") => {
            ensure(attributes.len() == 1, "METHOD=NONE stands alone (4.3.2.4)")?;
            Ok(None)
        }
        Some("AES-128" | "SAMPLE-AES") => {
            ensure(find("URI").is_some(), "a key has a URI (4.3.2.4)")?;
            let hex = |iv: &str| iv.len() == 32 && iv.bytes().all(|digit| digit.is_ascii_hexdigit());
            let good = |iv: &str| iv.strip_prefix("0x").or(iv.strip_prefix("0X")).is_some_and(hex);
            ensure(find("IV").is_none_or(good), "an IV has 128 bits in hexadecimal (4.3.2.4)")?;
            Ok(Some(value.to_owned()))
        }
        method => Err(Wrong(format!("METHOD of a key: {method:?} (4.3.2.4)"))),
    }
}

/// True for `2026-11-22T18:39:14.000Z` and what else ISO 8601 allows of that kind.
fn is_date(text: &str) -> bool {
    let Some((date, time)) = text.split_once('T') else { return false };
    let part = |text: &str| text.len() == 10 && text.bytes().filter(|byte| *byte == b'-').count() == 2;
    let digits = |byte: u8| byte.is_ascii_digit() || b"-:.+Z".contains(&byte);
    part(date) && time.len() >= 8 && time.as_bytes()[2] == b':' && text.replace('T', "").bytes().all(digits)
}

/// True for a multivariant playlist, if it is one at all.
pub fn is_multivariant(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("#EXT-X-STREAM-INF:"))
}

/// Reads a multivariant playlist.
///
/// # Panics
/// If it breaks RFC 8216.
#[track_caller]
pub fn variants(text: &str) -> Vec<Variant> {
    read_variants(text).unwrap_or_else(|wrong| panic!("{wrong}"))
}

/// Reads a multivariant playlist.
///
/// # Errors
/// If it breaks RFC 8216.
pub fn read_variants(text: &str) -> Result<Vec<Variant>, Wrong> {
    let mut found = Vec::new();
    let mut next = None;
    for line in lines(text)? {
        if let Some(value) = line.strip_prefix("#EXT-X-STREAM-INF:") {
            let attributes = attribute_list(value)?;
            let bandwidth = attributes.iter().find(|(name, _)| name == "BANDWIDTH");
            let bandwidth = bandwidth.ok_or_else(|| Wrong::new("BANDWIDTH is required (4.3.4.2)"))?;
            number::<u64>(&bandwidth.1)?;
            ensure(next.replace(attributes).is_none(), "a URI follows EXT-X-STREAM-INF (4.3.4.2)")?;
        } else if line.starts_with("#EXT") {
            let fits = ["#EXT-X-INDEPENDENT-SEGMENTS", "#EXT-X-VERSION", "#EXT-X-MEDIA", "#EXT-X-START"];
            let known = fits.contains(&line.split(':').next().unwrap_or_default());
            ensure(known, "a multivariant playlist has no tags of media playlists (4.3.3)")?;
        } else if !line.starts_with('#') {
            let attributes: Option<Vec<_>> = next.take();
            let attributes = attributes
                .ok_or_else(|| Wrong::new("EXT-X-STREAM-INF stands before each variant (4.3.4.2)"))?;
            found.push(Variant { attributes, uri: line.to_owned() });
        }
    }
    ensure(next.is_none(), "a URI follows EXT-X-STREAM-INF (4.3.4.2)")?;
    match found.is_empty() {
        true => Err(Wrong(format!("a multivariant playlist names variants: {text}"))),
        false => Ok(found),
    }
}

fn lines(text: &str) -> Result<impl Iterator<Item = &str>, Wrong> {
    let first = text.starts_with("#EXTM3U\n") || text.starts_with("#EXTM3U\r\n");
    ensure(first, "EXTM3U comes first (4.3.1.1)")?;
    Ok(text.lines().skip(1).map(str::trim_end).filter(|line| !line.is_empty()))
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, Wrong> {
    let decimal = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let parsed = text.parse().ok().filter(|_| decimal);
    parsed.ok_or_else(|| Wrong(format!("not a number: {text:?}")))
}

fn ensure(holds: bool, rule: &str) -> Result<(), Wrong> {
    if holds { Ok(()) } else { Err(Wrong::new(rule)) }
}

/// An attribute list (4.2): commas inside quotes do not part. What is not one is read as far as it goes.
pub fn attributes(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((name, value, _, behind)) = attribute(rest) {
        found.push((name.to_owned(), value.to_owned()));
        rest = behind.strip_prefix(',').unwrap_or(behind);
    }
    found
}

/// An attribute list, read strictly.
fn attribute_list(text: &str) -> Result<Vec<(String, String)>, Wrong> {
    let wrong = || Wrong(format!("not an attribute list (4.2): {text:?}"));
    let mut found: Vec<(String, String)> = Vec::new();
    let mut rest = text;
    loop {
        let (name, value, quoted, behind) = attribute(rest).ok_or_else(wrong)?;
        let upper = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-';
        let named = !name.is_empty() && name.bytes().all(upper);
        let valued = quoted || !value.is_empty() && !value.contains(['"', ' ']);
        if !named || !valued || found.iter().any(|(known, _)| known == name) {
            return Err(wrong());
        }
        found.push((name.to_owned(), value.to_owned()));
        match behind.strip_prefix(',') {
            Some(next) => rest = next,
            None if behind.is_empty() => return Ok(found),
            None => return Err(wrong()),
        }
    }
}

/// The first attribute: its name, its value, whether that was quoted, and what stands behind it.
fn attribute(text: &str) -> Option<(&str, &str, bool, &str)> {
    let (name, after) = text.split_once('=')?;
    match after.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').map(|(value, behind)| (name, value, true, behind)),
        None => {
            let (value, behind) = after.split_at(after.find(',').unwrap_or(after.len()));
            Some((name, value, false, behind))
        }
    }
}

/// More than any playlist of a live stream needs.
const SEGMENTS_MAX: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::{Playlist, read_variants, variants};

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

    #[test]
    fn what_the_rfc_forbids_is_wrong() {
        let head = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n";
        for (lines, said) in [
            ("#EXT-X-TARGETDURATION:2\n", "stands twice"),
            ("#EXTINF:1.0,\n", "a URI follows"),
            ("a.ts\n", "EXTINF stands before"),
            ("#EXTINF:1.0,\na.ts\n#EXT-X-MEDIA-SEQUENCE:3\n", "before the first segment"),
            ("#EXT-X-DISCONTINUITY\n#EXT-X-DISCONTINUITY-SEQUENCE:3\n", "first discontinuity"),
            ("#EXT-X-KEY:METHOD=AES-128\n", "a key has a URI"),
            ("#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0x12\n", "128 bits"),
            ("#EXT-X-KEY:METHOD=NONE,URI=\"k\"\n", "stands alone"),
            ("#EXT-X-MAP:URI=\"m\"\n#EXTINF:1.0,\na.ts\n", "needs version 6"),
            ("#EXT-X-MAP:uri=\"m\"\n", "not an attribute list"),
            ("#EXTINF:-1,\na.ts\n", "decimal"),
            ("#EXTINF:1\na.ts\n", "comma"),
            ("#EXT-X-ENDLIST\n#EXTINF:1,\na.ts\n", "behind ENDLIST"),
            ("#EXT-X-MEDIA-SEQUENCE:18446744073709551615\n#EXTINF:1,\na.ts\n", "less than 2^64"),
            ("#EXT-X-PROGRAM-DATE-TIME:yesterday\n", "a date"),
            ("#EXT-X-STREAM-INF:BANDWIDTH=1\nx\n", "unexpected tag"),
        ] {
            let wrong = Playlist::read(&format!("{head}{lines}")).expect_err(lines);
            assert!(wrong.0.contains(said), "{lines:?}: {wrong}");
        }
        assert!(Playlist::read("#EXTM3U\n").is_err() && Playlist::read("").is_err());
        assert!(read_variants("#EXTM3U\n#EXT-X-STREAM-INF:CODECS=\"a\"\nx\n").is_err(), "no bandwidth");
        assert!(read_variants("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n").is_err(), "no URI");
    }
}
