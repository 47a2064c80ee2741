//! Initialisation sections: what a player needs before the first media segment (`ftyp`, `moov`).

use super::boxes::{boxed, full};
use super::{Movie, MovieTrack};
use crate::media::frame::TrackKind;
use bytes::{BufMut, Bytes};

impl Movie {
    /// The initialisation section.
    pub fn init(&self) -> Bytes {
        let mut out = FTYP.to_vec();
        boxed(&mut out, b"moov", |out| {
            full(out, b"mvhd", 0, 0, |out| movie_header(out, self.tracks.len() as u32 + 1));
            for track in &self.tracks {
                boxed(out, b"trak", |out| track.trak(out));
            }
            boxed(out, b"mvex", |out| {
                for track in &self.tracks {
                    // Samples are as the only sample entry says; each fragment tells the rest.
                    full(out, b"trex", 0, 0, |out| put_u32s(out, &[track.id, 1, 0, 0, 0]));
                }
            });
        });
        Bytes::from(out)
    }
}

const FTYP: &[u8; 28] = b"\0\0\0\x1cftypiso6\0\0\0\x01iso6mp41av01";

/// Timescale of the movie header. It has no duration, so any value would do.
const MOVIE_TIMESCALE: u32 = 1000;

/// The unity matrix (ISO/IEC 14496-12, 8.2.2.2).
const MATRIX: [u32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];

fn put_u32s(out: &mut Vec<u8>, numbers: &[u32]) {
    numbers.iter().for_each(|number| out.put_u32(*number));
}

fn movie_header(out: &mut Vec<u8>, next_id: u32) {
    // Creation and modification time, timescale, duration; rate 1.0; volume 1.0 and reserved bytes.
    put_u32s(out, &[0, 0, MOVIE_TIMESCALE, 0, 0x1_0000, 0x0100_0000, 0, 0]);
    put_u32s(out, &MATRIX);
    put_u32s(out, &[0; 6]);
    out.put_u32(next_id);
}

impl MovieTrack {
    fn is_video(&self) -> bool {
        self.track.kind == TrackKind::Video
    }

    fn trak(&self, out: &mut Vec<u8>) {
        // Enabled, in the movie, in its preview.
        full(out, b"tkhd", 0, 7, |out| {
            put_u32s(out, &[0, 0, self.id, 0, 0, 0, 0]);
            // Layer, alternate group, volume (1.0 for audio), reserved.
            put_u32s(out, &[0, if self.is_video() { 0 } else { 0x0100_0000 }]);
            put_u32s(out, &MATRIX);
            put_u32s(out, &[self.size.0 << 16, self.size.1 << 16]);
        });
        boxed(out, b"mdia", |out| {
            full(out, b"mdhd", 0, 0, |out| {
                put_u32s(out, &[0, 0, self.timescale, 0]);
                // Language "und", five bits per letter.
                out.put_u32(0x55c4_0000);
            });
            full(out, b"hdlr", 0, 0, |out| {
                let (kind, name) =
                    if self.is_video() { (b"vide", b"video\0") } else { (b"soun", b"sound\0") };
                out.put_u32(0);
                out.put_slice(kind);
                put_u32s(out, &[0; 3]);
                out.put_slice(name);
            });
            boxed(out, b"minf", |out| self.minf(out));
        });
    }

    fn minf(&self, out: &mut Vec<u8>) {
        if self.is_video() {
            full(out, b"vmhd", 0, 1, |out| out.put_bytes(0, 8));
        } else {
            full(out, b"smhd", 0, 0, |out| out.put_bytes(0, 4));
        }
        boxed(out, b"dinf", |out| {
            full(out, b"dref", 0, 0, |out| {
                out.put_u32(1);
                // The samples are in the same file.
                full(out, b"url ", 0, 1, |_| ());
            });
        });
        boxed(out, b"stbl", |out| {
            full(out, b"stsd", 0, 0, |out| {
                out.put_u32(1);
                out.put_slice(&self.entry);
            });
            // No samples here; all are in fragments.
            full(out, b"stts", 0, 0, |out| out.put_u32(0));
            full(out, b"stsc", 0, 0, |out| out.put_u32(0));
            full(out, b"stsz", 0, 0, |out| put_u32s(out, &[0, 0]));
            full(out, b"stco", 0, 0, |out| out.put_u32(0));
        });
    }
}
