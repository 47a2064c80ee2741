//! The file names of a packaged stream: what the packager writes into playlists and onto disk, and what
//! requests for such files are recognised by.
//!
//! In: the last segment of a URL path. Out: an [`HlsFile`], and its name again. Never: looks up whether the
//! file exists.
//!
//! | file | name | place |
//! | --- | --- | --- |
//! | multivariant playlist | `{stream}.m3u8` | beside the stream's folder |
//! | media playlist | `index.m3u8` | in the folder |
//! | media segment | `seg-17.ts`, `seg-17.m4s` | in the folder |
//! | initialisation section | `init-17.mp4` | in the folder |
//! | key | `key-17.key` | in the folder |

use serde::{Deserialize, Serialize};
use std::fmt;

/// A file of a packaged stream. [`fmt::Display`] gives its name inside the stream's folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum HlsFile {
    /// The multivariant playlist. It stands beside the stream's folder, under the stream's name; its own name
    /// (`master.m3u8`) is for logs only.
    Master,
    /// The media playlist.
    Media,
    /// A media segment.
    Segment {
        /// Its media sequence number.
        number: u64,
        /// Its format.
        layout: Layout,
    },
    /// The initialisation section that was first needed by the segment with this number.
    Init(u64),
    /// The key that was first used for the segment with this number.
    Key(u64),
}

/// The format of a media segment (RFC 8216, 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Layout {
    /// MPEG-TS.
    Ts,
    /// Fragmented MP4.
    Fmp4,
}

impl HlsFile {
    /// Extension of playlists. A request for [`HlsFile::Master`] adds it to the stream's name.
    pub const PLAYLIST_EXTENSION: &str = "m3u8";

    /// Prefixes of the names of all files but playlists. Other files in a stream's folder are not the
    /// packager's.
    pub const NUMBERED_PREFIXES: [&str; 3] = [SEGMENT, INIT, KEY];

    /// The file with this name in a stream's folder; `None` for names that the packager does not give. The
    /// inverse of [`fmt::Display`] for all files but [`HlsFile::Master`], which is in no folder.
    pub fn parse(name: &str) -> Option<HlsFile> {
        let (stem, extension) = name.rsplit_once('.')?;
        let (prefix, number) = stem.find('-').map_or((stem, ""), |at| stem.split_at(at + 1));
        Some(match (prefix, extension) {
            (MEDIA, Self::PLAYLIST_EXTENSION) if number.is_empty() => HlsFile::Media,
            (SEGMENT, "ts") => HlsFile::Segment { number: parse_number(number)?, layout: Layout::Ts },
            (SEGMENT, "m4s") => HlsFile::Segment { number: parse_number(number)?, layout: Layout::Fmp4 },
            (INIT, "mp4") => HlsFile::Init(parse_number(number)?),
            (KEY, "key") => HlsFile::Key(parse_number(number)?),
            _ => return None,
        })
    }

    /// True for the two playlists, which change; all other files never do.
    pub fn is_playlist(self) -> bool {
        matches!(self, HlsFile::Master | HlsFile::Media)
    }

    /// `Content-Type`: that of playlists is RFC 8216's (4); keys have none of their own.
    pub fn content_type(self) -> &'static str {
        match self {
            HlsFile::Master | HlsFile::Media => super::CONTENT_TYPE,
            HlsFile::Segment { layout: Layout::Ts, .. } => "video/mp2t",
            HlsFile::Segment { layout: Layout::Fmp4, .. } | HlsFile::Init(_) => "video/mp4",
            HlsFile::Key(_) => "application/octet-stream",
        }
    }
}

impl fmt::Display for HlsFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HlsFile::Master => write!(f, "master.{}", Self::PLAYLIST_EXTENSION),
            HlsFile::Media => write!(f, "{MEDIA}.{}", Self::PLAYLIST_EXTENSION),
            HlsFile::Segment { number, layout: Layout::Ts } => write!(f, "{SEGMENT}{number}.ts"),
            HlsFile::Segment { number, layout: Layout::Fmp4 } => write!(f, "{SEGMENT}{number}.m4s"),
            HlsFile::Init(number) => write!(f, "{INIT}{number}.mp4"),
            HlsFile::Key(number) => write!(f, "{KEY}{number}.key"),
        }
    }
}

/// Parses a number as the packager writes it: decimal, without sign or leading zeros. Each file has one name,
/// so that a cache holds it once.
fn parse_number(text: &str) -> Option<u64> {
    let is_canonical =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_canonical)
}

const MEDIA: &str = "index";
const SEGMENT: &str = "seg-";
const INIT: &str = "init-";
const KEY: &str = "key-";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_file_has_one_name() {
        for (file, name) in [
            (HlsFile::Media, "index.m3u8"),
            (HlsFile::Segment { number: 17, layout: Layout::Ts }, "seg-17.ts"),
            (HlsFile::Segment { number: 0, layout: Layout::Fmp4 }, "seg-0.m4s"),
            (HlsFile::Init(1), "init-1.mp4"),
            (HlsFile::Key(u64::MAX), "key-18446744073709551615.key"),
        ] {
            assert_eq!(HlsFile::parse(name), Some(file), "{name}");
            assert_eq!(file.to_string(), name);
        }
        assert_eq!(HlsFile::Master.to_string(), "master.m3u8");
    }

    #[test]
    fn names_that_no_packager_gives_are_no_files() {
        for name in [
            "",
            "seg-",
            "seg-.ts",
            "seg-x.ts",
            "seg-+1.ts",
            "seg--1.ts",
            "seg-01.ts",
            "seg-00.ts",
            "seg-18446744073709551616.ts",
            "seg-1.mp4",
            "seg-1.ts.ts",
            "seg-1",
            "init-1.m4s",
            "key-1.ts",
            "index-.m3u8",
            "index-1.m3u8",
            "index.ts",
            "master.m3u8",
            "../cam.m3u8",
            "../seg-1.ts",
            "Seg-1.ts",
        ] {
            assert_eq!(HlsFile::parse(name), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_parsed_is_written_as_it_was(
            name in "(index|seg|init|key|x)?-?[0-9]{0,21}\\.?(ts|m4s|mp4|key|m3u8|x)?",
        ) {
            if let Some(file) = HlsFile::parse(&name) {
                prop_assert_eq!(file.to_string(), name);
            }
        }
    }
}
