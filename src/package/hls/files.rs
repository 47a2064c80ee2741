//! The playlists, and access to all files.
//!
//! In: changes of the window. Out: the content of a file. A playlist is rendered once per change, not once
//! per player, and no file depends on the client. Segments never change under their names, so caches may keep
//! them for ever.

use super::plan::Plan;
use super::rate::Rate;
use super::store::Store;
use super::window::Window;
use crate::base::fetched::Fetched;
use crate::base::name::StreamName;
use crate::base::secret::{mark, marked};
use crate::media::codec::Params;
use crate::wire::m3u8::{HlsFile, MediaPlaylist, MultivariantPlaylist, Variant};
use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize, Serializer};

/// The result of a fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetch {
    /// The file.
    Ready(Fetched),
    /// A playlist that will exist once there are enough segments to start with.
    NotYet,
    /// No such file, or not any more.
    Never,
}

/// State of the playlists.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Files {
    /// Path of the media playlist, relative to the multivariant one.
    #[serde(serialize_with = "quotes")]
    media_uri: String,
    version: u64,
    playlists: Option<Playlists>,
    /// True once the playlists may be fetched.
    shown: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Playlists {
    media: Bytes,
    master: Bytes,
    etag: String,
    max_age_secs: u32,
}

impl Files {
    /// Before the first segment of `name`.
    pub fn new(name: &StreamName) -> Files {
        let stream = utf8_percent_encode(&name.stream, RESERVED);
        Files { media_uri: format!("{stream}/{}", HlsFile::Media), version: 0, playlists: None, shown: false }
    }

    /// Grows with each change of what can be fetched.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Renders the playlists after `window` has changed.
    pub fn update(&mut self, plan: &Plan, window: &Window, rate: &Rate, target_secs: u64, independent: bool) {
        let segments: Vec<_> = window.listed().map(|segment| &segment.entry).collect();
        let media = MediaPlaylist {
            target_secs,
            media_sequence: window.next_sequence() - segments.len() as u64,
            discontinuity_sequence: window.discontinuity_sequence(),
            independent,
            segments,
        };
        let master = MultivariantPlaylist { independent, variants: vec![self.variant(plan, window, rate)] };
        self.version += u64::from(self.shown);
        self.playlists = Some(Playlists {
            media: Bytes::from(media.to_string()),
            master: Bytes::from(master.to_string()),
            // Sequence numbers are never reused, so the tag is unique.
            etag: format!("\"{}\"", window.next_sequence()),
            // A player reloads after half a target duration at the earliest (RFC 8216, 6.3.4).
            max_age_secs: u32::try_from(target_secs / 2).unwrap_or(u32::MAX).max(1),
        });
    }

    fn variant(&self, plan: &Plan, window: &Window, rate: &Rate) -> Variant {
        let video = plan.video().and_then(|info| match &info.params {
            Some(Params::Video(video)) => Some(video),
            _ => None,
        });
        Variant {
            uri: self.media_uri.clone(),
            bandwidth: rate.peak(),
            average_bandwidth: rate.average(),
            codecs: plan.codecs(),
            resolution: video.map(|video| (video.width, video.height)).filter(|size| size.0 > 0),
            frame_rate_milli: video.and_then(|video| frame_rate_milli(video.fps_milli, window)),
        }
    }

    /// Makes the playlists available from now on, on disk too, if there is a segment.
    pub fn show(&mut self, store: &mut Store) {
        if let Some(playlists) = &self.playlists {
            self.version += u64::from(!self.shown);
            self.shown = true;
            store.playlists(&playlists.media, &playlists.master);
        }
    }

    /// Content of `file`. `hopeless`: HLS has no place for any track of the present publisher.
    pub fn fetch(&self, file: HlsFile, window: &Window, hopeless: bool) -> Fetch {
        let playlists = self.playlists.as_ref().filter(|_| self.shown);
        let fetched = match file {
            HlsFile::Master => playlists.map(|shown| shown.fetched(file, &shown.master)),
            HlsFile::Media => playlists.map(|shown| shown.fetched(file, &shown.media)),
            HlsFile::Segment { .. } | HlsFile::Init(_) | HlsFile::Key(_) => fetch_binary(file, window),
        };
        match fetched {
            Some(fetched) => Fetch::Ready(fetched),
            None if file.is_playlist() && !hopeless => Fetch::NotYet,
            None => Fetch::Never,
        }
    }
}

fn quotes<S: Serializer>(uri: &str, to: S) -> Result<S::Ok, S::Error> {
    marked(mark::QUOTES, uri, to)
}

impl Playlists {
    fn fetched(&self, file: HlsFile, text: &Bytes) -> Fetched {
        Fetched {
            content_type: file.content_type(),
            max_age_secs: Some(self.max_age_secs),
            etag: self.etag.clone(),
            text: true,
            body: vec![text.clone()],
        }
    }
}

/// Content of a segment, an initialisation section or a key, if it still exists.
fn fetch_binary(file: HlsFile, window: &Window) -> Option<Fetched> {
    // Newest first: that is what players of a live stream fetch.
    let mut all = window.all().rev();
    let (body, max_age_secs) = match file {
        HlsFile::Master | HlsFile::Media => return None,
        HlsFile::Segment { .. } => (all.find(|segment| segment.entry.file == file)?.body(), None),
        HlsFile::Init(number) => {
            let init = all.filter_map(|segment| segment.init.as_ref()).find(|init| init.number == number)?;
            (vec![init.body.clone()], None)
        }
        HlsFile::Key(number) => {
            let key = all.filter_map(|segment| segment.key.as_ref()).find(|key| key.number == number)?;
            (vec![Bytes::copy_from_slice(key.bytes.reveal())], Some(KEY_MAX_AGE_SECS))
        }
    };
    let etag = format!("\"{file}\"");
    Some(Fetched { content_type: file.content_type(), max_age_secs, etag, text: false, body })
}

/// Frame rate in frames per 1000 s: the configured one if it is about the measured one, else the measured.
fn frame_rate_milli(told: Option<u32>, window: &Window) -> Option<u32> {
    let exact = window.listed().filter_map(|segment| Some((segment.pictures?, segment.entry.duration_us)));
    let (pictures, us) = exact.fold((0, 0), |sum, segment| (sum.0 + segment.0 as u64, sum.1 + segment.1));
    let counted = pictures.saturating_mul(1_000_000_000).checked_div(us);
    let Some(counted) = counted.and_then(|rate| u32::try_from(rate).ok()) else { return told };
    Some(told.filter(|told| told.abs_diff(counted) <= counted / 20).unwrap_or(counted))
}

/// Keys never change, but shared caches should not hold them for long.
const KEY_MAX_AGE_SECS: u32 = 60;

/// Characters that are percent-encoded in a stream's name: all reserved ones, and the colon, which would make
/// what stands before it a scheme (RFC 3986, 4.2).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
