//! Fragmented MP4 (ISO/IEC 14496-12): what tracks there are, and the samples of their fragments.
//!
//! In: an initialisation section, then media segments; or one file that is both. Out: tracks, and samples
//! with their times and places. Strict where a player would have to guess; what no player of a fragmented
//! file looks at is passed over.

use super::Wrong;
use super::boxes::{Boxed, Fields, boxes, only};
use super::flv::Codec;
use std::collections::BTreeMap;
use std::ops::Range;

/// What an initialisation section says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Movie {
    /// By number.
    pub tracks: BTreeMap<u32, Track>,
}

/// A track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    /// True for pictures, false for sound.
    pub video: bool,
    /// Ticks a second.
    pub timescale: u32,
    /// How it is coded.
    pub codec: Codec,
    /// The decoder's configuration: what is in `avcC`, `hvcC`, `av1C`, `vpcC` (without version and flags),
    /// `dOps`, `dfLa`, `dac3`, `dec3`, or the decoder specific info of `esds`.
    pub config: Vec<u8>,
    /// Width and height in pixels; zero for sound.
    pub size: (u16, u16),
    /// Channels and samples a second; zero for pictures.
    pub sound: (u16, u32),
    defaults: Defaults,
}

/// What holds for samples of which nothing else is said (8.8.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Defaults {
    duration: u32,
    size: u32,
    flags: u32,
}

/// A sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Number of its track.
    pub track: u32,
    /// When it is decoded, in ticks of its track.
    pub dts: u64,
    /// When it is presented, likewise.
    pub pts: i64,
    /// How long it lasts, likewise.
    pub duration: u32,
    /// Decoding may begin here.
    pub key: bool,
    /// Where its bytes are.
    pub payload: Range<usize>,
}

impl Movie {
    /// Reads an initialisation section.
    ///
    /// # Errors
    /// If it has no `ftyp` at its begin, no `moov`, or a track that cannot be played.
    pub fn parse(bytes: &[u8]) -> Result<Self, Wrong> {
        let top = boxes(bytes, 0..bytes.len())?;
        if top.first().is_none_or(|first| first.kind.0 != *b"ftyp") {
            return Err(Wrong::new("an initialisation section begins with ftyp"));
        }
        let inside = boxes(bytes, only(&top, b"moov")?.content.clone())?;
        only(&inside, b"mvhd")?;
        let mut movie = Movie::default();
        for trak in inside.iter().filter(|found| found.kind.0 == *b"trak") {
            let (id, track) = track(bytes, trak)?;
            if id == 0 || movie.tracks.insert(id, track).is_some() {
                return Err(Wrong(format!("track {id} is there twice, or has no number")));
            }
        }
        let extends = boxes(bytes, only(&inside, b"mvex")?.content.clone())?;
        for trex in extends.iter().filter(|found| found.kind.0 == *b"trex") {
            let (_, _, mut fields) = Fields::full(bytes, trex)?;
            let (id, _entry) = (fields.u32()?, fields.u32()?);
            let track = movie.tracks.get_mut(&id).ok_or_else(|| Wrong(format!("no track {id} for trex")))?;
            track.defaults = Defaults { duration: fields.u32()?, size: fields.u32()?, flags: fields.u32()? };
        }
        let said = extends.iter().filter(|found| found.kind.0 == *b"trex").count();
        match said == movie.tracks.len() && said > 0 {
            true => Ok(movie),
            false => Err(Wrong(format!("{} tracks and {said} boxes trex", movie.tracks.len()))),
        }
    }

    /// The samples of all fragments in `bytes`, in the order in which the tables name them.
    ///
    /// # Errors
    /// If there is no fragment, or a table that is not well-formed or points outside of `mdat`.
    pub fn samples(&self, bytes: &[u8]) -> Result<Vec<Sample>, Wrong> {
        let top = boxes(bytes, 0..bytes.len())?;
        let media: Vec<Range<usize>> =
            top.iter().filter(|found| found.kind.0 == *b"mdat").map(|found| found.content.clone()).collect();
        let mut samples = Vec::new();
        let mut fragments = 0;
        for moof in top.iter().filter(|found| found.kind.0 == *b"moof") {
            fragments += 1;
            let inside = boxes(bytes, moof.content.clone())?;
            only(&inside, b"mfhd")?;
            for traf in inside.iter().filter(|found| found.kind.0 == *b"traf") {
                self.fragment(bytes, moof, traf, &mut samples)?;
            }
        }
        if fragments == 0 {
            return Err(Wrong::new("a media segment has a box moof"));
        }
        let lost = samples.iter().find(|sample| {
            !media.iter().any(|mdat| mdat.start <= sample.payload.start && sample.payload.end <= mdat.end)
        });
        match lost {
            Some(sample) => Err(Wrong(format!("a sample outside of mdat: {:?}", sample.payload))),
            None => Ok(samples),
        }
    }

    /// The samples of one track in one fragment (8.8.6 to 8.8.8, 8.8.12).
    fn fragment(
        &self,
        bytes: &[u8],
        moof: &Boxed,
        traf: &Boxed,
        samples: &mut Vec<Sample>,
    ) -> Result<(), Wrong> {
        let inside = boxes(bytes, traf.content.clone())?;
        let (_, flags, mut fields) = Fields::full(bytes, only(&inside, b"tfhd")?)?;
        let id = fields.u32()?;
        let track = self.tracks.get(&id).ok_or_else(|| Wrong(format!("no track {id} for tfhd")))?;
        let mut base = if flags & BASE_IS_MOOF != 0 { moof.start as u64 } else { 0 };
        if flags & HAS_BASE != 0 {
            base = fields.u64()?;
        } else if flags & BASE_IS_MOOF == 0 {
            return Err(Wrong::new("tfhd says where its samples are"));
        }
        let mut defaults = track.defaults;
        for (flag, field) in [
            (0x2, &mut 0),
            (0x8, &mut defaults.duration),
            (0x10, &mut defaults.size),
            (0x20, &mut defaults.flags),
        ] {
            if flags & flag != 0 {
                *field = fields.u32()?;
            }
        }
        let (version, _, mut fields) = Fields::full(bytes, only(&inside, b"tfdt")?)?;
        let mut run = Run { track: id, base, at: base, dts: fields.long(version)?, defaults };
        for trun in inside.iter().filter(|found| found.kind.0 == *b"trun") {
            run.read(bytes, trun, samples)?;
        }
        Ok(())
    }
}

/// Where the next sample of a fragment is, and when.
struct Run {
    track: u32,
    base: u64,
    at: u64,
    dts: u64,
    defaults: Defaults,
}

impl Run {
    fn read(&mut self, bytes: &[u8], trun: &Boxed, samples: &mut Vec<Sample>) -> Result<(), Wrong> {
        let (version, flags, mut fields) = Fields::full(bytes, trun)?;
        let count = fields.u32()?;
        if flags & HAS_OFFSET != 0 {
            let offset = i64::from(fields.u32()?.cast_signed());
            self.at = self.base.checked_add_signed(offset).ok_or_else(too_large)?;
        }
        let first_flags = if flags & HAS_FIRST_FLAGS != 0 { Some(fields.u32()?) } else { None };
        if count > SAMPLES_MAX {
            return Err(Wrong(format!("a run of {count} samples")));
        }
        for number in 0..count {
            let mut next = |flag: u32, default: u32| match flags & flag != 0 {
                true => fields.u32(),
                false => Ok(default),
            };
            let duration = next(0x100, self.defaults.duration)?;
            let size = next(0x200, self.defaults.size)?;
            let own = next(0x400, self.defaults.flags)?;
            let shift = next(0x800, 0)?;
            let flags = first_flags.filter(|_| number == 0).unwrap_or(own);
            let shift = if version == 0 { i64::from(shift) } else { i64::from(shift.cast_signed()) };
            let end = self.at.checked_add(u64::from(size)).ok_or_else(too_large)?;
            let place = |place: u64| usize::try_from(place).map_err(|_| too_large());
            let dts = i64::try_from(self.dts).map_err(|_| too_large())?;
            samples.push(Sample {
                track: self.track,
                dts: self.dts,
                pts: dts.checked_add(shift).ok_or_else(too_large)?,
                duration,
                key: flags & NON_SYNC == 0,
                payload: place(self.at)?..place(end)?,
            });
            self.at = end;
            self.dts = self.dts.checked_add(u64::from(duration)).ok_or_else(too_large)?;
        }
        Ok(())
    }
}

fn too_large() -> Wrong {
    Wrong::new("a time or a place in a fragment is out of all bounds")
}

/// More samples than a run of any real file has; what each of them costs is not in the file.
const SAMPLES_MAX: u32 = 1 << 16;

// Flags of `tfhd`, `trun`, and of samples.
const HAS_BASE: u32 = 0x1;
const BASE_IS_MOOF: u32 = 0x02_0000;
const HAS_OFFSET: u32 = 0x1;
const HAS_FIRST_FLAGS: u32 = 0x4;
const NON_SYNC: u32 = 0x01_0000;

fn track(bytes: &[u8], trak: &Boxed) -> Result<(u32, Track), Wrong> {
    let inside = boxes(bytes, trak.content.clone())?;
    let (version, _, mut fields) = Fields::full(bytes, only(&inside, b"tkhd")?)?;
    fields.take(if version == 1 { 16 } else { 8 })?;
    let id = fields.u32()?;
    let media = boxes(bytes, only(&inside, b"mdia")?.content.clone())?;
    let (version, _, mut fields) = Fields::full(bytes, only(&media, b"mdhd")?)?;
    fields.take(if version == 1 { 16 } else { 8 })?;
    let timescale = fields.u32()?;
    if timescale == 0 {
        return Err(Wrong(format!("track {id} has no ticks")));
    }
    let (_, _, mut fields) = Fields::full(bytes, only(&media, b"hdlr")?)?;
    fields.take(4)?;
    let video = match &fields.array()? {
        b"vide" => true,
        b"soun" => false,
        other => return Err(Wrong(format!("track {id} is neither video nor sound: {other:02x?}"))),
    };
    let info = boxes(bytes, only(&media, b"minf")?.content.clone())?;
    let table = boxes(bytes, only(&info, b"stbl")?.content.clone())?;
    let (_, _, mut fields) = Fields::full(bytes, only(&table, b"stsd")?)?;
    let count = fields.u32()?;
    let entries = boxes(bytes, fields.at..only(&table, b"stsd")?.content.end)?;
    let ([entry], 1) = (&entries[..], count) else {
        return Err(Wrong(format!("track {id} has one sample entry: {entries:?}")));
    };
    let track = Track {
        video,
        timescale,
        codec: Codec([0; 4]),
        config: Vec::new(),
        size: (0, 0),
        sound: (0, 0),
        defaults: Defaults::default(),
    };
    Ok((id, if video { visual(bytes, entry, track)? } else { audio(bytes, entry, track)? }))
}

/// A visual sample entry (12.1.3).
fn visual(bytes: &[u8], entry: &Boxed, track: Track) -> Result<Track, Wrong> {
    let mut fields = Fields::new(bytes, entry.content.clone());
    fields.take(24)?;
    let size = (fields.u16()?, fields.u16()?);
    fields.take(50)?;
    let (codec, config, skip) = match &entry.kind.0 {
        b"avc1" | b"avc3" => (Codec::AVC, b"avcC", 0),
        b"hvc1" | b"hev1" => (Codec::HEVC, b"hvcC", 0),
        b"av01" => (Codec::AV1, b"av1C", 0),
        b"vp08" => (Codec::VP8, b"vpcC", 4),
        b"vp09" => (Codec::VP9, b"vpcC", 4),
        _ => return Err(Wrong(format!("a sample entry {} is not known", entry.kind))),
    };
    let inside = boxes(bytes, fields.at..entry.content.end)?;
    let mut own = Fields::new(bytes, only(&inside, config)?.content.clone());
    own.take(skip)?;
    let config = own.take(own.left())?.to_vec();
    Ok(Track { codec, config, size, ..track })
}

/// An audio sample entry (12.2.3).
fn audio(bytes: &[u8], entry: &Boxed, track: Track) -> Result<Track, Wrong> {
    let mut fields = Fields::new(bytes, entry.content.clone());
    fields.take(16)?;
    let channels = fields.u16()?;
    fields.take(6)?;
    let sound = (channels, fields.u32()? >> 16);
    let inside = boxes(bytes, fields.at..entry.content.end)?;
    let content = |kind| only(&inside, kind).map(|found| bytes[found.content.clone()].to_vec());
    let (codec, config) = match &entry.kind.0 {
        b"mp4a" => decoder(bytes, only(&inside, b"esds")?)?,
        b"Opus" => (Codec::OPUS, content(b"dOps")?),
        b"fLaC" => (Codec::FLAC, content(b"dfLa")?),
        b"ac-3" => (Codec::AC3, content(b"dac3")?),
        b"ec-3" => (Codec::EAC3, content(b"dec3")?),
        _ => return Err(Wrong(format!("a sample entry {} is not known", entry.kind))),
    };
    Ok(Track { codec, config, sound, ..track })
}

/// What `esds` says: the codec, and its specific info (ISO/IEC 14496-1, 7.2.6).
fn decoder(bytes: &[u8], esds: &Boxed) -> Result<(Codec, Vec<u8>), Wrong> {
    let (_, _, mut fields) = Fields::full(bytes, esds)?;
    let mut stream = descriptor(bytes, &mut fields, 3)?;
    stream.take(2)?;
    let flags = stream.u8()?;
    let optional = [(0x80, 2), (0x20, 2)].iter().filter(|(flag, _)| flags & flag != 0);
    stream.take(optional.map(|(_, size)| size).sum())?;
    if flags & 0x40 != 0 {
        let length = usize::from(stream.u8()?);
        stream.take(length)?;
    }
    let mut config = descriptor(bytes, &mut stream, 4)?;
    let codec = match config.u8()? {
        0x40 => Codec::AAC,
        0x69 | 0x6b => Codec::MP3,
        other => return Err(Wrong(format!("sound of object type {other:#04x}"))),
    };
    config.take(12)?;
    if config.left() == 0 {
        return Ok((codec, Vec::new()));
    }
    let mut specific = descriptor(bytes, &mut config, 5)?;
    Ok((codec, specific.take(specific.left())?.to_vec()))
}

/// The descriptor of type `tag` that stands next.
fn descriptor<'a>(bytes: &'a [u8], fields: &mut Fields<'a>, tag: u8) -> Result<Fields<'a>, Wrong> {
    let found = fields.u8()?;
    if found != tag {
        return Err(Wrong(format!("descriptor {found} where {tag} stands")));
    }
    let mut length = 0;
    for _ in 0..4 {
        let byte = fields.u8()?;
        length = length << 7 | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    let start = fields.at;
    fields.take(length)?;
    Ok(Fields::new(bytes, start..start + length))
}
