//! Media for publishers: short files that FFmpeg makes once and keeps under `target/fixtures`.
//!
//! All are FLV files, so that publishing them in stream copy sends their very tags. All are 320x180 at 25
//! frames a second with a tone of one kilohertz.

use crate::ffmpeg::Ffmpeg;
use crate::process::secs;
use crate::reader::flv::{self, Flv, Tag};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// H.264 with B-frames, a keyframe every two seconds, and AAC at 44.1 kHz; eight seconds.
pub fn h264_aac() -> PathBuf {
    encode("h264_aac.flv", Ffmpeg::V5, 8, &format!("{H264} -bf 2 -b_strategy 0 -g 50 {AAC}"))
}

/// The same without B-frames, a keyframe every second.
pub fn h264_aac_plain() -> PathBuf {
    encode("h264_aac_plain.flv", Ffmpeg::V5, 8, &format!("{H264} -bf 0 -g 25 {AAC}"))
}

/// The same as [`h264_aac_plain`] for half a minute, for players that stay longer.
pub fn h264_aac_long() -> PathBuf {
    encode("h264_aac_long.flv", Ffmpeg::V5, 32, &format!("{H264} -bf 0 -g 25 {AAC}"))
}

/// H.264 alone.
pub fn h264_only() -> PathBuf {
    encode("h264_only.flv", Ffmpeg::V5, 6, &format!("{H264} -bf 2 -g 50 -an"))
}

/// AAC alone.
pub fn aac_only() -> PathBuf {
    encode("aac_only.flv", Ffmpeg::V5, 6, &format!("-vn {AAC}"))
}

/// MP3 alone.
pub fn mp3_only() -> PathBuf {
    encode("mp3_only.flv", Ffmpeg::V5, 6, "-vn -c:a libmp3lame -b:a 64k -ar 44100 -ac 2")
}

/// H.264 with MP3.
pub fn h264_mp3() -> PathBuf {
    encode(
        "h264_mp3.flv",
        Ffmpeg::V5,
        6,
        &format!("{H264} -bf 0 -g 50 -c:a libmp3lame -b:a 64k -ar 44100 -ac 2"),
    )
}

/// HEVC with AAC, enhanced RTMP's `hvc1`.
pub fn hevc_aac() -> PathBuf {
    encode("hevc_aac.flv", Ffmpeg::V9, 6, &format!("{HEVC} {AAC}"))
}

/// AV1 with Opus.
pub fn av1_opus() -> PathBuf {
    encode("av1_opus.flv", Ffmpeg::V9, 6, &format!("-c:v libsvtav1 -preset 12 -g 50 {OPUS}"))
}

/// The same as [`av1_opus`] for half a minute.
pub fn av1_opus_long() -> PathBuf {
    encode("av1_opus_long.flv", Ffmpeg::V9, 32, &format!("-c:v libsvtav1 -preset 12 -g 25 {OPUS}"))
}

/// VP9 with Opus.
pub fn vp9_opus() -> PathBuf {
    let vp9 = "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 50 -b:v 300k";
    encode("vp9_opus.flv", Ffmpeg::V9, 6, &format!("{vp9} {OPUS}"))
}

/// HEVC with Opus.
pub fn hevc_opus() -> PathBuf {
    encode("hevc_opus.flv", Ffmpeg::V9, 6, &format!("{HEVC} {OPUS}"))
}

/// H.264 and AAC whose picture grows from 320x180 to 640x360 after four seconds: new decoder configurations
/// come in the middle of the stream.
pub fn resolution_change() -> PathBuf {
    derive("resolution_change.flv", || {
        let small = read(&encode("small.flv", Ffmpeg::V5, 4, &format!("{H264} -bf 0 -g 50 {AAC}")));
        let large =
            read(&encode("large.flv", Ffmpeg::V5, 4, &format!("{H264} -bf 0 -g 50 -s 640x360 {AAC}")));
        let end = small.tags.iter().map(|tag| tag.timestamp).max().expect("it has tags") + 40;
        let later = large.tags.into_iter().filter(|tag| tag.kind != flv::DATA);
        let later = later.map(|tag| Tag { timestamp: tag.timestamp + end, ..tag });
        Flv { flags: small.flags, tags: small.tags.into_iter().chain(later).collect() }
    })
}

/// AAC that says of itself that it is HE-AAC (explicit signalling, ISO/IEC 14496-3, 1.6.5.2): object type 5
/// over AAC LC at 22.05 kHz. No encoder here makes the SBR part, and a decoder does without it.
pub fn he_aac() -> PathBuf {
    derive("he_aac.flv", || {
        let aac = "-c:a aac -b:a 48k -ar 22050 -ac 2";
        let mut film = read(&encode("aac_22050.flv", Ffmpeg::V5, 6, &format!("{H264} -bf 0 -g 50 {aac}")));
        let config = |tag: &&mut Tag| tag.kind == flv::AUDIO && tag.is_config();
        for tag in film.tags.iter_mut().filter(config) {
            // Object type 5, rate 7 (22050), 2 channels, extension rate 4 (44100), object type 2.
            tag.body = vec![0xaf, 0, 0x2b, 0x92, 0x08, 0x00];
        }
        film
    })
}

const H264: &str = "-c:v libx264 -preset veryfast -pix_fmt yuv420p -sc_threshold 0 -b:v 300k";
const HEVC: &str =
    "-c:v libx265 -preset ultrafast -x265-params log-level=error:keyint=50:bframes=2 -b:v 300k";
const AAC: &str = "-c:a aac -b:a 64k -ar 44100 -ac 2";
const OPUS: &str = "-c:a libopus -b:a 64k -ar 48000 -ac 2";

/// The tags of a film.
///
/// # Panics
/// If it cannot be read.
pub fn read(film: &Path) -> Flv {
    Flv::parse(&std::fs::read(film).expect("the film is readable"))
}

fn encode(name: &str, ffmpeg: Ffmpeg, seconds: u32, options: &str) -> PathBuf {
    once(name, |path| {
        let picture = "-f lavfi -i testsrc2=size=320x180:rate=25";
        let sound = "-f lavfi -i sine=frequency=1000:sample_rate=48000";
        let tool = ffmpeg.tool().words(picture).words(sound).words(&format!("-t {seconds}")).words(options);
        let _ = tool.words("-flags +bitexact -f flv").arg(path).run(secs(120));
    })
}

fn derive(name: &str, make: impl FnOnce() -> Flv) -> PathBuf {
    once(name, |path| std::fs::write(path, make().bytes()).expect("target/fixtures is writable"))
}

/// Makes a file if it is not there; never shows one that is half made. The name of the folder changes with
/// this file, so that no film outlives its recipe.
fn once(name: &str, make: impl FnOnce(&Path)) -> PathBuf {
    static HALVES: AtomicU32 = AtomicU32::new(0);
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("conformance stands in the repository");
    let recipe = include_bytes!("media.rs").iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let folder = top.join(format!("target/fixtures/{recipe:016x}"));
    let film = folder.join(name);
    if !film.is_file() {
        std::fs::create_dir_all(&folder).expect("target/fixtures can be made");
        let half = format!("{}-{}-{name}", std::process::id(), HALVES.fetch_add(1, Ordering::Relaxed));
        let half = folder.join(half);
        make(&half);
        std::fs::rename(&half, &film).expect("target/fixtures is writable");
    }
    film
}
