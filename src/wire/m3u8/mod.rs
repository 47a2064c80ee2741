//! HLS playlists (RFC 8216).
//!
//! In: the content of a playlist. Out: its text, with the tags in one fixed order and the lowest protocol
//! version that they allow (RFC 8216, 7). Never: decides what a playlist contains; that is for
//! `package::hls`.

mod names;
#[cfg(test)]
pub(crate) mod reader;

pub use names::{HlsFile, Layout};

use crate::base::calendar::Rfc3339;
use serde::{Deserialize, Serialize};
use std::fmt;

/// `Content-Type` of playlists (RFC 8216, 4).
pub const CONTENT_TYPE: &str = "application/vnd.apple.mpegurl";

/// A live media playlist. It has no end tag, since the stream may come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaPlaylist<'a> {
    /// Target duration in seconds: no segment is longer, rounded to whole seconds.
    pub target_secs: u64,
    /// Sequence number of the first segment.
    pub media_sequence: u64,
    /// Number of discontinuities that have left the playlist, counted from an arbitrary start.
    pub discontinuity_sequence: u64,
    /// True if every segment can be decoded without those before it.
    pub independent: bool,
    /// The segments, oldest first.
    pub segments: Vec<&'a Entry>,
}

/// One media segment of a playlist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its file, in the folder of the playlist.
    pub file: HlsFile,
    /// Duration in microseconds.
    pub duration_us: u64,
    /// True if timestamps, tracks or codecs do not continue those of the segment before.
    pub discontinuity: bool,
    /// Wall time of its first frame, in milliseconds since 1970.
    pub date_unix_ms: u64,
    /// Its initialisation section; fragmented MP4 only. Never encrypted.
    pub map: Option<HlsFile>,
    /// Encryption, if any.
    pub key: Option<Key>,
}

/// Encryption of a segment: AES-128-CBC, whole, with PKCS#7 padding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// The file with the 16 bytes of the key.
    pub file: HlsFile,
    /// The initialisation vector.
    pub iv: [u8; 16],
}

/// A multivariant ("master") playlist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MultivariantPlaylist {
    /// True if every segment of every variant can be decoded without those before it.
    pub independent: bool,
    /// The variants to choose from.
    pub variants: Vec<Variant>,
}

/// One variant of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// Path of its media playlist, relative to this playlist.
    pub uri: String,
    /// Peak bit rate of its segments, in bits per second.
    pub bandwidth: u64,
    /// Average bit rate of its segments, in bits per second.
    pub average_bandwidth: u64,
    /// Its codecs, as RFC 6381 writes them; empty if not all of them are known.
    pub codecs: Vec<String>,
    /// Width and height of the video, in pixels.
    pub resolution: Option<(u32, u32)>,
    /// Frames per 1000 seconds.
    pub frame_rate_milli: Option<u32>,
}

impl MediaPlaylist<'_> {
    /// Lowest protocol version that has every tag in use (RFC 8216, 7): 3 for durations with fractions, 6 for
    /// an initialisation section.
    fn version(&self) -> u32 {
        if self.segments.iter().any(|entry| entry.map.is_some()) { 6 } else { 3 }
    }
}

impl fmt::Display for MediaPlaylist<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "#EXTM3U\n#EXT-X-VERSION:{}", self.version())?;
        writeln!(f, "#EXT-X-TARGETDURATION:{}", self.target_secs)?;
        writeln!(f, "#EXT-X-MEDIA-SEQUENCE:{}", self.media_sequence)?;
        writeln!(f, "#EXT-X-DISCONTINUITY-SEQUENCE:{}", self.discontinuity_sequence)?;
        if self.independent {
            writeln!(f, "#EXT-X-INDEPENDENT-SEGMENTS")?;
        }
        let mut in_force = InForce::default();
        for entry in &self.segments {
            in_force.advance(f, entry)?;
            writeln!(f, "#EXT-X-PROGRAM-DATE-TIME:{}", Rfc3339(entry.date_unix_ms))?;
            let (secs, fraction) = (entry.duration_us / 1_000_000, entry.duration_us % 1_000_000);
            writeln!(f, "#EXTINF:{secs}.{fraction:06},\n{}", entry.file)?;
        }
        Ok(())
    }
}

/// Tags that apply until another of their kind follows.
#[derive(Default)]
struct InForce<'a> {
    map: Option<HlsFile>,
    key: Option<&'a Key>,
}

impl<'a> InForce<'a> {
    /// Writes the tags that change with `entry`.
    fn advance(&mut self, f: &mut fmt::Formatter<'_>, entry: &'a Entry) -> fmt::Result {
        if entry.discontinuity {
            writeln!(f, "#EXT-X-DISCONTINUITY")?;
        }
        if let Some(file) = entry.map.filter(|file| self.map != Some(*file)) {
            // A key applies to the initialisation sections after it too (RFC 8216, 4.3.2.4); ours are plain.
            if self.key.take().is_some() {
                writeln!(f, "#EXT-X-KEY:METHOD=NONE")?;
            }
            writeln!(f, "#EXT-X-MAP:URI=\"{file}\"")?;
            self.map = Some(file);
        }
        if self.key != entry.key.as_ref() {
            match &entry.key {
                Some(key) => {
                    writeln!(f, "#EXT-X-KEY:METHOD=AES-128,URI=\"{}\",IV=0x{}", key.file, Hex(&key.iv))?
                }
                None => writeln!(f, "#EXT-X-KEY:METHOD=NONE")?,
            }
            self.key = entry.key.as_ref();
        }
        Ok(())
    }
}

impl fmt::Display for MultivariantPlaylist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "#EXTM3U")?;
        if self.independent {
            writeln!(f, "#EXT-X-INDEPENDENT-SEGMENTS")?;
        }
        self.variants.iter().try_for_each(|variant| variant.fmt(f))
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#EXT-X-STREAM-INF:BANDWIDTH={}", self.bandwidth)?;
        write!(f, ",AVERAGE-BANDWIDTH={}", self.average_bandwidth)?;
        if !self.codecs.is_empty() {
            write!(f, ",CODECS=\"{}\"", self.codecs.join(","))?;
        }
        if let Some((width, height)) = self.resolution {
            write!(f, ",RESOLUTION={width}x{height}")?;
        }
        if let Some(milli) = self.frame_rate_milli {
            write!(f, ",FRAME-RATE={}.{:03}", milli / 1000, milli % 1000)?;
        }
        writeln!(f, "\n{}", self.uri)
    }
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(number: u64) -> Entry {
        Entry {
            file: HlsFile::Segment { number, layout: Layout::Ts },
            duration_us: 2_000_000,
            discontinuity: false,
            date_unix_ms: 1_795_372_740_000 + number * 2_000,
            map: None,
            key: None,
        }
    }

    fn playlist(segments: Vec<&Entry>) -> MediaPlaylist<'_> {
        MediaPlaylist {
            target_secs: 2,
            media_sequence: 7,
            discontinuity_sequence: 3,
            independent: true,
            segments,
        }
    }

    #[test]
    fn a_plain_playlist_reads_as_the_specification_shows_it() {
        let (first, second) = (entry(7), Entry { duration_us: 1_966_667, discontinuity: true, ..entry(8) });
        assert_eq!(
            playlist(vec![&first, &second]).to_string(),
            "#EXTM3U\n\
             #EXT-X-VERSION:3\n\
             #EXT-X-TARGETDURATION:2\n\
             #EXT-X-MEDIA-SEQUENCE:7\n\
             #EXT-X-DISCONTINUITY-SEQUENCE:3\n\
             #EXT-X-INDEPENDENT-SEGMENTS\n\
             #EXT-X-PROGRAM-DATE-TIME:2026-11-22T18:39:14.000Z\n\
             #EXTINF:2.000000,\n\
             seg-7.ts\n\
             #EXT-X-DISCONTINUITY\n\
             #EXT-X-PROGRAM-DATE-TIME:2026-11-22T18:39:16.000Z\n\
             #EXTINF:1.966667,\n\
             seg-8.ts\n"
        );
    }

    #[test]
    fn an_initialisation_section_is_named_once_and_again_when_it_changes() {
        let with = |number, map| Entry { map: Some(HlsFile::Init(map)), ..entry(number) };
        let (a, b, c) = (with(1, 1), with(2, 1), with(3, 2));
        let text = playlist(vec![&a, &b, &c]).to_string();
        assert!(text.contains("#EXT-X-VERSION:6\n"));
        assert_eq!(text.matches("#EXT-X-MAP:URI=\"init-1.mp4\"\n").count(), 1);
        assert_eq!(text.matches("#EXT-X-MAP:URI=\"init-2.mp4\"\n").count(), 1);
    }

    #[test]
    fn no_key_is_in_force_where_an_initialisation_section_is_named() {
        let key = |iv| Some(Key { file: HlsFile::Key(1), iv: [iv; 16] });
        let a = Entry { map: Some(HlsFile::Init(1)), key: key(0xab), ..entry(1) };
        let b = Entry { map: Some(HlsFile::Init(2)), key: key(0x01), ..entry(2) };
        let c = Entry { map: Some(HlsFile::Init(2)), key: None, ..entry(3) };
        let text = playlist(vec![&a, &b, &c]).to_string();
        let tags: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("#EXT-X-KEY") || line.starts_with("#EXT-X-MAP"))
            .collect();
        assert_eq!(
            tags,
            [
                "#EXT-X-MAP:URI=\"init-1.mp4\"",
                "#EXT-X-KEY:METHOD=AES-128,URI=\"key-1.key\",IV=0xabababababababababababababababab",
                "#EXT-X-KEY:METHOD=NONE",
                "#EXT-X-MAP:URI=\"init-2.mp4\"",
                "#EXT-X-KEY:METHOD=AES-128,URI=\"key-1.key\",IV=0x01010101010101010101010101010101",
                "#EXT-X-KEY:METHOD=NONE",
            ]
        );
    }

    #[test]
    fn a_variant_tells_what_is_known_and_nothing_else() {
        let mut variant = Variant {
            uri: "cam/index.m3u8".to_owned(),
            bandwidth: 1_200_000,
            average_bandwidth: 1_000_000,
            codecs: vec!["avc1.64001f".to_owned(), "mp4a.40.2".to_owned()],
            resolution: Some((1280, 720)),
            frame_rate_milli: Some(29_970),
        };
        let text = |variant: &Variant| {
            MultivariantPlaylist { independent: true, variants: vec![variant.clone()] }.to_string()
        };
        assert_eq!(
            text(&variant),
            "#EXTM3U\n\
             #EXT-X-INDEPENDENT-SEGMENTS\n\
             #EXT-X-STREAM-INF:BANDWIDTH=1200000,AVERAGE-BANDWIDTH=1000000,\
             CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION=1280x720,FRAME-RATE=29.970\n\
             cam/index.m3u8\n"
        );
        variant = Variant { codecs: Vec::new(), resolution: None, frame_rate_milli: None, ..variant };
        assert!(text(&variant).contains("#EXT-X-STREAM-INF:BANDWIDTH=1200000,AVERAGE-BANDWIDTH=1000000\n"));
    }

    proptest! {
        #[test]
        fn what_a_playlist_says_can_be_read_back(
            entries in proptest::collection::vec(any_entry(), 1..12),
            head in any::<(u16, u32, u32, bool)>(),
        ) {
            let said = MediaPlaylist {
                target_secs: u64::from(head.0),
                media_sequence: u64::from(head.1),
                discontinuity_sequence: u64::from(head.2),
                independent: head.3,
                segments: entries.iter().collect(),
            };
            let text = said.to_string();
            let (read, segments) = reader::read(&text);
            prop_assert_eq!(said, MediaPlaylist { segments: segments.iter().collect(), ..read });
        }
    }

    fn any_entry() -> impl Strategy<Value = Entry> {
        let key = proptest::option::of((0u64..3, any::<[u8; 16]>()));
        // Once a playlist has named an initialisation section, every later segment has one.
        (0u64..99, 1u64..20_000_000, any::<bool>(), 0u64..4_000_000_000_000, 0u64..3, key).prop_map(
            |(number, duration_us, discontinuity, date_unix_ms, map, key)| Entry {
                file: HlsFile::Segment { number, layout: Layout::Fmp4 },
                duration_us,
                discontinuity,
                date_unix_ms,
                map: Some(HlsFile::Init(map)),
                key: key.map(|(number, iv)| Key { file: HlsFile::Key(number), iv }),
            },
        )
    }
}
